"""Every test of chance on paired results: exact where that is cheap, else by resampling with a fixed seed.
First tests and intervals on differences (one per case), then the exact test on repeats of the same cases,
then the sequential test: how often a change must come again before it is no luck.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, comb, cos, fsum, log, pi, sin, sqrt
from statistics import NormalDist, fmean, stdev
from typing import Literal

EQUAL = 1e-9
"""Scores that differ by less are the same."""

SUMS = 50_000
"""The distribution of the sum is worked out in full while it has no more than so many different values."""

DRAWS = 5_000
"""Else so many sums are drawn, from a seed that is always the same."""

_WEIGHT_STEPS = 10**9
"""Differences are taken as multiples of one part of this, so that equal sums are seen to be equal."""


def sign_flip_test(differences: Sequence[float]) -> float:
    """Probability of so large a sum or a larger one, were each difference as likely to have the other sign.

    Args:
        differences: one per case, after minus before; zeros do not matter.

    Of differences of -1 and 1 it is the sign test, McNemar's.

    Returns:
        the one-sided p-value, 0 to 1; exact for up to 15 different sizes, and for any number of
        differences on a common scale, such as shares of some repeats.
    """
    sizes = [round(_WEIGHT_STEPS * difference) for difference in differences if difference]
    least = sum(sizes) - len(sizes)  # what rounding can hide
    ways = {0: 1}
    for size in sizes:
        flipped: dict[int, int] = {}
        for reached, count in ways.items():
            for end in (reached + size, reached - size):
                flipped[end] = flipped.get(end, 0) + count
        if len(flipped) > SUMS:
            return _drawn_signs(sizes, least)
        ways = flipped
    hits, all_ways = sum(count for reached, count in ways.items() if reached >= least), 1 << len(sizes)
    return hits / all_ways


def _drawn_signs(sizes: Sequence[int], least: int) -> float:
    draw = random.Random(len(sizes))
    hits = 0
    for _ in range(DRAWS):
        signs = draw.getrandbits(len(sizes))
        hits += sum(size if signs >> index & 1 else -size for index, size in enumerate(sizes)) >= least
    return (hits + 1) / (DRAWS + 1)


def mean_interval(differences: Sequence[float], confidence: float) -> tuple[float, float]:
    """Two-sided confidence interval of the mean difference.

    Args:
        differences: one per case; pass and fail as -1, 0 and 1.
        confidence: of the interval, 0.5 to 1; a bound by itself is then good for (1 + confidence) / 2.

    Returns:
        both bounds; without end where a single graded case allows no estimate.
    """
    if set(differences) <= {-1.0, 0.0, 1.0}:
        gains, losses = differences.count(1.0), differences.count(-1.0)
        return score_interval(gains, losses, len(differences), confidence)
    if len(differences) < 2:
        return float("-inf"), float("inf")
    middle = fmean(differences)
    quantile = t_quantile(0.5 + confidence / 2, len(differences) - 1)
    reach = quantile * stdev(differences) / sqrt(len(differences))
    return middle - reach, middle + reach


def score_interval(gains: int, losses: int, cases: int, confidence: float) -> tuple[float, float]:
    """Tango's interval of the difference of two paired shares (Statistics in Medicine 17, 1998).

    Args:
        gains: cases that pass only after.
        losses: cases that pass only before.
        cases: all of them.
        confidence: of the interval.
    """
    if not cases:
        return -1.0, 1.0
    limit = NormalDist().inv_cdf(0.5 + confidence / 2)

    def score(difference: float) -> float:
        return tango_score(gains, losses, cases, difference)

    middle = (gains - losses) / cases
    low = _falls_to(score, limit, -1.0, middle)
    high = _falls_to(score, -limit, middle, 1.0)
    return low, high


def tango_score(gains: int, losses: int, cases: int, difference: float) -> float:
    """Return by how many standard errors the observed difference exceeds `difference`, if that were true.

    The standard error is that of the likeliest pair of shares with this very difference.
    """
    linear = (2 * cases - gains + losses) * difference - gains - losses
    product = -losses * difference * (1 - difference)
    lost = (sqrt(max(0.0, linear**2 - 8 * cases * product)) - linear) / (4 * cases)
    variance = cases * (2 * lost + difference * (1 - difference))
    distance = gains - losses - cases * difference
    if variance <= 1e-12:
        return 0.0 if abs(distance) < 1e-9 else distance * float("inf")
    return distance / sqrt(variance)


def t_quantile(share: float, freedom: int) -> float:
    """Quantile of Student's distribution above its middle (Hill, CACM 13, 1970), good to four digits.

    Args:
        share: 0.5 to 1.
        freedom: degrees of freedom, from 1.
    """
    tails = 2 * (1 - share)
    if freedom == 1:
        return cos(tails * pi / 2) / sin(tails * pi / 2)
    if freedom == 2:
        return sqrt(2 / (tails * (2 - tails)) - 2)
    a = 1 / (freedom - 0.5)
    b = 48 / a**2
    c = ((20_700 * a / b - 98) * a - 16) * a + 96.36
    d = ((94.5 / (b + c) - 3) / b + 1) * sqrt(a * pi / 2) * freedom
    y = (d * tails) ** (2 / freedom)
    if y > 0.05 + a:
        x = NormalDist().inv_cdf(tails / 2)
        y = x**2
        if freedom < 5:
            c += 0.3 * (freedom - 4.5) * (x + 0.6)
        c += (((0.05 * d * x - 5) * x - 7) * x - 2) * x + b
        y = (((((0.4 * y + 6.3) * y + 36) * y + 94.5) / c - y - 3) / b + 1) * x
        y = a * y**2
        y = y + y**2 / 2 if y <= 0.002 else 2.718281828459045**y - 1
    else:
        inner = 1 / (((freedom + 6) / (freedom * y) - 0.089 * d - 0.822) * (freedom + 2) * 3)
        y = ((inner + 0.5 / (freedom + 4)) * y - 1) * (freedom + 1) / (freedom + 2) + 1 / y
    return sqrt(freedom * y)


def _falls_to(falling: Callable[[float], float], value: float, low: float, high: float) -> float:
    """Return the argument at which a falling function reaches `value`, by bisection."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > value else (low, middle)
    return (low + high) / 2


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
        found = _together([_passes_of(table) for table in tests], weight)
        if len(found) > 1:
            strata.append(found)
            observed += _scaled(
                sum((Fraction(table.passes[1], table.runs[1]) for table in tests), Fraction()) / len(tests),
                weight,
            )
    if not strata:
        return 1.0
    return min(1.0, _chance_of_sum(strata, observed))


