"""A new value in the spelling of an old literal: its quotes, prefix, escapes and line breaks are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import pairwise
from typing import NamedTuple

from pytest_fapo.source.string_literals import (
    FIELD,
    Fields,
    LiteralAtom,
    StringToken,
    escape,
    fields_of,
    raw_possible,
    tokens_of,
)

WIDTH = 100
"""Columns that a new line of an implicit concatenation may fill."""


class Surroundings(NamedTuple):
    """The constraints that the file around a literal puts on its spelling."""

    encoding: str
    newline: str
    indent: str
    """Indentation of the statement."""
    bracketed: bool
    """True if the literal is inside parentheses, so that it may go over several lines."""
    fields: Fields | None = None
    """Given where the literal is a part of a template."""


def spellings(source: str, value: str, around: Surroundings) -> Iterator[str]:
    """Ways to spell a literal with `value`, nearest to the old `source` first."""
    tokens = tokens_of(source)
    if len(tokens) == 1:
        token = tokens[0]
        if not token.triple and _wants_lines(value, around):
            yield _concatenation(token, value, around)
        if token.raw and (body := _raw_body(token, value, around)) is not None:
            yield token.prefix + token.quote + body + token.quote
        if not token.raw:
            yield token.prefix + token.quote + _kept_body(token, value, around) + token.quote
        yield _spell(token, value, around)
    elif tokens:
        yield _spliced(source, tokens, value, around)
    yield _spell(StringToken("" if around.fields is None else "f", '"', "", 0, 0), value, around)


# --- one token -----------------------------------------------------------------------------------------


def _spell(style: StringToken, value: str, around: Surroundings) -> str:
    """One token for `value` in the style of another; a raw prefix goes where raw cannot express it."""
    if style.raw and (raw := _raw_body(style, value, around)) is not None:
        return _prefix(style, value, around, style.prefix) + style.quote + raw + style.quote
    prefix = _prefix(style, value, around, style.prefix.replace("r", "").replace("R", ""))
    body = _body(style, value, around)
    if style.body.startswith("\\") and style.triple and not style.raw and body[:1] not in ("\n", "\r"):
        opening = style.atoms()[0]
        body = opening.source + body if opening.value == "" else body
    return prefix + style.quote + body + style.quote


def _prefix(style: StringToken, value: str, around: Surroundings, prefix: str) -> str:
    """Return a plain string that is to hold a replacement field becomes an f-string."""
    if style.fills or around.fields is None or not fields_of(value):
        return prefix
    return "f" + prefix.replace("u", "").replace("U", "")


def _body(style: StringToken, value: str, around: Surroundings) -> str:
    return _written(
        style,
        value,
        around,
        lambda text: escape(text, quote=style.quote, encoding=around.encoding, newline=around.newline),
    )


def _raw_body(style: StringToken, value: str, around: Surroundings) -> str | None:
    """Return the body of a raw token; None where raw cannot express it."""
    possible = True

    def raw(text: str) -> str:
        nonlocal possible
        possible = possible and raw_possible(text, quote=style.quote, encoding=around.encoding)
        return text.replace("\n", around.newline)

    body = _written(style, value, around, raw)
    return body if possible else None


def _written(style: StringToken, value: str, around: Surroundings, spell: Callable[[str], str]) -> str:
    """Return the body for `value`: its text as `spell` gives it, its replacement fields by their own
    source.
    """
    if around.fields is None:
        return spell(value.replace("{", "{{").replace("}", "}}") if style.fills else value)
    if not style.fills and not fields_of(value):
        return spell(value.replace("{{", "{").replace("}}", "}"))
    sources = {shown: source for source, shown in around.fields.items()}
    pieces: list[str] = []
    last = 0
    for match in FIELD.finditer(value):
        if match[0] in sources:
            pieces += [spell(value[last : match.start()]), sources[match[0]]]
            last = match.end()
    return "".join(pieces) + spell(value[last:])


def _kept_body(token: StringToken, value: str, around: Surroundings) -> str:
    """Body with `value`, where lines and line parts that stay keep their spelling."""
    old_lines = _lines_of(token.atoms(around.fields))
    new_lines = _split(value)
    old_values = ["".join(atom.value for atom in line) for line in old_lines]
    body = ""
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, old_values, new_lines, autojunk=False).get_opcodes():
        old = [atom for line in old_lines[i1:i2] for atom in line]
        if tag == "equal":
            body += _source(old)
        else:
            body += _changed(old, "".join(new_lines[j1:j2]), token, around)
    return body


def _changed(old: list[LiteralAtom], new: str, token: StringToken, around: Surroundings) -> str:
    """Return the source for `new`, reusing the longest beginning and ending that `old` has in common
    with it.
    """
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
    return _source(old[:head]) + _body(token, rest, around) + _source(old[tail:])


def _lines_of(atoms: list[LiteralAtom]) -> list[list[LiteralAtom]]:
    lines: list[list[LiteralAtom]] = [[]]
    for atom in atoms:
        lines[-1].append(atom)
        if atom.value.endswith("\n"):
            lines.append([])
    return lines if lines[-1] else lines[:-1]


def _source(atoms: Sequence[LiteralAtom]) -> str:
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
    """The text between this group and the next."""


def _spliced(source: str, tokens: list[StringToken], value: str, around: Surroundings) -> str:
    groups = _groups(source, tokens, around)
    style = _plain_style(tokens, around)
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


def _groups(source: str, tokens: list[StringToken], around: Surroundings) -> list[_Group]:
    groups: list[_Group] = []
    first, value = 0, ""
    for place, token in enumerate(tokens):
        value += token.value(around.fields)
        last = place == len(tokens) - 1
        if last or value.endswith("\n"):
            gap = "" if last else source[token.end : tokens[place + 1].start]
            groups.append(_Group(value, source[tokens[first].start : token.end], gap))
            first, value = place + 1, ""
    return groups


def _pieces(groups: list[_Group], lines: list[str]) -> Iterator[_Group | str]:
    """Yield the new lines in order, with every old group that stays whole in place of its lines."""
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


def _plain_style(tokens: list[StringToken], around: Surroundings) -> StringToken:
    filling = [token for token in tokens if token.fills and around.fields is not None] or tokens
    for token in filling:
        if not token.triple:
            return token
    return filling[0]._replace(quote=filling[0].quote[0])


def _usual_gap(source: str, tokens: list[StringToken], around: Surroundings) -> str:
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


def _concatenation(style: StringToken, value: str, around: Surroundings) -> str:
    unit = "\t" if "\t" in around.indent else "    "
    gap = around.newline + around.indent + unit
    lines = [part for line in _split(value) for part in _wrapped(line, WIDTH - _column(gap))]
    body = gap.join(_spell(style, line, around) for line in lines)
    return body if around.bracketed else f"({gap}{body}{around.newline}{around.indent})"
