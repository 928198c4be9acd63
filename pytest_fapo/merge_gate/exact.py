"""The exact test of the policy `paired`: did the cases pass less often than before, or is that chance?

The conditional test of textbooks (Birch 1965, of stratified two-by-two tables): each case is a stratum. Had
nothing changed, any of a case's runs, before and now, would be as likely to be one that passed, so the number
of passes among those of now follows the hypergeometric distribution. With one run before and one now it is
McNemar's exact test. Runs of one case are compared with each other only, never taken for further cases.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import comb, fsum

SUMS = 50_000
"""The distribution is worked out in full while it has no more than so many different values."""
DRAWS = 5_000
"""Else so many sums are drawn, from a seed that is always the same."""
_NEGLIGIBLE = 1e-18
"""Sums less likely than this are left out: no p-value that matters changes, and far fewer sums are left."""
_STEPS = 720_720
"""Each case's share counts in so many parts: shares of up to 16 repeats then add up without rounding."""

Distribution = tuple[tuple[int, float], ...]
"""Value (in parts of `_STEPS`) and its probability, rising."""


@dataclass(frozen=True)
class Table:
    """One test on one case."""

    passes: tuple[int, int]
    """Runs that passed, before and now."""
    runs: tuple[int, int]
    """All runs, before and now."""
    weight: float = 1.0


def fall_test(cases: Iterable[Sequence[Table]]) -> float:
    """Probability that so few passes or fewer fall to the runs of now, were nothing changed.

    Args:
        cases: the tests on each case. Tests of one case look at one answer: they are taken to pass and fail
            together, which makes the result larger rather than smaller.

    Returns:
        the one-sided p-value, in (0, 1].
    """
    observed = 0
    strata: list[Distribution] = []
    cases = [list(tables) for tables in cases]
    # Only how the weights compare may count, not the unit that they are given in.
    largest = max((table.weight for tables in cases for table in tables), default=0.0) or 1.0
    for tables in cases:
        tests = [table for table in tables if table.runs[0] and table.runs[1]]
        if not tests:
            continue
        weight = fsum(table.weight / largest for table in tests) / len(tests)
        found = _together([_passes(table) for table in tests], weight)
        if len(found) > 1:
            strata.append(found)
            observed += _scaled(
                sum((Fraction(table.passes[1], table.runs[1]) for table in tests), Fraction()) / len(tests),
                weight,
            )
    if not strata:
        return 1.0
    return min(1.0, _summed(strata, observed))


def least_possible(cases: Iterable[Sequence[Table]]) -> float:
    """The p-value if every run of now failed: what the test could show at all."""
    return fall_test(
        [Table((table.passes[0], 0), table.runs, table.weight) for table in each] for each in cases
    )


def _passes(table: Table) -> list[tuple[Fraction, float]]:
    """Share of the runs of now that pass, and its probability given how many pass in all."""
    passes, (before, now) = sum(table.passes), table.runs
    ways = comb(before + now, now)
    return [
        (Fraction(count, now), comb(passes, count) * comb(before + now - passes, now - count) / ways)
        for count in range(max(0, passes - before), min(now, passes) + 1)
    ]


def _together(tests: list[list[tuple[Fraction, float]]], weight: float) -> Distribution:
    """The mean over the tests, were all at the same place of their distributions."""
    if len(tests) == 1:
        return tuple((_scaled(share, weight), chance) for share, chance in tests[0])
    places = [0] * len(tests)
    left = [test[0][1] for test in tests]
    chances: dict[int, float] = {}
    while True:
        mean = sum((test[place][0] for test, place in zip(tests, places, strict=True)), Fraction()) / len(
            tests
        )
        step = min(left)
        value = _scaled(mean, weight)
        chances[value] = chances.get(value, 0.0) + step
        for number, test in enumerate(tests):
            left[number] -= step
            if left[number] <= 1e-12:
                places[number] += 1
                if places[number] == len(test):
                    return tuple(sorted(chances.items()))
                left[number] += test[places[number]][1]


def _scaled(share: Fraction, weight: float) -> int:
    return round(float(share) * weight * _STEPS)


def _summed(strata: list[Distribution], observed: int) -> float:
    """Probability that the sum of all is at most `observed`."""
    reached = {0: 1.0}
    for stratum in strata:
        after: dict[int, float] = {}
        for value, chance in reached.items():
            for more, likely in stratum:
                after[value + more] = after.get(value + more, 0.0) + chance * likely
        if len(after) > SUMS:
            return _drawn(strata, observed)
        reached = {value: chance for value, chance in after.items() if chance > _NEGLIGIBLE}
    likely_sums = sum(chance for value, chance in reached.items() if value <= observed)
    return max(likely_sums, _NEGLIGIBLE)


def _drawn(strata: list[Distribution], observed: int) -> float:
    draw = random.Random(len(strata))
    hits = 0
    kinds = [([value for value, _ in each], [chance for _, chance in each]) for each in strata]
    for _ in range(DRAWS):
        hits += sum(draw.choices(values, chances)[0] for values, chances in kinds) <= observed
    return (hits + 1) / (DRAWS + 1)
