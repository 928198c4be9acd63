"""Values of YAML files: found with PyYAML's marks, changed by splicing the scalar."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import JsonValue

from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.source.addresses import dotted
from pytest_fapo.source.parameter_values import ParameterValue, number
from pytest_fapo.source.text_files import SourceText, decode, merged_lines, split_lines, universal_newlines
from pytest_fapo.source.value_locations import ValueLocation, distinct_locations, spliced_files

_PLAIN = re.compile(r"""[^\W\d_](?:[\w .,;!?()/'"%+=@$<>–—-]*[\w.!?)'"%])?""")
"""Texts that every reader takes for the same without quotes."""

_CONSTANT = re.compile(r"(y|yes|n|no|on|off|true|false|null|nan|inf)", re.I)

_HEADER = re.compile(r"([|>])([-+1-9]*)([^\r\n]*)")


class Scalar(NamedTuple):
    """A scalar as it is in the file, with what its spelling depends on."""

    text: str
    """Its characters; of a block the header, the lines, and no empty line that is not part of the value."""
    indent: int | None
    """The column of the mapping or list that holds it; None inside braces and brackets."""
    rest: str
    """All that follows in the file."""
    newline: str

    @property
    def is_block(self) -> bool:
        """True if it is literal or folded."""
        return self.text[:1] in ("|", ">")

    @property
    def header(self) -> re.Match[str] | None:
        """The first line of a block: style, indentation and chomping, comment."""
        return _HEADER.match(self.text) if self.is_block else None

    @property
    def body(self) -> list[str]:
        """The lines of a block below its header, with their ends."""
        return split_lines(self.text)[1:]

    @property
    def width(self) -> int:
        """The number of blanks before the lines of a block, of one that is to be written too."""
        outer = self.indent or 0
        given = re.search(r"[1-9]", self.header[2]) if self.header else None
        if given:
            return outer + int(given[0])
        first = next((line for line in self.body if line.strip()), "") if self.is_block else ""
        return len(first) - len(first.lstrip(" ")) or outer + 2


def spellings_of_text(text: str, old: Scalar) -> Iterator[str]:
    """Ways to write a text in place of the old scalar, the one nearest to its style first.

    Not each of them is right for each text: the caller takes the first that is read back as the text.
    """
    if old.is_block:
        if old.text.startswith(">"):
            yield from _blocks(text, old, ">")
        yield from _blocks(text, old, "|")
    elif "\n" in text and not old.text.startswith('"') and not old.rest[:1].strip("\r\n"):
        yield from _blocks(text, old, "|")
    elif old.text.startswith("'"):
        yield "'" + text.replace("'", "''") + "'"
    elif not old.text.startswith('"') and _PLAIN.fullmatch(text) and not _CONSTANT.fullmatch(text):
        yield text
    yield in_one_line(_double_quoted(text), old)


def in_one_line(spelling: str, old: Scalar) -> str:
    """Return a spelling of one line where the old value may have been a block: its comment and its end
    stay.
    """
    if old.header is None:
        return spelling
    return spelling + old.header[3] + (old.newline if old.text.endswith(("\n", "\r")) else "")


def _double_quoted(text: str) -> str:
    return '"' + re.sub(r'["\\\x00-\x1f\x7f-\xa0\u2028\u2029\ufeff]', _escape, text) + '"'


def _escape(match: re.Match[str]) -> str:
    known = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return known.get(match[0]) or f"\\u{ord(match[0]):04x}"


def _blocks(text: str, old: Scalar, style: str) -> Iterator[str]:
    core = text.rstrip("\n")
    if not core.strip() or old.indent is None:
        return
    ends = len(text) - len(core)
    lines = core.split("\n") if style == "|" else _folded(core, old)
    lines += [""] * max(0, ends - 1 - _empty_lines(old.rest))
    block = _header(core, ends, old, style) + old.newline + _indented(lines, old)
    if not old.text.endswith(("\n", "\r")):
        yield block.removesuffix(old.newline)  # the end of the line is behind the value already
        if old.rest:
            return
    yield block


def _empty_lines(rest: str) -> int:
    lines = split_lines(rest[: len(rest) - len(rest.lstrip(" \r\n"))])
    return sum(not line.strip(" \r\n") and line[-1] in "\r\n" for line in lines)


def _header(core: str, ends: int, old: Scalar, style: str) -> str:
    signs = old.header[2] if old.header else ""
    place = re.sub(r"[-+]", "", signs)
    if core.lstrip("\n")[:1] in (" ", "\t") and not place:
        place = str(old.width - (old.indent or 0))
    return style + place + ("-", "", "+")[min(ends, 2)] + (old.header[3] if old.header else "")


def _indented(lines: list[str], old: Scalar) -> str:
    margin = " " * old.width
    before = old.body if old.is_block else []
    plain = [universal_newlines(line).removeprefix(margin) for line in before]
    plain = [line if line.strip(" \n") else "\n" for line in plain]
    return merged_lines(
        before,
        plain,
        [f"{line}\n" for line in lines],
        lambda line: (margin + line if line != "\n" else line).replace("\n", old.newline),
    )


def _folded(core: str, old: Scalar) -> list[str]:
    """Return the lines of a folded block: a paragraph that was there keeps its line breaks."""
    known = _paragraphs(old)
    broken = [line for lines in known.values() if len(lines) > 1 for line in lines]
    width = max(map(len, broken), default=0)
    lines: list[str] = []
    parts = re.split(r"(\n+)", core)
    for place in range(0, len(parts), 2):
        paragraph = parts[place]
        if paragraph:
            lines += known.get(paragraph) or _wrapped(paragraph, width)
        if place + 1 < len(parts):
            # One newline between two paragraphs is read as a blank, unless one of them is indented.
            indented = paragraph[:1].isspace() or parts[place + 2][:1].isspace()
            lines += [""] * (len(parts[place + 1]) - (1 if paragraph and indented else 0))
    return lines


def _paragraphs(old: Scalar) -> dict[str, list[str]]:
    margin = " " * old.width
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for raw in [*old.body, ""]:
        line = raw.rstrip("\r\n").removeprefix(margin)
        if line.strip() and not line[0].isspace():
            lines.append(line)
        else:
            found[" ".join(lines)] = lines
            lines = []
    return found


def _wrapped(paragraph: str, width: int) -> list[str]:
    if not width or paragraph[:1].isspace():
        return [paragraph]
    lines = textwrap.wrap(
        paragraph, width, break_long_words=False, break_on_hyphens=False, replace_whitespace=False
    )
    return lines if " ".join(lines) == paragraph else [paragraph]


_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]*([eE][-+][0-9]+)?)?")

