"""String literals of Python: parsed, and rewritten with a new value in the old spelling."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import pairwise
from typing import NamedTuple

_TOKEN = re.compile(
    r"""(?P<prefix>[A-Za-z]{0,2})(?P<quote>\"{3}|'{3}|"|')(?P<body>(?:\\.|(?!(?P=quote)).)*)(?P=quote)""",
    re.S,
)

_ATOM = re.compile(
    r"\\(?:N\{[^}]*\}|U[0-9A-Fa-f]{8}|u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[0-7]{1,3}|\r\n|.)|\r\n|.", re.S
)

_RAW_ATOM = re.compile(r"\r\n|.", re.S)


class LiteralAtom(NamedTuple):
    """The smallest piece of a literal's body: how it is spelled and what it gives."""

    source: str
    value: str


class StringToken(NamedTuple):
    """One string token; several in a row are an implicit concatenation."""

    prefix: str
    quote: str
    body: str
    start: int
    end: int

    @property
    def raw(self) -> bool:
        return "r" in self.prefix.lower()

    @property
    def triple(self) -> bool:
        return len(self.quote) == 3

    def atoms(self) -> list[LiteralAtom]:
        """The body's pieces in order; a backslash before a newline gives an empty value."""
        pattern = _RAW_ATOM if self.raw else _ATOM
        return [LiteralAtom(found, _value(found, self.raw)) for found in pattern.findall(self.body)]

    def value(self) -> str:
        return "".join(atom.value for atom in self.atoms())


def tokens_of(source: str) -> list[StringToken]:
    """The string tokens of a literal (`source` begins with the first and ends with the last)."""
    tokens = []
    position = 0
    while position < len(source):
        character = source[position]
        if character == "#":
            position = _end_of_line(source, position)
        elif character.isspace() or character == "\\":
            position += 1
        else:
            match = _TOKEN.match(source, position)
            if match is None:
                return []
            tokens.append(
                StringToken(match["prefix"], match["quote"], match["body"], match.start(), match.end())
            )
            position = match.end()
    return tokens


def _end_of_line(source: str, position: int) -> int:
    match = re.compile(r"[\r\n]|\Z").search(source, position)
    return match.start() if match else len(source)


def _value(source: str, raw: bool) -> str:
    if source in ("\r\n", "\r"):
        return "\n"
    if raw or not source.startswith("\\"):
        return source
    if source[1:] in ("\n", "\r\n", "\r"):
        return ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an invalid escape such as \d gives itself, with a warning
        return str(ast.literal_eval(f'"{source}"'))


_SIMPLE = {"\\": "\\\\", "\r": "\\r"}

_JOINERS = "\u200c\u200d"
"""Invisible, yet part of emoji and of several scripts: escaping them would make the text unreadable."""


def escape(text: str, *, quote: str, encoding: str, newline: str = "\n") -> str:
    """Body of an ordinary (not raw) literal in `quote` whose value is `text`.

    Args:
        text: the value.
        quote: one of `"`, `'`, and these three times.
        encoding: the file's; characters that it lacks are escaped.
        newline: how the file spells a newline inside a triple-quoted literal.
    """
    triple = len(quote) == 3
    pieces: list[str] = []
    run = 0  # unescaped quote characters just written
    for place, character in enumerate(text):
        piece = _escape_character(character, triple, encoding, newline)
        if character == quote[0]:
            last = place == len(text) - 1
            if not triple or last or run == 2:
                piece, run = "\\" + character, 0
            else:
                run += 1
        else:
            run = 0
        pieces.append(piece)
    return "".join(pieces)


def _escape_character(character: str, triple: bool, encoding: str, newline: str) -> str:
    if character in _SIMPLE:
        return _SIMPLE[character]
    if character == "\n":
        return newline if triple else "\\n"
    if character == "\t":
        return character if triple else "\\t"
    if (character.isprintable() or character in _JOINERS) and _encodable(character, encoding):
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def raw_possible(text: str, *, quote: str, encoding: str) -> bool:
    """True if a raw literal in `quote` can have `text` for its value."""
    triple = len(quote) == 3
    if quote in text or text.endswith(quote[0]) or (len(text) - len(text.rstrip("\\"))) % 2:
        return False
    return all(_escape_character(c, triple, encoding, "\n") == c or c == "\\" for c in text)


def _encodable(character: str, encoding: str) -> bool:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


WIDTH = 100
"""Columns that a new line of an implicit concatenation may fill."""


class Surroundings(NamedTuple):
    """The constraints that the file around a literal puts on its spelling."""

    encoding: str
    newline: str
    indent: str
    """Indentation of the statement."""
    bracketed: bool
    """True if the literal stands inside parentheses, so that it may go over several lines."""


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


def _spell(style: StringToken, value: str, around: Surroundings) -> str:
    """One token for `value` in the style of another; a raw prefix goes where raw cannot express it."""
    if style.raw and raw_possible(value, quote=style.quote, encoding=around.encoding):
        return style.prefix + style.quote + value.replace("\n", around.newline) + style.quote
    prefix = style.prefix.replace("r", "").replace("R", "")
    body = escape(value, quote=style.quote, encoding=around.encoding, newline=around.newline)
    if style.body.startswith("\\") and style.triple and not style.raw and body[:1] not in ("\n", "\r"):
        opening = style.atoms()[0]
        body = opening.source + body if opening.value == "" else body
    return prefix + style.quote + body + style.quote


def _kept_body(token: StringToken, value: str, around: Surroundings) -> str:
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


def _changed(old: list[LiteralAtom], new: str, quote: str, around: Surroundings) -> str:
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


def _groups(source: str, tokens: list[StringToken]) -> list[_Group]:
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


def _plain_style(tokens: list[StringToken]) -> StringToken:
    for token in tokens:
        if not token.triple:
            return token
    return tokens[0]._replace(quote=tokens[0].quote[0])


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