def least_possible(cases: Iterable[Sequence[Table]]) -> float:
    """Return the p-value if every run of now failed: what the test could show at all."""
    return fall_test(
        [Table((table.passes[0], 0), table.runs, table.weight) for table in each] for each in cases
    )


def _passes_of(table: Table) -> list[tuple[Fraction, float]]:
    """Return the share of the runs of now that pass, and its probability given how many pass in all."""
    passes, (before, now) = sum(table.passes), table.runs
    ways = comb(before + now, now)
    return [
        (Fraction(count, now), comb(passes, count) * comb(before + now - passes, now - count) / ways)
        for count in range(max(0, passes - before), min(now, passes) + 1)
    ]


def _together(tests: list[list[tuple[Fraction, float]]], weight: float) -> Distribution:
    """Return the mean over the tests, were all at the same place of their distributions."""
    if len(tests) == 1:
        return tuple((_scaled(share, weight), chance) for share, chance in tests[0])
    indices = [0] * len(tests)
    left = [test[0][1] for test in tests]
    chances: dict[int, float] = {}
    while True:
        mean = sum((test[index][0] for test, index in zip(tests, indices, strict=True)), Fraction()) / len(
            tests
        )
        step = min(left)
        value = _scaled(mean, weight)
        chances[value] = chances.get(value, 0.0) + step
        for number, test in enumerate(tests):
            left[number] -= step
            if left[number] <= 1e-12:
                indices[number] += 1
                if indices[number] == len(test):
                    return tuple(sorted(chances.items()))
                left[number] += test[indices[number]][1]


def _scaled(share: Fraction, weight: float) -> int:
    return round(float(share) * weight * _STEPS)


