"""The rules that need no label: infrastructure, exceptions, refusals, structure, requirements, oddities."""

from __future__ import annotations

from typing import Any

import pytest
from support.handmade import Bench, prompt_file, span, unequal

from pytest_fapo.core.diagnosis import Finding
from pytest_fapo.core.evaluation import ItemResult
from pytest_fapo.diagnosis.attribution import diagnose


def _finding(bench: Bench) -> Finding:
    diagnosis = diagnose(bench.evaluation, artifacts=[])
    assert len(diagnosis.findings) == 1
    return diagnosis.findings[0]


def _good(bench: Bench, answer: str, count: int = 3) -> None:
    for _ in range(count):
        bench.run("x", None, [span("ask", prompt="p", answer=answer)], answer)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ({"status": 429, "answer": None}, "RateLimitError"),
        ({"status": 503, "answer": None}, ""),
        ({"status": None, "error": "ConnectTimeout", "answer": None}, "APITimeoutError"),
    ],
)
def test_a_failed_provider_is_kept_apart(call: dict[str, Any], error: str) -> None:
    bench = Bench()
    bench.run(
        "x", "y", [span("ask", prompt="p", call=call)], explanation=f"openai.{error}: no", error_type=error
    )
    diagnosis = diagnose(bench.evaluation, artifacts=[])
    assert [finding.category for finding in diagnosis.infrastructure] == ["infrastructure"]
    assert diagnosis.clusters == []


@pytest.mark.parametrize("error", ["CacheMiss", "BudgetExceeded"])
def test_a_request_that_was_not_sent_is_kept_apart(error: str) -> None:
    bench = Bench()
    bench.run("x", "y", [], explanation=f"pytest_fapo.core.errors.{error}: not sent", error_type=error)
    assert len(diagnose(bench.evaluation, artifacts=[]).infrastructure) == 1


def test_an_exception_in_a_step_before_any_model() -> None:
    bench = Bench()
    error = "ZeroDivisionError: division by zero"
    bench.run(
        "x", "y", [span("load", error=error)], error=error, explanation=error, error_type="ZeroDivisionError"
    )
    found = _finding(bench)
    assert (found.step, found.category, found.level) == ("load", "exception", "structure")


def test_an_answer_that_the_code_could_not_parse() -> None:
    bench = Bench()
    error = "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)"
    spans = [span("extract", prompt="p", answer='Sure!\n```json\n{"a": 1}\n```'), span("parse", error=error)]
    bench.run("x", {"a": 1}, spans, error=error, explanation=error, error_type="JSONDecodeError")
    found = _finding(bench)
    assert (found.step, found.category, found.level) == ("extract", "schema", "prompt")
    assert "inside other text" in found.evidence


def test_a_key_that_the_answer_spelled_otherwise() -> None:
    bench = Bench()
    spans = [span("extract", prompt="p", answer='{"Order ID": "A1"}')]
    bench.run(
        "x",
        {"order_id": "A1"},
        spans,
        {"Order ID": "A1"},
        explanation="KeyError: 'order_id'",
        error_type="KeyError",
    )
    found = _finding(bench)
    assert found.category == "schema"
    assert "'Order ID'" in found.evidence


def test_json_that_the_code_swallowed() -> None:
    bench = Bench()
    _good(bench, '{"a": 1}')
    bench.run(
        "x", None, [span("ask", {}, prompt="p", answer="I think it is 1")], {}, explanation="assert {} == 1"
    )
    assert _finding(bench).category == "schema"


@pytest.mark.parametrize("kept", [{}, {"raw": '```json\n{"product": "Atlas"}\n```'}])
def test_wrapped_json_is_at_fault_for_its_own_fields_alone(kept: dict[str, str]) -> None:
    """Code that keeps the answer beside the fields that it could not read has still not read it."""
    answer = '```json\n{"product": "Atlas"}\n```'
    for asserted, step, category in (("product", "extract", "schema"), ("kind", "sort", "label")):
        bench = Bench()
        for number in range(4):
            right = {"product": "Atlas", "kind": ("bug", "idea")[number % 2]}
            output = {"product": None, "kind": ("idea", "bug")[number % 2]}
            spans = [
                span("sort", output["kind"], prompt="bug or idea?", answer=output["kind"]),
                span("extract", {"product": None, **kept}, prompt="which product?", answer=answer),
            ]
            explanation = unequal(output[asserted], right[asserted])
            bench.run(f"text {number}", right[asserted], spans, output, explanation=explanation)
        found = diagnose(bench.evaluation, artifacts=[]).findings
        assert {(each.step, each.category) for each in found} == {(step, category)}, asserted


def test_a_value_error_that_quotes_the_answer() -> None:
    bench = Bench()
    error = "ValueError: could not convert string to float: '12 euros'"
    spans = [span("price", prompt="p", answer="12 euros"), span("convert", error=error)]
    bench.run("x", 12, spans, error=error, explanation=error, error_type="ValueError")
    found = _finding(bench)
    assert (found.step, found.category) == ("price", "format")


def test_a_refusal_and_a_cut_answer() -> None:
    for call, category in (
        ({"answer": "I'm sorry, but I can't help with that."}, "refusal"),
        ({"answer": None, "refusal": "no"}, "refusal"),
        ({"answer": "and so on and", "finish_reason": "length"}, "truncated"),
    ):
        bench = Bench()
        bench.run("x", None, [span("ask", prompt="p", call=call)], "", explanation="assert not 'x'")
        assert _finding(bench).category == category


