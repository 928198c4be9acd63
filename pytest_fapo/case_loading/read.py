"""Files to rows: JSONL, JSON, CSV, TSV and YAML, each row with the place where it stands."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pytest_fapo.errors import CaseError


class PlacedRow(NamedTuple):
    """One row of a case file."""

    origin: str
    """`file:line`, or `#n` for the n-th element of a Python list."""
    value: Any


def read_rows(path: Path, label: str) -> list[PlacedRow]:
    """Read every row of a case file.

    Args:
        path: the file; its suffix names the format.
        label: the path as shown in messages.

    Raises:
        CaseError: unknown suffix, unreadable, not UTF-8, broken syntax, or no row at all.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise CaseError(f"{label}: unknown kind of case file; expected one of {', '.join(sorted(_READERS))}")
    rows = list(reader(_text(path, label), label))
    if not rows:
        raise CaseError(f"{label}: the file is empty; expected at least one case")
    return rows


def known_suffix(path: Path) -> bool:
    """Whether `read_rows` knows files of this name."""
    return path.suffix.lower() in _READERS


def _text(path: Path, label: str) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CaseError(f"{label}: cannot be read: {error.strerror or error}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise CaseError(f"{label}:{line}: not UTF-8 (byte {error.start}); save the file as UTF-8") from None


def _jsonl(text: str, label: str) -> Iterator[PlacedRow]:
    # Only "\n" ends a line of JSONL; str.splitlines would also split at U+2028 inside a string.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield PlacedRow(f"{label}:{number}", json.loads(line))
            except json.JSONDecodeError as error:
                raise CaseError(
                    f"{label}:{number}: broken JSON: {error.msg} (column {error.colno})"
                ) from None


def _json(text: str, label: str) -> Iterator[PlacedRow]:
    if not text.strip():
        return
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise CaseError(f"{label}:{error.lineno}: broken JSON: {error.msg} (column {error.colno})") from None
    start = 0
    if isinstance(document, dict) and isinstance(document.get("cases"), list):
        document, start = document["cases"], _after_key(text)
    if not isinstance(document, list):
        raise CaseError(f'{label}: expected a list of cases, or an object with the list under "cases"')
    lines = _element_lines(text, start, len(document))
    for line, value in zip(lines, document, strict=True):
        yield PlacedRow(f"{label}:{line}", value)


def _after_key(text: str) -> int:
    """Position of the value of the top-level key "cases"."""
    decoder = json.JSONDecoder()
    position = text.index("{") + 1
    while True:
        position = _skip(text, position, " \t\r\n,")
        key, position = decoder.raw_decode(text, position)
        position = _skip(text, position, " \t\r\n:")
        if key == "cases":
            return position
        _, position = decoder.raw_decode(text, position)


def _element_lines(text: str, start: int, count: int) -> list[int]:
    """Line numbers of the elements of the array that begins at or after `start`."""
    decoder = json.JSONDecoder()
    position = text.index("[", start) + 1
    lines, line, counted = [], 1, 0
    for _ in range(count):
        position = _skip(text, position, " \t\r\n,")
        line += text.count("\n", counted, position)
        counted = position
        lines.append(line)
        _, position = decoder.raw_decode(text, position)
    return lines


def _skip(text: str, position: int, characters: str) -> int:
    while text[position] in characters:
        position += 1
    return position


def _csv(text: str, label: str, delimiter: str = ",") -> Iterator[PlacedRow]:
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        fields = reader.fieldnames or []
        line = reader.line_num + 1
        for row in reader:
            if None in row or None in row.values():
                raise CaseError(f"{label}:{line}: expected {len(fields)} columns as in the header")
            yield PlacedRow(f"{label}:{line}", dict(row))
            line = reader.line_num + 1
    except csv.Error as error:
        raise CaseError(f"{label}:{line}: broken CSV: {error}") from None


def _tsv(text: str, label: str) -> Iterator[PlacedRow]:
    return _csv(text, label, "\t")


def _yaml(text: str, label: str) -> Iterator[PlacedRow]:
    try:
        import yaml
    except ImportError:
        raise CaseError(f"{label}: YAML needs PyYAML: pip install 'pytest-fapo[yaml]'") from None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{label}:{mark.line + 1}" if mark else label
        raise CaseError(f"{place}: broken YAML: {getattr(error, 'problem', None) or error}") from None
    if isinstance(document, dict) and isinstance(document.get("cases"), list) and node is not None:
        document = document["cases"]
        node = next(value for key, value in node.value if key.value == "cases")
    if document is None or node is None:
        return
    if not isinstance(document, list):
        raise CaseError(f"{label}: expected a list of cases, or a mapping with the list under 'cases'")
    for element, value in zip(node.value, document, strict=True):
        yield PlacedRow(f"{label}:{element.start_mark.line + 1}", value)


_READERS: dict[str, Callable[[str, str], Iterator[PlacedRow]]] = {
    ".jsonl": _jsonl,
    ".json": _json,
    ".csv": _csv,
    ".tsv": _tsv,
    ".yaml": _yaml,
    ".yml": _yaml,
}
