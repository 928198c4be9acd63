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


def code(text: str, *, most: int = 0, pipe: str = "") -> str:
    """`text` as code on one line, also for a table's cell; empty where there is nothing to show.

    Args:
        text: whatever it holds.
        most: characters after which it is cut with `…`; 0 for no cut.
        pipe: what stands for a `|`; where nothing is given, all punctuation beside one becomes entities.
    """
    line = one_line(shown(text), most=most)
    if not line:
        return ""
    if pipe:
        line = line.replace("|", pipe)
    elif "|" in line:  # in a table no number of backticks protects a pipe that follows a backslash
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


def escaped(text: str) -> str:
    """`text` for a file that is read as it is too: no Markdown in it, but names and amounts are untouched."""
    return _SPECIAL.sub(r"\\\1", shown(text))


def fenced(text: str, language: str = "text", *, lines: int = 0, chars: int = _LINE_CHARS) -> str:
    """Return a block of code that nothing in `text` can end.

    Args:
        text: whatever it holds.
        language: the word behind the fence.
        lines: how many are shown at most; 0 for all.
        chars: of a line that are shown at most; 0 for all.
    """
    everything = shown(text).rstrip("\n").split("\n")
    kept = everything[:lines] if lines and len(everything) > lines else everything
    body = [
        line if not chars or len(line) <= chars else f"{line[:chars]}… ({len(line) - chars:,} characters)"
        for line in kept
    ]
    if len(kept) < len(everything):
        body.append(f"… ({count(len(everything) - len(kept), 'more line')})")
    block = "\n".join(body)
    fence = "`" * max(3, _longest_run(block) + 1)
    return f"{fence}{language}\n{block}\n{fence}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[int] = ()) -> str:
    """Return a table.

    Args:
        header: names of the columns.
        rows: cells that were made by `code`, `prose` or of our own words.
        right: numbers of the columns that are aligned to the right, from 0.
    """
    numbers = set(right)
    rule = ["---:" if number in numbers else "---" for number in range(len(header))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))


def details(title: str, body: str) -> str:
    """Return a part that is folded until it is asked for.

    Args:
        title: text as it is, without Markdown.
        body: Markdown.
    """
    line = _REFERENCE.sub(rf"\1{_JOINER}", one_line(shown(title)))
    return f"<details><summary>{html.escape(line, quote=False)}</summary>\n\n{body}\n\n</details>"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)


def plain_code(text: str, *, pipe: str = "|") -> str:
    """Return code for a page that is committed and read as a diff: legible pipes, `(empty)` for no text."""
    return code(text, pipe=pipe) or "(empty)"


def plain_block(text: str, language: str = "text") -> str:
    """Return a block of code for a page that is committed.

    White space at the end of a line and empty lines around the text are left out, since editors and hooks
    take them out of files; a line break of any kind is `\\n`, and no line is cut.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return fenced("\n".join(line.rstrip() for line in lines).strip("\n"), language, chars=0) + "\n"
