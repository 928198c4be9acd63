"""Rewritten code must fix cases that its author has not seen in proportion to those that it was made from."""

from __future__ import annotations

import pytest
from support.gate_samples import candidate, cases, evaluation

from pytest_fapo.core.candidate import Verdict
from pytest_fapo.core.record import Level
from pytest_fapo.verdict.candidate_gate import judge_cases, judge_suite
from pytest_fapo.verdict.statistics import fewer_than_chance


def judged(train: str, val: str, *, level: Level = "structure", holdout: str = "") -> Verdict:
    """The verdict on an edit after which these tests pass (`+`); none of them passed before."""
    splits = {"t": train, "v": val, "h": holdout}
    before = evaluation({name: "-" for letter, marks in splits.items() for name in cases(letter, marks)})
    after = evaluation(
        {name: mark for letter, marks in splits.items() for name, mark in cases(letter, marks).items()}
    )
    made = candidate(*cases("t", train)).model_copy(update={"level": level})
    return judge_suite(before, after, candidate=made) if holdout else judge_cases(made, before, after)


def test_code_that_fixes_train_alone_is_overfitted() -> None:
    verdict = judged("++++++--", "-------")
    assert not verdict.accepted
    assert verdict.reason.startswith(
        "overfitted: it fixes 6 of 8 failing train tests and 0 of 7 on val (p = 0.0056"
    )


@pytest.mark.parametrize(
    ("train", "val"),
    [
        ("++++++--", "+++----"),  # fewer, and not so few that chance does not explain it
        ("++++++++", "++++++++"),
        ("++------", "-------"),
        ("+++", "--"),
        ("+++", ""),
    ],
)
def test_what_chance_explains_is_accepted(train: str, val: str) -> None:
    assert judged(train, val).accepted


def test_only_code_is_asked_for_its_neighbors() -> None:
    assert judged("++++++--", "-------", level="prompt").accepted
    assert not judged("+++", "---").accepted


def test_of_held_out_cases_no_number_is_told() -> None:
    """Val alone says too little; with the held-out cases it is plain, and one bit is told of them."""
    assert judged("+++", "--").accepted
    verdict = judged("+++", "--", holdout="---")
    assert verdict.reason.startswith("overfitted: it fixes 3 of 3 failing train tests and too few of those")
    assert judged("+++", "--", holdout="+++").accepted


def test_the_exact_test_is_fishers() -> None:
    assert fewer_than_chance((3, 0), (3, 3)) == pytest.approx(1 / 20)
    assert fewer_than_chance((6, 0), (8, 7)) == pytest.approx(28 / 5005)
    assert fewer_than_chance((2, 2), (4, 4)) == pytest.approx(1 - (4 * 4 + 1) / 70)
    assert fewer_than_chance((0, 0), (0, 0)) == 1.0


def test_an_edit_that_fixes_everywhere_alike_is_seldom_rejected() -> None:
    """In full: every result of a rule that fixes each case with one chance, for splits of six and four."""
    from math import comb

    for chance in (0.2, 0.5, 0.8):
        rejected = sum(
            comb(6, a) * comb(4, b) * chance ** (a + b) * (1 - chance) ** (10 - a - b)
            for a in range(1, 7)
            for b in range(5)
            if fewer_than_chance((a, b), (6, 4)) <= 0.05
        )
        assert rejected <= 0.05
