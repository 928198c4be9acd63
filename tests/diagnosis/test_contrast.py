"""A cause explains what failing cases have and passing cases do not have."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from support.handmade import Bench, span, unequal

from pytest_fapo.core.diagnosis import Finding
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.diagnosis.attribution import diagnose
from pytest_fapo.diagnosis.contrast import Weight

TEAMS = ("billing", "delivery", "returns")


def findings(evaluation: Evaluation) -> list[Finding]:
    return diagnose(evaluation, artifacts=[]).findings


def mail(bench: Bench, number: int, *, wrong: bool, note: dict[str, Any], **case: Any) -> None:
    """A mail is summed up for the record, and sorted: the test looks at the team only."""
    right = TEAMS[number % 3]
    said = TEAMS[(number + 1) % 3] if wrong else right
    spans = [
        span("sum_up", prompt=f"Sum up {number}", answer=f"note {number}", call=note),
        span("sort", prompt=f"Sort {number}", answer=said),
    ]
    output = {"team": said, "note": f"note {number}"}
    words = unequal(said, right) if wrong else ""
    bench.run({"mail": f"mail {number}"}, {"team": right}, spans, output, explanation=words, **case)


CUT = {"finish_reason": "length", "usage": {"output_tokens": 900}}


def mails(cut: Callable[[int, bool], bool], good: int = 6, bad: int = 3) -> Bench:
    bench = Bench()
    for number in range(good + bad):
        wrong = number >= good
        mail(bench, number, wrong=wrong, note=CUT if cut(number, wrong) else {})
    return bench


def test_an_answer_that_is_cut_off_in_all_cases_explains_no_failure() -> None:
    found = findings(mails(lambda number, wrong: True).evaluation)
    assert {(each.step, each.category) for each in found} == {("sort", "label")}


def answer(cut_passing: int, passing: int, failing: int = 3) -> Finding:
    """One step, cut off in all failing and some passing cases."""
    bench = Bench()
    for number in range(passing + failing):
        wrong = number >= passing
        call = CUT if wrong or number < cut_passing else {}
        step = span("write", prompt=f"p{number}", answer="a text that ends", call=call)
        bench.run({"q": number}, None, [step], "x", explanation="assert check(text)" if wrong else "")
    return findings(bench.evaluation)[-1]


def test_what_failing_cases_alone_have_is_the_cause() -> None:
    found = answer(cut_passing=0, passing=9)
    assert (found.step, found.category) == ("write", "truncated")
    assert found.confidence >= 0.85
    assert "passing" not in found.evidence


def test_each_passing_case_with_the_same_symptom_lowers_the_sureness() -> None:
    sure = [answer(cut_passing=number, passing=8).confidence for number in range(9)]
    assert sure == sorted(sure, reverse=True)
    assert sure[0] > sure[2] > sure[4]
    assert sure[-1] <= 0.3
    assert "1 of 8 passing cases" in answer(cut_passing=1, passing=8).evidence


def test_more_passing_cases_without_it_raise_the_sureness() -> None:
    sure = [answer(cut_passing=0, passing=number).confidence for number in (0, 1, 4, 9)]
    assert sure == sorted(sure)
    assert sure[0] < 0.8 < sure[-1]


@pytest.mark.parametrize(
    "everywhere",
    [
        {"finish_reason": "length"},
        {"refusal": "no"},
        {"answer": "I'm sorry, but I can't help with that."},
        {"answer": '```json\n{"a": 1}\n``` as you asked'},
    ],
)
def test_a_property_that_all_cases_have_changes_no_finding(everywhere: dict[str, Any]) -> None:
    plain, odd = Bench(), Bench()
    for number in range(12):
        mail(plain, number, wrong=number % 3 == 0, note={})
        mail(odd, number, wrong=number % 3 == 0, note=everywhere)
    before, after = findings(plain.evaluation), findings(odd.evaluation)
    assert len(before) == 4
    assert [(each.nodeid, each.step, each.category, each.level) for each in before] == [
        (each.nodeid, each.step, each.category, each.level) for each in after
    ]


def test_the_order_of_the_cases_changes_nothing() -> None:
    bench = mails(lambda number, wrong: number % 2 == 0, good=9, bad=5)
    before = findings(bench.evaluation)
    for seed in range(3):
        items = list(bench.evaluation.items.items())
        random.Random(seed).shuffle(items)
        shuffled = bench.evaluation.model_copy(update={"items": dict(items)})
        assert sorted(findings(shuffled), key=lambda each: each.nodeid) == before


def test_a_wrong_step_whose_output_went_nowhere_near_the_asserted_value_is_none() -> None:
    """The cut note is in failing cases alone, and the test looks at the team, which is not made of it."""
    found = findings(mails(lambda number, wrong: wrong).evaluation)
    assert {each.step for each in found} == {"sort"}


def test_the_step_that_gives_the_asserted_text_comes_before_one_that_holds_it() -> None:
    bench = Bench()
    for number in range(6):
        greeting = "Hello" if number < 4 else "Dear Sir"
        spans = [
            span("plan", prompt=f"plan {number}", answer=f"Open with: {greeting} Ann, then say thanks."),
            span("greet", prompt=f"greet {number}", answer=f"{greeting} Ann"),
        ]
        words = "" if number < 4 else f"AssertionError: assert 'Hello' in '{greeting} Ann'"
        bench.run({"n": number}, {"includes": "Hello"}, spans, f"{greeting} Ann", explanation=words)
    assert {each.step for each in findings(bench.evaluation)} == {"greet"}


def test_a_step_after_the_asserted_value_is_not_taken_for_the_cause() -> None:
    """No rule knows this test: the finding names the step that gave what it looked at, not the last one."""
    bench = Bench()
    for number in range(6):
        bad = number >= 4
        spans = [
            span("rate", prompt=f"rate {number}", answer=f"{number} of 9 stars"),
            span("thank", prompt=f"thank {number}", answer="Thank you!"),
        ]
        output = {"rating": f"{number} of 9 stars", "reply": "Thank you!"}
        words = f"AssertionError: assert '{number} of 9 stars' == 'other'" if bad else ""
        bench.run({"n": number}, None, spans, output, explanation=words)
    found = findings(bench.evaluation)
    assert {each.step for each in found} == {"rate"}
    assert max(each.confidence for each in found) < 0.6


def test_one_test_is_compared_with_its_own_passing_cases_only() -> None:
    bench = Bench()
    for number in range(8):
        step = span("write", prompt=f"p{number}", answer="words", call=CUT if number < 4 else {})
        for name in ("test_ends", "test_begins"):
            bad = name == "test_ends" and number < 4
            bench.run(
                {"q": number},
                None,
                [step],
                "x",
                id=f"c{number}",
                test=f"test_it.py::{name}",
                explanation="assert ok(text)" if bad else "",
            )
    found = findings(bench.evaluation)
    assert {(each.step, each.category) for each in found} == {("write", "truncated")}
    assert min(each.confidence for each in found) >= 0.85


def test_weights_by_hand() -> None:
    assert Weight(3, 3, 0, 0).explained == 1.0
    assert Weight(3, 3, 0, 0).most_sure == 0.75
    assert Weight(3, 3, 9, 9).explained == pytest.approx(0.1)
    assert Weight(2, 4, 1, 9).explained == pytest.approx(0.8)
    assert Weight(1, 10, 1, 9).explained == 0.0


def test_what_the_test_compared_is_what_a_step_carries_though_no_answer_is_a_label() -> None:
    """The model does not know the labels at all: still the step that gave the compared word is named."""
    bench = Bench()
    words = {"urgent": "same-day", "critical": "emergency", "routine": "routine"}
    for number in range(12):
        said = list(words)[number % 3]
        right = words[said]
        spans = [
            span("sum_up", prompt=f"sum {number}", answer=f"call {number}"),
            span("rate", prompt=f"rate call {number}", answer=said),
            span("thank", prompt=f"thank {number}", answer="Thank you for the call."),
        ]
        bench.run(
            {"n": number}, right, spans, said, explanation="" if said == right else unequal(said, right)
        )
    found = findings(bench.evaluation)
    assert {(each.step, each.category) for each in found} == {("rate", "label")}


def test_code_that_gives_the_asserted_value_was_told_by_the_model_before_it_what_to_do() -> None:
    bench = Bench()
    for number in range(6):
        query = f"SELECT {number}"
        wrong = number >= 3
        spans = [
            span("write", prompt=f"write {number}", answer=query),
            span("execute", [[number]], inputs={"sql": query}),
        ]
        right = number + 10 * wrong
        output = {"total": number}
        words = f"assert {number} == {right}" if wrong else ""
        bench.run({"n": number}, {"total": right}, spans, output, explanation=words)
    assert {each.step for each in findings(bench.evaluation)} == {"write"}


def test_a_text_cut_short_comes_before_the_empty_steps_that_follow_it() -> None:
    bench = Bench()
    for number in range(9):
        long = number >= 5
        letter = (
            f"letter {number}: " + "all about hobbies and the weather " * (4 if long else 1) + "Skill: sewing"
        )
        clipped = letter[:60]
        said = "" if long else "sewing"
        spans = [
            span("clip", clipped, inputs={"text": letter}),
            span("sum_up", prompt=f"Sum up: {clipped}", answer=said, inputs={"text": clipped}),
            span("skill", prompt=f"Skill? {said}", answer=said, inputs={"summary": said}),
        ]
        words = unequal(said, "sewing") if long else ""
        bench.run({"letter": letter}, {"skill": "sewing"}, spans, {"skill": said}, explanation=words)
    assert {(each.step, each.level) for each in findings(bench.evaluation)} == {("clip", "param")}
