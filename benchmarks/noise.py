"""Answers and judges that vary: edits that change nothing, and one that helps, judged by the gate."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

from benchmarks._null_edits import CANDIDATES, Noise, Ran, candidates_judged
from benchmarks.planted.table import Figure, share, show
from pytest_fapo.verdict.policy import GatePolicy

RUNS = 40
MOST = 1 / 40
"""Share of the runs that may accept an edit that changes nothing."""
FOUND = 0.9
"""Share of the runs that must accept the right edit."""
NOISES = (
    Noise(luck=0.05),
    Noise(luck=0.1),
    Noise(luck=0.2),
    Noise(flip=0.1),
    Noise(lenient=0.1),
    Noise(fail=0.05),
    Noise(fail=0.01, luck=0.05),
    Noise(fail=0.05, luck=0.05),
    Noise(fail=0.05, luck=0.1, lenient=0.1),
    Noise(fail=0.02, luck=0.05, flip=0.05),
)


@dataclass(frozen=True)
class Way:
    """A policy, and how often each case is run."""

    policy: GatePolicy
    repeats: int

    def __str__(self) -> str:
        return self.policy.name + (f" x {self.repeats}" if self.repeats > 1 else "")


WAYS = (
    Way(GatePolicy(), 1),
    Way(GatePolicy(), 3),
    Way(GatePolicy(name="target", target=0.95), 1),
    Way(GatePolicy(name="paired"), 1),
    Way(GatePolicy(name="paired"), 3),
)


def run(check: bool, quick: bool) -> int:
    """Simulated runs of the loop's verdicts, each on twenty candidates."""
    started = time.monotonic()
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        if quick:
            figures = list(_figures(pool, NOISES[2:4], WAYS[:2], 6))
        else:
            figures = list(_figures(pool, NOISES, WAYS, RUNS))
    show(figures)
    print(f"measured in {time.monotonic() - started:.0f} s")
    return int(check and not all(figure.holds for figure in figures))


def _figures(pool: Executor, noises: Sequence[Noise], ways: Sequence[Way], runs: int) -> Iterator[Figure]:
    for noise in noises:
        for way in ways:
            nothing, helped = (_runs(pool, noise, way, runs, right=right) for right in (False, True))
            null = sum(one.null for one in nothing)
            extra = sum(one.runs for one in nothing) / sum(one.candidates for one in nothing)
            yield Figure(
                f"{noise}; {way}: runs that accept one of {CANDIDATES} edits that change nothing",
                "at most 1 of 40",
                share(null, runs),
                null <= max(1, MOST * runs) and (runs >= RUNS or null == 0),
                notes=[f"{extra:.0f} runs of a case for each candidate"],
            )
            right = sum(one.right for one in helped)
            yield Figure(
                f"{noise}; {way}: right edit of +10 points accepted",
                f"at least {FOUND:.0%}",
                share(right, runs),
                right >= FOUND * runs - (runs < RUNS),
            )


def _runs(pool: Executor, noise: Noise, way: Way, runs: int, *, right: bool) -> list[Ran]:
    one = partial(candidates_judged, noise, way.policy, way.repeats, right=right)
    return list(pool.map(one, range(runs), chunksize=max(1, runs // 4)))
