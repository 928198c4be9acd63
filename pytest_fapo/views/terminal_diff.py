"""Differences on the terminal: a patch in color, and two texts in one column or two with the changed words
marked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import TYPE_CHECKING, Literal, NamedTuple

from pytest_fapo.core.printable import Part
from pytest_fapo.core.text import compared_lines
from pytest_fapo.loop.reviewed_change import TextChange
from pytest_fapo.views.terminal import Terminal

if TYPE_CHECKING:
    from rich.text import Text

View = Literal["unified", "side-by-side"]

WIDE = 110
"""Columns from which a terminal has room for two."""

_CONTEXT = 3

_ALIKE = 0.4
"""From this similarity of two lines the words that differ are marked; below it the whole line has changed."""

_MARKED = {"-": "bold underline red", "+": "bold underline green"}

_PLAIN = {"-": "red", "+": "green"}


class _Row(NamedTuple):
    """A line of the old text beside its line of the new; numbers count from 1."""

    old: str | None
    new: str | None
    old_number: int
    new_number: int

    @property
    def same(self) -> bool:
        return self.old == self.new


_PATCH_STYLES = {"diff ": "bold", "+++": "bold", "---": "bold", "@@": "cyan", "+": "green", "-": "red"}


def show_patch(patch: str, terminal: Terminal) -> None:
    """Write the lines of a patch, each in its color."""
    for line in patch.removesuffix("\n").split("\n"):
        style = next((style for start, style in _PATCH_STYLES.items() if line.startswith(start)), "")
        terminal.verbatim((line.removesuffix("\r"), style))


def best_view(change: TextChange, terminal: Terminal) -> View:
    """Two columns where the terminal is wide enough and there are lines to compare, not new ones alone."""
    wide = terminal.tty and terminal.width >= WIDE
    rewritten = any(
        row.old is not None and row.new is not None and not row.same
        for hunk in _hunks(change)
        for row in hunk
    )
    return "side-by-side" if wide and rewritten else "unified"


def show_text_change(change: TextChange, terminal: Terminal, view: View) -> None:
    """Write the lines that differ with three lines around them."""
    new = " (new file)" if change.before is None else ""
    terminal.line((f"{change.path}{new}", "bold"))
    for hunk in _hunks(change):
        first = next((row.new_number for row in hunk if row.new is not None), 0)
        terminal.line((f"@@ line {first or hunk[0].old_number}", "cyan"))
        if view == "side-by-side":
            _two_columns(hunk, terminal)
        else:
            _one_column(hunk, terminal)


def _hunks(change: TextChange) -> Iterator[list[_Row]]:
    texts = (change.before or "", change.after)
    old, new = compared_lines(*(text.replace("\r\n", "\n") for text in texts))
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for group in matcher.get_grouped_opcodes(_CONTEXT):
        rows = []
        for _, first, last, start, end in group:
            for offset, (left, right) in enumerate(zip_longest(old[first:last], new[start:end])):
                rows.append(_Row(left, right, first + offset + 1, start + offset + 1))
        yield rows


# --- one column --------------------------------------------------------------------------------------------


def _one_column(rows: Sequence[_Row], terminal: Terminal) -> None:
    waiting: list[_Row] = []
    for row in [*rows, None]:
        if row is not None and not row.same:
            waiting.append(row)
            continue
        for sign in ("-", "+"):
            for changed in waiting:
                parts = _parts(changed, sign)
                if parts is not None:
                    terminal.line((sign, _PLAIN[sign]), *parts, indent=1)
        waiting = []
        if row is not None:
            terminal.line(" ", row.new or "", indent=1)


# --- two columns -------------------------------------------------------------------------------------------


def _two_columns(rows: Sequence[_Row], terminal: Terminal) -> None:
    digits = len(str(max(max(row.old_number, row.new_number) for row in rows)))
    room = (terminal.width - 3) // 2
    for row in rows:
        sides = _side(row, "-", terminal, digits, room), _side(row, "+", terminal, digits, room)
        for left, right in zip_longest(*sides):
            line = terminal.text() if left is None else left
            line.pad_right(room - line.cell_len)
            line = line + terminal.text((" │ ", "dim")) + (terminal.text() if right is None else right)
            terminal.console.print(line, soft_wrap=True)


def _side(row: _Row, sign: str, terminal: Terminal, digits: int, room: int) -> list[Text]:
    """One side of a line, folded into its column."""
    text, number = (row.old, row.old_number) if sign == "-" else (row.new, row.new_number)
    if text is None:
        return []
    parts = [text.expandtabs(4)] if row.same else _parts(row, sign) or []
    folded = terminal.text(*parts).wrap(terminal.console, max(10, room - digits - 1), tab_size=4)
    lines = []
    for index, piece in enumerate([*folded] or [terminal.text()]):
        piece.rstrip()
        label = f"{number:>{digits}} " if index == 0 else " " * (digits + 1)
        lines.append(terminal.text((label, "dim")) + piece)
    return lines


# --- words -------------------------------------------------------------------------------------------------


def _parts(row: _Row, sign: str) -> list[Part] | None:
    """Return a changed line in pieces, those that its counterpart lacks marked; None where it is not
    there.
    """
    mine, other = (row.old, row.new) if sign == "-" else (row.new, row.old)
    if mine is None:
        return None
    if other is None:
        return [(mine, _PLAIN[sign])]
    old, new = _tokens(row.old or ""), _tokens(row.new or "")
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    if matcher.ratio() < _ALIKE:
        return [(mine, _PLAIN[sign])]
    parts: list[Part] = []
    for kind, first, last, start, end in matcher.get_opcodes():
        text = "".join(old[first:last] if sign == "-" else new[start:end])
        parts.append((text, _PLAIN[sign] if kind == "equal" else _MARKED[sign]))
    return parts


def _tokens(text: str) -> list[str]:
    return re.findall(r"\w+|\s+|[^\w\s]", text)
