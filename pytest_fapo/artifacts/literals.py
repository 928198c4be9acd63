"""String literals of Python taken apart: tokens, the gaps between them, and what each character gives."""

from __future__ import annotations

import ast
import re
import warnings
from typing import NamedTuple

_TOKEN = re.compile(
    r"""(?P<prefix>[A-Za-z]{0,2})(?P<quote>\"{3}|'{3}|"|')(?P<body>(?:\\.|(?!(?P=quote)).)*)(?P=quote)""",
    re.S,
)
_ATOM = re.compile(
    r"\\(?:N\{[^}]*\}|U[0-9A-Fa-f]{8}|u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[0-7]{1,3}|\r\n|.)|\r\n|.", re.S
)
_RAW_ATOM = re.compile(r"\r\n|.", re.S)


class Atom(NamedTuple):
    """The smallest piece of a literal's body: how it is spelled and what it gives."""

    source: str
    value: str


class Token(NamedTuple):
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

    def atoms(self) -> list[Atom]:
        """The body's pieces in order; a backslash before a newline gives an empty value."""
        pattern = _RAW_ATOM if self.raw else _ATOM
        return [Atom(found, _value(found, self.raw)) for found in pattern.findall(self.body)]

    def value(self) -> str:
        return "".join(atom.value for atom in self.atoms())


def tokens_of(source: str) -> list[Token]:
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
            tokens.append(Token(match["prefix"], match["quote"], match["body"], match.start(), match.end()))
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
