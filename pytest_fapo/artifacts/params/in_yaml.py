"""Parameters of YAML files: found by PyYAML with their positions, changed by splicing.

Splicing keeps what a round trip through a YAML library does not: the indentation of lists, the width of
lines, the newlines. Which of the two YAML versions the project reads its file with is not known here, so a
value is editable only where both read it alike, and is written so that both do.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import JsonValue

from pytest_fapo.artifacts.encoding import SourceText, decode
from pytest_fapo.artifacts.params.values import Value, dotted, number
from pytest_fapo.errors import ArtifactError

_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]*([eE][-+][0-9]+)?)?")
_PLAIN = re.compile(r"[A-Za-z][\w./-]*( [\w./-]+)*")
_WORDS = re.compile(r"(y|yes|n|no|on|off|true|false|null|nan|inf)", re.I)
_ANCHOR = re.compile(r"&\S+\s+")


class _Place(NamedTuple):
    value: Value
    start: int = 0
    end: int = 0


def values_in_yaml(data: bytes, path: str) -> Iterator[Value]:
    """The scalars of a document under their keys; items of lists under their position."""
    for place in _places(decode(data, path), path):
        yield place.value


def replace_in_yaml(data: bytes, path: str, name: str, value: JsonValue) -> bytes:
    """The document with one value changed and every other byte kept.

    Raises:
        ArtifactError: the value is not there or cannot be written in the file's encoding.
    """
    source = decode(data, path)
    place = next((place for place in _places(source, path) if place.value.name == name), None)
    if place is None or place.value.reason:
        raise ArtifactError(f"{path}::{name}: there is no such value")
    old = source.text[place.start : place.end]
    for literal in _spelled(value, place.value.value, old):
        try:
            result = source.encode(source.text[: place.start] + literal + source.text[place.end :])
        except UnicodeEncodeError:
            continue
        if any(each.name == name and each.value == value for each in _readable(result, path)):
            return result
    raise ArtifactError(f"{path}::{name}: {json.dumps(value)} cannot be written in this place")


def _readable(data: bytes, path: str) -> list[Value]:
    try:
        return [value for value in values_in_yaml(data, path) if not value.reason]
    except ArtifactError:
        return []


def _spelled(value: JsonValue, old_value: JsonValue, old: str) -> Iterator[str]:
    if isinstance(value, str):
        if old.startswith("'") and value.isprintable():
            yield "'" + value.replace("'", "''") + "'"
        elif not old.startswith('"') and _PLAIN.fullmatch(value) and not _WORDS.fullmatch(value):
            yield value
        yield json.dumps(value, ensure_ascii=False)
        yield json.dumps(value)
    elif value is None or isinstance(value, bool):
        yield json.dumps(value)
    elif isinstance(value, (int, float)):
        yield number(value, fraction=isinstance(old_value, float))


# --- finding -------------------------------------------------------------------------------------------


def _places(source: SourceText, path: str) -> list[_Place]:
    try:
        import yaml
    except ImportError:
        raise ArtifactError(f"{path}: YAML needs PyYAML: pip install 'pytest-fapo[yaml]'") from None
    loader = None
    try:
        loader = yaml.SafeLoader(source.text)  # it refuses control characters already here
        root = loader.get_single_node()
        places = list(_walk(root, [], source.text, set())) if root is not None else []
    except yaml.YAMLError as error:
        raise ArtifactError(
            f"{path}: not valid YAML (one document): {' '.join(str(error).split())}"
        ) from None
    finally:
        if loader is not None:
            loader.dispose()
    counts = Counter(place.value.name for place in places)
    return [place for place in places if counts[place.value.name] == 1]


def _walk(node: Any, keys: list[str], text: str, seen: set[int]) -> Iterator[_Place]:
    if id(node) in seen:
        yield _Place(Value(dotted(keys), reason="it is an alias; edit the value that it points to"))
        return
    seen.add(id(node))
    if node.id == "mapping":
        for key, value in node.value:
            if key.id == "scalar" and key.value != "<<":
                yield from _walk(value, [*keys, key.value], text, seen)
    elif node.id == "sequence":
        for place, value in enumerate(node.value):
            yield from _walk(value, [*keys, str(place)], text, seen)
    else:
        yield _of_scalar(node, dotted(keys), text)


def _of_scalar(node: Any, name: str, text: str) -> _Place:
    start, end = node.start_mark.index, node.end_mark.index
    anchor = _ANCHOR.match(text, start)
    start = anchor.end() if anchor else start
    written = text[start:end]
    if not written or written.startswith("!") or node.style in ("|", ">"):
        return _Place(Value(name, reason="it is empty, tagged or a block of text, not one plain value"))
    if node.style is not None:
        return _Place(Value(name, node.value), start, end)
    known, value = _plain(node.value, node.tag.rpartition(":")[2])
    if not known:
        return _Place(
            Value(
                name,
                reason=f"YAML 1.1 and 1.2 may read {written[:40]!r} differently; quote it "
                f"or write it as a plain number, true or false",
            )
        )
    return _Place(Value(name, value), start, end)


def _plain(written: str, tag: str) -> tuple[bool, JsonValue]:
    """The value of an unquoted scalar, where both YAML versions give the same."""
    if tag == "str":
        # 1e-3 is a text for YAML 1.1 and a number for 1.2; so is 0o17.
        return not re.match(r"[-+.]?[0-9][0-9a-z_.+-]*\Z", written, re.I) or _is_text(written), written
    if tag in ("int", "float"):
        if not _NUMBER.fullmatch(written):
            return False, None
        return True, int(written) if tag == "int" else float(written)
    if tag == "bool":
        return written.lower() in ("true", "false"), written.lower() == "true"
    return tag == "null" and written != "", None


def _is_text(written: str) -> bool:
    """Whether YAML 1.2 takes it for a text too, though it begins like a number (`4o-mini`, `2024-x`)."""
    return not re.fullmatch(
        r"0o[0-7]+|0x[0-9a-f]+|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)(e[-+]?[0-9]+)?", written, re.I
    )
