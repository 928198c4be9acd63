"""Evidence of odd shapes, and rules for what is seldom asked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.handmade import Bench, prompt_file, span, unequal

from pytest_fapo.core.candidate import Candidate
from pytest_fapo.diagnosis.attribution import diagnose
from pytest_fapo.propose.playbook.playbook import Playbook

PROMPT = prompt_file("prompts/p.md", "Answer the question.\n\n{text}")


def _proposals(bench: Bench, cluster: int = 0) -> list[Candidate]:
    clusters = diagnose(bench.evaluation, artifacts=[PROMPT]).clusters
    return list(Playbook().propose(bench.evidence(clusters[cluster], [PROMPT])))


def _rules(candidate: Candidate) -> str:
    return candidate.edits[0].after.replace(candidate.edits[0].before, "")


@pytest.mark.parametrize(
    "output", [None, "", [], {}, 3, True, "x" * 200_000, [[[]]], {"a": {"b": [None]}}, "{}"]
)
@pytest.mark.parametrize(
    "expected", [None, "", [], {}, 0, {"a": None}, {"must_include": [None, 3, "x"]}, ["x"], 1.5]
)
def test_odd_values_crash_nothing(output: Any, expected: Any) -> None:
    bench = Bench()
    text = output if isinstance(output, str) else json.dumps(output)
    said = (
        "",
        "assert 1 == 2",
        "assert 'x' in ''",
        "KeyError: 'a'",
        "assert 5 <= 3\n +  where 5 = len('abcde')",
    )
    for explanation in said * 2:
        spans = [span("a", output), span("b", output, prompt=PROMPT.text, answer=text)]
        bench.run({"text": output}, expected, spans, output, explanation=explanation)
        bench.run(output, expected, [], output, explanation=explanation)
    clusters = diagnose(bench.evaluation, artifacts=[PROMPT]).clusters
    assert clusters
    for cluster in clusters:
        for candidate in Playbook().propose(bench.evidence(cluster, [PROMPT])):
            candidate.edits[0].after.format(text="")


def test_evidence_without_traces_crashes_nothing() -> None:
    bench = Bench()
    bench.run("x", "y", [span("b", prompt=PROMPT.text, answer="z")], "z", explanation=unequal("z", "y"))
    cluster = diagnose(bench.evaluation, artifacts=[PROMPT]).clusters[0]
    evidence = bench.evidence(cluster, [PROMPT])
    for case in evidence.cases:
        case.trace = None
    assert all(candidate.edits for candidate in Playbook().propose(evidence))


def test_a_value_that_repeats_a_given_one_is_said_to_be_copied() -> None:
    prompt = prompt_file("prompts/p.md", "Fill in the record as JSON.\n\nOrder number: {order}\n\n{text}")
    bench = Bench()
    for number in range(8):
        order = f"AB-{1000 + 7 * number}"
        right = number > 2
        told = json.dumps({"order": order if right else order.replace("-", "")})
        record = json.loads(told)
        asked = prompt.text.format(order=order, text=f"mail {number}")
        spans = [span("fill", record, prompt=asked, answer=told)]
        explanation = "" if right else unequal("AB1000", order)
        bench.run({"text": f"mail {number}"}, {"order": order}, spans, record, explanation=explanation)
    cluster = diagnose(bench.evaluation, artifacts=[prompt]).clusters[0]
    proposals = list(Playbook().propose(bench.evidence(cluster, [prompt])))
    assert any(
        '"order" is the order number that you were given, copied' in _rules(each) for each in proposals
    )


def _reasoned(bench: Bench, text: str, label: str, last: str) -> None:
    answer = f"The text speaks of this and that.\n{last}"
    spans = [span("classify", prompt=PROMPT.text.format(text=text), answer=answer), span("read", last)]
    explanation = "" if last == label else unequal(last, label)
    bench.run({"text": text}, {"label": label}, spans, {"label": last}, explanation=explanation)


def test_answers_that_end_in_their_value_keep_their_reasoning() -> None:
    bench = Bench()
    for number in range(10):
        label = ("yes", "no")[number % 2]
        _reasoned(bench, f"text {number}", label, f"**{label.upper()}**" if number < 3 else label)
    rules = _rules(_proposals(bench)[0])
    assert "- The last line of the answer is exactly one of" in rules
    assert "nothing else" not in rules


def test_confused_pairs_of_a_large_set_are_contrasted() -> None:
    bench = Bench()
    words = {
        "W-1": "buffer overflow on the heap",
        "W-2": "script injected into pages",
        "W-3": "password sent in clear",
    }
    for number in range(18):
        label = f"W-{number % 3 + 1}"
        told = "W-2" if number in (0, 3, 6) else label
        text = f"{words[label]} variant {number}"
        spans = [span("classify", prompt=PROMPT.text.format(text=text), answer=told)]
        bench.run(
            {"text": text},
            {"id": label},
            spans,
            told,
            explanation="" if told == label else unequal(told, label),
        )
    for number in range(60):
        label = f"W-{number + 100}"
        spans = [span("classify", prompt=PROMPT.text.format(text=f"rare {number}"), answer=label)]
        bench.run({"text": f"rare {number}"}, {"id": label}, spans, label)
    first = _proposals(bench)[0]
    assert first.technique == "label definitions"
    assert "- Choose W-1 rather than W-2 when the question mentions things like" in _rules(first)
    assert "overflow" in _rules(first)


def test_a_declined_answer() -> None:
    bench = Bench()
    for number in range(4):
        call = {"refusal": "I cannot help with that."}
        spans = [span("ask", prompt=PROMPT.text, answer="Well, let me", call=call)]
        bench.run({"text": str(number)}, {"label": "x"}, spans, "", explanation=unequal("", "x"))
    assert any("Never decline" in _rules(candidate) for candidate in _proposals(bench))


def test_what_to_answer_when_a_field_is_missing() -> None:
    prompt = prompt_file("prompts/p.md", "Decide on the trip.\n\nCountry: {country}\n\n{text}")
    bench = Bench()
    for number in range(8):
        country = None if number % 4 == 0 else ("France", "Spain")[number % 2]
        expected = "ask" if country is None else "go"
        spans = [span("decide", prompt=prompt.text.format(text="hello", country=country), answer="go")]
        explanation = "" if expected == "go" else unequal("go", expected)
        bench.run({"country": country}, {"decision": expected}, spans, "go", explanation=explanation)
    cluster = diagnose(bench.evaluation, artifacts=[prompt]).clusters[0]
    rules = [_rules(candidate) for candidate in Playbook().propose(bench.evidence(cluster, [prompt]))]
    assert any("- If the country is missing, the decision is ask." in text for text in rules)
