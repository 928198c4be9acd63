"""Parameters of JSON, YAML and TOML files, changed without touching any other byte.

JSON and YAML are found with their positions and spliced; TOML goes through tomlkit, which keeps comments,
order and layout.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import JsonValue

from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.source.addresses import dotted, keys_of
from pytest_fapo.source.parameter_values import ParameterValue, number
from pytest_fapo.source.text_files import SourceText, decode

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

_JSON_SPACE = re.compile(r"[ \t\r\n]*")

_DECODER = json.JSONDecoder()


class _JsonLocation(NamedTuple):
    keys: list[str | int]
    value: Any
    start: int
    end: int


def values_in_json(data: bytes, path: str) -> Iterator[ParameterValue]:
    """The scalars of a document under their keys; items of lists under their position."""
    for place in _json_locations(decode(data, path).text, path):
        yield ParameterValue(dotted(place.keys), place.value)


def replace_in_json(data: bytes, path: str, name: str, value: JsonValue) -> bytes:
    """The document with one value changed and every other byte kept.

    Raises:
        ArtifactError: the value is not there or cannot be written in the file's encoding.
    """
    source = decode(data, path)
    place = next((place for place in _json_locations(source.text, path) if dotted(place.keys) == name), None)
    if place is None:
        raise ArtifactError(f"{path}::{name}: there is no such value")
    literal = _json_spelling(value, place.value, ascii_only=source.text.isascii())
    try:
        return source.encode(source.text[: place.start] + literal + source.text[place.end :])
    except UnicodeEncodeError as error:
        raise ArtifactError(f"{path}::{name}: {error}") from None


def _json_spelling(value: JsonValue, old: Any, *, ascii_only: bool) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number(value, fraction=isinstance(old, float))
    return json.dumps(value, ensure_ascii=ascii_only)


def _json_locations(text: str, path: str) -> list[_JsonLocation]:
    try:
        json.loads(text)
    except ValueError as error:
        raise ArtifactError(f"{path}: not valid JSON: {error}") from None
    parameters = list(_walk_json(text, _skip_space(text, 0), []))
    counts = Counter(dotted(place.keys) for place in parameters)
    return [place for place in parameters if counts[dotted(place.keys)] == 1]


def _walk_json(text: str, start: int, keys: list[str | int]) -> Iterator[_JsonLocation]:
    value, end = _DECODER.raw_decode(text, start)
    if not isinstance(value, (dict, list)):
        yield _JsonLocation(keys, value, start, end)
        return
    position = _skip_space(text, start + 1)
    for number_ in range(len(value) if isinstance(value, list) else 10**9):
        if text[position] == "}":
            break
        key: str | int = number_
        if isinstance(value, dict):
            key, position = _DECODER.raw_decode(text, position)
            position = _skip_space(text, _skip_space(text, position) + 1)
        yield from _walk_json(text, position, [*keys, key])
        position = _skip_space(text, _DECODER.raw_decode(text, position)[1])
        position = _skip_space(text, position + 1) if text[position] == "," else position


def _skip_space(text: str, position: int) -> int:
    match = _JSON_SPACE.match(text, position)
    return match.end() if match else position


_YAML_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]*([eE][-+][0-9]+)?)?")

_YAML_PLAIN = re.compile(r"[A-Za-z][\w./-]*( [\w./-]+)*")

_YAML_CONSTANTS = re.compile(r"(y|yes|n|no|on|off|true|false|null|nan|inf)", re.I)

_YAML_ANCHOR = re.compile(r"&\S+\s+")


class _YamlLocation(NamedTuple):
    value: ParameterValue
    start: int = 0
    end: int = 0


def values_in_yaml(data: bytes, path: str) -> Iterator[ParameterValue]:
    """The scalars of a document under their keys; items of lists under their position."""
    for place in _yaml_locations(decode(data, path), path):
        yield place.value


def replace_in_yaml(data: bytes, path: str, name: str, value: JsonValue) -> bytes:
    """The document with one value changed and every other byte kept.

    Raises:
        ArtifactError: the value is not there or cannot be written in the file's encoding.
    """
    source = decode(data, path)
    place = next((place for place in _yaml_locations(source, path) if place.value.name == name), None)
    if place is None or place.value.reason:
        raise ArtifactError(f"{path}::{name}: there is no such value")
    old = source.text[place.start : place.end]
    for literal in _yaml_spelling(value, place.value.value, old):
        try:
            result = source.encode(source.text[: place.start] + literal + source.text[place.end :])
        except UnicodeEncodeError:
            continue
        if any(each.name == name and each.value == value for each in _readable(result, path)):
            return result
    raise ArtifactError(f"{path}::{name}: {json.dumps(value)} cannot be written in this place")


def _readable(data: bytes, path: str) -> list[ParameterValue]:
    try:
        return [value for value in values_in_yaml(data, path) if not value.reason]
    except ArtifactError:
        return []


def _yaml_spelling(value: JsonValue, old_value: JsonValue, old: str) -> Iterator[str]:
    if isinstance(value, str):
        if old.startswith("'") and value.isprintable():
            yield "'" + value.replace("'", "''") + "'"
        elif (
            not old.startswith('"') and _YAML_PLAIN.fullmatch(value) and not _YAML_CONSTANTS.fullmatch(value)
        ):
            yield value
        yield json.dumps(value, ensure_ascii=False)
        yield json.dumps(value)
    elif value is None or isinstance(value, bool):
        yield json.dumps(value)
    elif isinstance(value, (int, float)):
        yield number(value, fraction=isinstance(old_value, float))


# --- finding -------------------------------------------------------------------------------------------


def _yaml_locations(source: SourceText, path: str) -> list[_YamlLocation]:
    try:
        import yaml
    except ImportError:
        raise ArtifactError(f"{path}: YAML needs PyYAML: pip install 'pytest-fapo[yaml]'") from None
    loader = None
    try:
        loader = yaml.SafeLoader(source.text)  # it refuses control characters already here
        root = loader.get_single_node()
        parameters = list(_walk_yaml(root, [], source.text, set())) if root is not None else []
    except yaml.YAMLError as error:
        raise ArtifactError(
            f"{path}: not valid YAML (one document): {' '.join(str(error).split())}"
        ) from None
    finally:
        if loader is not None:
            loader.dispose()
    counts = Counter(place.value.name for place in parameters)
    return [place for place in parameters if counts[place.value.name] == 1]


def _walk_yaml(node: Any, keys: list[str | int], text: str, seen: set[int]) -> Iterator[_YamlLocation]:
    if id(node) in seen:
        yield _YamlLocation(
            ParameterValue(dotted(keys), reason="it is an alias; edit the value that it points to")
        )
        return
    seen.add(id(node))
    if node.id == "mapping":
        for key, value in node.value:
            if key.id == "scalar" and key.value != "<<":
                yield from _walk_yaml(value, [*keys, key.value], text, seen)
    elif node.id == "sequence":
        for place, value in enumerate(node.value):
            yield from _walk_yaml(value, [*keys, place], text, seen)
    else:
        yield _of_scalar(node, dotted(keys), text)


def _of_scalar(node: Any, name: str, text: str) -> _YamlLocation:
    start, end = node.start_mark.index, node.end_mark.index
    anchor = _YAML_ANCHOR.match(text, start)
    start = anchor.end() if anchor else start
    written = text[start:end]
    if not written or written.startswith("!") or node.style in ("|", ">"):
        return _YamlLocation(
            ParameterValue(name, reason="it is empty, tagged or a block of text, not one plain value")
        )
    if node.style is not None:
        return _YamlLocation(ParameterValue(name, node.value), start, end)
    known, value = _unquoted_value(node.value, node.tag.rpartition(":")[2])
    if not known:
        return _YamlLocation(
            ParameterValue(
                name,
                reason=f"YAML 1.1 and 1.2 may read {written[:40]!r} differently; quote it "
                f"or write it as a plain number, true or false",
            )
        )
    return _YamlLocation(ParameterValue(name, value), start, end)


def _unquoted_value(written: str, tag: str) -> tuple[bool, JsonValue]:
    """The value of an unquoted scalar, where both YAML versions give the same."""
    if tag == "str":
        # 1e-3 is a text for YAML 1.1 and a number for 1.2; so is 0o17.
        return not re.match(r"[-+.]?[0-9][0-9a-z_.+-]*\Z", written, re.I) or _is_yaml_text(written), written
    if tag in ("int", "float"):
        if not _YAML_NUMBER.fullmatch(written):
            return False, None
        return True, int(written) if tag == "int" else float(written)
    if tag == "bool":
        return written.lower() in ("true", "false"), written.lower() == "true"
    return tag == "null" and written != "", None


def _is_yaml_text(written: str) -> bool:
    """True if YAML 1.2 takes it for a text too, though it begins like a number (`4o-mini`, `2024-x`)."""
    return not re.fullmatch(
        r"0o[0-7]+|0x[0-9a-f]+|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)(e[-+]?[0-9]+)?", written, re.I
    )


def values_in_toml(data: bytes, path: str) -> Iterator[ParameterValue]:
    """The scalars of a document under their keys; items of lists under their position."""
    _, document = _parsed_toml(data, path)
    for keys, value in _walk_toml(document.unwrap(), []):
        if isinstance(value, (bool, int, float, str)):
            yield ParameterValue(dotted(keys), value)
        else:
            yield ParameterValue(dotted(keys), reason=f"a {type(value).__name__} cannot be tuned")


def replace_in_toml(data: bytes, path: str, name: str, value: JsonValue) -> bytes:
    """The document with one value changed and every other byte kept.

    Raises:
        ArtifactError: the value is not there, or TOML cannot hold it.
    """
    import tomlkit

    source, document = _parsed_toml(data, path)
    *parents, last = keys_of(name)
    table: Any = document
    for key in parents:
        table = table[_toml_index(table, key)]
    place = _toml_index(table, last)
    old = table[place]
    if value is None:
        raise ArtifactError(f"{path}::{name}: TOML has no null")
    if isinstance(old, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if isinstance(value, str):
        literal = isinstance(old, tomlkit.items.String) and old.as_string().startswith("'")
        literal = literal and "'" not in value and value.isprintable()
        table[place] = tomlkit.string(value, literal=literal)
    else:
        table[place] = value
    return source.encode(tomlkit.dumps(document))


def _parsed_toml(data: bytes, path: str) -> tuple[SourceText, TOMLDocument]:
    try:
        import tomlkit
        from tomlkit.exceptions import TOMLKitError
    except ImportError:
        raise ArtifactError(f"{path}: TOML needs tomlkit: pip install tomlkit") from None
    source = decode(data, path)
    try:
        document = tomlkit.parse(source.text)
    except TOMLKitError as error:
        raise ArtifactError(f"{path}: not valid TOML: {error}") from None
    if tomlkit.dumps(document) != source.text:
        raise ArtifactError(f"{path}: its layout could not be kept; write this TOML in a plainer way")
    return source, document


def _walk_toml(value: Any, keys: list[str | int]) -> Iterator[tuple[list[str | int], Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _walk_toml(inner, [*keys, str(key)])
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _walk_toml(inner, [*keys, place])
    else:
        yield keys, value


def _toml_index(table: Any, key: str) -> str | int:
    return int(key) if isinstance(table, list) else key
