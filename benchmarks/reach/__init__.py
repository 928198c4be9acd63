"""`python -m benchmarks reach`: prompts that can be edited where people write them, clients, frameworks.

See docs/benchmarks.md for the figures and how each is measured.
"""

from __future__ import annotations

from benchmarks.planted.table import show
from benchmarks.reach.locations import locations


def run(check: bool, quick: bool) -> int:
    """Measure and print the table.

    Args:
        check: whether a missed bar is a failure.
        quick: a subset of the rows that take long.

    Returns:
        the exit code.
    """
    figures = [locations()]
    show(figures)
    return int(check and not all(figure.holds for figure in figures))
