"""Moving source to the left and back: code lines are shifted, the insides of string literals are not."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator

from pytest_fapo.artifacts.encoding import split_lines

_OPENING = {"FSTRING_START", "TSTRING_START"}
_CLOSING = {"FSTRING_END", "TSTRING_END"}


def dedented(source: str, indent: str) -> str:
    """Lines that begin with `indent` without it; lines inside a string literal stay as they are."""
    lines = split_lines(source)
    inside = _inside_strings(_as_block(source, indent), 1 if indent else 0)
    return "".join(
        line if number in inside else line.removeprefix(indent) for number, line in enumerate(lines, 1)
    )


def indented(source: str, indent: str) -> str:
    """The opposite of `dedented`; blank lines get no indentation."""
    inside = _inside_strings(source, 0)
    return "".join(
        line if number in inside or not line.strip() else indent + line
        for number, line in enumerate(split_lines(source), 1)
    )


def with_tabs(source: str) -> str:
    """Code indented by spaces, indented by tabs instead; lines inside a string literal stay."""
    inside = _inside_strings(source, 0)
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


def _as_block(source: str, indent: str) -> str:
    """Indented source as something that stands alone."""
    return f"if 1:\n{source}" if indent else source


def _inside_strings(source: str, shift: int) -> set[int]:
    """Numbers (from 1) of the lines that begin inside a string literal."""
    inside: set[int] = set()
    for first, last in _strings(source):
        inside.update(range(first + 1 - shift, last + 1 - shift))
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
