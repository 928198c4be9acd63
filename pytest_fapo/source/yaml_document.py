"""Values of YAML files: found with PyYAML's marks, changed by splicing the scalar."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import JsonValue

from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.source.addresses import dotted
from pytest_fapo.source.parameter_values import ParameterValue, number
from pytest_fapo.source.text_files import SourceText, decode, split_lines
from pytest_fapo.source.value_locations import ValueLocation, spliced_files, told_apart
from pytest_fapo.source.yaml_scalars import Scalar, in_one_line, spellings_of_text

_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]*([eE][-+][0-9]+)?)?")

_PROPERTIES = re.compile(r"(?:(?:&\S+|![^\s,\[\]{}]*)\s+)+")
"""An anchor and a tag before the value."""


class YamlLocation(NamedTuple):
    """A scalar with what its spelling depends on."""

    at: ValueLocation
    indent: int | None = None
    """The column of the mapping or list that holds it; None inside braces and brackets."""


def values_in_yaml(data: bytes, path: str) -> Iterator[ParameterValue]:
    """The scalars of a document under their keys; items of lists, and of several documents, under their
    position."""
    for location in told_apart(each.at for each in yaml_locations(decode(data, path).text, path)):
        yield location.value


def rewrites_of_yaml(data: bytes, path: str, name: str, value: JsonValue) -> Iterator[bytes]:
    """The document with one value changed and every other byte kept."""
    source = decode(data, path)
    for location in yaml_locations(source.text, path):
        if location.at.value.name == name:
            yield from rewrites_at(source, location, value)


def yaml_locations(text: str, path: str) -> list[YamlLocation]:
    """The scalars of all documents in a text.

    Raises:
        ArtifactError: PyYAML is not installed or cannot read it.
    """
    try:
        import yaml
    except ImportError:
        raise ArtifactError(f"{path}: YAML needs PyYAML: pip install 'pytest-fapo[yaml]'") from None
    loader = None
    try:
        loader = yaml.SafeLoader(text)  # it refuses control characters already here
        roots = []
        while loader.check_node():
            roots.append(loader.get_node())
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ArtifactError(
            f"{path}: line {line}: YAML allows no control character U+{error.character:04X}; "
            f'write it in double quotes as "\\u{error.character:04x}" or take it out'
        ) from None
    except yaml.YAMLError as error:
        raise ArtifactError(
            f"{path}: not valid YAML: {' '.join(str(error).split())}; correct it or take it out of the scope"
        ) from None
    finally:
        if loader is not None:
            loader.dispose()
    seen: dict[int, str] = {}
    several = len(roots) > 1
    return [
        location
        for place, root in enumerate(roots)
        for location in _walk(root, [place] if several else [], text, seen, 0)
    ]


def rewrites_at(source: SourceText, location: YamlLocation, value: JsonValue) -> Iterator[bytes]:
    """The file with the spellings of a value at that place, the likeliest first."""
    start, end = location.at.start, location.at.end
    spelled = source.text[start:end]
    newline = source._replace(text=spelled).newline if "\n" in spelled else source.newline
    old = Scalar(spelled, location.indent, source.text[end:], newline)
    if isinstance(value, str):
        spellings = spellings_of_text(value, old)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        fraction = isinstance(location.at.value.value, float)
        spellings = iter([in_one_line(number(value, fraction=fraction), old)])
    else:
        spellings = iter([in_one_line(json.dumps(value), old)])
    yield from spliced_files(source, location.at, spellings)


# --- finding -------------------------------------------------------------------------------------------


def _walk(
    node: Any, keys: list[str | int], text: str, seen: dict[int, str], indent: int | None
) -> Iterator[YamlLocation]:
    name = dotted(keys)
    if id(node) in seen:
        yield _refused(name, f"it is an alias; edit the value that it points to, {seen[id(node)]}")
        return
    seen[id(node)] = name
    if node.id == "mapping":
        for key, value in node.value:
            if key.id == "scalar" and key.value != "<<":
                column = None if node.flow_style or indent is None else key.start_mark.column
                yield from _walk(value, [*keys, key.value], text, seen, column)
    elif node.id == "sequence":
        for place, value in enumerate(node.value):
            dash = text.rfind("-", 0, value.start_mark.index)
            column = None if node.flow_style or indent is None else _column(text, dash)
            yield from _walk(value, [*keys, place], text, seen, column)
    else:
        yield _of_scalar(node, name, text, indent)


def _column(text: str, index: int) -> int:
    return index - max(text.rfind("\n", 0, index), text.rfind("\r", 0, index)) - 1


def _of_scalar(node: Any, name: str, text: str, indent: int | None) -> YamlLocation:
    start, end = node.start_mark.index, node.end_mark.index
    properties = _PROPERTIES.match(text, start, end)
    start = properties.end() if properties else start
    written = text[start:end]
    kind = node.tag.rpartition(":")[2]
    tagged = properties is not None and "!" in properties[0]
    if not written or written.startswith(("!", "&")) or (tagged and kind != "str"):
        return _refused(name, "it is empty or tagged, not one plain value")
    if node.style in ("|", ">"):
        end = start + len(_without_gap(written, Scalar(written, indent, "", "\n").width))
    if node.style is not None or tagged:
        return YamlLocation(ValueLocation(ParameterValue(name, node.value), start, end), indent)
    known, value = _unquoted_value(node.value, kind)
    if not known:
        return _refused(
            name,
            f"YAML 1.1 and 1.2 may read {written[:40]!r} differently; quote it "
            f"or write it as a plain number, true or false",
        )
    return YamlLocation(ValueLocation(ParameterValue(name, value), start, end), indent)


def _refused(name: str, reason: str) -> YamlLocation:
    return YamlLocation(ValueLocation(ParameterValue(name, reason=reason)))


def _without_gap(written: str, width: int) -> str:
    """A block without the empty lines behind it, which only `+` makes part of the value."""
    lines = split_lines(written)
    if "+" in lines[0].partition("#")[0]:
        return written
    while len(lines) > 1 and not lines[-1].strip() and len(lines[-1].rstrip("\r\n")) <= width:
        lines.pop()
    return "".join(lines)


def _unquoted_value(written: str, tag: str) -> tuple[bool, JsonValue]:
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
    """True if YAML 1.2 takes it for a text too, though it begins like a number (`4o-mini`, `2024-x`)."""
    return not re.fullmatch(
        r"0o[0-7]+|0x[0-9a-f]+|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)(e[-+]?[0-9]+)?", written, re.I
    )
