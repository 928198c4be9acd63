"""Answers that are wrong because of what came before them, tools, agents, and code that gets odd answers."""

from __future__ import annotations

from typing import Any

import pytest
from support.handmade import Bench, call, span, unequal

from pytest_fapo.core.diagnosis import Finding
from pytest_fapo.diagnosis.attribution import diagnose


def only(bench: Bench) -> Finding:
    (finding,) = diagnose(bench.evaluation, artifacts=[]).findings
    return finding


def answered(bench: Bench, value: str, said: str, *steps: Any, given: str = "", **more: Any) -> str:
    """A case whose last step answers from what it is given."""
    words = "" if said == value else unequal(said, value)
    spans = [*steps, span("answer", prompt=f"From: {given}", answer=said)]
    inputs = more.pop("inputs", {"q": "a question"})
    return bench.run(inputs, {"a": value}, spans, {"a": said}, explanation=words, **more)


def cities(bench: Bench) -> None:
    for city in ("Oslo", "Rome", "Bern"):
        note = f"it lies in {city}"
        answered(bench, city, city, span("find", [{"text": note}]), given=note)


def test_a_value_that_was_not_found_is_the_finders_fault() -> None:
    bench = Bench()
    cities(bench)
    answered(bench, "Riga", "unknown", span("find", [{"text": "it is old"}]), given="it is old")
    found = only(bench)
    assert (found.step, found.category, found.expected) == ("find", "retrieval", "Riga")
    assert "does not contain 'Riga'" in found.evidence


def test_a_step_that_looks_several_times_is_in_charge_of_how_often() -> None:
    bench = Bench()
    for city, good in [("Oslo", True), ("Rome", True), ("Bern", True), ("Riga", False)]:
        note = f"it lies in {city}" if good else "it is old"
        steps = [
            span("handle", "x"),
            span("research", [note], parent="handle"),
            span("find", [note], parent="research"),
            span("find", ["more"], parent="research"),
        ]
        answered(bench, city, city if good else "unknown", *steps, given=note)
    assert only(bench).step == "research"


def test_a_value_that_was_found_is_the_answerers_fault() -> None:
    bench = Bench()
    cities(bench)
    note = "it lies in Riga, not in Oslo"
    answered(bench, "Riga", "Oslo", span("find", [{"text": note}]), given=note)
    assert only(bench).step == "answer"


def test_a_value_found_and_dropped_is_the_droppers_fault() -> None:
    bench = Bench()
    for city, kept in [("Oslo", True), ("Rome", True), ("Bern", True), ("Riga", False)]:
        notes = [f"it lies in {city}", "it is old"]
        chosen = notes[:1] if kept else notes[1:]
        steps = [span("find", notes), span("rank", chosen, inputs={"notes": notes})]
        answered(bench, city, city if kept else "unknown", *steps, given=chosen[0])
    found = only(bench)
    assert (found.step, found.category) == ("rank", "retrieval")
    assert "was in the input of rank" in found.evidence


def test_what_only_hands_on_is_not_to_blame_for_what_was_not_found() -> None:
    bench = Bench()
    for city, good in [("Oslo", True), ("Rome", True), ("Bern", True), ("Riga", False)]:
        notes = [f"it lies in {city}" if good else "it is old", "more"]
        steps = [span("find", notes), span("rank", notes[:1], inputs={"notes": notes})]
        answered(bench, city, city if good else "unknown", *steps, given=notes[0])
    assert only(bench).step == "find"


def test_giving_up_as_elsewhere_counts_though_the_value_stands_there_by_chance() -> None:
    bench = Bench()
    for number in range(11, 14):
        answered(
            bench, f"{number}", f"{number}", span("find", [f"it has {number}"]), given=f"it has {number}"
        )
    for number in range(21, 25):
        answered(bench, f"{number}", "none", span("find", ["it is old"]), given="it is old")
    answered(bench, "7", "none", span("find", ["since 7 am"]), given="since 7 am", id="chance")
    found = diagnose(bench.evaluation, artifacts=[]).findings
    assert {finding.step for finding in found} == {"find"}


def test_without_passing_cases_nothing_is_said_of_what_was_given() -> None:
    bench = Bench()
    answered(bench, "Riga", "unknown", span("find", ["it is old"]), given="it is old")
    assert only(bench).step == "answer"


def test_a_text_cut_short() -> None:
    bench = Bench()
    for number, length in enumerate((30, 30, 30, 80)):
        letter = "Dear Sir, this is about " + "x" * length
        text = letter[:60]
        good = text == letter
        label = ("rent", "heat")[number % 2]
        steps = [span("shorten", text, inputs={"letter": letter})]
        answered(bench, label, label if good else "other", *steps, given=text, inputs={"letter": letter})
    found = only(bench)
    assert (found.step, found.category, found.level) == ("shorten", "retrieval", "param")
    assert "only the first 60 characters" in found.evidence


