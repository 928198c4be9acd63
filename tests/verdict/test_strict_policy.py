"""The policy `strict` on made-up evaluations: what it accepts, and that it fails closed."""

from __future__ import annotations

from typing import Any

import pytest
from support.gate_samples import candidate as targeting
from support.gate_samples import evaluation as repeated

from pytest_fapo.core.candidate import Candidate
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.record import Outcome, Split
from pytest_fapo.verdict.candidate_gate import judge_cases, judge_suite
from pytest_fapo.verdict.policy import GatePolicy

CANDIDATE = Candidate(edits=[], hypothesis="", proposer="playbook", technique="x", targets=["t0", "t1"])


def evaluation(outcomes: dict[str, Outcome], **more: Any) -> Evaluation:
    """Items by name: t… train, v… val, h… holdout, u… no case."""
    splits: dict[str, Split | None] = {"t": "train", "v": "val", "h": "holdout", "u": None}
    items = {
        name: ItemResult(nodeid=name, outcome=outcome, split=splits[name[0]], case_id=name)
        for name, outcome in outcomes.items()
    }
    return Evaluation(items=items, **more)


BEFORE: dict[str, Outcome] = {
    "t0": "failed",
    "t1": "failed",
    "t2": "passed",
    "v0": "passed",
    "v1": "failed",
    "h0": "passed",
    "h1": "failed",
    "u0": "passed",
    "u1": "failed",
    "u2": "skipped",
}


def test_a_gain_without_a_loss_is_accepted() -> None:
    after = evaluation({**BEFORE, "t0": "passed"})
    verdict = judge_cases(CANDIDATE, evaluation(BEFORE), after)
    assert verdict.accepted
    assert verdict.fixed == ["t0"]
    assert verdict.splits["train"].before == pytest.approx(1 / 3)
    assert verdict.splits["train"].after == pytest.approx(2 / 3)
    assert judge_suite(evaluation(BEFORE), after).accepted


@pytest.mark.parametrize(
    ("change", "stage"),
    [
        ({}, "targeted"),
        ({"t2": "passed"}, "targeted"),
        ({"t0": "passed", "t2": "failed"}, "train"),
        ({"t0": "passed", "t2": "error"}, "train"),
        ({"t0": "passed", "t2": "skipped"}, "train"),
        ({"t0": "passed", "v0": "failed", "v1": "passed"}, "val"),
    ],
)
def test_no_gain_or_any_loss_on_the_cases_is_rejected(change: dict[str, Outcome], stage: str) -> None:
    verdict = judge_cases(CANDIDATE, evaluation(BEFORE), evaluation({**BEFORE, **change}))
    assert not verdict.accepted
    assert verdict.stage == stage


@pytest.mark.parametrize("lost", ["u0", "t2", "v0"])
@pytest.mark.parametrize("outcome", ["failed", "error", "skipped", "xfailed"])
def test_any_other_test_that_passed_before_must_pass(lost: str, outcome: Outcome) -> None:
    verdict = judge_suite(evaluation(BEFORE), evaluation({**BEFORE, "t0": "passed", lost: outcome}))
    assert not verdict.accepted
    assert verdict.broken == [lost]


def test_a_missing_item_counts_as_broken() -> None:
    after = evaluation({name: outcome for name, outcome in BEFORE.items() if name != "u0"})
    assert judge_suite(evaluation(BEFORE), after).broken == ["u0"]


def test_held_out_losses_are_counted_and_not_named() -> None:
    verdict = judge_suite(evaluation(BEFORE), evaluation({**BEFORE, "t0": "passed", "h0": "failed"}))
    assert not verdict.accepted
    assert verdict.broken_hidden == 1
    assert "h0" not in verdict.model_dump_json()


@pytest.mark.parametrize("more", [{"dropped_at": "suite"}, {"dropped_at": "held-out"}, {"complete": False}])
def test_an_evaluation_that_did_not_reach_its_end_proves_nothing(more: dict[str, Any]) -> None:
    assert not judge_suite(evaluation(BEFORE), evaluation({**BEFORE, "t0": "passed"}, **more)).accepted


def test_failing_tests_may_stay_failing() -> None:
    assert judge_suite(evaluation(BEFORE), evaluation({**BEFORE, "t0": "passed"})).accepted


def test_weights_count() -> None:
    before = evaluation({"t0": "failed", "t1": "passed"})
    before.items["t0"].weight = 3.0
    after = evaluation({"t0": "passed", "t1": "passed"})
    verdict = judge_cases(CANDIDATE, before, after)
    assert verdict.splits["train"].before == 0.25
    assert verdict.splits["train"].after == 1.0


