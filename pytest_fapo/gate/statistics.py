"""Paired statistics on differences, one per case: exact where that is cheap, else by seeded resampling.

The tests are those of textbooks: the sign test, which for pass and fail is McNemar's exact test (McNemar
1947), and the sign-flip permutation test (Fisher 1935).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from math import comb, sqrt
from statistics import NormalDist, fmean, stdev

EXACT = 16
"""Up to so many differences other than zero, all ways to flip their signs are gone through."""
DRAWS = 20_000
"""Else so many are drawn."""


def sign_test(gains: int, losses: int) -> float:
    """Probability of so many gains or more among so many changes, were gains and losses equally likely."""
    changes = gains + losses
    ways: int = sum(comb(changes, count) for count in range(gains, changes + 1))
    return ways / float(2**changes)


def sign_flip_test(differences: Sequence[float]) -> float:
    """Probability of so large a sum or a larger one, were each difference as likely to have the other sign.

    Args:
        differences: one per case, after minus before; zeros do not matter.

    Returns:
        the one-sided p-value, in (0, 1]; exact for up to `EXACT` differences other than zero.
    """
    sizes = [difference for difference in differences if difference]
    if not sizes:
        return 1.0
    total = sum(sizes)
    if len(set(map(abs, sizes))) == 1:
        return sign_test(sum(size > 0 for size in sizes), sum(size < 0 for size in sizes))
    slack = 1e-12 * sum(map(abs, sizes))
    if len(sizes) <= EXACT:
        sums = [0.0]
        for size in sizes:
            sums = [each + sign for each in sums for sign in (size, -size)]
        return sum(each >= total - slack for each in sums) / len(sums)
    draw = random.Random(len(sizes))
    reached = sum(
        sum(size if draw.random() < 0.5 else -size for size in sizes) >= total - slack for _ in range(DRAWS)
    )
    return (reached + 1) / (DRAWS + 1)


def mean_interval(differences: Sequence[float], confidence: float) -> tuple[float, float]:
    """Two-sided confidence interval of the mean difference, by its standard error.

    Args:
        differences: one per case.
        confidence: of the interval, 0.5 to 1.

    Returns:
        both bounds; -1 and 1 where a single case allows no estimate.
    """
    if len(differences) < 2:
        return -1.0, 1.0
    middle = fmean(differences)
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * stdev(differences) / sqrt(len(differences))
    return max(-1.0, middle - reach), min(1.0, middle + reach)
