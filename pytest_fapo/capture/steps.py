"""Steps: the decorator `@fapo.step`, and the wrapper of every traced function.

Application code imports this file: it loads the standard library only, and little of it.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar, Token
from functools import partial, wraps
from typing import Any, NamedTuple, Protocol, TypeVar, overload


class PreparedOutputs(Protocol):
    """Outputs of steps that are not to be run, by the step's key; see `Replacements`."""

    @property
    def outputs(self) -> Mapping[str, Any]: ...
    @property
    def types(self) -> Mapping[str, str]: ...


class StepRecorder(Protocol):
    """The part of `Recorder` that a step needs, without the imports that application code should not pay."""

    @property
    def limit(self) -> int: ...
    @property
    def step_functions(self) -> bool: ...
    @property
    def replacements(self) -> PreparedOutputs | None: ...

    def begin_step(self, name: str, inputs: Any, *, parent: int | None) -> int: ...
    def end_step(self, index: int, *, output: Any = None, error: BaseException | None = None) -> None: ...
    def key_of_step(self, index: int) -> str: ...
    def mark_replaced(self, index: int) -> None: ...


class CurrentStep(NamedTuple):
    """A recorder and the innermost step that is open in this context."""

    recorder: StepRecorder
    step: int | None
    is_broad: bool = False
    """True if a wildcard named the step: other functions and units inside it are steps of their own."""
    decorated: Any = None
    """The function itself, where the traced one is a decorated form of it: both calls are this one step."""


CURRENT_STEP: ContextVar[CurrentStep | None] = ContextVar("pytest_fapo_place", default=None)


def leave_step(token: Token[CurrentStep | None]) -> None:
    """Undo a `CURRENT_STEP.set`. A coroutine that is abandoned is closed in whichever context happens to run
    then; there is nothing to undo there."""
    with suppress(ValueError):
        CURRENT_STEP.reset(token)


F = TypeVar("F", bound=Callable[..., Any])

MARK = "__fapo_step__"
"""Attribute of a traced function that holds the function behind it."""

SWITCH = "__fapo_switch__"

_LRU_METHODS = ("cache_info", "cache_clear", "cache_parameters")


@overload
def step(function: F) -> F: ...


@overload
def step(*, name: str | None = None) -> Callable[[F], F]: ...


def step(function: F | None = None, *, name: str | None = None) -> F | Callable[[F], F]:
    """Record every call of a function as a step of the pipeline that is running.

    For functions, coroutine functions, generators, async generators and methods; where no pipeline is being
    recorded the function is simply called. `[tool.fapo] steps` does the same without touching the code.

    Args:
        function: the function, when used as `@step` without parentheses.
        name: the step's name in traces and `expected_steps`; the function's own name where not given.
    """
    if function is None:
        return partial(traced, name=name)
    return traced(function, name=name)


class Switch:
    """Says whether the functions that one part of the program traced are recorded, and which of them were."""

    def __init__(self) -> None:
        self.is_on = True
        self.recorded: set[int] = set()
        """Identities of functions."""


_ALWAYS = Switch()


def is_traced(function: Any) -> bool:
    """True for a traced function whose calls are recorded; False for what a decorator made of one."""
    values = getattr(function, "__dict__", {})
    original = values.get(MARK)
    return original is not None and values.get("__wrapped__") is original and values[SWITCH].is_on


def traced(function: F, *, name: str | None = None, is_broad: bool = False, switch: Switch = _ALWAYS) -> F:
    """`function` with a span around each call; what was traced before is returned as it is.

    Args:
        function: the function.
        name: of the step; the function's own name where not given.
        is_broad: a wildcard named it (see `CurrentStep`).
        switch: says whether the calls are recorded.
    """
    if is_traced(function):
        if name is None:
            return function
        function = getattr(function, MARK)  # the same function under a name of its own
    opener = _StepOpener(function, name, is_broad, switch)
    wrapper = _wrapper_for(function, opener)
    wraps(function)(wrapper)
    setattr(wrapper, MARK, function)
    setattr(wrapper, SWITCH, switch)
    for attribute in _LRU_METHODS:
        if hasattr(function, attribute):
            setattr(wrapper, attribute, getattr(function, attribute))
    return wrapper  # type: ignore[return-value]


