"""Run many executions concurrently: sync pipelines on threads, async ones on one event loop.

Threads are used again: each holds connections (the cache's, an SDK's) that cost to open.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from types import FunctionType
from typing import Any, NamedTuple

import pytest

from pytest_fapo.capture.recorder import recording
from pytest_fapo.core.errors import RunEnded
from pytest_fapo.session.execution import Execution
from pytest_fapo.session.run_output import RUN_OUTPUT


class Job(NamedTuple):
    """Something to run, and what to call when its thread is free again."""

    work: Callable[[], None]
    done: Callable[[], None]


class Workers:
    """A thread for every job that finds none idle; who calls `run` bounds how many that are.

    The threads are daemons: a case that hangs must not keep pytest from ending.
    """

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0

    def run(self, work: Callable[[], None], done: Callable[[], None]) -> None:
        """Run `work` on a thread of its own; then call `done`."""
        job = Job(work, done)
        with self._lock:
            reuse = self._idle > 0
            self._idle -= reuse
        if reuse:
            self._jobs.put(job)
        else:
            threading.Thread(target=self._serve, args=(job,), name="fapo-case", daemon=True).start()

    def close(self) -> None:
        """Let the idle threads end."""
        with self._lock:
            idle, self._idle = self._idle, 0
        for _ in range(idle):
            self._jobs.put(None)

    def _serve(self, job: Job | None) -> None:
        while job is not None:
            job.work()
            with self._lock:
                self._idle += 1
            # Only now: what this starts next may then use this very thread.
            job.done()
            job = self._jobs.get()


_LOOP_GRACE = 2.0
"""Seconds that the event loop has for closing; a case that blocks it must not keep pytest from ending."""


class Executor:
    """Starts executions as places become free.

    Args:
        concurrency: how many may be under way at once.
    """

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._lock = threading.Lock()
        self._queue: deque[Execution] = deque()
        self._active = 0
        self._workers = Workers()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread: threading.Thread | None = None

    def submit(self, execution: Execution) -> None:
        """Start the execution as soon as a place is free."""
        with self._lock:
            self._queue.append(execution)
        self._fill()

    def abandon(self, executions: Iterable[Execution]) -> None:
        """Nobody waits any longer: what has not begun never begins, what runs sends no further request."""
        with self._lock:
            self._queue.clear()
        for execution in executions:
            if not execution.done.is_set():
                execution.recorder.stop(RunEnded("the session was interrupted"))

    def call_here(self, execution: Execution, run_coroutine: Callable[[Any], Any] | None = None) -> None:
        """Run it in the calling thread, so that what is bound to a thread works as in a test's own call.

        Args:
            execution: of a function that need not be awaited.
            run_coroutine: awaits the coroutine that the function returned, and returns its value.
        """
        token = RUN_OUTPUT.set(execution.printed)
        try:
            with recording(execution.recorder):
                result = execution.call()
                if inspect.isawaitable(result) or inspect.isasyncgen(result):
                    result = (run_coroutine or self.run_coroutine)(recorded(execution, result))
            execution.finish(output=result)
        except (KeyboardInterrupt, pytest.exit.Exception):
            raise
        except BaseException as error:
            execution.finish(error=error)
        finally:
            RUN_OUTPUT.reset(token)

    def returned(self, execution: Execution) -> Any:
        """Return the function's result, called on a thread that can be left when the run's time is up.

        An error, and the end of its time, end the execution.
        """
        found: list[Any] = []
        over = threading.Event()

        def work() -> None:
            try:
                with recording(execution.recorder):
                    found.append(execution.call())
            except BaseException as error:
                execution.finish(error=error)

        if execution.timeout is not None:
            self._watch(execution, _ExecutorSlot(over.set), execution.timeout)
        self._workers.run(partial(execution.inside, work), over.set)
        over.wait()
        return found[0] if found else None

    def run_coroutine(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Return the value of a coroutine, run on the loop that all runs without a loop of their own
        share.
        """
        return asyncio.run_coroutine_threadsafe(coroutine, self._event_loop()).result()

    def close(self) -> None:
        """Drop what has not begun and close the event loop; a thread that is under way ends by itself."""
        with self._lock:
            self._queue.clear()
            loop, self._loop = self._loop, None
        self._workers.close()
        if loop is not None:
            loop.call_soon_threadsafe(loop.stop)
            assert self._loop_thread is not None
            self._loop_thread.join(_LOOP_GRACE)

    def _fill(self) -> None:
        while True:
            with self._lock:
                if not self._queue or self._active >= self._concurrency:
                    return
                self._active += 1
                execution = self._queue.popleft()
            slot = _ExecutorSlot(self._release)
            if execution.timeout is not None:
                self._watch(execution, slot, execution.timeout)
            if is_async(execution.function):
                self._spawn(self._run_async(execution, slot), execution)
            else:
                self._workers.run(partial(execution.inside, partial(self._run_sync, execution)), slot.free)

    def _watch(self, execution: Execution, slot: _ExecutorSlot, timeout: float) -> None:
        def expire() -> None:
            if execution.expire():
                slot.free()

        loop = self._event_loop()
        loop.call_soon_threadsafe(lambda: loop.call_later(timeout, expire))

    def _release(self) -> None:
        with self._lock:
            self._active -= 1
        self._fill()

    def _run_sync(self, execution: Execution) -> None:
        try:
            with recording(execution.recorder):
                result = execution.call()
                if inspect.isawaitable(result) or inspect.isasyncgen(result):
                    result = self.run_coroutine(recorded(execution, result))
            execution.finish(output=result)
        except BaseException as error:  # it belongs to the case, whatever it is
            execution.finish(error=error)

    async def _run_async(self, execution: Execution, slot: _ExecutorSlot) -> None:
        try:
            with recording(execution.recorder):
                result = await awaited_value(execution.call())
            execution.finish(output=result)
        except BaseException as error:
            execution.finish(error=error)
        finally:
            slot.free()

    def _spawn(self, coroutine: Coroutine[Any, Any, None], execution: Execution) -> None:
        loop = self._event_loop()

        def create() -> None:
            RUN_OUTPUT.set(execution.printed)
            task = loop.create_task(coroutine, name=f"fapo {execution.case.id}")
            if execution.timeout is not None:
                loop.call_later(execution.timeout, lambda: execution.expire() and task.cancel())

        loop.call_soon_threadsafe(create, context=execution.context)

    def _event_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._loop_thread = threading.Thread(
                    target=_run_loop, args=(self._loop,), name="fapo-loop", daemon=True
                )
                self._loop_thread.start()
            return self._loop


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Run it until it is stopped, then leave nothing open: what is under way is cancelled."""
    try:
        loop.run_forever()
        for task in asyncio.all_tasks(loop):
            task.cancel()
            with suppress(BaseException):  # it has said to its case what it raised
                loop.run_until_complete(task)
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


class _ExecutorSlot:
    """One of the executor's places, given back exactly once: at the end of the run or at its timeout."""

    def __init__(self, release: Callable[[], None]) -> None:
        self._release: Callable[[], None] | None = release
        self._lock = threading.Lock()

    def free(self) -> None:
        with self._lock:
            release, self._release = self._release, None
        if release is not None:
            release()


async def recorded(execution: Execution, result: Any) -> Any:
    """Return the result of an awaitable; what happens meanwhile goes on the execution's record."""
    RUN_OUTPUT.set(execution.printed)
    with recording(execution.recorder):
        return await awaited_value(result)


async def awaited_value(result: Any) -> Any:
    """Return the value of a call's result, whether or not it has to be awaited."""
    if inspect.isasyncgen(result):
        return [item async for item in result]
    return await result if inspect.isawaitable(result) else result


def is_async(function: Callable[..., Any]) -> bool:
    """True if calling it gives something that has to be awaited."""
    if type(function) is FunctionType and not function.__dict__:  # in which an async mark would be
        return bool(function.__code__.co_flags & _AWAITED)
    call = getattr(function, "__call__", None)  # noqa: B004 - an object whose __call__ is async
    return any(
        inspect.iscoroutinefunction(candidate) or inspect.isasyncgenfunction(candidate)
        for candidate in (function, call)
    )


_AWAITED = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
