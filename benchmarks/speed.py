"""What the plugin costs beside plain pytest and the bare client: a cached case, a call, a step, memory."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks._curves import Point, curves
from benchmarks._many_cases import ManyCases, Used
from benchmarks._own_cost import call_cost, step_cost
from benchmarks.figures import report
from benchmarks.machine import measured_machine

CASE, CALL, STEP = 600, 150, 30
"""Microseconds of own time, on the reference machine."""

MEMORY = 600
"""Megabytes over plain pytest of 100,000 cases with five steps each, extrapolated from fewer."""

_LONG = (2_500, 5_000)
"""Cases of the memory's two runs: more than run together at once, and than traces are held in memory."""

_PICTURE = Path(__file__).parents[1] / "docs/pictures/speed.svg"


def run(check: bool, quick: bool) -> int:
    """Differences between runs that follow each other, in processor time: medians of several such pairs.

    Start-up is no case's cost, so it is taken off. There are more cases than traces that are held in memory:
    with fewer, what lies in a file costs nothing. The whole form also draws the curves of the documentation.
    """
    sizes, rounds = ((100, 2_000), 3) if quick else ((100, 1_000, 3_000), 3)
    with measured_machine() as machine, tempfile.TemporaryDirectory() as name:
        call, bare_call = call_cost(40 if quick else 200)
        step, bare_step = step_cost(40 if quick else 200)
        points = measured([ManyCases(Path(name) / str(size), size) for size in sizes], rounds)
        projects = [ManyCases(Path(name) / f"long-{size}", size) for size in _LONG]
        long = [project.long() for project in projects]
        plain = [project.plain("test_long_plain") for project in projects]
    print(machine)
    print(f"bare call {bare_call:.0f} us, bare function {bare_step:.1f} us")
    for point in points:
        print(point)
    if not quick:
        _PICTURE.write_text(curves(points), encoding="utf-8")
        print(f"drawn: {_PICTURE}")
    figures = [
        ("a cached case", own_time(points[0], points[-1]), CASE),
        ("a traced call", call, CALL),
        ("a step", step, STEP),
    ]
    codes = [
        report(name, figure, bar * machine.slowness, "us", higher_is_better=False, check=check)
        for name, figure, bar in figures
    ]
    return max(*codes, _report_memory(long, plain, check))


def _report_memory(long: Sequence[Used], plain: Sequence[Used], check: bool) -> int:
    bare = _extrapolated(plain)
    print(f"plain pytest alone: {bare:,.0f} MB for 100,000 cases, extrapolated")
    name = "100,000 cases x 5 steps over plain pytest, extrapolated"
    return report(name, _extrapolated(long) - bare, MEMORY, "MB", higher_is_better=False, check=check)


def _extrapolated(used: Sequence[Used]) -> float:
    """Megabytes for 100,000 cases by what the two numbers of `_LONG` took."""
    few, many = (each.megabytes for each in used)
    return few + (many - few) * (100_000 - _LONG[0]) / (_LONG[1] - _LONG[0])


def measured(projects: Sequence[ManyCases], rounds: int) -> list[Point]:
    """Run each project plain and cached in turns, the numbers of cases in turns too: a machine's speed
    drifts. The first cached run of each records, and does not count."""
    for project in projects:
        project.cached()
    found: list[list[tuple[Used, Used]]] = [[] for _ in projects]
    for _ in range(rounds):
        for pairs, project in zip(found, projects, strict=True):
            pairs.append((project.plain(), project.cached()))
    return [_point(project.cases, pairs) for project, pairs in zip(projects, found, strict=True)]


def _point(cases: int, pairs: Sequence[tuple[Used, Used]]) -> Point:
    return Point(
        cases,
        plain=statistics.median(plain.seconds for plain, _ in pairs),
        own=statistics.median(cached.seconds - plain.seconds for plain, cached in pairs),
        plain_megabytes=max(plain.megabytes for plain, _ in pairs),
        megabytes=max(cached.megabytes for _, cached in pairs),
    )


def own_time(few: Point, many: Point) -> float:
    """Microseconds of own time of a case between two numbers of them."""
    return (many.own - few.own) * 1e6 / (many.cases - few.cases)
