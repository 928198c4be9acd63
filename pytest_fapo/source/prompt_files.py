"""Texts of a prompt file with front matter (Markdown, `.prompt`, `.prompty`): head, body and roles."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from pydantic import JsonValue

from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.source.addresses import dotted
from pytest_fapo.source.parameter_values import ParameterValue
from pytest_fapo.source.text_files import (
    SourceText,
    decode,
    front_matter,
    universal_newlines,
    with_newlines_of,
)
from pytest_fapo.source.value_locations import ValueLocation, distinct_locations, spliced_files
from pytest_fapo.source.yaml_document import YamlLocation, rewrites_at, yaml_locations

_ROLE = re.compile(
    r"^[ \t]*#?[ \t]*(system|developer|user|assistant|tool|function)"
    r"[ \t]*(?:\[[^\]\n]*\])?[ \t]*:[ \t]*\r?\n",
    re.I | re.M,
)
"""The line that begins the text of a role in the body of a `.prompty` file."""


def values_in_prompt_file(data: bytes, path: str) -> Iterator[ParameterValue]:
    """Yield the scalars of the front matter under their keys, then the body, or the texts of its roles."""
    text = decode(data, path).text
    for location in distinct_locations([*(each.at for each in _head(text, path)), *_body(text, path)]):
        yield location.value


def rewrites_of_prompt_file(data: bytes, path: str, name: str, value: JsonValue) -> Iterator[bytes]:
    """Yield the file with one value changed and every other byte kept."""
    source = decode(data, path)
    for found in _head(source.text, path):
        if found.at.value.name == name:
            yield from rewrites_at(source, found, value)
    for location in _body(source.text, path):
        if location.value.name == name:
            if not isinstance(value, str):
                raise ArtifactError(f"{path}::{name}: it is a text and stays one")
            old = SourceText(source.text[location.start : location.end], source.encoding, b"")
            yield from spliced_files(source, location, [with_newlines_of(old, value)])


def _head(text: str, path: str) -> Iterator[YamlLocation]:
    parts = front_matter(text)
    for found in yaml_locations(parts.head, path) if parts.head is not None else []:
        start, end = (parts.head_start + place for place in (found.at.start, found.at.end))
        yield found._replace(at=found.at._replace(start=start, end=end))


def _body(text: str, path: str) -> Iterator[ValueLocation]:
    start = front_matter(text).body_start
    roles = list(_ROLE.finditer(text, start)) if path.lower().endswith(".prompty") else []
    if not roles:
        yield _location("body", text, start, len(text))
    counts = Counter(role[1].lower() for role in roles)
    met: Counter[str] = Counter()
    for place, role in enumerate(roles):
        key = role[1].lower()
        end = roles[place + 1].start() if place + 1 < len(roles) else len(text)
        # The newline before the next role belongs to the file's form.
        spoken = text[role.end() : end]
        end -= len(spoken) - len(spoken.removesuffix("\n").removesuffix("\r"))
        yield _location(dotted([key, met[key]] if counts[key] > 1 else [key]), text, role.end(), end)
        met[key] += 1


def _location(name: str, text: str, start: int, end: int) -> ValueLocation:
    return ValueLocation(ParameterValue(name, universal_newlines(text[start:end])), start, end)
