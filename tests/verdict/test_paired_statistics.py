"""The statistics, compared with scipy's."""

from __future__ import annotations

import math
import random

import pytest

from pytest_fapo.verdict.statistics import mean_interval, sign_flip_test


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_the_statistics_are_those_of_scipy(seed: int) -> None:
    numpy, stats = pytest.importorskip("numpy"), pytest.importorskip("scipy.stats")
    draw = random.Random(seed)
    gains, losses = draw.randint(0, 12), draw.randint(1, 12)
    exact = stats.binomtest(gains, gains + losses, 0.5, alternative="greater").pvalue
    assert sign_flip_test([1.0] * gains + [-1.0] * losses) == pytest.approx(exact)
    few = [round(draw.uniform(-0.2, 0.6), 3) for _ in range(10)]
    many = [round(draw.uniform(-0.3, 0.5), 3) for _ in range(60)]
    for differences, tolerance in ((few, 1e-9), (many, 0.02)):
        assert sum(differences) > 0
        theirs = stats.permutation_test(
            (differences,),
            numpy.sum,
            vectorized=True,
            permutation_type="samples",
            alternative="greater",
            n_resamples=20_000,
        )
        assert sign_flip_test(differences) == pytest.approx(theirs.pvalue, abs=tolerance)
    low, high = mean_interval(many, 0.95)
    mean = sum(many) / len(many)
    theirs_low, theirs_high = stats.t.interval(0.95, len(many) - 1, loc=mean, scale=stats.sem(many))
    assert low == pytest.approx(theirs_low)
    assert high == pytest.approx(theirs_high)


@pytest.mark.parametrize(("gains", "losses", "cases_"), [(8, 2, 50), (3, 1, 20), (0, 1, 12), (5, 4, 30)])
def test_the_interval_for_pass_and_fail_inverts_the_score_test(gains: int, losses: int, cases_: int) -> None:
    """At either bound, a difference of that size is just rejected; its standard error found by scipy."""
    optimize = pytest.importorskip("scipy.optimize")
    low, high = mean_interval([1.0] * gains + [-1.0] * losses + [0.0] * (cases_ - gains - losses), 0.9)
    assert low < (gains - losses) / cases_ < high
    for bound in (low, high):

        def unlikelihood(lost: float, bound: float = bound) -> float:
            kept = 1 - 2 * lost - bound
            counts = ((gains, lost + bound), (losses, lost), (cases_ - gains - losses, kept))
            return -sum(count * math.log(share) for count, share in counts if count)

        limits = (max(0.0, -bound) + 1e-12, (1 - bound) / 2 - 1e-12)
        lost = optimize.minimize_scalar(
            unlikelihood, bounds=limits, method="bounded", options={"xatol": 1e-10}
        ).x
        error = math.sqrt((2 * lost + bound - bound**2) / cases_)
        assert abs((gains - losses) / cases_ - bound) / error == pytest.approx(1.6449, abs=2e-3)


def test_an_interval_needs_more_than_one_graded_case() -> None:
    assert mean_interval([0.4], 0.95) == (float("-inf"), float("inf"))
    assert mean_interval([], 0.95) == (-1.0, 1.0)
    assert sign_flip_test([]) == 1.0


def test_more_changed_cases_than_a_float_has_powers_of_two() -> None:
    assert sign_flip_test([1.0] * 1_100) == 0.0
    even = sign_flip_test([1.0, -1.0] * 600)
    assert 0.5 < even < 0.52
