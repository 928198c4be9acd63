"""Two changes of one text put together, line by line, where they do not touch each other."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import pairwise
from typing import NamedTuple


class _Hunk(NamedTuple):
    """Lines `start` to `end` of the base become `lines`."""

    start: int
    end: int
    lines: Sequence[bytes]


def merge(base: bytes, mine: bytes, other: bytes) -> bytes | None:
    """Return `base` with the changes of both `mine` and `other`; None where they meet.

    Like git, it wants at least one unchanged line between two changes; equal changes are one. Bytes that are
    no text (NUL in them) are not merged.
    """
    if mine in (base, other):
        return other
    if other == base:
        return mine
    if any(b"\0" in data for data in (base, mine, other)):
        return None
    lines = _lines(base)
    first, second = _hunks(lines, mine), _hunks(lines, other)
    hunks = sorted({*first, *second}, key=lambda hunk: (hunk.start, hunk.end))
    for before, after in pairwise(hunks):
        if before.end >= after.start:
            return None
    merged: list[bytes] = []
    place = 0
    for hunk in hunks:
        merged += [*lines[place : hunk.start], *hunk.lines]
        place = hunk.end
    return b"".join([*merged, *lines[place:]])


def _hunks(base: Sequence[bytes], changed: bytes) -> list[_Hunk]:
    lines = _lines(changed)
    matcher = SequenceMatcher(None, base, lines, autojunk=False)
    return [
        _Hunk(start, end, tuple(lines[from_:to]))
        for tag, start, end, from_, to in matcher.get_opcodes()
        if tag != "equal"
    ]


def _lines(data: bytes) -> list[bytes]:
    """As git counts them; without an end of line, the last one is a line too."""
    parts = data.split(b"\n")
    lines = [part + b"\n" for part in parts[:-1]]
    return [*lines, parts[-1]] if parts[-1] else lines