def test_too_few_of_what_the_passing_cases_have() -> None:
    bench = Bench()
    for number, parts in enumerate((2, 3, 2, 1)):
        label = ("left", "right")[number % 2]
        steps = [span("split", [f"part {n}" for n in range(parts)], prompt="Split!", answer="parts")]
        said = label if parts > 1 else "perhaps"
        answered(bench, label, said, *steps, given="part 0", inputs={"q": "left or right"})
    found = only(bench)
    assert (found.step, found.category, found.level) == ("split", "format", "prompt")


def test_a_form_that_passing_cases_have_too_is_not_the_fault() -> None:
    bench = Bench()
    for amount, read in [(12.0, 12.0), (40.0, 40.0), (7.0, 7.0), (3.5, 3.0)]:
        steps = [
            span("find", prompt="p", answer=f"${amount:g}"),
            span("to_number", read, inputs={"text": f"${amount:g}"}),
        ]
        words = "" if amount == read else f"assert {read} == {amount}"
        bench.run("x", {"amount": amount}, steps, {"amount": read}, explanation=words)
    found = only(bench)
    assert (found.step, found.level) == ("to_number", "structure")


# --- tools and agents -------------------------------------------------------------------------------------


def agent(*turns: tuple[str, str | None], answer: str = "no", tools: Any = (), **more: Any) -> list[Any]:
    """An agent's steps: tool and what it told the model, None where the loop ended before."""
    messages: list[Any] = [{"role": "user", "content": "Do it."}]
    asked: list[Any] = []
    for number, (name, told) in enumerate(turns):
        one = {"id": f"c{number}", "function": {"name": name, "arguments": "{}"}}
        if told is None:
            asked = [{"id": f"c{number}", "name": name, "arguments": {}}]
        else:
            messages += [
                {"role": "assistant", "tool_calls": [one]},
                {"role": "tool", "tool_call_id": f"c{number}", "content": told},
            ]
    extra = {"messages": messages, "tool_calls": asked, "answer": None if asked else answer}
    return [*tools, span("agent", answer if not asked else "", prompt="p", answer=answer, call=extra, **more)]


@pytest.mark.parametrize(
    ("told", "level"),
    [
        ("Error: invalid argument: date", "prompt"),
        ("Error: unknown tool 'x'", "prompt"),
        ("permission denied", "structure"),
        ("Error: timed out after 5 s", "structure"),
        ("Error: boom", "structure"),
    ],
)
def test_a_tool_that_failed(told: str, level: str) -> None:
    bench = Bench()
    bench.run("x", None, agent(("look", told)), "no", explanation="assert 0")
    found = only(bench)
    assert (found.step, found.category, found.level) == ("agent", "tool", level)
    assert told in found.evidence


def test_a_failure_that_the_model_fixed_itself_is_none() -> None:
    bench = Bench()
    bench.run("x", None, agent(("look", "Error: boom"), ("look", "4 degrees")), "no", explanation="assert 0")
    assert only(bench).category == "content"


def test_a_tool_that_timed_out_is_named_where_it_is_a_step() -> None:
    bench = Bench()
    look = span("look", "Error: timed out", inputs={})
    bench.run("x", None, agent(("look", "Error: timed out"), tools=[look]), "no", explanation="assert 0")
    assert only(bench).step == "look"


@pytest.mark.parametrize(("error", "step"), [("TimeoutError: 5 s", "look"), ("PermissionError: no", "agent")])
def test_a_tool_function_that_raised(error: str, step: str) -> None:
    bench = Bench()
    tools = [span("look", error=error)]
    bench.run("x", None, agent(("look", "I could not."), tools=tools), "no", explanation="assert 0")
    found = only(bench)
    assert (found.step, found.category, found.level) == (step, "tool", "structure")


def test_an_agent_whose_loop_ended_too_soon() -> None:
    bench = Bench()
    bench.run("x", None, agent(("look", "found"), ("count", None)), "", explanation="assert '' == 'x'")
    found = only(bench)
    assert (found.step, found.category, found.level) == ("agent", "empty", "structure")
    assert "still asked for the tool count" in found.evidence


# --- code that gets odd answers ---------------------------------------------------------------------------


def evaluated(bench: Bench, answer: str, error: str | None, **more: Any) -> str:
    steps = [
        span("write", prompt="Write code, or say skip.", answer=answer),
        span("run", 1 if not error else None, inputs={"code": answer}, error=error),
    ]
    kind = (error or "").partition(":")[0]
    expected = more.pop("expected", {"n": 1})
    return bench.run("x", expected, steps, 1, explanation=error or "", error=error, error_type=kind, **more)


@pytest.mark.parametrize(
    ("error", "category"), [("SyntaxError: invalid syntax", "format"), ("DbError: no column", "content")]
)
def test_code_that_takes_other_answers_choked_on_this_one(error: str, category: str) -> None:
    bench = Bench()
    evaluated(bench, "1 + 1", None)
    evaluated(bench, "Here is your code: 1 + 1", error)
    found = only(bench)
    assert (found.step, found.category, found.level) == ("write", category, "prompt")


