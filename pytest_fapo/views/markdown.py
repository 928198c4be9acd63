"""Markdown that other people's text cannot break out of.
What is data goes into code, where pipes, HTML and mentions mean nothing; what is a sentence is escaped.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from pytest_fapo.core.printable import shown
from pytest_fapo.core.text import count, one_line

_JOINER = "\u2060"
"""Has no width; behind `@` and `#` it keeps a name from being notified and an issue from being linked."""

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~])")

_REFERENCE = re.compile(r"([@#!&%^$])(?=\w)")

_PUNCTUATION = re.compile(r"[^\w\s]", re.ASCII)

_LINE_CHARS = 500


def code(text: str, *, most: int = 0) -> str:
    """`text` as code on one line, also for a table's cell; empty where there is nothing to show.

    Args:
        text: whatever it holds.
        most: characters after which it is cut with `…`; 0 for no cut.
    """
    line = one_line(shown(text), most=most)
    if not line:
        return ""
    if "|" in line:  # in a table no number of backticks protects a pipe that follows a backslash
        entities = _PUNCTUATION.sub(lambda found: f"&#{ord(found.group())};", line)
        return f"<code>{entities}</code>"
    fence = "`" * (_longest_run(line) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}"


def prose(text: str, *, most: int = 0) -> str:
    """`text` as one plain line of a paragraph or a table's cell.

    Never the start of a line: there `#`, `-` and GitLab's `/close` would mean something.
    """
    line = one_line(shown(text), most=most)
    line = _REFERENCE.sub(rf"\1{_JOINER}", line).replace("&", "&amp;")
    return _SPECIAL.sub(r"\\\1", line)


def fenced(text: str, language: str = "text", *, lines: int = 0) -> str:
    """A block of code that nothing in `text` can end.

    Args:
        text: whatever it holds; overlong lines are cut.
        language: the word behind the fence.
        lines: how many are shown at most; 0 for all.
    """
    everything = shown(text).rstrip("\n").split("\n")
    kept = everything[:lines] if lines and len(everything) > lines else everything
    body = [
        line
        if len(line) <= _LINE_CHARS
        else f"{line[:_LINE_CHARS]}… ({len(line) - _LINE_CHARS:,} characters)"
        for line in kept
    ]
    if len(kept) < len(everything):
        body.append(f"… ({count(len(everything) - len(kept), 'more line')})")
    block = "\n".join(body)
    fence = "`" * max(3, _longest_run(block) + 1)
    return f"{fence}{language}\n{block}\n{fence}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[int] = ()) -> str:
    """A table.

    Args:
        header: names of the columns.
        rows: cells that were made by `code`, `prose` or of our own words.
        right: numbers of the columns that are aligned to the right, from 0.
    """
    numbers = set(right)
    rule = ["---:" if number in numbers else "---" for number in range(len(header))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))


def details(title: str, body: str) -> str:
    """A part that is folded until it is asked for.

    Args:
        title: text as it is, without Markdown.
        body: Markdown.
    """
    line = _REFERENCE.sub(rf"\1{_JOINER}", one_line(shown(title)))
    return f"<details><summary>{html.escape(line, quote=False)}</summary>\n\n{body}\n\n</details>"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)


_UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\U000e0000-\U000e007f]"
)


def plain_block(text: str, language: str = "text") -> str:
    """`text` as a code block whose fence is longer than any run of backticks in it.

    Line breaks of any kind become `\\n`; characters that a terminal or a page would obey instead of show
    (controls, changes of the writing direction) are spelt out. White space at the end of a line is left out,
    since editors and hooks take it out of files; so are empty lines around the text.
    """
    body = _UNPRINTABLE.sub(_spelled_out, text.replace("\r\n", "\n").replace("\r", "\n"))
    body = "\n".join(line.rstrip() for line in body.split("\n")).strip("\n")
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", body)), default=0))
    return f"{fence}{language}\n{body}\n{fence}\n"


def plain_code(text: str) -> str:
    """`text` on one line as a code span."""
    body = _UNPRINTABLE.sub(_spelled_out, " ".join(text.split()))
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", body)), default=0))
    room = " " if body.startswith("`") or body.endswith("`") else ""
    return f"{fence}{room}{body}{room}{fence}" if body else "(empty)"


def plain_table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: int = 0) -> str:
    """A table; cells may hold code spans.

    Args:
        numbers: how many of the last columns are set to the right.
    """
    rule = ["---"] * (len(head) - numbers) + ["---:"] * numbers
    lines = [_plain_row(head), _plain_row(rule), *(_plain_row(row) for row in rows)]
    return "\n".join(lines) + "\n"


def _plain_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _spelled_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
