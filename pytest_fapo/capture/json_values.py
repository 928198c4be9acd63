"""Convert any Python value to JSON of bounded size, and JSON back to a value."""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
import sys
import typing
from collections.abc import Callable, Iterable, Mapping
from datetime import date, time
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pytest_fapo.capture.redaction import REDACTED, Redactor

if TYPE_CHECKING:
    from pydantic import JsonValue

_DEPTH = 24

_SLACK = 4096

SURROGATE = re.compile("[\ud800-\udfff]")

_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")


def to_json(value: Any, *, limit: int, redactor: Redactor | None = None) -> JsonValue:
    """`value` as plain JSON data.

    Containers, dataclasses, pydantic and attrs objects are opened; dates, paths, enums become text; anything
    else is recorded as its repr (without memory addresses, so that two runs compare equal). Cycles and what
    goes past the limit are marked as left out. No value raises.

    Args:
        value: anything.
        limit: about how many characters of JSON are kept.
        redactor: applied to every text, keys included.
    """
    return to_json_with_type(value, limit=limit, redactor=redactor)[0]


def to_json_with_type(
    value: Any, *, limit: int, redactor: Redactor | None = None
) -> tuple[JsonValue, str, bool]:
    """As `to_json`, with what it takes to make such a value again.

    Returns:
        the JSON data; `module:Class` of the value, empty where it is made of JSON's own types alone; and
        whether anything of it was left out.
    """
    kind = type(value)
    if value is None or kind is bool or (kind is int and -(2**63) < value < 2**63 and limit > 20):
        return value, "", False
    if (
        kind is str
        and len(value) + 2 < limit
        and value.isascii()
        and (redactor is None or value in redactor.clean or redactor(value) == value)
    ):
        return value, "", False
    try:
        plain = _PlainCopy(redactor)
        recorded = plain.of(value, 0)
        if plain.size < limit:
            return recorded, "", False
    except _NotPlain:
        pass
    converter = _JsonConverter(limit, redactor)
    try:
        recorded = converter.convert(value, 0)
    except Exception as error:
        return f"<{type(value).__name__}: not recordable: {type(error).__name__}>", "", True
    name = f"{kind.__module__}:{kind.__qualname__}" if converter.foreign else ""
    return recorded, name, converter.cut


class _NotPlain(Exception):
    """The value needs more than a copy."""


class _PlainCopy:
    """A copy of what is recorded as it is: JSON's own types, and no text that must be redacted. Nearly all
    that a call records is that, and copying it takes a third of what `_JsonConverter` takes, which gives the
    same for it."""

    __slots__ = ("redactor", "size")

    def __init__(self, redactor: Redactor | None) -> None:
        self.redactor = redactor
        self.size = 0
        """As `_JsonConverter.room` counts."""

    def of(self, value: Any, depth: int) -> Any:
        """Return the copy.

        Raises:
            _NotPlain: there is something else in it, or it is nested too deeply.
        """
        kind = type(value)
        if kind is str:
            self.check(value)
        elif kind is dict:
            return self.mapping(value, depth)
        elif kind is list:
            if depth >= _DEPTH:
                raise _NotPlain
            self.size += 2 * len(value)
            return [self.of(item, depth + 1) for item in value]
        elif value is None or kind is bool:
            self.size += 5
        elif kind is int and -(2**63) < value < 2**63:
            self.size += len(str(value))
        elif kind is float and math.isfinite(value):
            self.size += 12
        else:
            raise _NotPlain
        return value

    def mapping(self, value: dict[Any, Any], depth: int) -> Any:
        if depth >= _DEPTH:
            raise _NotPlain
        result = {}
        for key, item in value.items():
            if type(key) is not str:
                raise _NotPlain
            self.check(key)
            if type(item) is str and self.redactor is not None and self.redactor.names_credential(key):
                raise _NotPlain
            result[key] = self.of(item, depth + 1)
        return result

    def check(self, text: str) -> None:
        redactor = self.redactor
        if redactor is not None and text not in redactor.clean and redactor(text) != text:
            raise _NotPlain
        if not text.isascii() and SURROGATE.search(text):
            raise _NotPlain
        self.size += len(text) + 2


