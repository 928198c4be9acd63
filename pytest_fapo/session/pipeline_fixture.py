"""The pipeline of an item: the callable that its fixture returns, its recorded name, and its event loop.

An async pipeline runs on the loop of the async fixtures that it depends on, if there are any.
"""

from __future__ import annotations

import asyncio
import enum
import inspect
from collections.abc import Callable, Coroutine, Sequence
from importlib.metadata import version
from typing import Any

import pytest

from pytest_fapo.capture.recorder import recording
from pytest_fapo.capture.single_flight import running_loop
from pytest_fapo.core.errors import PipelineError
from pytest_fapo.core.stash import SESSION_KEY
from pytest_fapo.core.text import did_you_mean
from pytest_fapo.session.execution import Execution
from pytest_fapo.session.executor import awaited_value
from pytest_fapo.session.fixture_closure import Closure, definitions_of, registered_fixtures
from pytest_fapo.session.run_output import RUN_OUTPUT


def pipeline_of(request: pytest.FixtureRequest, name: str) -> Callable[..., Any]:
    """Return the callable that the fixture `name` gives to this test.

    Raises:
        PipelineError: there is no such fixture, or what it gives cannot be called.
    """
    try:
        value = request.getfixturevalue(name)
    except pytest.FixtureLookupError:
        if definitions_of(request.node, name):
            raise  # one that the pipeline's fixture asks for is missing
        fixtures = registered_fixtures(request.session) or ()
        raise PipelineError(
            f"no fixture named {name!r}{did_you_mean(name, fixtures)}: define it in conftest.py (it returns "
            "the pipeline, any callable), "
            f"or name another one with [tool.fapo] pipeline or cases(..., pipeline=...)"
        ) from None
    if not callable(value):
        raise PipelineError(
            f"the fixture {name!r} gives {type(value).__name__}, which cannot be called; expected a "
            f"function, sync or async, that takes a case's inputs"
        )
    return value  # type: ignore[no-any-return]


def pipeline_name(closure: Closure) -> str:
    """Return the name under which the item's pipeline is recorded: equal in every session, one for each
    pipeline.

    It is the fixture's name; `pipeline[large]` where the fixture or what it depends on is parametrized;
    `pipeline (shop)` or `pipeline (test_a.py::TestBad)` for one of several definitions, unless it is the one
    that the others override.
    """
    if closure.recorded_name is None:
        closure.recorded_name = _pipeline_name(closure)
    return closure.recorded_name


def _pipeline_name(closure: Closure) -> str:
    name = closure.pipeline
    if closure.pipeline_definition is None:
        return name
    labels = [_parameter_label(closure, parameter) for parameter in closure.parameters()]
    if labels:
        name += f"[{'-'.join(labels)}]"
    return f"{name} ({closure.place})" if closure.place else name


def _parameter_label(closure: Closure, parameter: str) -> str:
    """Return pytest's name for the value of a parameter, or one close to it."""
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
    """Return the id that the user gave to the value, if any."""
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


