"""String literals of Python: parsed, and rewritten with a new value in the old spelling.

The value of an f-string is its template: the text with `{name}` where something is filled in and other braces
doubled.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import pairwise
from typing import NamedTuple

from pytest_fapo.source.fstrings import end_of_line, scan_body

_OPENING = re.compile(r"""(?P<prefix>[A-Za-z]{0,2})(?P<quote>\"{3}|'{3}|"|')""")

_REST = {quote: re.compile(rf"(?:\\.|(?!{quote}).)*", re.S) for quote in ('"""', "'''", '"', "'")}

_ATOM = re.compile(
    r"\\(?:N\{[^}]*\}|U[0-9A-Fa-f]{8}|u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[0-7]{1,3}|\r\n|.)|\r\n|.", re.S
)

_RAW_ATOM = re.compile(r"\r\n|.", re.S)

_FILLED_ATOM = re.compile(r"\{\{|\}\}|\\(?=[{}]|\Z)|" + _ATOM.pattern, re.S)

_RAW_FILLED_ATOM = re.compile(r"\{\{|\}\}|" + _RAW_ATOM.pattern, re.S)

FIELD = re.compile(r"\{\{|\}\}|\{[^{}]*\}")
"""The part between braces in a template."""

Fields = Mapping[str, str]
"""Source of each replacement field of an expression, braces included, to the field as a template shows it."""


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

    @property
    def fills(self) -> bool:
        """True if it is an f-string (or a t-string)."""
        return bool(set("ft") & set(self.prefix.lower()))

    def field_sources(self) -> list[str]:
        """The source of each replacement field, braces included, in order."""
        if not self.fills:
            return []
        return [self.body[start:end] for start, end in scan_body(self.body, 0, "", self.raw)[1]]

    def atoms(self, fields: Fields | None = None) -> list[LiteralAtom]:
        """The body's pieces in order; a backslash before a newline gives an empty value.

        Args:
            fields: given where the literal is a part of a template: then braces of its text are doubled.
        """
        if not self.fills:
            pattern = _RAW_ATOM if self.raw else _ATOM
            return [_atom(found, self.raw, False, fields) for found in pattern.findall(self.body)]
        pattern = _RAW_FILLED_ATOM if self.raw else _FILLED_ATOM
        atoms: list[LiteralAtom] = []
        last = 0
        for start, end in [*scan_body(self.body, 0, "", self.raw)[1], (len(self.body), len(self.body))]:
            found = pattern.findall(self.body[last:start])
            atoms += [_atom(each, self.raw, True, fields) for each in found]
            source, last = self.body[start:end], end
            atoms += [LiteralAtom(source, (fields or {}).get(source, source))] if source else []
        return atoms

    def value(self, fields: Fields | None = None) -> str:
        return "".join(atom.value for atom in self.atoms(fields))


def tokens_of(source: str) -> list[StringToken]:
    """The string tokens of a literal (`source` begins with the first and ends with the last)."""
    tokens = []
    position = 0
    while position < len(source):
        character = source[position]
        if character == "#":
            position = end_of_line(source, position)
        elif character.isspace() or character == "\\":
            position += 1
        else:
            match = _OPENING.match(source, position)
            if match is None:
                return []
            prefix, quote = match["prefix"], match["quote"]
            if set("ft") & set(prefix.lower()):
                end, _ = scan_body(source, match.end(), quote, "r" in prefix.lower())
            else:
                rest = _REST[quote].match(source, match.end())
                end = rest.end() if rest else len(source)
            if not source.startswith(quote, end):
                return []
            tokens.append(StringToken(prefix, quote, source[match.end() : end], position, end + len(quote)))
            position = end + len(quote)
    return tokens


def _atom(source: str, raw: bool, fills: bool, fields: Fields | None) -> LiteralAtom:
    if source in ("{{", "}}") and fills:
        return LiteralAtom(source, source if fields is not None else source[0])
    value = _value(source, raw)
    return LiteralAtom(source, value if fields is None else value.replace("{", "{{").replace("}", "}}"))


def _value(source: str, raw: bool) -> str:
    if source in ("\r\n", "\r"):
        return "\n"
    if raw or not source.startswith("\\") or source == "\\":
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
    """A plain string that is to hold a replacement field becomes an f-string."""
    if style.fills or around.fields is None or not fields_of(value):
        return prefix
    return "f" + prefix.replace("u", "").replace("U", "")


def fields_of(template: str) -> list[str]:
    """Return the replacement fields of a template, as they stand."""
    return [found for found in FIELD.findall(template) if found not in ("{{", "}}")]


def _body(style: StringToken, value: str, around: Surroundings) -> str:
    return _written(
        style,
        value,
        around,
        lambda text: escape(text, quote=style.quote, encoding=around.encoding, newline=around.newline),
    )


def _raw_body(style: StringToken, value: str, around: Surroundings) -> str | None:
    """The body of a raw token; None where raw cannot express it."""
    possible = True

    def raw(text: str) -> str:
        nonlocal possible
        possible = possible and raw_possible(text, quote=style.quote, encoding=around.encoding)
        return text.replace("\n", around.newline)

    body = _written(style, value, around, raw)
    return body if possible else None


def _written(style: StringToken, value: str, around: Surroundings, spell: Callable[[str], str]) -> str:
    """The body for `value`: its text as `spell` gives it, its replacement fields by their own source."""
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
