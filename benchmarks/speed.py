"""What the plugin costs beside plain pytest and the bare client: a cached case, a call, a step, memory."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks._many_cases import ManyCases, Used
from benchmarks._own_cost import call_cost, step_cost
from benchmarks.figures import report
from benchmarks.machine import measured_machine

CASE, CALL, STEP = 600, 150, 30
"""Microseconds of own time, on the reference machine."""

MEMORY = 600
"""Megabytes of a whole pytest run of 100,000 cases with five steps each, extrapolated from fewer."""


_LONG = (1_500, 4_500)
"""Cases of the memory's two runs: with more of them than the traces that are held in memory."""


def run(check: bool, quick: bool) -> int:
    """Differences within one run, in processor time; start-up is no case's cost, so it is taken off."""
    sizes = (100, 1_000) if quick else (100, 2_000, 8_000)
    with measured_machine() as machine, tempfile.TemporaryDirectory() as name:
        call, bare_call = call_cost(40 if quick else 200)
        step, bare_step = step_cost(40 if quick else 200)
        rows = [_row(Path(name) / str(size), size) for size in sizes]
        projects = [ManyCases(Path(name) / f"long-{size}", size) for size in _LONG]
        long = [project.long() for project in projects]
        plain = [project.plain("test_long_plain") for project in projects]
    print(machine)
    print(f"bare call {bare_call:.0f} us, bare function {bare_step:.1f} us")
    for row in rows:
        print(row)
    own = _microseconds(rows[0], rows[-1])
    figures = [("a cached case", own, CASE), ("a traced call", call, CALL), ("a step", step, STEP)]
    codes = [
        report(name, figure, bar * machine.slowness, "us", higher_is_better=False, check=check)
        for name, figure, bar in figures
    ]
    return max(*codes, _report_memory(long, plain, check))


def _report_memory(long: Sequence[Used], plain: Sequence[Used], check: bool) -> int:
    bare = _extrapolated(plain)
    print(f"plain pytest alone: {bare:,.0f} MB for 100,000 cases, extrapolated")
    name = "100,000 cases x 5 steps, extrapolated"
    return report(name, _extrapolated(long), MEMORY, "MB", higher_is_better=False, check=check)


def _extrapolated(used: Sequence[Used]) -> float:
    """Megabytes for 100,000 cases by what the two numbers of `_LONG` took."""
    few, many = (each.megabytes for each in used)
    return few + (many - few) * (100_000 - _LONG[0]) / (_LONG[1] - _LONG[0])


@dataclass(frozen=True)
class Row:
    """One number of cases."""

    cases: int
    plain: float
    cached: float
    megabytes: float

    def __str__(self) -> str:
        return (
            f"{self.cases:,} cases: plain pytest {self.plain:.2f} s, cached {self.cached:.2f} s, "
            f"{self.megabytes:.0f} MB"
        )


def _row(folder: Path, size: int) -> Row:
    project = ManyCases(folder, size)
    project.cached()  # records
    plain, cached = project.plain(), project.cached()
    return Row(size, plain.seconds, cached.seconds, cached.megabytes)


def _microseconds(few: Row, many: Row) -> float:
    """Own time of a case between two sizes."""
    own = (many.cached - many.plain) - (few.cached - few.plain)
    return own * 1e6 / (many.cases - few.cases)