def _chance_of_sum(strata: list[Distribution], observed: int) -> float:
    """Probability that the sum of all is at most `observed`."""
    reached = {0: 1.0}
    for stratum in strata:
        after: dict[int, float] = {}
        for value, chance in reached.items():
            for more, likely in stratum:
                after[value + more] = after.get(value + more, 0.0) + chance * likely
        if len(after) > SUMS:
            return _drawn_sums(strata, observed)
        reached = {value: chance for value, chance in after.items() if chance > _NEGLIGIBLE}
    likely_sums = sum(chance for value, chance in reached.items() if value <= observed)
    return max(likely_sums, _NEGLIGIBLE)


def _drawn_sums(strata: list[Distribution], observed: int) -> float:
    draw = random.Random(len(strata))
    hits = 0
    kinds = [([value for value, _ in each], [chance for _, chance in each]) for each in strata]
    for _ in range(DRAWS):
        hits += sum(draw.choices(values, chances)[0] for values, chances in kinds) <= observed
    return (hits + 1) / (DRAWS + 1)


def fewer_than_chance(hits: tuple[int, int], of: tuple[int, int]) -> float:
    """Probability of so few hits or fewer in the second group, were all hits spread over both by chance.

    Args:
        hits: in the first and in the second group.
        of: their sizes.

    Returns:
        the one-sided p-value of Fisher's exact test.
    """
    all_hits, size = sum(hits), sum(of)
    ways = sum(comb(of[1], few) * comb(of[0], all_hits - few) for few in range(hits[1] + 1))
    return ways / comb(size, all_hits)


RUN_ERROR = 1 / 40
"""Bound on the expected number of candidates that a whole run accepts although they help no case."""

BY_CHANCE = 1 / 4
"""A pair confirms a gain that is none with at most this probability."""


def allowed_error(number: int) -> float:
    """Return the part of `RUN_ERROR` that the `number`-th candidate (from 1) may use up."""
    return RUN_ERROR / (number * (number + 1))


@dataclass
class FreshPairs:
    """The results of one case's pairs."""

    confirmed: int = 0
    others: int = 0

    @property
    def lead(self) -> int:
        return self.confirmed - self.others

    def add(self, confirms: bool) -> None:
        if confirms:
            self.confirmed += 1
        else:
            self.others += 1


@dataclass
class GainEvidence:
    """The wealth of a bet that some of a candidate's gains are real.

    Args:
        error: the probability of wrongly deciding for a gain, over all looks.
    """

    error: float
    wealth: float = 1.0
    _first: FreshPairs = field(default_factory=FreshPairs)
    """First pairs of all cases: what to expect of a case that was not asked yet."""

    def add(self, case: FreshPairs, confirms: bool) -> None:
        """Take in one pair of a case; the bet on it follows from earlier pairs alone."""
        expected = self._expected(case)
        if expected > BY_CHANCE:
            self.wealth *= expected / BY_CHANCE if confirms else (1 - expected) / (1 - BY_CHANCE)
        if not case.confirmed + case.others:
            self._first.add(confirms)
        case.add(confirms)

    @property
    def decided(self) -> bool:
        """True where the gain is real."""
        return self.wealth >= 1 / self.error

    @property
    def missing(self) -> int:
        """The number of confirming pairs in a row that are about enough to decide."""
        return max(0, ceil(log(1 / (self.error * self.wealth)) / log(0.9 / BY_CHANCE)))

    def _expected(self, case: FreshPairs) -> float:
        seen = case.confirmed + case.others
        if seen:
            return (case.confirmed + 0.75) / (seen + 1)
        first = self._first
        return (first.confirmed + 1.5) / (first.confirmed + first.others + 2)


LossState = Literal["real", "chance", "open"]


def loss_state(pairs: FreshPairs, *, varied: bool) -> LossState:
    """Return the state of a lost case: the parent passes and the edited tree does not, or it was chance.

    Args:
        pairs: a pair confirms the loss where the parent passes and the edited tree does not.
        varied: whether any pair of this candidate's losses has come out otherwise than first seen.

    Returns:
        `real` where the loss came three times more often than not, or twice while nothing varied at all;
        `chance` where it failed to come three times more often than it came. A loss that is none (a pair
        confirms it with at most 1/4) is called real with probability at most 1/27; a true one of a case that
        passes 9 of 10 times before and 1 of 10 after is called chance with 1.2 %.
    """
    if pairs.lead >= (3 if varied else 2):
        return "real"
    return "chance" if pairs.lead <= -3 else "open"
