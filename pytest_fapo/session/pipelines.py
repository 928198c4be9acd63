"""From the name of a pipeline fixture to the callables of a test and of its siblings."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from pytest_fapo.errors import PipelineError

_KINDS: dict[str, type[pytest.Collector]] = {"class": pytest.Class, "module": pytest.Module}


def pipeline_of(request: pytest.FixtureRequest, name: str) -> Callable[..., Any]:
    """The callable that the fixture `name` gives to this test.

    Raises:
        PipelineError: there is no such fixture, or what it gives cannot be called.
    """
    if not _definitions(request.node, name):
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


class Siblings:
    """Tells which other items' pipelines may be started together with this item's, and gives theirs.

    A fixture shared by several tests (scope session, package, module or class) gives them one callable. A
    function-scoped fixture gives each test its own: that is honoured by calling the fixture function once
    per sibling, possible only where it and all that it needs are plain functions (nothing to tear down).
    """

    def __init__(self, item: pytest.Item, name: str, function: Callable[..., Any]) -> None:
        self._item = item
        self._name = name
        self._function = function
        self._definition = _definitions(item, name)[-1]

    @property
    def group(self) -> tuple[Any, ...]:
        """Equal for items whose siblings are the same."""
        definition = self._definition
        if definition.scope == "package":
            return (id(definition), self._item.path.parent)
        kind = _KINDS.get(definition.scope)
        return (id(definition), id(self._item.getparent(kind)) if kind else 0)

    def function_for(self, other: pytest.Item) -> Callable[..., Any] | None:
        """The sibling's callable, or None where it has to wait for its own set-up."""
        definitions = _definitions(other, self._name)
        if not definitions or definitions[-1] is not self._definition:
            return None
        if self._definition.scope == "function":
            return self._fresh(self._definition, other)
        return self._function if self._same_scope(other) else None

    def _same_scope(self, other: pytest.Item) -> bool:
        if self._definition.params:
            return False
        kind = _KINDS.get(self._definition.scope)
        if self._definition.scope == "package":
            return self._item.path.parent == other.path.parent
        return kind is None or self._item.getparent(kind) is other.getparent(kind)

    def _fresh(self, definition: Any, other: pytest.Item) -> Callable[..., Any] | None:
        value = _plain_value(definition, other)
        return value if callable(value) else None


def _plain_value(definition: Any, item: pytest.Item) -> Any:
    """Call a plain function-scoped fixture for another item; None where that is not possible."""
    function = definition.func
    if definition.params or inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
        return None
    values = {}
    for argument in definition.argnames:
        needed = _definitions(item, argument)
        if not needed:  # `request` and the like
            return None
        if needed[-1].scope == "function":
            values[argument] = _plain_value(needed[-1], item)
        else:
            cached = needed[-1].cached_result
            values[argument] = cached[0] if cached and cached[2] is None else None
        if values[argument] is None:
            return None
    unbound = [parameter for parameter in inspect.signature(function).parameters if parameter not in values]
    return None if unbound else function(**values)


def _definitions(item: Any, name: str) -> Any:
    # The only way to ask about a fixture that the test does not list among its arguments.
    return item.session._fixturemanager.getfixturedefs(name, item) or ()