def _wrapper_for(function: Callable[..., Any], opener: _StepOpener) -> Callable[..., Any]:
    """Return a wrapper of the same kind as `function`, so that `inspect` and frameworks see no difference."""
    if inspect.isasyncgenfunction(function):
        return _asyncgen(opener.open, function)
    if inspect.isgeneratorfunction(function):
        return _generator(opener.open, function)
    if inspect.iscoroutinefunction(function):

        async def wrapper_coroutine(*args: Any, **kwargs: Any) -> Any:
            span = opener.open(args, kwargs)
            if span is None:
                return await function(*args, **kwargs)
            if span.replaced:
                return span.give()
            return await _drive_coroutine(span, function(*args, **kwargs))

        return wrapper_coroutine

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        span = opener.open(args, kwargs)
        if span is None:
            return function(*args, **kwargs)
        if span.replaced:
            return _given_output(span) if opener.returns_coroutine else span.give()
        return _call_step(span, function, args, kwargs)

    return wrapper


async def _given_output(span: _Span) -> Any:
    return span.give()


class _StepOpener:
    """Begins the spans of one function: knows its name and its parameters."""

    def __init__(
        self, function: Callable[..., Any], name: str | None, is_broad: bool, switch: Switch
    ) -> None:
        self.function = function
        self.is_broad = is_broad
        self.switch = switch
        # Decorators copy the mark: then this is what one made of a traced function.
        self.decorated = getattr(function, MARK, None)
        self.name = name or ""
        qualified = getattr(function, "__qualname__", type(function).__name__).rsplit("<locals>.", 1)[-1]
        self.default = qualified
        self.bare = qualified.rsplit(".", 1)[-1]
        try:
            self.signature: inspect.Signature | None = inspect.signature(function)
        except (TypeError, ValueError):
            self.signature = None
        parameters = list(self.signature.parameters.values()) if self.signature else []
        first = parameters[0].name if parameters else ""
        self.owner = first if first in ("self", "cls") else ""
        plain = self.signature is not None and all(
            each.kind is each.POSITIONAL_OR_KEYWORD for each in parameters
        )
        self._plain = [(each.name, each.default) for each in parameters] if plain else None
        """The parameters, with their defaults, where all can be given either way."""

    def open(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Span | None:
        place = CURRENT_STEP.get()
        if place is None or not place.recorder.step_functions or not self.switch.is_on:
            return None
        self.switch.recorded.add(id(self.function))
        if place.decorated is self.function:
            return None  # its decorated form has opened the span
        index = place.recorder.begin_step(self._name(args), self._inputs(args, kwargs), parent=place.step)
        span = _Span(CurrentStep(place.recorder, index, self.is_broad, self.decorated))
        if place.recorder.replacements is not None:
            self._replace(span, place.recorder, index)
        return span

    @property
    def returns_coroutine(self) -> bool:
        """True if a plain wrapper of the user's stands around a coroutine function."""
        return inspect.iscoroutinefunction(inspect.unwrap(self.function))

    def _replace(self, span: _Span, recorder: StepRecorder, index: int) -> None:
        """Let the span give the output that is prepared for it, if there is one and it can be given."""
        from pytest_fapo.capture.json_values import CannotRebuild, rebuilt

        assert recorder.replacements is not None
        key = recorder.key_of_step(index)
        target = inspect.unwrap(self.function)
        streams = inspect.isgeneratorfunction(target) or inspect.isasyncgenfunction(target)
        if key not in recorder.replacements.outputs or streams:
            return
        output, kind = recorder.replacements.outputs[key], recorder.replacements.types.get(key, "")
        with suppress(CannotRebuild):
            span.prepare(rebuilt(output, self.function, kind))
            recorder.mark_replaced(index)

    def _name(self, args: tuple[Any, ...]) -> str:
        if self.name or not self.owner or not args:
            return self.name or self.default
        owner = args[0] if isinstance(args[0], type) else type(args[0])
        return owner.__name__ if self.bare == "__call__" else f"{owner.__name__}.{self.bare}"

    def _inputs(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        if self.signature is None:
            return {"args": args, **kwargs}
        found = _plain_arguments(self._plain, args, kwargs) if self._plain is not None else None
        if found is None:
            try:
                bound = self.signature.bind(*args, **kwargs)
            except TypeError:  # the call itself is about to say what is wrong with it
                return {"args": args, **kwargs}
            bound.apply_defaults()
            found = dict(bound.arguments)
        found.pop(self.owner, None)
        return found


def _plain_arguments(
    parameters: Sequence[tuple[str, Any]], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any] | None:
    """Return what `inspect` would bind, in a tenth of its time; None where the call does not fit."""
    found, named = {}, 0
    for number, (name, default) in enumerate(parameters):
        if number < len(args):
            found[name] = args[number]
        elif name in kwargs:
            found[name] = kwargs[name]
            named += 1
        elif default is not inspect.Parameter.empty:
            found[name] = default
        else:
            return None
    return found if named == len(kwargs) and len(args) <= len(parameters) else None


class _Span:
    """One open step."""

    __slots__ = ("done", "output", "place", "replaced")

    def __init__(self, place: CurrentStep) -> None:
        self.place = place
        self.done = False
        self.replaced = False
        self.output: Any = None

    def prepare(self, output: Any) -> None:
        """The step is not to be run: this is what it gives."""
        self.replaced, self.output = True, output

    def give(self) -> Any:
        """End a replaced step."""
        self.end(self.output)
        return self.output

    @contextmanager
    def inside(self, normal: tuple[type[BaseException], ...] = ()) -> Iterator[None]:
        """Code of the step runs; an exception that leaves it, other than `normal` ones, ends the step."""
        token = CURRENT_STEP.set(self.place)
        try:
            yield
        except normal:
            raise
        except BaseException as error:
            self.end(error=error)
            raise
        finally:
            leave_step(token)

    def end(self, output: Any = None, error: BaseException | None = None) -> None:
        """The step is over; only the first end counts."""
        if not self.done and self.place.step is not None:
            self.done = True
            self.place.recorder.end_step(self.place.step, output=output, error=error)


OpenSpan = Callable[[tuple[Any, ...], dict[str, Any]], "_Span | None"]


def _call_step(span: _Span, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    with span.inside():
        result = function(*args, **kwargs)
    # A plain function may hand out a coroutine or generator (decorators often do): its work comes later.
    if inspect.iscoroutine(result):
        return _drive_coroutine(span, result)
    if inspect.isgenerator(result):
        return _generator(lambda *_: span, lambda: result)()
    if inspect.isasyncgen(result):
        return _asyncgen(lambda *_: span, lambda: result)()
    span.end(result)
    return result


async def _drive_coroutine(span: _Span, coroutine: Coroutine[Any, Any, Any]) -> Any:
    with span.inside():
        result = await coroutine
    span.end(result)
    return result


def _generator(open_span: OpenSpan, start: Callable[..., Any]) -> Callable[..., Any]:
    """Yield a generator function like `start` whose generators are inside their step only while they work:
    between two items the code that consumes them runs outside of it."""

    def wrapper_generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        span = open_span(args, kwargs)
        source = start(*args, **kwargs)
        if span is None:
            return (yield from source)
        items = _StreamedOutput(span)
        resume: Callable[[], Any] = partial(next, source)
        try:
            while True:
                try:
                    with span.inside(normal=(StopIteration,)):
                        item = resume()
                except StopIteration as stop:
                    items.finish(stop.value)
                    return stop.value
                items.add(item)
                try:
                    sent = yield item
                except GeneratorExit:
                    raise
                except BaseException as error:
                    resume = partial(source.throw, error)
                else:
                    resume = partial(source.send, sent)
        finally:
            with span.inside():
                source.close()
            items.finish()

    return wrapper_generator


def _asyncgen(open_span: OpenSpan, start: Callable[..., Any]) -> Callable[..., Any]:
    """As `_generator`, for async generators."""

    async def wrapper_asyncgen(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        span = open_span(args, kwargs)
        source = start(*args, **kwargs)
        inside = partial(nullcontext) if span is None else partial(span.inside, (StopAsyncIteration,))
        items = _StreamedOutput(span)
        resume: Callable[[], Any] = partial(source.asend, None)
        try:
            while True:
                try:
                    with inside():
                        item = await resume()
                except StopAsyncIteration:
                    return
                items.add(item)
                try:
                    sent = yield item
                except GeneratorExit:
                    raise
                except BaseException as error:
                    resume = partial(source.athrow, error)
                else:
                    resume = partial(source.asend, sent)
        finally:
            with inside():
                await source.aclose()
            items.finish()

    return wrapper_asyncgen


class _StreamedOutput:
    """The output of a generator step so far. Pieces of text are joined to one text."""

    def __init__(self, span: _Span | None) -> None:
        self.span = span
        self.items: list[Any] = []
        self.room = span.place.recorder.limit if span is not None else 0

    def add(self, item: Any) -> None:
        if self.room > 0:
            self.items.append(item)
            self.room -= len(item) if isinstance(item, str) else 1

    def finish(self, returned: Any = None) -> None:
        if self.span is None:
            return
        output: Any = self.items
        if self.items and all(isinstance(item, str) for item in self.items):
            output = "".join(self.items)
        elif not self.items and returned is not None:
            output = returned
        self.span.end(output)