class _JsonConverter:
    def __init__(self, limit: int, redactor: Redactor | None) -> None:
        self.room = limit
        self.redactor = redactor
        self.open: set[int] = set()
        self.foreign = False
        """Something met so far was of a type that JSON does not have."""
        self.cut = False
        """Something met so far is not in the result."""

    def convert(self, value: Any, depth: int) -> JsonValue:
        kind = type(value)
        if value is None or kind is bool:
            self.room -= 5
            return value  # type: ignore[no-any-return]
        if kind is str:
            return self.text(value)
        if kind is int:
            self.room -= len(str(value)) if abs(value) < 2**63 else 0
            self.foreign |= abs(value) >= 2**63
            return value if abs(value) < 2**63 else self.text(hex(value))
        if kind is float:
            self.room -= 12
            self.foreign |= not math.isfinite(value)
            return value if math.isfinite(value) else str(value)
        self.foreign |= kind is not dict and kind is not list
        try:
            plain = _plain_value(value)
            return self.convert(plain, depth) if plain is not value else self.container(value, depth)
        except Exception as error:
            self.cut = True
            return f"<{kind.__name__}: not recordable: {type(error).__name__}>"

    def container(self, value: Any, depth: int) -> JsonValue:
        if id(value) in self.open:
            self.cut = True
            return "<cycle>"
        if depth >= _DEPTH:
            self.cut = True
            return f"<{type(value).__name__}: nested too deeply>"
        self.open.add(id(value))
        try:
            if isinstance(value, Mapping):
                return self.mapping(value, depth)
            if isinstance(value, (list, tuple)):
                return self.sequence(value, depth)
            fields = _object_fields(value)
            if fields is not None:
                return self.mapping(fields, depth)
            self.cut = True
            return self.text(_ADDRESS.sub("", repr(value)))
        finally:
            self.open.discard(id(value))

    def mapping(self, value: Mapping[Any, Any], depth: int) -> JsonValue:
        result: dict[str, JsonValue] = {}
        for done, (key, item) in enumerate(value.items()):
            if self.room <= 0:
                self.cut = True
                result["…"] = f"{len(value) - done} more"
                break
            name = key if isinstance(key, str) else repr(_plain_value(key))
            self.foreign |= type(key) is not str
            if isinstance(item, str) and self.redactor is not None and self.redactor.names_credential(name):
                self.cut = True
                item = REDACTED
            result[self.text(name)] = self.convert(item, depth + 1)
        return result

    def sequence(self, value: list[Any] | tuple[Any, ...], depth: int) -> JsonValue:
        result: list[JsonValue] = []
        for done, item in enumerate(value):
            if self.room <= 0:
                self.cut = True
                result.append(f"… {len(value) - done} more")
                break
            self.room -= 2
            result.append(self.convert(item, depth + 1))
        return result

    def text(self, value: str) -> str:
        room = max(self.room, 20)
        length = len(value)
        # Redacted before it is cut, so that no half of a secret is left at the end.
        text = value if length <= room + _SLACK else value[: room + _SLACK]
        if self.redactor is not None:
            text = self.redactor(text)
        if length > room:
            text = f"{text[:room]}… ({length - room} more characters)"
        self.room -= len(text) + 2
        text = text.encode("utf-8", "replace").decode("utf-8")
        self.cut |= text != value
        return text


def _plain_value(value: Any) -> Any:
    """Return a simpler value that stands for this one; the value itself where there is none."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool | int | float):
        return int(value) if isinstance(value, int) else float(value)
    if isinstance(value, bytes | bytearray | memoryview):
        data = bytes(value)
        try:
            return data.decode()
        except UnicodeDecodeError:
            return f"<{len(data)} bytes>"
    if isinstance(value, date | time):  # datetime is a date
        return value.isoformat()
    if isinstance(value, PurePath | UUID | Decimal):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=repr)
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}"
    if hasattr(value, "tolist") and getattr(value, "size", 1001) <= 1000:  # numpy and its like
        return value.tolist()
    return value


def _object_fields(value: Any) -> dict[str, Any] | None:
    """Return the fields of a dataclass, a pydantic, attrs or DSPy object, by name; None for anything else."""
    kind = type(value)
    names: Iterable[str]
    if dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind) if field.repr]
    elif isinstance(getattr(kind, "model_fields", None), dict):
        names = [*kind.model_fields, *(getattr(value, "__pydantic_extra__", None) or ())]
    elif hasattr(kind, "__attrs_attrs__"):
        names = [attribute.name for attribute in kind.__attrs_attrs__]
    elif callable(getattr(kind, "toDict", None)) and callable(getattr(kind, "keys", None)):
        return {str(name): value[name] for name in value.keys()}  # noqa: SIM118 (an Example is no mapping)
    else:
        return None
    return {name: getattr(value, name) for name in names if hasattr(value, name)}


_UNTYPED = (inspect.Signature.empty, Any, object)


class CannotRebuild(ValueError):
    """The JSON data does not say what the step's callers expect."""


def rebuilt(value: Any, function: Callable[..., Any], output_type: str) -> Any:
    """Return the value that `function` would have returned, from its JSON form.

    What it is made into is told by the function's return annotation, else by the type that the step's
    output had elsewhere.

    Raises:
        CannotRebuild: neither tells, or the data does not fit.
    """
    kind = _annotated(function)
    if kind is None and output_type:
        kind = _class_named(output_type)
    if kind is None:
        return value
    from pydantic import TypeAdapter

    try:
        return TypeAdapter(kind).validate_python(value)
    except Exception as error:  # what a type's own validation may raise is not known
        raise CannotRebuild(f"{type(error).__name__}: {error}") from error


def _annotated(function: Callable[..., Any]) -> Any:
    """Return the return annotation where it says something; None where it does not."""
    target = inspect.unwrap(function)
    try:
        kind = typing.get_type_hints(target, include_extras=True).get("return", Any)
    except Exception:  # names that exist for type checkers only
        return None
    known = kind not in _UNTYPED and kind is not type(None) and not isinstance(kind, typing.TypeVar)
    return kind if known else None


def _class_named(output_type: str) -> Any:
    module, _, name = output_type.partition(":")
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type) or found in (list, dict):  # what the members were is not known
        raise CannotRebuild(f"what {output_type} is made of is not known")
    return found
