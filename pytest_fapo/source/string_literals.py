"""String literals of Python: parsed, and rewritten with a new value in the old spelling.

The value of an f-string is its template: the text with `{name}` where something is filled in and other braces
doubled.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Mapping
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
        """Return the source of each replacement field, braces included, in order."""
        if not self.fills:
            return []
        return [self.body[start:end] for start, end in scan_body(self.body, 0, "", self.raw)[1]]

    def atoms(self, fields: Fields | None = None) -> list[LiteralAtom]:
        """Return the body's pieces in order; a backslash before a newline gives an empty value.

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
    """Return the string tokens of a literal (`source` begins with the first and ends with the last)."""
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


def fields_of(template: str) -> list[str]:
    """Return the replacement fields of a template, as they stand."""
    return [found for found in FIELD.findall(template) if found not in ("{{", "}}")]
