"""How much of everything a page shows: full first, and less the less room there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from pytest_fapo.report.words import count

_CUT = (
    "> {parts} left out: this page would be larger than {limit:,} bytes. The HTML report "
    "(`--fapo-report=PATH`) has everything."
)


class Size(NamedTuple):
    """Bounds of one page."""

    rows: int
    """Of a table."""
    cell: int
    """Characters of a value in a table."""
    lines: int
    """Of a diff or of pytest's words for a failure."""


SIZES = (Size(500, 300, 2_000), Size(200, 160, 400), Size(60, 120, 120), Size(20, 80, 40))


def fitted(blocks: Callable[[Size], Sequence[str]], limit: int) -> str:
    """The page in the first size that fits; where none does, whole blocks are left out, and it is said.

    Args:
        blocks: makes the page's parts; the first is always kept.
        limit: bytes of UTF-8 that the page may have.
    """
    for size in SIZES:
        page = _joined(blocks(size))
        if len(page.encode()) <= limit:
            return page
    return _cut(blocks(SIZES[-1]), limit)


def _cut(blocks: Sequence[str], limit: int) -> str:
    room = limit - len(_CUT.encode()) - 40
    kept: list[str] = []
    for number, block in enumerate(blocks):
        size = len(block.encode()) + 2
        if number == 0 or size <= room:
            kept.append(block)
            room -= size
    parts = count(len(blocks) - len(kept), "part")
    is_are = "is" if parts == "1 part" else "are"
    return _joined([*kept, _CUT.format(parts=f"{parts} {is_are}", limit=limit)])


def _joined(blocks: Sequence[str]) -> str:
    return "\n\n".join(block for block in blocks if block) + "\n"
