"""Read case files as rows: JSONL, JSON, CSV, TSV, YAML and Parquet, compressed or not, each row with its
location.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import itertools
import json
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pytest_fapo.core.errors import CaseError
from pytest_fapo.core.text import one_line
from pytest_fapo.session.case_tables import PlacedRow, read_csv, read_parquet, read_tsv

_PACKED: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
}

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""The byte order marks of the Unicode encodings; the longer marks first."""

_LIST_KEYS = ("cases", "tests")
"""Keys whose list is that of the cases, whatever else the document holds; `tests` is promptfoo's."""


_NO_LIST = "and no list of cases; where another file holds the cases, name that file in cases(...)"

_NO_CASE = (
    "and no mapping of fields; where it names a file that holds the cases, name that file in cases(...)"
)


class RepeatedKey(ValueError):
    """A key that stands several times in one mapping, where readers would silently take the last."""

    def __init__(self, key: object) -> None:
        super().__init__(f"the key {str(key)!r} occurs several times in one object; keep one of them")


def read_rows(path: Path, label: str, encoding: str | None = None) -> list[PlacedRow]:
    """Read every row of a case file.

    Args:
        path: the file; its suffix names the format.
        label: the path as shown in messages.
        encoding: of the text; default: what a byte order mark says, else UTF-8.

    Raises:
        CaseError: unknown suffix, unreadable, another encoding, broken syntax, or no row at all.
    """
    kind = _kind(path)
    reader = _READERS.get(kind)
    if reader is None and kind != ".parquet":
        known = ", ".join(sorted([*_READERS, ".parquet"]))
        raise CaseError(f"{label}: unknown kind of case file; expected one of {known}, with .gz or without")
    data = _bytes(path, label)
    try:
        read = reader(_text(data, label, encoding), label) if reader else read_parquet(data, label)
        rows = [each for row in read for each in _expanded(row)]
    except RecursionError:
        raise CaseError(f"{label}: nested too deeply to be read; flatten the cases") from None
    if not rows:
        said = "holds no case" if data.strip() else "is empty"
        raise CaseError(f"{label}: the file {said}; expected at least one case")
    return rows


def known_suffix(path: Path) -> bool:
    """True if `read_rows` knows files of this name."""
    return _kind(path) in _READERS or _kind(path) == ".parquet"


def _kind(path: Path) -> str:
    name = Path(path.name.lower())
    return (name.with_suffix("") if name.suffix in _PACKED else name).suffix


