"""`python -m benchmarks strangers`: pipelines whose writer knew neither the rules nor the playbook.

Twelve are open; five more twelves were sealed, and four of them have been seen. See docs/benchmarks.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from benchmarks.planted.lab import Lab, laboratory
from benchmarks.planted.rows_repair import Workshop
from benchmarks.planted.table import Figure, show
from benchmarks.strangers import rows_diagnosis, rows_repair, truth
from benchmarks.strangers.pipelines import SETS, strangers
from benchmarks.strangers.spec import Stranger

ROWS = ("truth", "diagnosis", "calibration", "labels", "playbook", "helpful")
KINDS = ("sealed", "open")
"""Measured unless told otherwise; the other sets are run by name alone."""
TIME_LIMIT = 600
"""Seconds for one optimization: what is asked is whether a fault is repaired, not how fast."""


def run(check: bool, quick: bool, only: str | None = None) -> int:
    """Measure the rows, first on the sealed pipelines and then on the open ones, and print both tables.

    Args:
        check: whether a missed bar of the sealed pipelines is a failure.
        quick: diagnosis and calibration of the open ones alone, in about a minute.
        only: the one row to measure; `ROW:KIND` for one set (open, sealed, sealed_second, sealed_third,
            sealed_fourth, sealed_fifth), `ROW:KIND:NAME,NAME` for some of it.

    Returns:
        the exit code.
    """
    row, kind, names = [*(only or "").split(":"), "", ""][:3]
    if row and row not in ROWS:
        print(f"no row {row!r}; there are: {', '.join(ROWS)}")
        return 2
    if kind and not strangers(kind):
        print(f"no pipelines {kind!r}; there are: {', '.join(SETS)}")
        return 2
    started = time.monotonic()
    held = True
    for name in [kind] if kind else ["open"] if quick else KINDS:
        chosen = [each for each in strangers(name) if not names or each.name in names.split(",")]
        if not chosen:
            continue
        with laboratory() as lab:
            figures = Table(lab, chosen).measure([row] if row else ROWS[1:3] if quick else ROWS)
        print(f"{len(chosen)} {name} pipelines")
        show(figures)
        held = held and (name == "open" or all(figure.holds for figure in figures))
    print(f"measured in {time.monotonic() - started:.0f} s")
    return 1 if check and not held else 0


class Table:
    """The rows of one set of pipelines.

    Args:
        lab: where they run.
        chosen: the pipelines.
    """

    def __init__(self, lab: Lab, chosen: Sequence[Stranger]) -> None:
        self._lab, self._chosen = lab, chosen
        self._clinic, self._workshop = rows_diagnosis.Clinic(lab), Workshop(lab, TIME_LIMIT)

    def measure(self, names: Sequence[str]) -> list[Figure]:
        """The figures of these rows, in order; behind repairs, what they broke."""
        rows: dict[str, Callable[[], list[Figure]]] = {
            "truth": lambda: [truth.truth(self._lab, self._chosen)],
            "diagnosis": lambda: rows_diagnosis.diagnosis(self._clinic.of(self._chosen)),
            "calibration": lambda: rows_diagnosis.calibration(self._clinic.of(self._chosen)),
            "labels": lambda: rows_diagnosis.labels(self._clinic.of(self._chosen)),
            "playbook": lambda: [rows_repair.playbook(self._workshop, self._lab, self._chosen)],
            "helpful": lambda: [rows_repair.with_help(self._workshop, self._lab, self._chosen)],
        }
        figures = [figure for name in names for figure in rows[name]()]
        return [*figures, rows_repair.broken(self._workshop)] if self._workshop.done else figures
