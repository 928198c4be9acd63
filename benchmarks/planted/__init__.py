"""`python -m benchmarks planted`: pipelines with planted faults, and what comes of them.

See docs/benchmarks.md for the rows and how each is measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cache

from benchmarks.planted import rows_compare, rows_leaks, rows_noise, rows_repair
from benchmarks.planted.lab import Lab, laboratory
from benchmarks.planted.pipelines import HARMED, chosen, named
from benchmarks.planted.table import Figure, show

Row = Callable[[Lab, bool], Sequence[Figure]]


def _diagnosis(lab: Lab, quick: bool) -> Sequence[Figure]:
    from benchmarks.planted.rows_diagnosis import diagnosis

    return diagnosis(lab, chosen(quick))


def _playbook(lab: Lab, quick: bool) -> Sequence[Figure]:
    return [rows_repair.playbook(workshop(lab), lab, chosen(quick))]


def _helpful(lab: Lab, quick: bool) -> Sequence[Figure]:
    return [rows_repair.helpful(workshop(lab), lab, chosen(quick))]


def _hidden(lab: Lab, quick: bool) -> Sequence[Figure]:
    return [rows_repair.hidden(workshop(lab), lab, [] if quick else named(HARMED))]


def _noise(lab: Lab, quick: bool) -> Sequence[Figure]:
    return [rows_noise.noise(lab, 1 if quick else 40)]


def _leaks(lab: Lab, quick: bool) -> Sequence[Figure]:
    return [rows_leaks.leaks(lab, quick)]


def _joint(lab: Lab, quick: bool) -> Sequence[Figure]:
    """Both comparisons with GEPA: the second needs the runs of the first."""
    figure, runs = rows_compare.joint(lab, 1 if quick else 20)
    return [figure, rows_compare.calls(lab, 0 if quick else 8, runs)]


@cache
def workshop(lab: Lab) -> rows_repair.Workshop:
    """One for all rows of a table: the row of the hidden cases looks at every run."""
    return rows_repair.Workshop(lab)


ROWS: dict[str, Row] = {
    "diagnosis": _diagnosis,
    "playbook": _playbook,
    "helpful": _helpful,
    "hidden": _hidden,
    "noise": _noise,
    "leaks": _leaks,
    "joint": _joint,
}


def run(check: bool, quick: bool, only: str | None = None) -> int:
    """Measure the rows and print the table.

    Args:
        check: whether a missed bar is a failure.
        quick: a subset of pipelines, seeds and rows, in about a minute.
        only: name of the one row to measure.

    Returns:
        the exit code.
    """
    if only is not None and only not in ROWS:
        print(f"no row {only!r}; there are: {', '.join(ROWS)}")
        return 2
    started = time.monotonic()
    figures: list[Figure] = []
    with laboratory() as lab:
        for name, row in ROWS.items():
            if only in (None, name):
                figures += row(lab, quick)
    show(figures)
    print(f"measured in {time.monotonic() - started:.0f} s")
    return 1 if check and not all(figure.holds for figure in figures) else 0
