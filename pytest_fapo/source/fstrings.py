"""The inside of f-strings: where a token ends, and which parts of its body are replacement fields.

Read by hand, since `ast` gives the positions of their parts only from Python 3.12 on.
"""

from __future__ import annotations

import ast
import re
import warnings

from pytest_fapo.source.template_syntax import FORMAT_FIELD

_PREFIX = re.compile(r"(?<![\w.])[A-Za-z]{1,2}\Z")


def scan_body(source: str, position: int, quote: str, raw: bool) -> tuple[int, list[tuple[int, int]]]:
    """Read the body of an f-string.

    Args:
        source: text with the token in it.
        position: where its body begins.
        quote: what ends it; empty where the end of `source` does.
        raw: True if a backslash escapes nothing.

    Returns:
        The end of the body, and the spans of its replacement fields, braces included.

    Raises:
        ValueError: the token does not end.
    """
    fields: list[tuple[int, int]] = []
    while position < len(source):
        if quote and source.startswith(quote, position):
            return position, fields
        character = source[position]
        if character == "\\" and not raw and source.startswith("\\N{", position):
            position = source.index("}", position) + 1
        elif character == "\\":
            position += 1 if source[position + 1 : position + 2] in ("{", "}") else 2
        elif character == "{" and not source.startswith("{{", position):
            end = _end_of_field(source, position + 1)
            fields.append((position, end))
            position = end
        else:
            position += 2 if character == "{" else 1
    if quote:
        raise ValueError("the string does not end")
    return len(source), fields


def _end_of_field(source: str, position: int) -> int:
    """Return the position behind the closing brace of a field whose inside begins at `position`."""
    depth, in_format = 0, False
    while position < len(source):
        character = source[position]
        if in_format and character == "{":
            position = _end_of_field(source, position + 1)
            continue
        if not in_format and character in "'\"":
            position = _end_of_string(source, position)
            continue
        if not in_format and character == "#":
            position = end_of_line(source, position)
            continue
        if character == "}" and not depth:
            return position + 1
        if not in_format:
            depth += (character in "([{") - (character in ")]}")
            in_format = character == ":" and not depth
        position += 1
    raise ValueError("a brace is not closed")


def _end_of_string(source: str, position: int) -> int:
    """Return the position behind the string literal whose quotes begin at `position`."""
    match = _PREFIX.search(source, max(0, position - 3), position)
    prefix = match[0].lower() if match else ""
    quote = source[position] * (3 if source.startswith(source[position] * 3, position) else 1)
    position += len(quote)
    if "f" in prefix or "t" in prefix:
        return scan_body(source, position, quote, "r" in prefix)[0] + len(quote)
    while not source.startswith(quote, position):
        if position >= len(source):
            raise ValueError("a string does not end")
        position += 2 if source[position] == "\\" else 1
    return position + len(quote)


def end_of_line(source: str, position: int) -> int:
    """Return where the line ends that a position is in."""
    match = re.compile(r"[\r\n]|\Z").search(source, position)
    return match.start() if match else len(source)


class FieldNames:
    """The names under which an expression's computed parts are shown: `{TEAMS}` for `{", ".join(TEAMS)}`."""

    def __init__(self) -> None:
        self.by_source: dict[str, str] = {}
        """Source of a field, braces included, to the field as it is shown."""

    def shown(self, source: str) -> str:
        """Return the field as it is shown; equal sources are shown alike, different ones differently."""
        if source not in self.by_source:
            name = _name_of(source[1:-1])
            taken, number, unique = set(self.by_source.values()), 1, name
            while f"{{{unique}}}" in taken:
                number += 1
                unique = f"{name}_{number}"
            self.by_source[source] = f"{{{unique}}}"
        return self.by_source[source]


def _name_of(inside: str) -> str:
    """Return a short name for an expression, behind which a conversion and a format may stand."""
    node = _expression(inside)
    if node is None:
        return "value"
    text = ast.unparse(node)
    if FORMAT_FIELD.fullmatch(text) and not text[:1].isdigit():
        return text
    names = [each for each in ast.walk(node) if isinstance(each, ast.Name)]
    called = {each.func for each in ast.walk(node) if isinstance(each, ast.Call)}
    chosen = [each.id for each in names if each not in called] or [each.id for each in names]
    return chosen[0] if chosen else "value"


def _expression(inside: str) -> ast.expr | None:
    for end in (len(inside), *(match.start() for match in re.finditer("[!:=]", inside))):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ast.parse(f"({inside[:end]})", mode="eval").body
        except (SyntaxError, ValueError):
            continue
    return None
