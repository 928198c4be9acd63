"""Values of TOML files, changed through tomlkit, which keeps comments, order and layout."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.core.project_file import parse_toml
from pytest_fapo.source.addresses import dotted, keys_of
from pytest_fapo.source.parameter_values import ParameterValue, number
from pytest_fapo.source.text_files import SourceText, decode

if TYPE_CHECKING:
    from tomlkit import TOMLDocument
    from tomlkit.items import String


def values_in_toml(data: bytes, path: str) -> Iterator[ParameterValue]:
    """Yield the scalars of a document under their keys; items of lists under their position."""
    source, _ = _parsed(data, path)
    # Not tomlkit's values: it leaves a Windows newline in a text where TOML readers make it \n.
    for keys, value in _walk(parse_toml(source.text), []):
        if isinstance(value, (bool, int, float, str)):
            yield ParameterValue(dotted(keys), value)
        else:
            yield ParameterValue(dotted(keys), reason=f"a {type(value).__name__} cannot be tuned")


def rewrites_of_toml(data: bytes, path: str, name: str, value: JsonValue) -> Iterator[bytes]:
    """Yield the document with one value changed and every other byte kept.

    Raises:
        ArtifactError: TOML cannot hold the value.
    """
    if value is None:
        raise ArtifactError(f"{path}::{name}: TOML has no null")
    source, document = _parsed(data, path)
    *parents, last = keys_of(name)
    table: Any = document
    for key in parents:
        table = table[_index(table, key)]
    old = table[_index(table, last)]
    for item in _items(value, old, source.newline):
        table[_index(table, last)] = item
        yield source.encode(document.as_string())


def _items(value: JsonValue, old: Any, newline: str) -> Iterator[Any]:
    if isinstance(value, str):
        yield from _strings(value, old.as_string(), newline)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield float(number(value, fraction=True)) if isinstance(old, float) else value
    else:
        yield value


def _strings(value: str, old: str, newline: str) -> Iterator[String]:
    """Spellings in the style of the old one first; several lines in a text of one become a block."""
    from tomlkit.items import StringType

    block = old.startswith(('"""', "'''"))
    opening = newline if not block or re.match(r"...\r?\n", old) or value.startswith("\n") else ""
    block = block or "\n" in value
    if old.startswith("'") and block:
        yield _string(StringType.MLL, value, opening + value.replace("\n", newline))
    elif old.startswith("'"):
        yield _string(StringType.SLL, value, value)
    if block:
        escaped = re.sub(r'(?<=")"|"\Z|[^\n\t"]', lambda match: _escaped(match[0], '"'), value)
        yield _string(StringType.MLB, value, opening + escaped.replace("\n", newline))
    yield _string(StringType.SLB, value, "".join(_escaped(character, '"\n\t') for character in value))


def _string(kind: Any, value: str, spelling: str) -> String:
    from tomlkit.items import String, Trivia

    return String(kind, value, spelling, Trivia())


_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


def _escaped(character: str, special: str = "") -> str:
    if character in "\\\r" or character in special:
        return _ESCAPES[character]
    if character < " " or "\x7f" <= character <= "\x9f" or character in "\u2028\u2029\ufeff":
        return f"\\u{ord(character):04x}"
    return character


def _parsed(data: bytes, path: str) -> tuple[SourceText, TOMLDocument]:
    try:
        import tomlkit
        from tomlkit.exceptions import TOMLKitError
    except ImportError:
        raise ArtifactError(f"{path}: TOML needs tomlkit: pip install tomlkit") from None
    source = decode(data, path)
    try:
        document = tomlkit.parse(source.text)
    except TOMLKitError as error:
        raise ArtifactError(
            f"{path}: not valid TOML: {error}; correct it or take it out of the scope"
        ) from None
    if tomlkit.dumps(document) != source.text:
        raise ArtifactError(f"{path}: its layout could not be kept; write this TOML in a plainer way")
    return source, document


def _walk(value: Any, keys: list[str | int]) -> Iterator[tuple[list[str | int], Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _walk(inner, [*keys, str(key)])
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _walk(inner, [*keys, place])
    else:
        yield keys, value


def _index(table: Any, key: str) -> str | int:
    return int(key) if isinstance(table, list) else key
