"""One run of one pipeline on one case, and the executor that lets many of them run at once."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_fapo.errors import PipelineError
from pytest_fapo.trace import Recorder, recording

if TYPE_CHECKING:
    from types import TracebackType

    from pytest_fapo.models import Case, Trace

_OWN_FOLDER = str(Path(__file__).parents[1])


@dataclass(eq=False)
class Execution:
    """A pipeline's run on one case: first pending, then `done` with an output or an error."""

    case: Case
    pipeline: str
    function: Callable[..., Any]
    recorder: Recorder
    identity: str
    """Names the case within its pipeline: the id, told apart where two sources use one id."""
    timeout: float | None = None
    output: Any = None
    error: BaseException | None = None
    traceback: TracebackType | None = None
    """Where the error was raised, beginning in the user's code."""
    trace: Trace | None = None
    done: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def finish(self, output: Any = None, error: BaseException | None = None) -> bool:
        """Settle the run; False where it was settled before (a case that answers after its timeout)."""
        with self._lock:
            if self.done.is_set():
                return False
            # A pipeline that swallows a refused call has not answered its case all the same.
            self.error = self.recorder.violations[0] if self.recorder.violations else error
            self.output = None if self.error is not None else output
            self.traceback = _users_part(self.error)
            self.trace = self.recorder.trace(inputs=self.case.inputs, output=self.output, error=self.error)
            self.done.set()
            return True

    def expire(self) -> bool:
        """Settle the run as timed out."""
        return self.finish(error=TimeoutError(f"case {self.case.id!r} took longer than {self.timeout:g} s"))

    def call(self) -> Any:
        """Call the pipeline; gives its result, or the awaitable that it returned."""
        arguments, keywords = self._arguments()
        self._check(arguments, keywords)
        result = self.function(*arguments, **keywords)
        return list(result) if inspect.isgenerator(result) else result

    def _arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if isinstance(self.case.inputs, dict):
            return (), dict(self.case.inputs)
        return (self.case.inputs,), {}

    def _check(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        try:
            signature = inspect.signature(self.function)
        except (TypeError, ValueError):
            return  # a builtin without a signature: the call itself will tell
        try:
            signature.bind(*arguments, **keywords)
        except TypeError as error:
            name = getattr(self.function, "__qualname__", type(self.function).__name__)
            raise PipelineError(
                f"the pipeline {name}{signature} does not take the inputs of case {self.case.id!r} "
                f"({self.case.origin}): {error}"
            ) from None


class Executor:
    """Runs executions side by side: sync pipelines on threads, async ones on one event loop.

    Args:
        concurrency: how many may be under way at once.
    """

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._lock = threading.Lock()
        self._queue: deque[Execution] = deque()
        self._active = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    def submit(self, execution: Execution) -> None:
        """Start the execution as soon as a place is free."""
        with self._lock:
            self._queue.append(execution)
        self._fill()

    def close(self) -> None:
        """Drop what has not begun and stop the event loop; what is under way is left to end by itself."""
        with self._lock:
            self._queue.clear()
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.call_soon_threadsafe(loop.stop)

    def _fill(self) -> None:
        while True:
            with self._lock:
                if not self._queue or self._active >= self._concurrency:
                    return
                self._active += 1
                execution = self._queue.popleft()
            place = _Place(self._release)
            if _is_async(execution.function):
                self._start_async(execution, place)
            else:
                # Daemon threads: a case that hangs must not keep pytest from ending.
                threading.Thread(
                    target=self._run_sync, args=(execution, place), name="fapo-case", daemon=True
                ).start()
            if execution.timeout is not None:
                self._watch(execution, place)

    def _watch(self, execution: Execution, place: _Place) -> None:
        def expire() -> None:
            if execution.expire():
                place.free()

        timer = threading.Timer(execution.timeout or 0, expire)
        timer.daemon = True
        timer.start()

    def _release(self) -> None:
        with self._lock:
            self._active -= 1
        self._fill()

    def _run_sync(self, execution: Execution, place: _Place) -> None:
        try:
            with recording(execution.recorder):
                result = execution.call()
                if inspect.isawaitable(result) or inspect.isasyncgen(result):
                    future = asyncio.run_coroutine_threadsafe(
                        _recorded(execution, result), self._event_loop()
                    )
                    result = future.result()
            execution.finish(output=result)
        except BaseException as error:  # it belongs to the case, whatever it is
            execution.finish(error=error)
        finally:
            place.free()

    def _start_async(self, execution: Execution, place: _Place) -> None:
        async def run() -> None:
            try:
                with recording(execution.recorder):
                    result = execution.call()
                    result = await _settle(result)
                execution.finish(output=result)
            except BaseException as error:
                execution.finish(error=error)
            finally:
                place.free()

        self._spawn(run(), execution)

    def _spawn(self, coroutine: Coroutine[Any, Any, None], execution: Execution) -> None:
        loop = self._event_loop()

        def create() -> None:
            task = loop.create_task(coroutine, name=f"fapo {execution.case.id}")
            if execution.timeout is not None:
                loop.call_later(execution.timeout, lambda: execution.expire() and task.cancel())

        # An empty context: a case must not see what another case's task has set.
        loop.call_soon_threadsafe(create, context=contextvars.Context())

    def _event_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="fapo-loop", daemon=True).start()
            return self._loop


class _Place:
    """One of the executor's places, given back exactly once: at the end of the run or at its timeout."""

    def __init__(self, release: Callable[[], None]) -> None:
        self._release: Callable[[], None] | None = release
        self._lock = threading.Lock()

    def free(self) -> None:
        with self._lock:
            release, self._release = self._release, None
        if release is not None:
            release()


def _users_part(error: BaseException | None) -> TracebackType | None:
    """The traceback without the frames of ours that it begins with."""
    traceback = error.__traceback__ if error is not None else None
    while traceback is not None and traceback.tb_frame.f_code.co_filename.startswith(_OWN_FOLDER):
        traceback = traceback.tb_next
    return traceback


async def _recorded(execution: Execution, result: Any) -> Any:
    with recording(execution.recorder):
        return await _settle(result)


async def _settle(result: Any) -> Any:
    if inspect.isasyncgen(result):
        return [item async for item in result]
    return await result if inspect.isawaitable(result) else result


def _is_async(function: Callable[..., Any]) -> bool:
    call = getattr(function, "__call__", None)  # noqa: B004 - an object whose __call__ is async
    return any(
        inspect.iscoroutinefunction(candidate) or inspect.isasyncgenfunction(candidate)
        for candidate in (function, call)
    )
