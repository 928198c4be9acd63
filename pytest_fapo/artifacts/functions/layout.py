"""Moving source to the left and back: code lines are shifted, the insides of string literals are not."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator

from pytest_fapo.artifacts.encoding import split_lines

_OPENING = {"FSTRING_START", "TSTRING_START"}
_CLOSING = {"FSTRING_END", "TSTRING_END"}


def dedented(lines: list[str], first: int, last: int, indent: str, inside: set[int]) -> str:
    """The lines `first` to `last` (from 1, both included) of a file without `indent` before them.

    Args:
        lines: all lines of the file.
        inside: numbers of the lines that begin inside a string literal; they stay as they are.
    """
    return "".join(
        line if number in inside else line.removeprefix(indent)
        for number, line in enumerate(lines[first - 1 : last], first)
    )


def indented(source: str, indent: str) -> str:
    """The opposite of `dedented`; blank lines get no indentation."""
    inside = lines_inside_strings(source)
    return "".join(
        line if number in inside or not line.strip() else indent + line
        for number, line in enumerate(split_lines(source), 1)
    )


def with_tabs(source: str) -> str:
    """Code indented by spaces, indented by tabs instead; lines inside a string literal stay."""
    inside = lines_inside_strings(source)
    lines = split_lines(source)
    widths = [
        len(match[0])
        for number, line in enumerate(lines, 1)
        if number not in inside and (match := re.match(r" +(?=\S)", line))
    ]
    unit = min(widths, default=4)
    return "".join(line if number in inside else _tabbed(line, unit) for number, line in enumerate(lines, 1))


def _tabbed(line: str, unit: int) -> str:
    blanks = len(line) - len(line.lstrip(" "))
    return "\t" * (blanks // unit) + " " * (blanks % unit) + line[blanks:]


def lines_inside_strings(source: str) -> set[int]:
    """Numbers (from 1) of the lines that begin inside a string literal."""
    inside: set[int] = set()
    if '"""' in source or "'''" in source or "\\\n" in source or "\\\r" in source:
        for first, last in _strings(source):
            inside.update(range(first + 1, last + 1))
    return inside


def _strings(source: str) -> Iterator[tuple[int, int]]:
    """First and last line of each string literal that goes over several lines."""
    starts: list[int] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(source, newline="").readline):
            name = tokenize.tok_name[token.type]
            if name == "STRING":
                yield token.start[0], token.end[0]
            elif name in _OPENING:
                starts.append(token.start[0])
            elif name in _CLOSING and starts:
                yield starts.pop(), token.end[0]
    except (tokenize.TokenError, IndentationError):
        return
