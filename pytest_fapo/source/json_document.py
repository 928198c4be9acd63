"""Values of JSON files: found with their positions, changed by splicing the literal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from pydantic import JsonValue

from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.core.text import parsed_json
from pytest_fapo.source.addresses import dotted
from pytest_fapo.source.parameter_values import ParameterValue, number
from pytest_fapo.source.text_files import decode
from pytest_fapo.source.value_locations import ValueLocation, distinct_locations, location_of, spliced_files

_SPACE = re.compile(r"[ \t\r\n]*")

_DECODER = json.JSONDecoder()


def values_in_json(data: bytes, path: str) -> Iterator[ParameterValue]:
    """Yield the scalars of a document under their keys; items of lists under their position."""
    for location in json_locations(decode(data, path).text, path):
        yield location.value


def rewrites_of_json(data: bytes, path: str, name: str, value: JsonValue) -> Iterator[bytes]:
    """Yield the document with one value changed and every other byte kept."""
    source = decode(data, path)
    location = location_of(name, json_locations(source.text, path))
    if location is not None:
        old = source.text[location.start : location.end]
        spelling = _spelling(value, location.value.value, ascii_only=source.text.isascii())
        yield from spliced_files(
            source, location, [spelling.replace("/", "\\/") if "\\/" in old else spelling]
        )


def _spelling(value: JsonValue, old: JsonValue, *, ascii_only: bool) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number(value, fraction=isinstance(old, float))
    return json.dumps(value, ensure_ascii=ascii_only)


def json_locations(text: str, path: str) -> list[ValueLocation]:
    """Return the scalars of a document.

    Raises:
        ArtifactError: it is not JSON.
    """
    try:
        parsed_json(text)
    except ValueError as error:
        raise ArtifactError(
            f"{path}: not valid JSON: {error}; correct it (JSON has no comments and no comma after the last "
            f"entry) or take it out of the scope"
        ) from None
    return distinct_locations(_walk(text, _skip_space(text, 0), []))


def _walk(text: str, start: int, keys: list[str | int]) -> Iterator[ValueLocation]:
    value, end = _DECODER.raw_decode(text, start)
    if not isinstance(value, (dict, list)):
        yield ValueLocation(ParameterValue(dotted(keys), value), start, end)
        return
    position = _skip_space(text, start + 1)
    for place in range(len(value) if isinstance(value, list) else 10**9):
        if text[position] == "}":
            break
        key: str | int = place
        if isinstance(value, dict):
            key, position = _DECODER.raw_decode(text, position)
            position = _skip_space(text, _skip_space(text, position) + 1)
        yield from _walk(text, position, [*keys, key])
        position = _skip_space(text, _DECODER.raw_decode(text, position)[1])
        position = _skip_space(text, position + 1) if text[position] == "," else position


def _skip_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position
