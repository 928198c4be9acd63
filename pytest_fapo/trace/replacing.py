"""Steps of one run that give a prepared output instead of being run, or that ask their models afresh."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_UNTOLD = (inspect.Signature.empty, Any, object)


@dataclass(frozen=True)
class Replacements:
    """What is different in one run; steps by key (`name`, or `name#2` for the second of that name)."""

    outputs: Mapping[str, Any]
    """The output of each step that is not to be run, as JSON data."""
    types: Mapping[str, str] = field(default_factory=dict)
    """`Step.output_type` of what the step gave elsewhere, where that was more than JSON data."""
    resample: frozenset[str] = frozenset()
    """Steps whose models are asked for new answers, though there are answers on record."""


class CannotRebuild(ValueError):
    """The JSON data does not say what the step's callers expect."""


def rebuilt(value: Any, function: Callable[..., Any], output_type: str) -> Any:
    """The value that `function` would have returned, from its JSON form.

    What it is made into is told by the function's return annotation, else by the type that the step's
    output had elsewhere.

    Raises:
        CannotRebuild: neither tells, or the data does not fit.
    """
    kind = _annotated(function)
    if kind is None and output_type:
        kind = _named(output_type)
    if kind is None:
        return value
    from pydantic import TypeAdapter

    try:
        return TypeAdapter(kind).validate_python(value)
    except Exception as error:  # what a type's own validation may raise is not known
        raise CannotRebuild(f"{type(error).__name__}: {error}") from error


def _annotated(function: Callable[..., Any]) -> Any:
    """The return annotation where it says something; None where it does not."""
    target = inspect.unwrap(function)
    try:
        kind = typing.get_type_hints(target, include_extras=True).get("return", Any)
    except Exception:  # names that exist for type checkers only
        return None
    told = kind not in _UNTOLD and kind is not type(None) and not isinstance(kind, typing.TypeVar)
    return kind if told else None


def _named(output_type: str) -> Any:
    module, _, name = output_type.partition(":")
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type) or found in (list, dict):  # what the members were is not known
        raise CannotRebuild(f"what {output_type} is made of is not known")
    return found
