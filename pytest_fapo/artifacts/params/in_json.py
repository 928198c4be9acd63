"""Parameters of JSON files, found with their positions and changed by splicing."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import JsonValue

from pytest_fapo.artifacts.encoding import decode
from pytest_fapo.artifacts.params.values import Value, dotted, number
from pytest_fapo.errors import ArtifactError

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


class _Place(NamedTuple):
    keys: list[str]
    value: Any
    start: int
    end: int


def values_in_json(data: bytes, path: str) -> Iterator[Value]:
    """The scalars of a document under their keys; items of lists under their position."""
    for place in _places(decode(data, path).text, path):
        yield Value(dotted(place.keys), place.value)


def replace_in_json(data: bytes, path: str, name: str, value: JsonValue) -> bytes:
    """The document with one value changed and every other byte kept.

    Raises:
        ArtifactError: the value is not there or cannot be written in the file's encoding.
    """
    source = decode(data, path)
    place = next((place for place in _places(source.text, path) if dotted(place.keys) == name), None)
    if place is None:
        raise ArtifactError(f"{path}::{name}: there is no such value")
    literal = _spelled(value, place.value, ascii_only=source.text.isascii())
    try:
        return source.encode(source.text[: place.start] + literal + source.text[place.end :])
    except UnicodeEncodeError as error:
        raise ArtifactError(f"{path}::{name}: {error}") from None


def _spelled(value: JsonValue, old: Any, *, ascii_only: bool) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number(value, fraction=isinstance(old, float))
    return json.dumps(value, ensure_ascii=ascii_only)


def _places(text: str, path: str) -> list[_Place]:
    try:
        json.loads(text)
    except ValueError as error:
        raise ArtifactError(f"{path}: not valid JSON: {error}") from None
    places = list(_walk(text, _skip(text, 0), []))
    counts = Counter(dotted(place.keys) for place in places)
    return [place for place in places if counts[dotted(place.keys)] == 1]


def _walk(text: str, start: int, keys: list[str]) -> Iterator[_Place]:
    value, end = _DECODER.raw_decode(text, start)
    if not isinstance(value, (dict, list)):
        yield _Place(keys, value, start, end)
        return
    position = _skip(text, start + 1)
    for number_ in range(len(value) if isinstance(value, list) else 10**9):
        if text[position] == "}":
            break
        key = str(number_)
        if isinstance(value, dict):
            key, position = _DECODER.raw_decode(text, position)
            position = _skip(text, _skip(text, position) + 1)
        yield from _walk(text, position, [*keys, key])
        position = _skip(text, _DECODER.raw_decode(text, position)[1])
        position = _skip(text, position + 1) if text[position] == "," else position


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position