def _bytes(path: Path, label: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CaseError(f"{label}: cannot be read: {error.strerror or error}") from None
    unpack = _PACKED.get(path.suffix.lower())
    if unpack is None:
        return data
    try:
        return unpack(data)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise CaseError(f"{label}: cannot be unpacked: {error}; pack the file again") from None


def _text(data: bytes, label: str, encoding: str | None) -> str:
    marked = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    name = encoding or marked or "utf-8"
    if name.lower().replace("_", "-") in ("utf-8", "utf8"):
        name = "utf-8-sig"
    try:
        text = data.decode(name)
    except LookupError:
        raise CaseError(f"{label}: there is no encoding {encoding!r}; name one that Python knows") from None
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        said = "UTF-8" if name == "utf-8-sig" else name
        remedy = "save the file as UTF-8"
        if encoding is None:
            remedy += ', or name its encoding: cases(..., encoding="cp1252")'
        raise CaseError(f"{label}:{line}: not {said} (byte {error.start}); {remedy}") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise CaseError(
            f'{label}:{line}: a NUL character; if the file is UTF-16, say cases(..., encoding="utf-16-le"), '
            f"else remove it"
        )
    return text


# --- JSON ---------------------------------------------------------------------------------------------


def _jsonl(text: str, label: str) -> Iterator[PlacedRow]:
    if text.lstrip().startswith("["):
        yield from _json(text, label)  # a list under the wrong name
        return
    # Only "\n" ends a line of JSONL; str.splitlines would also split at U+2028 inside a string.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield PlacedRow(f"{label}:{number}", _parsed(line, label, number))


def _parsed(text: str, label: str, line: int | None = None) -> Any:
    """Return the value of a JSON text, which is a line of a file or a whole one."""
    try:
        # The lines of a whole file's objects are known only later, and so their repeated keys are found then.
        return json.loads(text) if line is None else json.loads(text, object_pairs_hook=_without_repeats)
    except RepeatedKey as error:
        raise CaseError(f"{label}:{line}: {error}") from None
    except json.JSONDecodeError as error:
        where = line if line is not None else error.lineno
        remedy = "" if line is None else "; in JSONL each line is one whole object, without a comma after it"
        raise CaseError(f"{label}:{where}: broken JSON: {error.msg} (column {error.colno}){remedy}") from None
    except ValueError as error:  # a number of thousands of digits
        raise CaseError(f"{label}:{line or 1}: broken JSON: {' '.join(str(error).split())}") from None


def _json(text: str, label: str) -> Iterator[PlacedRow]:
    if not text.strip():
        return
    try:
        document = _parsed(text, label)
    except CaseError:
        lines = [line for line in text.split("\n") if line.strip()]
        if len(lines) > 1 and all(line.lstrip().startswith("{") and _is_json(line) for line in lines):
            yield from _jsonl(text, label)  # one object a line, under the wrong name
            return
        raise
    key = _list_key(document, label)
    start = 0 if key is None else _after_key(text, key)
    elements = document if key is None else document[key]
    line_numbers = _element_lines(text, start, len(elements), label)
    for line, value in zip(line_numbers, elements, strict=True):
        yield _case_of_document(f"{label}:{line}", value, document)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise RepeatedKey(key)
        found[key] = value
    return found


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _list_key(document: Any, label: str) -> str | None:
    """Return the key whose list is that of the cases; None where the document is the list.

    Raises:
        CaseError: it holds none, or several of which none is called `cases` or `tests`.
    """
    if isinstance(document, list):
        return None
    expected = 'expected a list of cases, or an object with the list under "cases"'
    if not isinstance(document, dict):
        raise CaseError(f"{label}: {expected}")
    lists = [str(key) for key, value in document.items() if isinstance(value, list)]
    key = next((key for key in _LIST_KEYS if key in document), None)
    if key is not None and key not in lists:
        raise CaseError(f"{label}: {key!r} is {one_line(str(document[key]))!r}, {_NO_LIST}")
    if key is None and len(lists) > 1:
        raise CaseError(
            f"{label}: {expected}; there are lists under {', '.join(lists)}: rename that of the cases"
        )
    if key is None and not lists:
        names = ", ".join(str(key) for key in document) or "nothing"
        raise CaseError(f"{label}: {expected}; it has {names}, and no list")
    return key or lists[0]


def _case_of_document(origin: str, value: Any, document: Any) -> PlacedRow:
    """Return an element of a document's list of cases.

    Raises:
        CaseError: it only names another file.
    """
    if isinstance(value, str):
        raise CaseError(f"{origin}: {one_line(value)!r}, {_NO_CASE}")
    return PlacedRow(origin, _with_defaults(value, document))


def _with_defaults(row: Any, document: Any) -> Any:
    """A test of promptfoo's with what its file says of all tests (`defaultTest`)."""
    common = document.get("defaultTest") if isinstance(document, dict) else None
    if not isinstance(common, dict) or not isinstance(row, dict):
        return row
    merged = {**common, **row}
    for name in ("vars", "metadata", "options"):
        if isinstance(common.get(name), dict) and isinstance(row.get(name), dict):
            merged[name] = {**common[name], **row[name]}
    if isinstance(common.get("assert"), list) and isinstance(row.get("assert"), list):
        merged["assert"] = [*common["assert"], *row["assert"]]
    return merged


def _expanded(row: PlacedRow) -> Iterator[PlacedRow]:
    """Yield a test of promptfoo's once for each combination of its `vars` that are lists of texts."""
    value = row.value
    given = value.get("vars") if isinstance(value, dict) and "inputs" not in value else None
    options = value.get("options") if isinstance(value, dict) else None
    kept = isinstance(options, dict) and options.get("disableVarExpansion")
    if kept or not isinstance(given, dict) or not any(map(_is_texts, given.values())):
        yield row
        return
    choices = [each if _is_texts(each) else [each] for each in given.values()]
    for number, combination in enumerate(itertools.product(*choices), 1):
        one = {**value, "vars": dict(zip(given, combination, strict=True))}
        yield PlacedRow(row.origin, {**one, "id": f"{value['id']}-{number}"} if "id" in value else one)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], str)


