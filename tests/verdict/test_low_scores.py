"""Which train cases a graded objective makes the targets, and what stands in for their failures."""

from __future__ import annotations

import pytest

from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.record import Outcome, Split
from pytest_fapo.verdict.low_scores import LOW_SCORE, lowest_items, unscored, with_low_scores
from pytest_fapo.verdict.policy import GatePolicy

ROUGE = GatePolicy(objectives=("rouge",))


def scored(
    *values: float,
    metric: str = "rouge",
    lower: bool = False,
    split: Split = "train",
    outcome: Outcome = "passed",
) -> Evaluation:
    items = [
        ItemResult(
            nodeid=f"t[{number}]",
            outcome=outcome,
            case_id=str(number),
            pipeline="p",
            split=split,
            scores={metric: value},
            lower_is_better=[metric] if lower else [],
            feedback=[f"words of {number}"],
        )
        for number, value in enumerate(values)
    ]
    return Evaluation(items={item.nodeid: item for item in items})


@pytest.mark.parametrize(
    ("values", "lower", "low"),
    [
        ((0.2, 0.25, 0.3), False, 3),  # all far from 1
        ((0.2, 0.9, 0.95), False, 1),
        ((0.9, 0.97, 1.0), False, 1),
        ((1.0, 1.0), False, 0),
        ((20.0, 95.0), False, 1),  # of 100
        ((2.0, 5.0, 4.0), False, 1),  # of 5
        ((300.0, 900.0), False, 1),  # no known scale: the best is its end
        ((1.2, 1.0, 0.1), True, 2),  # seconds
        ((0.0, 0.0), True, 0),
        ((3.0, 0.0, 0.0), True, 1),  # errors
        ((0.5,), False, 1),
    ],
)
def test_the_worse_half_of_the_way_to_the_best_is_low(
    values: tuple[float, ...], lower: bool, low: int
) -> None:
    assert len(lowest_items(scored(*values, lower=lower), ROUGE)) == low


def test_a_low_score_fails_in_its_own_words_and_only_on_train() -> None:
    seen = with_low_scores(scored(0.2, 0.9), ROUGE)
    item = seen.items["t[0]"]
    assert (item.passed, item.error_type) == (False, LOW_SCORE)
    assert item.explanation == "rouge is 0.2 (0.55 on average)\nwords of 0"
    assert item.short_of == {"rouge": 0.6}
    assert seen.items["t[1]"].passed
    val = scored(0.2, 0.9, split="val")
    assert with_low_scores(val, ROUGE) is val


def test_a_failing_test_keeps_what_pytest_says_of_it() -> None:
    failing = scored(0.2, outcome="failed")
    failing.items["t[0]"].explanation = "assert 1 == 2"
    (item,) = lowest_items(failing, ROUGE)
    assert (item.outcome, item.explanation) == ("failed", "assert 1 == 2")


def test_costs_make_no_targets_beside_another_objective() -> None:
    policy = GatePolicy(objectives=("rouge", "tokens"))
    assert lowest_items(scored(812.0, metric="tokens", lower=True), policy) == []
    alone = GatePolicy(objectives=("tokens",))
    assert len(lowest_items(scored(812.0, metric="tokens", lower=True), alone)) == 1
    assert unscored(scored(1.0), policy) == ["tokens"]


def test_without_an_objective_scores_make_no_targets() -> None:
    evaluation = scored(0.1)
    assert with_low_scores(evaluation, GatePolicy()) is evaluation
