"""The exact test of the policy `paired`."""

from __future__ import annotations

import itertools
import random
from fractions import Fraction
from math import comb

import pytest
from support.bounded import bounded

from pytest_fapo.verdict.statistics import Table, fall_test, least_possible, sign_flip_test


def once(before: int, now: int, weight: float = 1.0) -> list[Table]:
    return [Table((before, now), (1, 1), weight)]


def test_with_single_runs_both_exact_tests_are_mcnemars() -> None:
    for losses, gains in itertools.product(range(8), range(5)):
        cases = [*[once(1, 0)] * losses, *[once(0, 1)] * gains, *[once(1, 1)] * 5, *[once(0, 0)] * 3]
        changes = gains + losses
        mcnemar = sum(comb(changes, count) for count in range(losses, changes + 1)) / 2**changes
        assert fall_test(cases) == pytest.approx(mcnemar)
        assert sign_flip_test([1.0] * losses + [-1.0] * gains) == pytest.approx(mcnemar)


def test_repeats_are_compared_within_their_case() -> None:
    cases = [[Table((3, 1), (3, 3))], [Table((5, 0), (5, 1))], [Table((2, 2), (3, 2))]]
    assert fall_test(cases) == pytest.approx(float(_by_enumeration(cases)))


def _by_enumeration(cases: list[list[Table]]) -> Fraction:
    """Over every way in which each case's passes can fall to its runs."""
    chances = []
    for (table,) in cases:
        total, (before, now) = sum(table.passes), table.runs
        ways = comb(before + now, now)
        chances.append(
            [
                (Fraction(k, now), Fraction(comb(total, k) * comb(before + now - total, now - k), ways))
                for k in range(now + 1)
            ]
        )
    seen = sum(Fraction(table.passes[1], table.runs[1]) for (table,) in cases)
    result = Fraction()
    for combination in itertools.product(*chances):
        if sum(share for share, _ in combination) <= seen:
            product = Fraction(1)
            for _, chance in combination:
                product *= chance
            result += product
    return result


def test_tests_of_one_case_are_no_independent_cases() -> None:
    together = [[Table((1, 0), (1, 1)), Table((1, 0), (1, 1))] for _ in range(4)]
    assert fall_test(together) == pytest.approx(1 / 16)
    one_of_two = [[Table((1, 0), (1, 1)), Table((1, 1), (1, 1))] for _ in range(4)]
    assert fall_test(one_of_two) == pytest.approx(1 / 16)


def test_nothing_to_compare() -> None:
    assert fall_test([]) == 1.0
    assert fall_test([once(1, 1), once(0, 0)]) == 1.0
    assert least_possible([once(1, 1)] * 4) == pytest.approx(1 / 16)


def test_large_suites_with_repeats_are_quick() -> None:
    draw = random.Random(3)

    def passes() -> int:
        return sum(draw.random() > 0.1 for _ in range(5))

    cases = [[Table((passes(), passes()), (5, 5))] for _ in range(3_000)]
    with bounded():
        unchanged = fall_test(cases)
    assert 0.001 < unchanged < 0.999
    assert fall_test([[Table((5, 0), (5, 5))] for _ in range(200)]) < 1e-12


def test_weights_count() -> None:
    heavy = [once(1, 0, 10.0), *[once(0, 1)] * 3]
    assert fall_test(heavy) == pytest.approx(0.5)
    assert fall_test([once(1, 0), *[once(0, 1)] * 3]) == pytest.approx(15 / 16)


def test_many_weights_are_drawn_and_come_near() -> None:
    draw = random.Random(5)
    cases = [once(1, 0, draw.random() + 1) for _ in range(9)] + [
        once(0, 1, draw.random() + 1) for _ in range(20)
    ]
    first = fall_test(cases)
    assert first == fall_test(cases), "the same question has the same answer"
    assert 0.9 < first <= 1.0
