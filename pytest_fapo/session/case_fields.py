"""Convert rows to cases: our own fields, the original FAPO's, promptfoo's, and the columns of other files.

Values that pandas, numpy, Parquet and YAML give become plain JSON data.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import hashlib
import math
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from pydantic import ValidationError

from pytest_fapo.capture.json_values import SURROGATE
from pytest_fapo.core.case import Case
from pytest_fapo.core.errors import CaseError
from pytest_fapo.core.record import SPLITS, canonical_json
from pytest_fapo.core.text import did_you_mean, json_or_text
from pytest_fapo.session.case_tables import PlacedRow, Repeated
from pytest_fapo.session.cases_decorator import CaseSource, FieldMap
from pytest_fapo.session.splits import split_called

_FIELDS = ("id", "inputs", "expected", "split", "tags", "weight", "expected_steps", "metadata")

_NESTED = ("inputs", "expected", "expected_steps", "metadata")

_BESIDE = ("tags", "weight", "expected_steps")
"""Fields that are ours in a foreign file too, unless a mapping uses their column."""

_FAPO_FIELDS = ("case_id", "task_type", "context")


def to_case(row: PlacedRow, source: CaseSource) -> tuple[Case, bool]:
    """Make a case of a row; the second value says whether the row itself gave the split.

    Raises:
        CaseError: a field is missing, misspelled or of the wrong type; the message begins with the place.
    """
    if isinstance(row.value, Case):
        return row.value.model_copy(update={"origin": row.value.origin or row.origin}), True
    if not isinstance(row.value, Mapping):
        raise CaseError(f"{row.origin}: expected a mapping of fields, got {type(row.value).__name__}")
    values = {str(key): plain(value) for key, value in row.value.items()}
    fields = _mapped(values, row, source) if source.inputs is not None else _native(values, row, source)
    _normalize(fields, row)
    split = _split(values, fields, row, source)
    fields.pop("split", None)
    for name in ("id", "inputs", "expected", "tags", "expected_steps"):
        problem = next(objections(fields.get(name), name), None)
        if problem is not None:
            raise CaseError(f"{row.origin}: {problem}")
    try:
        case = Case.model_validate({**fields, "origin": row.origin, "split": split or "train"})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise CaseError(f"{row.origin}: field {name!r}: {first['msg'].lower()}") from None
    return case, split is not None


# --- rows of our own form -----------------------------------------------------------------------------


def _native(values: dict[str, Any], row: PlacedRow, source: CaseSource) -> dict[str, Any]:
    fields = _nested(values)
    if "case_id" in fields and "id" not in fields:
        fields = _from_fapo(fields)
    elif "vars" in fields and "inputs" not in fields:
        fields = _from_promptfoo(fields)
    if "expected" not in fields and source.expected is not None:
        fields["expected"] = _pick(values, source.expected, row)
    if source.id is not None:
        fields["id"] = _identity(values, source, row)
    for name in ("id", "inputs"):
        if name not in fields:
            column = next((each for each in values if each not in _FIELDS), "column")
            raise CaseError(
                f"{row.origin}: missing field {name!r}; the row has {_names(values)}; "
                f'if another field holds it, name that: cases(..., {name}="{column}")'
            )
    extra = [name for name in fields if name not in _FIELDS]
    for name in extra:
        if hint := did_you_mean(name, _FIELDS, cutoff=0.8):
            raise CaseError(f"{row.origin}: unknown field {name!r}{hint}")
    for name in set(fields) - set(extra):
        _single(fields[name], name, row)
    if extra:
        metadata = {name: fields.pop(name) for name in extra}
        fields["metadata"] = {**metadata, **_metadata(fields.get("metadata"))}
    if isinstance(fields["id"], int | float) and not isinstance(fields["id"], bool):
        fields["id"] = _number_text(fields["id"])
    return fields


def _nested(values: dict[str, Any]) -> dict[str, Any]:
    """Columns such as `inputs.text` as what they stand for: parts of one field."""
    fields: dict[str, Any] = {}
    for name, value in values.items():
        first, dot, rest = name.partition(".")
        if not dot or first not in _NESTED or first in values:
            fields[name] = value
            continue
        target = fields.setdefault(first, {})
        *folders, last = rest.split(".")
        for folder in folders:
            target = target.setdefault(folder, {}) if isinstance(target, dict) else {}
        if isinstance(target, dict):
            target[last] = value
    return fields


def _from_fapo(values: dict[str, Any]) -> dict[str, Any]:
    """Return the original FAPO's row: `case_id, task_type, context, expected, metadata`."""
    fields = {name: value for name, value in values.items() if name not in _FAPO_FIELDS}
    fields["id"] = values["case_id"]
    if "context" in values:
        fields["inputs"] = values["context"]
    if values.get("task_type"):
        fields["tags"] = [values["task_type"], *_tags(fields.get("tags"))]
    metadata = fields.get("metadata")
    if isinstance(metadata, dict) and metadata.get("split") and "split" not in fields:
        fields["split"] = metadata["split"]
    return fields