_PROPERTIES = re.compile(r"(?:(?:&\S+|![^\s,\[\]{}]*)\s+)+")
"""An anchor and a tag before the value."""


class YamlLocation(NamedTuple):
    """A scalar with what its spelling depends on."""

    at: ValueLocation
    indent: int | None = None
    """The column of the mapping or list that holds it; None inside braces and brackets."""


def values_in_yaml(data: bytes, path: str) -> Iterator[ParameterValue]:
    """Yield the scalars of a document under their keys; items of lists, and of several documents, under their
    position."""
    for location in distinct_locations(each.at for each in yaml_locations(decode(data, path).text, path)):
        yield location.value


def rewrites_of_yaml(data: bytes, path: str, name: str, value: JsonValue) -> Iterator[bytes]:
    """Yield the document with one value changed and every other byte kept."""
    source = decode(data, path)
    for location in yaml_locations(source.text, path):
        if location.at.value.name == name:
            yield from rewrites_at(source, location, value)


def yaml_locations(text: str, path: str) -> list[YamlLocation]:
    """Return the scalars of all documents in a text.

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
    """Yield the file with the spellings of a value at that place, the likeliest first."""
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
    """Return a block without the empty lines behind it, which only `+` makes part of the value."""
    lines = split_lines(written)
    if "+" in lines[0].partition("#")[0]:
        return written
    while len(lines) > 1 and not lines[-1].strip() and len(lines[-1].rstrip("\r\n")) <= width:
        lines.pop()
    return "".join(lines)


def _unquoted_value(written: str, tag: str) -> tuple[bool, JsonValue]:
    """Return the value of an unquoted scalar, where both YAML versions give the same."""
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
