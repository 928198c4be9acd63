"""A row of the table: what was measured, its bar, and whether it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Figure:
    """One measured figure beside its bar."""

    name: str
    bar: str
    result: str
    holds: bool
    rival: str = ""
    notes: list[str] = field(default_factory=list)
    """Lines printed below the table: what missed, and how it was measured."""


def share(part: float, whole: float) -> str:
    """`37 of 40 (92.5 %)`."""
    return f"{part:.4g} of {whole:.4g} ({100 * part / whole:.1f} %)" if whole else "nothing measured"


def show(figures: Sequence[Figure]) -> None:
    """Print the table, and then what is to be said on its rows."""
    head = ("", "bar", "result", "", "rival")
    rows = [head] + [
        (figure.name, figure.bar, figure.result, "holds" if figure.holds else "MISSED", figure.rival)
        for figure in figures
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    for number, row in enumerate(rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))
    for figure in figures:
        for note in figure.notes:
            print(f"  {figure.name}: {note}")
