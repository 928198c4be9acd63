"""The pipeline of an item: the callable that its fixture gives, and the name under which it is recorded."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import pytest

from pytest_fapo.errors import PipelineError
from pytest_fapo.session.closure import Closure, definitions_of


def pipeline_of(request: pytest.FixtureRequest, name: str) -> Callable[..., Any]:
    """The callable that the fixture `name` gives to this test.

    Raises:
        PipelineError: there is no such fixture, or what it gives cannot be called.
    """
    if not definitions_of(request.node, name):
        raise PipelineError(
            f"no fixture named {name!r}: define it in conftest.py (it returns the pipeline, any callable), "
            f"or name another one with [tool.fapo] pipeline or cases(..., pipeline=...)"
        )
    value = request.getfixturevalue(name)
    if not callable(value):
        raise PipelineError(
            f"the fixture {name!r} gives {type(value).__name__}, which cannot be called; expected a "
            f"function, sync or async, that takes a case's inputs"
        )
    return value  # type: ignore[no-any-return]


def pipeline_name(closure: Closure) -> str:
    """The name under which the item's pipeline is recorded: equal in every session, one for each pipeline.

    It is the fixture's name; `pipeline[large]` where the fixture or what it depends on is parametrized;
    `pipeline (shop)` or `pipeline (test_a.py::TestBad)` for one of several definitions, unless it is the one
    that the others override.
    """
    name = closure.pipeline
    definition = closure.pipeline_definition
    if definition is None:
        return name
    labels = [_label(closure, parameter) for parameter in closure.parameters()]
    if labels:
        name += f"[{'-'.join(labels)}]"
    return f"{name} ({closure.place})" if closure.place else name


def _label(closure: Closure, parameter: str) -> str:
    """How pytest calls the value of a parameter, or close to it."""
    item: Any = closure.item
    value, index = item.callspec.params[parameter], item.callspec.indices.get(parameter, 0)
    given = _given_id(closure, parameter, value, index)
    if given is not None:
        return str(given)
    if isinstance(value, str | int | float | bool) or value is None:
        return str(value)
    if isinstance(value, enum.Enum):
        return str(value)
    named = getattr(value, "__name__", None)
    return named if isinstance(named, str) else f"{parameter}{index}"


def _given_id(closure: Closure, parameter: str, value: Any, index: int) -> object | None:
    """The id that the user gave to the value, if any."""
    for definition in closure.definitions.get(parameter, ()):
        ids = definition.ids
        if definition.params is None or ids is None:
            continue
        if callable(ids):
            return ids(value)  # type: ignore[no-any-return]
        return ids[index] if index < len(ids) else None
    for mark in closure.item.iter_markers("parametrize"):
        names, values, ids = mark.args[0], mark.args[1:2], mark.kwargs.get("ids")
        names = [each.strip() for each in names.split(",")] if isinstance(names, str) else names
        if parameter not in names:
            continue
        if callable(ids):
            return ids(value)  # type: ignore[no-any-return]
        if isinstance(ids, list | tuple) and index < len(ids) and ids[index] is not None:
            return ids[index]  # type: ignore[no-any-return]
        sets = list(values[0]) if values and isinstance(values[0], list | tuple) else []
        return getattr(sets[index], "id", None) if index < len(sets) and _is_set(sets[index]) else None
    return None


def _is_set(value: object) -> bool:
    return type(value).__name__ == "ParameterSet"