def test_the_error_that_targeted_cases_end_in_is_named() -> None:
    after = evaluation(BEFORE)
    for name in ("t0", "t1"):
        after.items[name].error_type = "InternalServerError"
        after.items[name].explanation = "openai.InternalServerError: Error code: 500\nmore"
    verdict = judge_cases(CANDIDATE, evaluation(BEFORE), after)
    assert verdict.reason.endswith("passes now: 2 of 2 ended in openai.InternalServerError: Error code: 500")
    after.items["t0"].error_type = after.items["t1"].error_type = "AssertionError"
    assert judge_cases(CANDIDATE, evaluation(BEFORE), after).reason.endswith("passes now")


# --- the reason of a rejection is true ---------------------------------------------------------------------

GRADED = GatePolicy(objectives=("brevity",))
Rows = dict[str, tuple[str, str]]
"""Name of a unit to the marks of its repeats before and after: t…, v…, h… are cases, u… none."""

REASONS: dict[str, tuple[Rows, GatePolicy, str]] = {
    "every target fails": (
        {"t0": ("-", "-"), "t1": ("-", "-"), "v0": ("+", "+")},
        GatePolicy(),
        "none of its target cases passes now",
    ),
    "targets pass that passed now and then": (
        {"t0": ("+-", "++"), "t1": ("-+", "++"), "t2": ("--", "--")},
        GatePolicy(),
        "2 of the 3 target tests pass now, no gain: 2 passed sometimes before",
    ),
    "targets pass in few repeats": (
        {"t0": ("---", "+--"), "t1": ("---", "---")},
        GatePolicy(),
        "1 of the 2 target tests pass now, no gain: 1 in half of their repeats or fewer",
    ),
    "no target passes and the metric does not rise": (
        {"t0": ("-", "-"), "t1": ("-", "-")},
        GRADED,
        "the metric 'brevity' did not improve on train",
    ),
    "a train test fails": (
        {"t0": ("-", "+"), "t1": ("+", "-")},
        GatePolicy(),
        "1 train test that passed before fails now",
    ),
    "train tests pass in some repeats": (
        {"t0": ("---", "+++"), "t1": ("+++", "+--"), "t2": ("+++", "---")},
        GatePolicy(),
        "2 train tests that passed before pass in at most half of their repeats now",
    ),
    "a val test fails": (
        {"t0": ("-", "+"), "v0": ("+", "-"), "v1": ("-", "+")},
        GatePolicy(),
        "1 val test that passed before fails now",
    ),
    "no val test is broken, and five fail more often": (
        {"t0": ("----", "++++"), **{f"v{number}": ("++++", "+++-") for number in range(5)}},
        GatePolicy(),
        "the val score fell",
    ),
    "too little to exclude chance": (
        {"t0": ("-", "+"), "t1": ("+", "+"), "v0": ("+", "+")},
        GatePolicy(name="paired"),
        "the gain on train (+50.0 points) may be chance (p = 0.5)",
    ),
    "as many lost as gained": (
        {"t0": ("-", "+"), "t1": ("+", "-"), "v0": ("+", "+")},
        GatePolicy(name="paired"),
        "the train score did not rise",
    ),
    "below the target and what it was": (
        {"t0": ("-", "+"), "v0": ("+", "-"), "v1": ("+", "+")},
        GatePolicy(name="target", target=0.8),
        "the val score fell below 80 %",
    ),
}


@pytest.mark.parametrize(("rows", "policy", "reason"), REASONS.values(), ids=REASONS)
def test_the_reason_of_a_rejection_is_what_decided(rows: Rows, policy: GatePolicy, reason: str) -> None:
    scores = {name: {"brevity": 0.5} for name in rows}
    before, after = (
        repeated({name: marks[when] for name, marks in rows.items()}, scores).model_copy(
            update={"complete": True}
        )
        for when in (0, 1)
    )
    targets = targeting(*(name for name, marks in rows.items() if name[0] == "t" and "-" in marks[0]))
    verdict = judge_cases(targets, before, after, policy=policy)
    assert not verdict.accepted
    assert verdict.reason == reason


def test_a_repeat_that_fails_is_no_fall_while_chance_explains_it() -> None:
    rows = {"t0": ("----", "++++"), **{f"v{number}": ("++++", "+++-") for number in range(4)}}
    before, after = (
        repeated({name: marks[when] for name, marks in rows.items()}).model_copy(update={"complete": True})
        for when in (0, 1)
    )
    assert judge_cases(targeting("t0"), before, after).accepted


def test_targets_that_the_edit_quotes_are_not_said_to_fail() -> None:
    rows = {"t0": "-", "t1": "-", "t2": "-"}
    candidate = targeting(*rows).model_copy(update={"demonstrations": ["t0", "t1"]})
    after = repeated({"t0": "+", "t1": "+", "t2": "-"})
    assert judge_cases(candidate, repeated(rows), after).reason == (
        "2 of the 3 target tests pass now, no gain: 2 quoted as examples by the edit itself"
    )