def _after_key(text: str, wanted: str) -> int:
    """Position of the value of a top-level key."""
    decoder = json.JSONDecoder()
    position, found = text.index("{") + 1, 0
    while True:
        position = _skip(text, position, " \t\r\n,")
        if text[position] == "}":
            return found
        key, position = decoder.raw_decode(text, position)
        position = _skip(text, position, " \t\r\n:")
        if key == wanted:
            found = position  # the last of several equal keys is the one that is read
        _, position = decoder.raw_decode(text, position)


def _element_lines(text: str, start: int, count: int, label: str) -> list[int]:
    """Line numbers of the elements of the array that begins at or after `start`."""
    decoder = json.JSONDecoder(object_pairs_hook=_without_repeats)
    position = text.index("[", start) + 1
    lines, line, counted = [], 1, 0
    for _ in range(count):
        position = _skip(text, position, " \t\r\n,")
        line += text.count("\n", counted, position)
        counted = position
        lines.append(line)
        try:
            _, position = decoder.raw_decode(text, position)
        except RepeatedKey as error:
            raise CaseError(f"{label}:{line}: {error}") from None
    return lines


def _skip(text: str, position: int, characters: str) -> int:
    while text[position] in characters:
        position += 1
    return position


# --- YAML ---------------------------------------------------------------------------------------------


def _yaml(text: str, label: str) -> Iterator[PlacedRow]:
    try:
        import yaml
    except ImportError:
        raise CaseError(f"{label}: YAML needs PyYAML: pip install 'pytest-fapo[yaml]'") from None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, TypeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{label}:{mark.line + 1}" if mark else label
        said = one_line(str(getattr(error, "problem", None) or error))
        raise CaseError(f"{where}: broken YAML: {said}") from None
    if document is None or node is None:
        return
    key = _list_key(document, label)
    elements = document if key is None else document[key]
    if key is not None:
        node = next(value for name, value in reversed(node.value) if name.value == key)
    _refuse_repeated_keys(node, label)
    for element, value in zip(node.value, elements, strict=True):
        yield _case_of_document(f"{label}:{element.start_mark.line + 1}", value, document)


def _refuse_repeated_keys(node: Any, label: str) -> None:
    """Raise an error where a mapping at or below the node has a key twice; `<<` may stand several times."""
    left, seen = [node], {id(node)}
    while left:
        each = left.pop()
        children = each.value if isinstance(each.value, list) else []
        if each.id == "mapping":
            keys = set()
            for key, _ in children:
                named = (key.tag, str(key.value))
                if named in keys and key.tag != "tag:yaml.org,2002:merge":
                    raise CaseError(f"{label}:{key.start_mark.line + 1}: {RepeatedKey(key.value)}")
                keys.add(named)
            children = [child for pair in children for child in pair]
        for child in children:
            if id(child) not in seen:  # an alias is the node that it names
                seen.add(id(child))
                left.append(child)


_READERS: dict[str, Callable[[str, str], Iterator[PlacedRow]]] = {
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".json": _json,
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".yaml": _yaml,
    ".yml": _yaml,
}
