"""Candidates judged by graded objectives: one or several, less is better, beside failing tests."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from pytest_fapo.core.candidate import Attempt, Candidate, MetricChange, Review, Verdict
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.record import Split
from pytest_fapo.loop.objective_results import front_of
from pytest_fapo.verdict.candidate_gate import judge_cases, judge_suite
from pytest_fapo.verdict.policy import GatePolicy

SPLITS: dict[str, Split] = {"t": "train", "v": "val", "h": "holdout"}
BOTH = GatePolicy(objectives=("rouge", "tokens"))
EDIT = Candidate(edits=[], hypothesis="", proposer="p", technique="x", targets=["test[t0]"])


def evaluation(rouge: Mapping[str, float], tokens: Mapping[str, float], failing: str = "") -> Evaluation:
    items = [
        ItemResult(
            nodeid=f"test[{name}]",
            outcome="failed" if name in failing.split() else "passed",
            case_id=name,
            pipeline="p",
            split=SPLITS[name[0]],
            scores={"rouge": score} | ({"tokens": tokens[name]} if name in tokens else {}),
            lower_is_better=["tokens"],
        )
        for name, score in rouge.items()
    ]
    return Evaluation(items={item.nodeid: item for item in items})


BEFORE = evaluation({"t0": 0.2, "t1": 0.4, "v0": 0.3}, {"t0": 800, "t1": 900, "v0": 800})


@pytest.mark.parametrize(
    ("rouge", "tokens", "reason"),
    [
        ({"t0": 0.6, "t1": 0.4, "v0": 0.3}, {"t0": 800, "t1": 900, "v0": 800}, ""),
        ({"t0": 0.2, "t1": 0.4, "v0": 0.3}, {"t0": 500, "t1": 900, "v0": 700}, ""),  # cheaper, as good
        (
            {"t0": 0.6, "t1": 0.4, "v0": 0.3},
            {"t0": 900, "t1": 900, "v0": 800},
            "the metric 'tokens' rose by 50 on train",
        ),
        (
            {"t0": 0.6, "t1": 0.4, "v0": 0.1},
            {"t0": 800, "t1": 900, "v0": 800},
            "the metric 'rouge' fell by 0.2 on val",
        ),
        (
            {"t0": 0.2, "t1": 0.4, "v0": 0.9},
            {"t0": 800, "t1": 900, "v0": 100},
            "none of the metrics 'rouge', 'tokens' improved on train",
        ),
    ],
)
def test_one_objective_rises_and_none_falls(
    rouge: Mapping[str, float], tokens: Mapping[str, float], reason: str
) -> None:
    verdict = judge_cases(EDIT, BEFORE, evaluation(rouge, tokens), policy=BOTH)
    assert (verdict.accepted, verdict.reason if reason else "") == (not reason, reason)


def test_a_guarded_objective_may_fall_by_so_much() -> None:
    policy = GatePolicy(objectives=("rouge", "tokens"), guarded={"tokens": 60})
    after = evaluation({"t0": 0.6, "t1": 0.4, "v0": 0.3}, {"t0": 900, "t1": 900, "v0": 850})
    assert judge_cases(EDIT, BEFORE, after, policy=policy).accepted
    assert not judge_cases(EDIT, BEFORE, after, policy=BOTH).accepted


def test_a_candidate_need_not_improve_its_own_targets_where_all_cases_are_graded() -> None:
    after = evaluation({"t0": 0.2, "t1": 0.7, "v0": 0.3}, {"t0": 800, "t1": 900, "v0": 800})
    assert judge_cases(EDIT, BEFORE, after, policy=BOTH).accepted


def test_a_failing_test_that_turns_green_is_a_gain_beside_an_objective() -> None:
    policy = GatePolicy(objectives=("rouge",))
    before = evaluation({"t0": 0.2, "t1": 0.4, "v0": 0.3}, {}, failing="t0")
    assert judge_cases(
        EDIT, before, evaluation({"t0": 0.2, "t1": 0.4, "v0": 0.3}, {}), policy=policy
    ).accepted
    lower = evaluation({"t0": 0.2, "t1": 0.3, "v0": 0.3}, {})
    verdict = judge_cases(EDIT, before, lower, policy=policy)
    assert verdict.reason == "the metric 'rouge' fell by 0.05 on train"


def test_an_objective_may_not_fall_on_held_out_cases() -> None:
    policy = GatePolicy(objectives=("rouge",))
    before = evaluation({"t0": 0.2, "h0": 0.5}, {})
    verdict = judge_suite(before, evaluation({"t0": 0.9, "h0": 0.4}, {}), policy=policy)
    assert (verdict.accepted, verdict.broken_hidden) == (False, 0)
    assert verdict.reason == "the metric 'rouge' fell on held-out cases"


def test_a_proof_of_a_part_of_the_edits_may_not_lose_an_objective() -> None:
    policy = GatePolicy(objectives=("rouge",))
    before = evaluation({"t0": 0.2, "v0": 0.5}, {})
    assert judge_suite(before, evaluation({"t0": 0.2, "v0": 0.5}, {}), policy=policy).accepted
    worse = judge_suite(before, evaluation({"t0": 0.1, "v0": 0.5}, {}), policy=policy)
    assert worse.reason == "the metric 'rouge' fell by 0.1 on train"


def test_the_verdict_has_the_objectives_of_the_splits_that_were_looked_at() -> None:
    after = evaluation({"t0": 0.6, "t1": 0.3, "v0": 0.3}, {"t0": 800, "t1": 900, "v0": 800})
    verdict = judge_cases(EDIT, BEFORE, after, policy=BOTH)
    train = verdict.metrics[0]
    assert (train.cases, train.better, train.worse) == (2, 1, 1)
    assert [str(each) for each in verdict.metrics] == [
        "rouge train 0.3 → 0.45",
        "rouge val 0.3 → 0.3",
        "tokens train 850 → 850",
        "tokens val 800 → 800",
    ]
    assert verdict.metrics[2].lower_is_better


@pytest.mark.parametrize("scale", [1, 100])
def test_paired_excludes_losses_in_the_unit_of_the_metric(scale: float) -> None:
    policy = GatePolicy(name="paired", objectives=("rouge",))

    def graded(train: float, worse: float) -> Evaluation:
        cases = {f"t{number}": train * scale for number in range(12)}
        vals = {f"v{number}": (0.5 - (worse if number < 6 else 0)) * scale for number in range(12)}
        return evaluation({**cases, **vals}, {})

    before = graded(0.2, 0)
    assert judge_cases(EDIT, before, graded(0.6, 0.02), policy=policy).accepted
    assert "does not exclude a loss" in judge_cases(EDIT, before, graded(0.6, 0.2), policy=policy).reason


def test_the_front_holds_what_nothing_beats() -> None:
    def attempt(name: str, rouge: float, tokens: float) -> Attempt:
        changes = [
            MetricChange(metric="rouge", split="train", cases=2, before=0.3, after=rouge),
            MetricChange(
                metric="tokens", split="train", cases=2, before=850, after=tokens, lower_is_better=True
            ),
        ]
        verdict = Verdict(accepted=name == "c2", reason="", metrics=changes)
        return Attempt(candidate=EDIT.model_copy(update={"id": name}), review=Review(), verdict=verdict)

    attempts = [attempt("c1", 0.6, 900), attempt("c2", 0.5, 700), attempt("c3", 0.5, 800)]
    front = front_of(BEFORE, attempts, BOTH)
    assert [str(point) for point in front] == [
        "c1: rouge 0.6, tokens 900",
        "c2: rouge 0.5, tokens 700 (accepted)",
    ]
    assert front_of(BEFORE, attempts, GatePolicy(objectives=("rouge",))) == []
