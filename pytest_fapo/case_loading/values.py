"""Values of rows as JSON: what pandas, numpy, Parquet and YAML give is turned into plain data."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import math
import uuid
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any


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


def told(value: Any) -> Any:
    """Return JSON data of any value: what has no such form is its text. For columns that nobody uses."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(told(str(key))): told(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [told(inner) for inner in value]
    return told(str(value))


def objections(value: Any, name: str) -> Iterator[str]:
    """Yield what keeps a value from being a case's, with the place in it."""
    if isinstance(value, str):
        broken = next((character for character in value if "\ud800" <= character <= "\udfff"), "")
        if broken:
            yield (
                f"field {name!r}: half a character (\\u{ord(broken):04x}, a lone surrogate): the text was "
                f"cut inside an emoji or the like; cut it elsewhere or remove the half"
            )
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield f"field {name!r}: {value} is no JSON number; give a finite one or none"
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