class FixtureLoop:
    """A loop that belongs to fixtures or tests of the project.

    Args:
        run: gives the value of a coroutine; called in the thread of the tests.
    """

    def __init__(self, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._run = run

    def run_coroutine(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Return the value of a coroutine."""
        return self._run(coroutine)

    def drive(self, executions: Sequence[Execution], concurrency: int) -> None:
        """Run executions to their end, so many of them at once."""
        self._run(_side_by_side(executions, concurrency))


class AnyioLoop(FixtureLoop):
    """The loop of anyio's plugin, with asyncio or trio below it."""

    def __init__(self, backend: Any) -> None:
        super().__init__(self._run_there)
        self._backend = backend

    def _run_there(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        from anyio.pytest_plugin import extract_backend_and_options, get_runner

        result: list[Any] = []

        async def keep() -> None:
            result.append(await coroutine)

        with get_runner(*extract_backend_and_options(self._backend)) as runner:
            runner.run_test(keep, {})
        return result[0]

    def drive(self, executions: Sequence[Execution], concurrency: int) -> None:
        self._run_there(_in_a_group(executions, concurrency))


class UnreachableLoop(FixtureLoop):
    """A loop on which a fixture was set up and that its plugin does not give out: what needs it fails.

    A command that would judge or record the failures is stopped: they say nothing of the pipeline's answers.

    Args:
        fixture: the name of that fixture.
        request: of the test whose run needs the loop.
    """

    def __init__(self, fixture: str, request: pytest.FixtureRequest) -> None:
        super().__init__(self._refuse)
        self._session = request.session
        self._error = PipelineError(
            f"the async fixture {fixture!r} lives on an event loop that pytest-asyncio "
            f"{version('pytest-asyncio')} keeps to itself, so the pipeline cannot run on it: "
            f"pip install 'pytest-asyncio>=1.1'"
        )

    def drive(self, executions: Sequence[Execution], concurrency: int) -> None:
        self._stop_command()
        for each in executions:
            each.finish(error=self._error)

    def _refuse(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        coroutine.close()
        self._stop_command()
        raise self._error

    def _stop_command(self) -> None:
        if self._session.config.stash[SESSION_KEY].packages.command:
            self._session.shouldstop = str(self._error)


def fixture_loop(request: pytest.FixtureRequest, closure: Closure) -> FixtureLoop | None:
    """Return the loop on which the pipeline of this item has to run; None where any will do."""
    if running_loop() is not None:
        return None  # a fixture that is itself async asks for the run: no loop can run within another
    item, plugins = request.node, request.config.pluginmanager
    if plugins.hasplugin("asyncio"):
        scope, fixture = _asyncio_scope(closure)
        runner = f"_{scope}_scoped_runner"
        if scope and definitions_of(item, runner):
            return FixtureLoop(request.getfixturevalue(runner).run)
        if fixture:
            return UnreachableLoop(fixture, request)
    if plugins.hasplugin("anyio") and "anyio_backend" in request.fixturenames:
        return AnyioLoop(request.getfixturevalue("anyio_backend"))
    return None


def _asyncio_scope(closure: Closure) -> tuple[str, str]:
    """Return the scope of pytest-asyncio's loop that the pipeline's fixtures were set up on, and which of
    them was.

    Both are empty where none was.

    A test's own loop counts only where it outlives the test: clients that a module keeps would else belong
    to the closed loop of the first test.
    """
    config = closure.item.config
    mode = getattr(config.option, "asyncio_mode", None) or setting(config, "asyncio_mode")
    default = setting(config, "asyncio_default_fixture_loop_scope")
    nearest = [closure.pipeline, *(name for name in closure.definitions if name != closure.pipeline)]
    for name in nearest:
        for definition in closure.definitions.get(name, ()):
            function = getattr(definition.func, "__func__", definition.func)
            marked = getattr(function, "_force_asyncio_fixture", False)
            if marked or (str(getattr(mode, "value", mode)) == "auto" and _is_async_fixture(function)):
                scope = getattr(function, "_loop_scope", None) or default or definition.scope
                return str(definition.scope if scope == "fixture-scope" else scope), name
    scope = getattr(closure.item, "_loop_scope", None)
    return (scope if isinstance(scope, str) and scope != "function" else ""), ""


def setting(config: pytest.Config, name: str) -> Any:
    """One of pytest-asyncio's settings; older versions do not have them all."""
    try:
        return config.getini(name)
    except ValueError:
        return ""


def _is_async_fixture(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


async def _run(execution: Execution, cancelled: type[BaseException]) -> None:
    RUN_OUTPUT.set(execution.printed)
    try:
        with recording(execution.recorder):
            result = await awaited_value(execution.call())
    except (KeyboardInterrupt, pytest.exit.Exception, cancelled):
        raise
    except BaseException as error:
        execution.finish(error=error)
    else:
        execution.finish(output=result)


async def _side_by_side(executions: Sequence[Execution], concurrency: int) -> None:
    loop = asyncio.get_running_loop()
    slots = asyncio.Semaphore(concurrency)

    async def one(execution: Execution) -> None:
        async with slots:
            task = execution.context.run(loop.create_task, _run(execution, asyncio.CancelledError))
            timer = None
            if execution.timeout is not None:
                timer = loop.call_later(execution.timeout, lambda: execution.expire() and task.cancel())
            try:
                await asyncio.wait([task])
            finally:
                task.cancel()
                if timer is not None:
                    timer.cancel()
            if not task.cancelled():
                task.result()

    await asyncio.gather(*map(one, executions))


async def _in_a_group(executions: Sequence[Execution], concurrency: int) -> None:
    import anyio

    slots = anyio.CapacityLimiter(concurrency)
    cancelled = anyio.get_cancelled_exc_class()

    async def one(execution: Execution) -> None:
        async with slots:
            with anyio.move_on_after(execution.timeout) as limit:
                await _run(execution, cancelled)
            if limit.cancelled_caught:
                execution.expire()

    async with anyio.create_task_group() as group:
        for execution in executions:
            group.start_soon(one, execution)
