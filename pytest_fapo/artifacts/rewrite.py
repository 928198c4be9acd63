"""A string literal with a new value, spelled the way the old one was.

What stays of the value keeps its spelling; new parts get the old literal's prefix and quotes. The caller
tries the spellings offered here in order and takes the first that really gives the wanted value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import pairwise
from typing import NamedTuple

from pytest_fapo.artifacts.literals import Atom, Token, tokens_of
from pytest_fapo.artifacts.quoting import escape, raw_possible

WIDTH = 100
"""Columns that a new line of an implicit concatenation may fill."""


class Surroundings(NamedTuple):
    """What the file around a literal asks of its spelling."""

    encoding: str
    newline: str
    indent: str
    """Indentation of the statement."""
    bracketed: bool
    """Whether the literal stands inside parentheses, so that it may go over several lines."""


def spellings(source: str, value: str, around: Surroundings) -> Iterator[str]:
    """Ways to spell a literal with `value`, nearest to the old `source` first."""
    tokens = tokens_of(source)
    if len(tokens) == 1:
        token = tokens[0]
        if not token.triple and _wants_lines(value, around):
            yield _concatenation(token, value, around)
        if token.raw and raw_possible(value, quote=token.quote, encoding=around.encoding):
            body = value.replace("\n", around.newline)
            yield token.prefix + token.quote + body + token.quote
        if not token.raw:
            yield token.prefix + token.quote + _kept_body(token, value, around) + token.quote
        yield _spell(token, value, around)
    elif tokens:
        yield _spliced(source, tokens, value, around)
    yield '"' + escape(value, quote='"', encoding=around.encoding) + '"'


# --- one token -----------------------------------------------------------------------------------------


def _spell(style: Token, value: str, around: Surroundings) -> str:
    """One token for `value` in the style of another; a raw prefix goes where raw cannot express it."""
    if style.raw and raw_possible(value, quote=style.quote, encoding=around.encoding):
        return style.prefix + style.quote + value.replace("\n", around.newline) + style.quote
    prefix = style.prefix.replace("r", "").replace("R", "")
    body = escape(value, quote=style.quote, encoding=around.encoding, newline=around.newline)
    if style.body.startswith("\\") and style.triple and not style.raw and body[:1] not in ("\n", "\r"):
        opening = style.atoms()[0]
        body = opening.source + body if opening.value == "" else body
    return prefix + style.quote + body + style.quote


def _kept_body(token: Token, value: str, around: Surroundings) -> str:
    """Body with `value`, where lines and line parts that stay keep their spelling."""
    old_lines = _lines_of(token.atoms())
    new_lines = _split(value)
    old_values = ["".join(atom.value for atom in line) for line in old_lines]
    body = ""
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, old_values, new_lines, autojunk=False).get_opcodes():
        old = [atom for line in old_lines[i1:i2] for atom in line]
        if tag == "equal":
            body += _source(old)
        else:
            body += _changed(old, "".join(new_lines[j1:j2]), token.quote, around)
    return body


def _changed(old: list[Atom], new: str, quote: str, around: Surroundings) -> str:
    """Source for `new`, reusing the longest beginning and ending that `old` has in common with it."""
    head = 0
    rest = new
    while head < len(old) and old[head].value == rest[: len(old[head].value)]:
        if not old[head].value and head:  # a continued line that changes is joined
            break
        rest = rest[len(old[head].value) :]
        head += 1
    tail = len(old)
    while tail > head and old[tail - 1].value and rest.endswith(old[tail - 1].value):
        rest = rest[: -len(old[tail - 1].value)]
        tail -= 1
    middle = escape(rest, quote=quote, encoding=around.encoding, newline=around.newline)
    return _source(old[:head]) + middle + _source(old[tail:])


def _lines_of(atoms: list[Atom]) -> list[list[Atom]]:
    lines: list[list[Atom]] = [[]]
    for atom in atoms:
        lines[-1].append(atom)
        if atom.value.endswith("\n"):
            lines.append([])
    return lines if lines[-1] else lines[:-1]


def _source(atoms: Sequence[Atom]) -> str:
    return "".join(atom.source for atom in atoms)


def _split(text: str) -> list[str]:
    """Lines with their ends; only `\\n` ends a line."""
    parts = text.split("\n")
    lines = [part + "\n" for part in parts[:-1]]
    return [*lines, parts[-1]] if parts[-1] else lines


# --- several tokens: implicit concatenation ------------------------------------------------------------


class _Group(NamedTuple):
    """Tokens in a row whose joint value ends a line (or the literal)."""

    value: str
    source: str
    gap: str
    """What stands between this group and the next."""


def _spliced(source: str, tokens: list[Token], value: str, around: Surroundings) -> str:
    groups = _groups(source, tokens)
    style = _plain_style(tokens)
    gap = _usual_gap(source, tokens, around)
    parts: list[tuple[str, str | None]] = []  # source, own gap
    for piece in _pieces(groups, _split(value)):
        if isinstance(piece, _Group):
            parts.append((piece.source, piece.gap or None))
        else:
            width = WIDTH - _column(gap) if "\n" in gap or "\r" in gap else 10**9
            parts += [(_spell(style, text, around), None) for text in _wrapped(piece, width)]
    if not parts:
        return _spell(style, "", around)
    return "".join(part + (own or gap) for part, own in parts[:-1]) + parts[-1][0]


def _groups(source: str, tokens: list[Token]) -> list[_Group]:
    groups: list[_Group] = []
    first, value = 0, ""
    for place, token in enumerate(tokens):
        value += token.value()
        last = place == len(tokens) - 1
        if last or value.endswith("\n"):
            gap = "" if last else source[token.end : tokens[place + 1].start]
            groups.append(_Group(value, source[tokens[first].start : token.end], gap))
            first, value = place + 1, ""
    return groups


def _pieces(groups: list[_Group], lines: list[str]) -> Iterator[_Group | str]:
    """The new lines in order, with every old group that stays whole in place of its lines."""
    owner: list[tuple[int, int]] = []
    old_lines: list[str] = []
    for number, group in enumerate(groups):
        for offset, line in enumerate(_split(group.value)):
            old_lines.append(line)
            owner.append((number, offset))
    starts: dict[int, _Group] = {}
    matcher = SequenceMatcher(None, old_lines, lines, autojunk=False)
    for old, new, size in matcher.get_matching_blocks():
        for step in range(size):
            number, offset = owner[old + step]
            length = len(_split(groups[number].value))
            if offset == 0 and step + length <= size:
                starts[new + step] = groups[number]
    place = 0
    while place < len(lines):
        if place in starts:
            yield starts[place]
            place += len(_split(starts[place].value))
        else:
            yield lines[place]
            place += 1


def _plain_style(tokens: list[Token]) -> Token:
    for token in tokens:
        if not token.triple:
            return token
    return tokens[0]._replace(quote=tokens[0].quote[0])


def _usual_gap(source: str, tokens: list[Token], around: Surroundings) -> str:
    gaps = [source[a.end : b.start] for a, b in pairwise(tokens)]
    for gap in gaps:
        if gap and "#" not in gap:
            return gap
    return around.newline + around.indent + "    " if around.bracketed else " "


def _column(gap: str) -> int:
    return len(gap.replace("\r", "\n").rsplit("\n", 1)[-1].expandtabs(4)) + 2


def _wrapped(line: str, width: int) -> list[str]:
    """`line` in parts of at most `width` characters that end after a space, where there is one."""
    parts = []
    width = max(width, 30)
    while len(line) > width:
        cut = line.rfind(" ", 0, width) + 1
        if cut <= 0:
            cut = line.find(" ", width) + 1
        if cut <= 0 or cut >= len(line):
            break
        parts.append(line[:cut])
        line = line[cut:]
    return [*parts, line]


# --- one line that becomes many ------------------------------------------------------------------------


def _wants_lines(value: str, around: Surroundings) -> bool:
    return "\n" in value.rstrip("\n") and len(around.indent) + len(value) > WIDTH - 20


def _concatenation(style: Token, value: str, around: Surroundings) -> str:
    unit = "\t" if "\t" in around.indent else "    "
    gap = around.newline + around.indent + unit
    lines = [part for line in _split(value) for part in _wrapped(line, WIDTH - _column(gap))]
    body = gap.join(_spell(style, line, around) for line in lines)
    return body if around.bracketed else f"({gap}{body}{around.newline}{around.indent})"