def _from_promptfoo(values: dict[str, Any]) -> dict[str, Any]:
    """Return a test of promptfoo's: `vars, assert, description`."""
    fields = {name: value for name, value in values.items() if name not in ("vars", "assert")}
    fields["inputs"] = values["vars"]
    asserted = values.get("assert")
    if asserted is not None and "expected" not in fields:
        alone = asserted[0] if isinstance(asserted, list) and len(asserted) == 1 else None
        exact = isinstance(alone, dict) and alone.get("type") == "equals" and "value" in alone
        fields["expected"] = alone["value"] if exact and alone is not None else asserted
    fields.setdefault("id", _content_id(values["vars"]))
    return fields


# --- rows of foreign files ----------------------------------------------------------------------------


def _mapped(values: dict[str, Any], row: PlacedRow, source: CaseSource) -> dict[str, Any]:
    assert source.inputs is not None
    fields: dict[str, Any] = {"inputs": _pick(values, source.inputs, row)}
    used = _columns(source.inputs) | _columns(source.expected)
    if source.expected is not None:
        fields["expected"] = _pick(values, source.expected, row)
    elif "expected" in values:
        fields["expected"] = _single(values["expected"], "expected", row)
    fields["id"] = _identity(values, source, row) or _content_id(fields["inputs"])
    for name in _BESIDE:
        if name in values and name not in used:
            fields[name] = _single(values[name], name, row)
    used |= {"id", "case_id", "split", "metadata", *(name for name in _BESIDE if name in fields)}
    if source.expected is None:
        used.add("expected")
    rest = {name: value for name, value in values.items() if name not in used}
    own = {} if "metadata" in _columns(source.inputs) | _columns(source.expected) else values.get("metadata")
    fields["metadata"] = {**rest, **_metadata(own)}
    return fields


def _identity(values: dict[str, Any], source: CaseSource, row: PlacedRow) -> str | None:
    if callable(source.id):
        return str(source.id(values))
    if source.id is not None:
        return _number_text(_pick(values, source.id, row))
    found = values.get("id", values.get("case_id"))
    return None if found is None else _number_text(_single(found, "id", row))


def _number_text(value: Any) -> str:
    """Return an id as text; whole numbers that a table with gaps holds as floats are written as whole."""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def _content_id(inputs: Any) -> str:
    return hashlib.sha256(canonical_json(as_json(inputs)).encode()).hexdigest()[:10]


def _pick(values: dict[str, Any], field: FieldMap, row: PlacedRow) -> Any:
    if callable(field):
        return plain(field(values))
    if isinstance(field, str):
        return _single(_at(values, field, row), field, row)
    if isinstance(field, Mapping):
        return {name: _pick(values, column, row) for name, column in field.items()}
    names = [name.rpartition(".")[2] for name in field]
    if len(set(names)) < len(names):
        names = list(field)
    return {name: _pick(values, column, row) for name, column in zip(names, field, strict=True)}


def _at(values: dict[str, Any], name: str, row: PlacedRow) -> Any:
    """Return the value of a column, or of a dotted path into nested ones (`user.text`,
    `messages.0.content`).
    """
    if name in values:
        return values[name]
    value: Any = values
    for part in name.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            hint = did_you_mean(name, values)
            raise CaseError(f"{row.origin}: missing field {name!r}; the row has {_names(values)}{hint}")
    return value


def _single(value: Any, name: str, row: PlacedRow) -> Any:
    """Return a value that is used must be one: a name that is twice in the header has two."""
    if isinstance(value, Repeated):
        raise CaseError(
            f"{value.header}: column {name!r} occurs {len(value)} times in the header; rename all but one"
        )
    return value


def _columns(field: FieldMap | None) -> set[str]:
    if isinstance(field, str):
        return {field}
    if isinstance(field, Mapping):
        return set(field.values())
    return set(field) if isinstance(field, Sequence) else set()


# --- single fields ------------------------------------------------------------------------------------