def test_code_that_takes_no_answer_is_to_blame_itself() -> None:
    bench = Bench()
    evaluated(bench, "Here is your code: 1 + 1", "DbError: no column")
    assert (only(bench).step, only(bench).level) == ("run", "structure")


@pytest.mark.parametrize(("answer", "expected"), [("skip", None), ("later", {"reply": "later: noted"})])
def test_code_that_does_not_know_a_right_answer_is_to_blame(answer: str, expected: Any) -> None:
    bench = Bench()
    evaluated(bench, "1 + 1", None)
    evaluated(bench, answer, f"KeyError: '{answer}'", expected=expected)
    assert (only(bench).step, only(bench).category) == ("run", "exception")


def test_a_checker_is_not_to_blame_for_what_it_was_given() -> None:
    bench = Bench()
    for number in range(6):
        good = number != 5
        steps = [
            span("write", prompt="p", answer=f"pattern {number}"),
            span("judge", {"fits": good}, inputs={"pattern": f"pattern {number}"}),
        ]
        words = "" if good else "assert False == True"
        bench.run("x", {"fits": True, "n": number}, steps, {"fits": good}, explanation=words)
    found = only(bench)
    assert found.step == "write"
    assert found.confidence < 0.6


def test_a_step_that_sends_data_with_its_own_prompt_is_no_helper() -> None:
    bench = Bench()
    for number in range(3):
        review = f"This is review number {number}, and it is long."
        asked = call("", "good").model_copy(
            update={"messages": [{"role": "system", "content": "Judge this review for us."},
                                 {"role": "user", "content": review}]}
        )  # fmt: skip
        spans = [span("handle", "good", inputs={"r": review}), span("judge", "good", inputs={"r": review})]
        spans[1] |= {"call": asked, "parent": "handle"}
        words = "" if number else "assert 'good' == 'bad'"
        bench.run({"r": review}, {"mood": "good" if number else "bad"}, spans, "good", explanation=words)
    assert only(bench).step == "judge"


@pytest.mark.parametrize("label", ["not stated", "NOT_FOUND", "The passage is silent on this."])
def test_labels_that_ask_for_no_answer_do_not_silence_the_rule_of_what_was_not_found(label: str) -> None:
    bench = Bench()
    cities(bench)
    for _ in range(4):
        answered(bench, label, label, span("find", [{"text": "it is old"}]), given="it is old")
    answered(bench, "Riga", label, span("find", [{"text": "it is cold"}]), given="it is cold")
    found = only(bench)
    assert (found.step, found.category) == ("find", "retrieval")


def test_an_answer_made_up_where_none_was_due_is_not_a_matter_of_what_was_found() -> None:
    bench = Bench()
    cities(bench)
    answered(bench, "not stated", "Riga", span("find", [{"text": "it is old"}]), given="it is old")
    found = only(bench)
    assert (found.step, found.category) == ("answer", "missing-input")


def test_a_value_that_the_prompt_names_in_all_cases_was_not_given_by_it() -> None:
    bench = Bench()
    kinds = ("oak", "elm", "ash")
    for number in range(6):
        told, kind = [f"tree {number} is an {kinds[number % 3]}", "it rains"], kinds[number % 3]
        known = told if number < 5 else told[1:]
        given = "\n".join(["Say oak, elm or ash.", *known])
        steps = [span("recall", known, inputs={"told": told})]
        answered(bench, kind, kind if number < 5 else "none told", *steps, given=given)
    found = only(bench)
    assert (found.step, found.category) == ("recall", "retrieval")


def seasons(drop: str) -> list[Finding]:
    """When may a fish be taken in a river? `drop` names the step that loses the river where cases fail."""
    bench = Bench()
    for number, (fish, river) in enumerate(
        (f, r) for f in ("pike", "perch") for r in ("Bode", "Aue", "Leine")
    ):
        month = ("May", "June", "July")[number % 3]
        found = [f"{fish} in the {river} from {month}", f"{fish} in the Oker from March"]
        kept = found if number % 4 else ([f"{fish} in the Oker from March"] if drop else found)
        asked = f"When does the season of {fish} begin in the {river}?"
        query = fish if drop == "query" else f"{fish} {river}"
        spans = [
            span("query", prompt=f"Query for: {asked}", answer=query, inputs={"question": asked}),
            span("find", kept if drop == "query" else found, inputs={"query": query}),
            span("keep", kept, inputs={"question": asked, "found": kept if drop == "query" else found}),
            span("answer", prompt=f"{kept}\n{asked}", answer=month if number % 4 else "no season"),
        ]
        words = "" if number % 4 else unequal("no season", month)
        bench.run({"question": asked}, month, spans, spans[-1]["output"], explanation=words)
    return diagnose(bench.evaluation, artifacts=[]).findings


@pytest.mark.parametrize(("drop", "category"), [("query", "content"), ("keep", "retrieval")])
def test_the_step_that_dropped_a_word_of_the_question_is_to_blame_for_what_was_not_found(
    drop: str, category: str
) -> None:
    found = seasons(drop)
    assert {(each.step, each.category) for each in found} == {(drop, category)}
