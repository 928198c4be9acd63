"""Rows to cases: our own fields, the original FAPO's, and the columns of foreign files."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from pytest_fapo.case_loading.decorator import CaseSource, FieldMap
from pytest_fapo.case_loading.read import PlacedRow
from pytest_fapo.errors import CaseError
from pytest_fapo.models import SPLITS, Case, canonical_json

_FIELDS = ("id", "inputs", "expected", "split", "tags", "weight", "expected_steps", "metadata")
_FAPO_FIELDS = ("case_id", "task_type", "context")


def to_case(row: PlacedRow, source: CaseSource) -> tuple[Case, bool]:
    """Make a case of a row; the second value says whether the row itself gave the split.

    Raises:
        CaseError: a field is missing, misspelt or of the wrong type; the message begins with the place.
    """
    if isinstance(row.value, Case):
        return row.value.model_copy(update={"origin": row.value.origin or row.origin}), True
    if not isinstance(row.value, Mapping):
        raise CaseError(f"{row.origin}: expected a mapping of fields, got {type(row.value).__name__}")
    values = {str(key): _plain(value) for key, value in row.value.items()}
    fields = _mapped(values, row, source) if source.inputs is not None else _native(values, row, source)
    split = _split(values, fields, row, source)
    fields.pop("split", None)
    try:
        case = Case.model_validate({**fields, "origin": row.origin, "split": split or "train"})
    except ValidationError as error:
        problem = error.errors()[0]
        name = ".".join(str(part) for part in problem["loc"])
        raise CaseError(f"{row.origin}: field {name!r}: {problem['msg'].lower()}") from None
    return case, split is not None


def _native(values: dict[str, Any], row: PlacedRow, source: CaseSource) -> dict[str, Any]:
    fields = dict(values)
    if "case_id" in fields and "id" not in fields:
        fields = _from_fapo(fields)
    if "expected" not in fields and source.expected is not None:
        fields["expected"] = _pick(values, source.expected, row)
    if source.id is not None:
        fields["id"] = _identity(values, source, row)
    for name in ("id", "inputs"):
        if name not in fields:
            raise CaseError(f"{row.origin}: missing field {name!r}; the row has {_names(values)}")
    extra = [name for name in fields if name not in _FIELDS]
    for name in extra:
        near = get_close_matches(name, _FIELDS, n=1, cutoff=0.8)
        if near:
            raise CaseError(f"{row.origin}: unknown field {name!r}; did you mean {near[0]!r}?")
    if extra:
        metadata = {name: fields.pop(name) for name in extra}
        fields["metadata"] = {**metadata, **(fields.get("metadata") or {})}
    fields["id"] = str(fields["id"]) if isinstance(fields["id"], int) else fields["id"]
    if isinstance(fields.get("tags"), str):
        fields["tags"] = [tag for tag in fields["tags"].replace(";", ",").split(",") if tag.strip()]
    return fields


def _from_fapo(values: dict[str, Any]) -> dict[str, Any]:
    """The original FAPO's row: `case_id, task_type, context, expected, metadata`."""
    fields = {name: value for name, value in values.items() if name not in _FAPO_FIELDS}
    fields["id"] = values["case_id"]
    if "context" in values:
        fields["inputs"] = values["context"]
    if values.get("task_type"):
        fields["tags"] = [values["task_type"], *(fields.get("tags") or [])]
    metadata = fields.get("metadata")
    if isinstance(metadata, dict) and metadata.get("split") in SPLITS and "split" not in fields:
        fields["split"] = metadata["split"]
    return fields


def _mapped(values: dict[str, Any], row: PlacedRow, source: CaseSource) -> dict[str, Any]:
    assert source.inputs is not None
    fields: dict[str, Any] = {"inputs": _pick(values, source.inputs, row)}
    if source.expected is not None:
        fields["expected"] = _pick(values, source.expected, row)
    elif "expected" in values:
        fields["expected"] = values["expected"]
    fields["id"] = _identity(values, source, row) or _content_id(fields["inputs"])
    used = _columns(source.inputs) | _columns(source.expected) | {"id", "case_id", "split"}
    fields["metadata"] = {name: value for name, value in values.items() if name not in used}
    return fields


def _identity(values: dict[str, Any], source: CaseSource, row: PlacedRow) -> str | None:
    if callable(source.id):
        return str(source.id(values))
    if source.id is not None:
        return str(_pick(values, source.id, row))
    found = values.get("id", values.get("case_id"))
    return None if found is None else str(found)


def _content_id(inputs: Any) -> str:
    return hashlib.sha256(canonical_json(inputs).encode()).hexdigest()[:10]


def _pick(values: dict[str, Any], field: FieldMap, row: PlacedRow) -> Any:
    if callable(field):
        return _plain(field(values))
    if isinstance(field, str):
        if field not in values:
            raise CaseError(f"{row.origin}: missing field {field!r}; the row has {_names(values)}")
        return values[field]
    if isinstance(field, Mapping):
        return {name: _pick(values, column, row) for name, column in field.items()}
    return {name: _pick(values, name, row) for name in field}


def _columns(field: FieldMap | None) -> set[str]:
    if isinstance(field, str):
        return {field}
    if isinstance(field, Mapping):
        return set(field.values())
    return set(field) if isinstance(field, Sequence) else set()


def _split(values: dict[str, Any], fields: dict[str, Any], row: PlacedRow, source: CaseSource) -> str | None:
    if callable(source.split):
        split: Any = source.split(values)
    elif source.split in SPLITS:
        split = source.split
    elif source.split is not None:
        split = _pick(values, source.split, row)
    else:
        split = fields.get("split", values.get("split")) or None
    if split is not None and split not in SPLITS:
        raise CaseError(f"{row.origin}: unknown split {split!r}; expected one of {', '.join(SPLITS)}")
    return None if split is None else str(split)


def _plain(value: Any) -> Any:
    """Dates (as YAML gives them) become ISO text; everything else is JSON already or refused by `Case`."""
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value


def _names(values: Mapping[str, Any]) -> str:
    return ", ".join(values) or "no field"