def _normalize(fields: dict[str, Any], row: PlacedRow) -> None:
    """Bring the fields that tables can hold only as text into their own form."""
    if "tags" in fields:
        fields["tags"] = _tags(fields["tags"])
    if "weight" in fields:
        weight = _weight(fields.pop("weight"), row)
        if weight is not None:
            fields["weight"] = weight
    if "expected_steps" in fields:
        fields["expected_steps"] = _expected_steps(fields["expected_steps"], row)
    if "metadata" in fields:
        fields["metadata"] = as_json(_metadata(fields["metadata"]))


def _tags(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, str):
        read = json_or_text(value) if value.lstrip().startswith("[") else value
        if isinstance(read, str):
            return [tag.strip() for tag in read.replace(";", ",").split(",") if tag.strip()]
        value = read
    listed = value if isinstance(value, list) else [value]
    return [str(tag) if isinstance(tag, int | float) else tag for tag in listed if tag not in (None, "")]


def _weight(value: Any, row: PlacedRow) -> float | None:
    """Return a weight as a number; None where the row gives none.

    Raises:
        CaseError: it is no finite number of at least 0.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        number = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise CaseError(
            f"{row.origin}: field 'weight': {value!r} is not a weight; give a number of at least 0, or "
            f"rename the column if it is not meant as the case's weight"
        )
    return number


def _expected_steps(value: Any, row: PlacedRow) -> Any:
    read = json_or_text(value)
    if read is None or read == "":
        return {}
    if not isinstance(read, dict):
        raise CaseError(
            f"{row.origin}: field 'expected_steps': {value!r} is not a mapping of step names to outputs; in "
            f'a table it is written as JSON, such as {{"classify": "billing"}}'
        )
    return read


def _metadata(value: Any) -> dict[str, Any]:
    read = json_or_text(value)
    if isinstance(read, dict):
        return read
    return {} if read in (None, "") else {"metadata": read}


def _split(values: dict[str, Any], fields: dict[str, Any], row: PlacedRow, source: CaseSource) -> str | None:
    named = source.split
    if callable(named):
        given: Any = named(values)
    elif named is None:
        given = fields.get("split", values.get("split"))
    elif named in values or split_called(named) is None:
        given = _pick(values, named, row)
    else:
        given = named
    if given is None or (isinstance(given, str) and not given.strip()):
        return None
    split = split_called(_single(given, "split", row))
    if split is None:
        raise CaseError(
            f"{row.origin}: unknown split {given!r}; expected one of {', '.join(SPLITS)} (or validation, "
            f"dev, eval for val; test, held-out for holdout)"
        )
    return split


def _names(values: Mapping[str, Any]) -> str:
    return ", ".join(values) or "no field"


def plain(value: Any) -> Any:
    """Return a value as JSON data where it has an obvious form as such, else as it is.

    Missing values of pandas (NaN, NaT, NA) become None, dates ISO text, arrays lists.
    """
    if value is None or (isinstance(value, str | bool | int) and type(value) in (str, bool, int)):
        return value
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(inner) for key, inner in value.items()}
    if type(value) is list or isinstance(value, tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, list):
        return value  # a list of ours that says more than its members
    if isinstance(value, set | frozenset):
        return sorted((plain(inner) for inner in value), key=str)
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if isinstance(value, decimal.Decimal):
        return plain(float(value))
    if isinstance(value, float):
        return None if math.isnan(value) else float(value)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, uuid.UUID | PurePath | datetime.timedelta):
        return str(value)
    if isinstance(value, str):
        return str(value)
    if hasattr(value, "tolist") and hasattr(value, "dtype"):  # of numpy: a scalar or an array
        made = value.tolist()
        return plain(made) if type(made) is not type(value) else value
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(dataclasses.asdict(value))
    return value


def as_json(value: Any) -> Any:
    """Return JSON data of any value: what has no such form is its text. For columns that nobody uses."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(as_json(str(key))): as_json(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [as_json(inner) for inner in value]
    return as_json(str(value))


def objections(value: Any, name: str) -> Iterator[str]:
    """Yield what keeps a value from being a case's, with the place in it."""
    if isinstance(value, str):
        broken = None if value.isascii() else SURROGATE.search(value)
        if broken is not None:
            yield (
                f"field {name!r}: half a character (\\u{ord(broken[0]):04x}, a lone surrogate): the text was "
                f"cut inside an emoji or the like; cut it elsewhere or remove the half"
            )
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield f"field {name!r}: {value} is not a JSON number; give a finite one or none"
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from objections(key, name)
            yield from objections(inner, f"{name}.{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from objections(inner, f"{name}.{number}")
    elif value is not None and not isinstance(value, bool | int):
        kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
        yield f"field {name!r}: a {kind} has no form in JSON; give text, numbers, lists or mappings"
