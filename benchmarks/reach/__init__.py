"""`python -m benchmarks reach`: prompts that can be edited where people write them, clients, frameworks.

See docs/benchmarks.md for the figures and how each is measured.
"""

from __future__ import annotations

from benchmarks.planted.lab import laboratory
from benchmarks.planted.table import show
from benchmarks.reach.clients import client_figure
from benchmarks.reach.framework_pages import framework_pages
from benchmarks.reach.framework_table import FRAMEWORKS
from benchmarks.reach.frameworks import OPTIMIZERS, framework_figure
from benchmarks.reach.locations import location_figure


def run(check: bool, quick: bool) -> int:
    """Measure and print the table.

    Args:
        check: whether a missed bar is a failure.
        quick: a subset of the rows that take long.

    Returns:
        the exit code.
    """
    with laboratory() as lab:
        projects = FRAMEWORKS[:1] if quick else (*FRAMEWORKS, *framework_pages())
        figures = [location_figure(), client_figure()]
        figures += [framework_figure(lab, repairer, projects) for repairer in OPTIMIZERS]
    show(figures)
    return int(check and not all(figure.holds for figure in figures))
