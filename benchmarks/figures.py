"""The report of a benchmark: one line with the figure, the bar, and whether it holds."""

from __future__ import annotations


def report(name: str, figure: float, bar: float, unit: str, *, higher_is_better: bool, check: bool) -> int:
    """Print a figure beside its bar.

    Args:
        name: what was measured, in a few words.
        figure: the measured value, in `unit`.
        bar: what it must reach, or stay below.
        unit: as printed.
        higher_is_better: whether the figure must be at least the bar, rather than at most.
        check: whether missing the bar is a failure.

    Returns:
        the exit code: 1 where `check` is set and the figure misses the bar, else 0.
    """
    holds = figure >= bar if higher_is_better else figure <= bar
    relation = "at least" if higher_is_better else "at most"
    verdict = "holds" if holds else "MISSED"
    print(f"{name}: {figure:,.1f} {unit} (bar: {relation} {bar:,.0f} {unit}) {verdict}")
    return 1 if check and not holds else 0
