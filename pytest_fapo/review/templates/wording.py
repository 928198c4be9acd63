"""How a dropped or an invented placeholder is reported."""

from __future__ import annotations

from collections.abc import Iterator, Set


def changed(old: Set[str], new: Set[str]) -> Iterator[str]:
    """One sentence on what is missing from `new`, one on what is there for the first time."""
    if dropped := sorted(old - new):
        yield f"The new text drops {', '.join(dropped)}; keep every placeholder exactly as it was."
    if invented := sorted(new - old):
        yield (
            f"The new text brings in {', '.join(invented)}, which nothing fills; "
            f"use the placeholders that are there, and words or <angle brackets> for anything else."
        )
