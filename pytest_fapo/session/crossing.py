"""Outputs and errors as they cross from the process that made them to the one that judges: data, never code.

Plain values, lists, dicts and their like cross as they are; dataclasses, pydantic models, named tuples and
enums by the name of their class, which must be loaded where they arrive. Nothing is imported, unpickled or
initialized there: an object is filled with its fields, and a field holds what its class declares or what it
held before.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import enum
import pathlib
import sys
import uuid
from collections.abc import Callable, Collection, Iterator
from typing import Any

from pytest_fapo.core import errors
from pytest_fapo.core.errors import CallStopped

_DEEPEST = 200

_TEXTS: dict[str, tuple[type, Callable[[Any], str], Callable[[str], Any]]] = {
    "datetime": (datetime.datetime, datetime.datetime.isoformat, datetime.datetime.fromisoformat),
    "date": (datetime.date, datetime.date.isoformat, datetime.date.fromisoformat),
    "time": (datetime.time, datetime.time.isoformat, datetime.time.fromisoformat),
    "decimal": (decimal.Decimal, str, decimal.Decimal),
    "uuid": (uuid.UUID, str, uuid.UUID),
    "path": (type(pathlib.Path()), str, pathlib.Path),
    "bytes": (bytes, lambda value: base64.b64encode(value).decode(), base64.b64decode),
}

_SEQUENCES: dict[str, type] = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}


class CannotCross(Exception):
    """The value is of a kind that does not cross; the message names it."""


def encode(value: Any, depth: int = 0) -> Any:
    """Return the value as JSON data.

    Raises:
        CannotCross: it, or something in it, is of another kind.
    """
    if depth > _DEEPEST:
        raise CannotCross("something nested too deeply")
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return value
    for name, sequence in _SEQUENCES.items():
        if kind is sequence:
            return {name: [encode(each, depth + 1) for each in value]}
    if kind is dict:
        return {"dict": [[encode(key, depth + 1), encode(each, depth + 1)] for key, each in value.items()]}
    for name, (known, to_text, _) in _TEXTS.items():
        if kind is known:
            return {name: to_text(value)}
    if isinstance(value, enum.Enum):
        return {"enum": [_name_of(kind), value.name]}
    fields = _fields_of(value)
    if fields is None:
        raise CannotCross(f"a {kind.__module__}.{kind.__qualname__}")
    return {"object": [_name_of(kind), {name: encode(each, depth + 1) for name, each in fields.items()}]}


def decode(data: Any, new: Collection[str] = ()) -> Any:
    """Return the value that `encode` was given.

    Args:
        data: what it gave.
        new: those of `shapes_in` that must be as declared.

    Raises:
        CannotCross: it cannot be made here, or is not as declared.
    """
    if not isinstance(data, dict):
        return data
    (kind, content), *_ = data.items()
    if kind in _SEQUENCES:
        return _SEQUENCES[kind](decode(each, new) for each in content)
    if kind == "dict":
        return {decode(key, new): decode(each, new) for key, each in content}
    if kind in _TEXTS:
        return _TEXTS[kind][2](content)
    cls = _loaded(content[0])
    if kind == "enum" and issubclass(cls, enum.Enum):
        return cls[content[1]]
    if kind == "object":
        values = {name: decode(each, new) for name, each in content[1].items()}
        for name, each in content[1].items():
            if _shape(content[0], name, each) in new and not _is_declared(cls, name, values[name]):
                raise CannotCross(
                    f"a {_kind_of(each)} in {cls.__qualname__}.{name}, which declares something else"
                )
        return _filled(cls, values)
    raise CannotCross(f"something called {kind!r}")


def shapes_in(data: Any) -> Iterator[str]:
    """Yield names of the classes of objects in encoded data, and what their fields hold (`app:Answer.team
    str`).
    """
    if isinstance(data, list):
        for each in data:
            yield from shapes_in(each)
    elif isinstance(data, dict):
        for kind, content in data.items():
            if kind in ("object", "enum"):
                yield content[0]
            for name, each in content[1].items() if kind == "object" else ():
                yield _shape(content[0], name, each)
            yield from shapes_in(content[1] if kind == "object" else content)


def _shape(cls: str, name: str, data: Any) -> str:
    return f"{cls}.{name} {_kind_of(data)}"


def _kind_of(data: Any) -> str:
    """Return the kind of encoded data, with the kinds of what is in a collection."""
    if not isinstance(data, dict):
        return type(data).__name__
    (kind, content), *_ = data.items()
    if kind in ("object", "enum"):
        return str(content[0])
    if kind in _SEQUENCES or kind == "dict":
        inner = [each for pair in content for each in pair] if kind == "dict" else content
        return f"{kind}[{', '.join(sorted(set(map(_kind_of, inner))))}]"
    return str(kind)


def _is_declared(cls: type, name: str, value: Any) -> bool:
    """True if the value is of the type that the class declares for the field, or it declares none."""
    import typing

    from pydantic import ConfigDict, TypeAdapter

    try:
        declared = typing.get_type_hints(cls).get(name, typing.Any)
        if isinstance(declared, type) and isinstance(value, declared):
            return True
        rules = ConfigDict(arbitrary_types_allowed=True, strict=True)
        TypeAdapter(declared, config=rules).validate_python(value)
    except Exception:  # annotations may name what is not there, and say what pydantic does not know
        return False
    return True


def encode_error(error: BaseException) -> dict[str, Any]:
    """Return an exception as JSON data: its class, its arguments and fields as far as they cross, and its
    words.
    """
    state = {name: data for name, each in vars(error).items() if (data := _if_it_crosses(each)) is not _NOT}
    return {
        "class": _name_of(type(error)),
        "args": [_if_it_crosses(each, repr(each)) for each in error.args],
        "state": state,
        "text": str(error),
    }


def decode_error(data: dict[str, Any]) -> BaseException:
    """Return an exception of the same class where that is loaded here, else of one with its name."""
    name = str(data["class"])
    try:
        cls = _loaded(name)
    except CannotCross:
        cls = _named(name, Exception)
    if not issubclass(cls, (Exception, CallStopped)):
        return RuntimeError(f"{name}: {data['text']}")
    try:
        args = tuple(map(decode, data["args"]))
        made: BaseException = cls.__new__(cls, *args)
        made.args = args
        for key, each in data["state"].items():
            made.__dict__[key] = decode(each)
        str(made)  # what its class has to say may need what did not cross
    except Exception:
        made = _named(name, cls).__new__(_named(name, cls), data["text"])
        made.args = (str(data["text"]),)
    return made


def _named(name: str, base: type) -> Any:
    """Return a class with the last part of that name, which says what its one argument is."""
    last = name.rpartition(":")[2].rpartition(".")[2]
    return type(last, (base,), {"__str__": lambda self: str(self.args[0])})


_NOT = object()


def _if_it_crosses(value: Any, otherwise: Any = _NOT) -> Any:
    try:
        return encode(value)
    except CannotCross:
        return otherwise


def _name_of(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _loaded(name: str) -> Any:
    """Return the class of that name, where its module is loaded; nothing is loaded for its sake."""
    module, _, path = name.partition(":")
    found: Any = errors if module == errors.__name__ else sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type) or _name_of(found) != name:
        raise CannotCross(f"a {name.replace(':', '.')}, which is not known here")
    return found


def _fields_of(value: Any) -> dict[str, Any] | None:
    """Field to value of an object that is made of its fields; None of any other."""
    kind = type(value)
    if dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind)]
        return {name: getattr(value, name) for name in names if hasattr(value, name)}
    if _is_model(kind):
        return {**value.__dict__, **(value.__pydantic_extra__ or {})}
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return dict(zip(kind._fields, value, strict=True))
    return None


def _filled(cls: Any, values: dict[str, Any]) -> Any:
    if dataclasses.is_dataclass(cls):
        made: Any = object.__new__(cls)  # type: ignore[arg-type]
        known = {field.name for field in dataclasses.fields(cls)}
        for name, each in values.items():
            if name in known:
                object.__setattr__(made, name, each)
        return made
    if _is_model(cls):
        return cls.model_construct(**values)
    if issubclass(cls, tuple) and hasattr(cls, "_fields") and set(cls._fields) == set(values):
        return tuple.__new__(cls, [values[name] for name in cls._fields])
    raise CannotCross(f"a {cls.__module__}.{cls.__qualname__}, which is no record")


def _is_model(kind: Any) -> bool:
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and issubclass(kind, pydantic.BaseModel)
