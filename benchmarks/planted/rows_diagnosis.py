"""Rows: the clean twins are green, and the diagnosis names the planted step and level."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.planted.lab import Lab
from benchmarks.planted.project import Ran
from benchmarks.planted.spec import Planted
from benchmarks.planted.table import Figure, share

BAR = 0.95
_CLUSTER = re.compile(r"^\s*\d+\s{2,}(\S.*?)\s{2,}(\S+)\s{2,}(prompt|param|structure)\s+([\d,]+)\s", re.M)
_APART = re.compile(r"([\d,]+) cases? failed for reasons that no edit can fix")


@dataclass(frozen=True)
class Named:
    """The diagnosis that `--fapo-diagnose` printed for one pipeline, against the planted fault."""

    planted: Planted
    twin: bool
    """True if the clean twin passes every case, the hidden ones included."""
    step: float
    """Share of the failing train cases whose cause was named at the planted step."""
    level: float
    said: str


def diagnosis(lab: Lab, pipelines: Sequence[Planted]) -> list[Figure]:
    """Diagnose every faulty pipeline, as a user would, and read what is printed."""
    found = lab.each(lambda planted: _diagnosed(lab, planted), pipelines)
    twins = [named for named in found if named.twin]
    count = len(found)
    steps, levels = sum(named.step for named in found), sum(named.level for named in found)
    return [
        Figure(
            "clean twins green",
            "all",
            share(len(twins), count),
            len(twins) == count,
            notes=[f"{named.planted.name}: its clean twin fails" for named in found if not named.twin],
        ),
        Figure(
            "culprit step named",
            "≥ 95 %",
            share(steps, count),
            steps >= BAR * count,
            "GEPA names none",
            [_note(named, named.planted.fault.step) for named in found if named.step < 1],
        ),
        Figure(
            "culprit level named",
            "≥ 95 %",
            share(levels, count),
            levels >= BAR * count,
            "GEPA names none",
            [_note(named, named.planted.fault.level) for named in found if named.level < 1],
        ),
    ]


def _note(named: Named, right: str) -> str:
    return f"{named.planted.name}: {right} was planted; said: {named.said}"


def _diagnosed(lab: Lab, planted: Planted) -> Named:
    clean = lab.project(planted, planted.files, hidden=True).pytest()
    repeats = [f"--fapo-repeats={planted.repeats}"] if planted.repeats > 1 else []
    ran = lab.project(planted, planted.faulty).pytest("--fapo-diagnose", *repeats)
    clusters = _clusters(ran)
    apart = sum(int(number.replace(",", "")) for number in _APART.findall(ran.output))
    total = sum(cases for *_, cases in clusters) + apart
    fault = planted.fault
    return Named(
        planted,
        twin=clean.code == 0,
        step=_part(sum(cases for step, _, _, cases in clusters if step in (fault.step, *fault.also)), total),
        level=_part(sum(cases for _, _, level, cases in clusters if level == fault.level), total),
        said="; ".join(f"{step}, {category}, {level} ({cases})" for step, category, level, cases in clusters)
        or f"nothing (exit code {ran.code})",
    )


def _clusters(ran: Ran) -> list[tuple[str, str, str, int]]:
    """(step, category, level, cases) of each cause in the printed table."""
    return [
        (step, category, level, int(cases.replace(",", "")))
        for step, category, level, cases in _CLUSTER.findall(ran.output)
    ]


def _part(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