def test_an_answer_without_room_is_a_matter_of_parameters() -> None:
    bench = Bench()
    cut = {"finish_reason": "length", "usage": {"output_tokens": 5}}
    bench.run("x", None, [span("ask", prompt="p", answer="The cat", call=cut)], "", explanation="assert 0")
    assert _finding(bench).level == "param"


def test_labeled_steps_come_first_and_in_order() -> None:
    bench = Bench()
    spans = [
        span("plan", prompt="p", answer="wrong plan"),
        span("look", "found"),
        span("look", "nothing"),
        span("say", prompt="q", answer="no"),
    ]
    labels: dict[str, Any] = {
        "look": ["found", {"any_of": ["a", "b"]}],
        "say": "yes",
        "plan": {"contains": "plan"},
    }
    bench.run("x", "yes", spans, "no", explanation=unequal("no", "yes"), expected_steps=labels)
    found = _finding(bench)
    assert (found.step, found.confidence) == ("look#2", 0.95)


def test_a_failing_tool() -> None:
    bench = Bench()
    messages = [
        {"role": "user", "content": "x"},
        {"role": "tool", "content": "Error: invalid arguments: city"},
    ]
    spans = [span("agent", prompt="p", answer="no weather", call={"messages": messages})]
    bench.run("x", None, spans, "no weather", explanation="assert 0")
    found = _finding(bench)
    assert (found.category, found.level) == ("tool", "prompt")


def test_a_cascade_of_empties() -> None:
    bench = Bench()
    full = [span("find", ["a"]), span("pick", ["a"]), span("say", prompt="p", answer="a")]
    for _ in range(2):
        bench.run("x", None, full, "a")
    bench.run("x", None, [span("find", []), span("pick", [])], "", explanation="assert ''")
    found = _finding(bench)
    assert (found.step, found.category) == ("find", "cascade")


def test_requirements_hard_coded_in_a_test() -> None:
    for explanation in (
        "AssertionError: assert 'Kind regards' in 'Hello there'",
        "AssertionError: assert 'Hello' not in 'Hello there'\n  \n  'Hello' is contained here:\n    Hello",
        "AssertionError: assert 11 <= 5\n +  where 11 = len('Hello there')",
        "assert False\n +  where False = <built-in method startswith of str object at 0x7f>('Dear')",
        "AssertionError: assert False\n +  where False = <built-in method islower of str object at 0x7f>()",
    ):
        bench = Bench()
        bench.run(
            "x",
            None,
            [span("write", prompt="p", answer="Hello there")],
            "Hello there",
            explanation=explanation,
        )
        found = _finding(bench)
        assert (found.step, found.category) == ("write", "requirement"), explanation


def test_helpers_that_send_prompts_are_no_culprits() -> None:
    bench = Bench()
    for label in ("a", "b", "a", "b"):
        answer = f"Label {label}" if len(bench.evaluation.items) == 3 else label
        long = "Which label has this text, a or b? Text"
        spans = [
            span("classify", answer),
            span("ask", prompt=long, answer=answer, inputs={"prompt": long}, parent="classify"),
        ]
        explanation = "" if answer == label else unequal(answer, label)
        bench.run("x", label, spans, answer, explanation=explanation)
    assert _finding(bench).step == "classify"


@pytest.mark.parametrize("output", [None, "", [], {}, 3, "x" * 300_000, [[[]]], {"a": {"b": [None]}}])
@pytest.mark.parametrize("expected", [None, "", [], {}, 0, {"a": None}, {"a": {"b": 1}}, ["x"], True])
def test_odd_values_crash_nothing(output: Any, expected: Any) -> None:
    bench = Bench()
    for explanation in ("", "assert 1 == 2", "weird", "E   assert ({'a': 'b...", "KeyError: 'a'"):
        spans = [
            span("a", output),
            span("b", prompt="", answer=None),
            span("c", output, prompt="q", answer=""),
        ]
        bench.run(output, expected, spans, output, explanation=explanation)
        bench.run(output, expected, [], output, explanation=explanation)
    assert len(diagnose(bench.evaluation, artifacts=[prompt_file("p.md", "")]).findings) == 8


def test_a_case_without_a_trace() -> None:
    bench = Bench()
    nodeid = bench.run("x", "y", [], explanation="fixture failed")
    bench.evaluation.traces.clear()
    bench.evaluation.items[nodeid] = ItemResult.model_validate(
        bench.evaluation.items[nodeid].model_dump() | {"trace_id": None}
    )
    assert _finding(bench).confidence == 0.1


def test_clusters_name_the_artifacts_their_step_used_most_specific_first() -> None:
    triage = prompt_file(
        "prompts/triage.md", "Sort the mail.\n\nTicket: {ticket}\n\nAnswer with the team's name."
    )
    style = prompt_file("prompts/style.md", "Be friendly and brief, whatever you do.")
    other = prompt_file("prompts/draft.md", "Write a friendly reply to the ticket.")
    bench = Bench()
    for label in ("a", "b", "a", "b", "c"):
        text = f"{style.text}\nSort the mail.\n\nTicket: hello\n\nAnswer with the team's name."
        answer = "b" if label == "c" else label
        spans = [
            span("triage", prompt=text, answer=answer),
            span("reply", prompt=f"{style.text}\n{other.text}", answer="Hi"),
        ]
        explanation = unequal(answer, label) if answer != label else ""
        bench.run("hello", label, spans, answer, explanation=explanation)
    cluster = diagnose(bench.evaluation, artifacts=[style, other, triage]).clusters[0]
    assert cluster.artifacts == ["prompts/triage.md", "prompts/style.md"]
