"""Markdown that no text of a project can break out of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\U000e0000-\U000e007f]"
)


def fenced(text: str, language: str = "text") -> str:
    """`text` as a code block whose fence is longer than any run of backticks in it.

    Line breaks of any kind become `\\n`; characters that a terminal or a page would obey instead of show
    (controls, changes of the writing direction) are spelt out. White space at the end of a line is left out,
    since editors and hooks take it out of files; so are empty lines around the text.
    """
    body = _UNPRINTABLE.sub(_spelt, text.replace("\r\n", "\n").replace("\r", "\n"))
    body = "\n".join(line.rstrip() for line in body.split("\n")).strip("\n")
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", body)), default=0))
    return f"{fence}{language}\n{body}\n{fence}\n"


def code(text: str) -> str:
    """`text` on one line as a code span."""
    body = _UNPRINTABLE.sub(_spelt, " ".join(text.split()))
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", body)), default=0))
    room = " " if body.startswith("`") or body.endswith("`") else ""
    return f"{fence}{room}{body}{room}{fence}" if body else "(empty)"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: int = 0) -> str:
    """A table; cells may hold code spans.

    Args:
        numbers: how many of the last columns are set to the right.
    """
    rule = ["---"] * (len(head) - numbers) + ["---:"] * numbers
    lines = [_row(head), _row(rule), *(_row(row) for row in rows)]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _spelt(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
