"""Agreement of a judge with people, on values worked out by hand."""

from __future__ import annotations

import pytest

from pytest_fapo.verdict.agreement import Agreement, Label, on_scale


def test_cohens_kappa_of_the_textbook() -> None:
    # 20 + 15 agree of 50; by chance 0.5 would: (0.7 - 0.5) / 0.5.
    human: list[Label] = [*[1.0] * 25, *[0.0] * 25]
    judge: list[Label] = [*[1.0] * 20, *[0.0] * 5, *[1.0] * 10, *[0.0] * 15]
    agreement = Agreement(human, judge)
    assert agreement.share == pytest.approx(0.7)
    assert agreement.kappa == pytest.approx(0.4)
    assert agreement.differing == list(range(20, 35))
    assert agreement.interval == pytest.approx((0.562, 0.809), abs=0.001)


def test_a_near_miss_is_less_of_a_miss_on_a_scale_of_several_levels() -> None:
    human: list[Label] = [1.0, 2.0, 3.0, 4.0, 5.0]
    near = Agreement(human, [1.0, 2.0, 3.0, 4.0, 4.0]).kappa
    far = Agreement(human, [1.0, 2.0, 3.0, 4.0, 1.0]).kappa
    assert near is not None
    assert far is not None
    assert near > 0.9 > 0.2 > far


def test_one_label_alone_says_nothing_beyond_chance() -> None:
    assert Agreement([1.0, 1.0], [1.0, 1.0]).kappa is None
    assert Agreement(["good", "bad"], ["good", "bad"]).kappa == 1.0


@pytest.mark.parametrize(
    ("answer", "human", "placed"),
    [
        (0.7, [0.0, 1.0], 1.0),
        (0.3, [0.0, 1.0], 0.0),
        (3.4, [1.0, 3.0, 5.0], 3.0),
        (" Good ", ["good", "bad"], "good"),
    ],
)
def test_answers_are_put_on_the_scale_of_the_people(answer: Label, human: list[Label], placed: Label) -> None:
    assert on_scale(answer, human) == placed
