"""Assign the threads that a pipeline starts, and those that work for it, to its run.

Context variables do not reach new threads by themselves, so the LLM calls of a pipeline that fans out over
a `ThreadPoolExecutor` would belong to nobody. While a run is recorded, thread starts and submitted jobs take
the context along, and what they come from. Outside of a run nothing changes.

A worker that outlives a case keeps the context in which it was started. While a run is recorded, what is put
into a queue takes its context along; the thread or task that takes the item continues in it, unless it is a
run's own.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from contextvars import Context
from functools import partial, wraps
from multiprocessing import pool
from typing import Any, NamedTuple

from pytest_fapo.capture.call_stack import (
    CREATED_BY,
    INHERITED,
    Entry,
    call_stack,
    continue_in,
    continued_context,
)
from pytest_fapo.capture.recorder import current_recorder
from pytest_fapo.capture.steps import CURRENT_STEP, CurrentStep
from pytest_fapo.core.errors import CallStopped

_CONTEXTS = "_pytest_fapo_contexts"
_MOST = 10_000
"""Items of one queue whose contexts are kept."""


class _ItemContext(NamedTuple):
    item: Any
    step: CurrentStep
    created_by: tuple[Entry, ...]


_Contexts = dict[int, deque[_ItemContext]]
"""By the item's identity; the entry holds the item, so that it stays its own."""


def queue_patches() -> list[tuple[Any, str, Callable[[Any], Any]]]:
    """Return owner, name and the maker of the replacement of each function to patch."""
    return [
        (queue.Queue, "put", _remembering_put),
        (queue.Queue, "get", _continuing_get),
        (asyncio.Queue, "put_nowait", _remembering_put),
        (asyncio.Queue, "get_nowait", _continuing_get),
    ]


def _remembering_put(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def put(self: Any, item: Any, *args: Any, **kwargs: Any) -> Any:
        step = CURRENT_STEP.get()
        if step is not None:
            kept: _Contexts = vars(self).setdefault(_CONTEXTS, {})
            if len(kept) > _MOST:  # nobody takes them by `get`
                kept.clear()
            kept.setdefault(id(item), deque()).append(_ItemContext(item, step, tuple(call_stack())))
        return original(self, item, *args, **kwargs)

    return put


def _continuing_get(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def get(self: Any, *args: Any, **kwargs: Any) -> Any:
        item = original(self, *args, **kwargs)
        kept = vars(self).get(_CONTEXTS)
        if kept:
            _continue_with(kept, item)
        return item

    return get


def _continue_with(kept: _Contexts, item: Any) -> None:
    """Continue in the context in which the item was put; of an item that was put twice, in the first one."""
    try:
        waiting = kept[id(item)]
        found = waiting.popleft()
    except (KeyError, IndexError):
        return
    if not waiting:
        kept.pop(id(item), None)
    current = CURRENT_STEP.get()
    if current is None:
        is_worker = threading.current_thread() is not threading.main_thread()
    else:
        is_worker = current is INHERITED.get()
    if is_worker:
        CURRENT_STEP.set(found.step)
        INHERITED.set(found.step)
        CREATED_BY.set(found.created_by)


_Patch = tuple[Any, str, Callable[[Any], Any]]


@contextmanager
def propagating() -> Iterator[None]:
    """For the duration of the body, what is started or handed over inside a recorded run carries its context:
    threads, tasks, jobs of pools, items of queues."""
    patches: tuple[_Patch, ...] = (
        (pool, "worker", _worker_that_answers),
        (pool.ThreadPool, "apply_async", _apply_with_context),
        (pool.ThreadPool, "_guarded_task_generation", _tasks_with_context),
        (threading.Thread, "start", _start_with_context),
        (ThreadPoolExecutor, "submit", _submit_with_context),
        (asyncio.BaseEventLoop, "create_task", _task_with_context),
        (asyncio.BaseEventLoop, "call_soon_threadsafe", _callback_with_context),
        *queue_patches(),
    )
    with ExitStack() as stack:
        for owner, name, make in patches:
            stack.enter_context(_patched(owner, name, make))
        yield


@contextmanager
def _patched(owner: Any, name: str, make: Callable[[Any], Any]) -> Iterator[None]:
    own = vars(owner).get(name)
    original = getattr(owner, name)
    new = make(original)
    setattr(owner, name, new)
    try:
        yield
    finally:
        # Someone else may have wrapped it meanwhile; then ours stays below theirs and does nothing.
        if vars(owner).get(name) is new:
            setattr(owner, name, own) if own is not None else delattr(owner, name)


def _start_with_context(original: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
    @wraps(original)
    def start(self: threading.Thread) -> None:
        if current_recorder() is None or _is_pool_worker(self):
            return original(self)
        _continue_inside(getattr(self, "_target", None), *getattr(self, "_args", ()))
        run = self.run
        self.run = partial(continued_context().run, run)  # type: ignore[method-assign]
        return original(self)

    return start


def _submit_with_context(original: Callable[..., Future[Any]]) -> Callable[..., Future[Any]]:
    @wraps(original)
    def submit(self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if current_recorder() is None:
            return original(self, fn, *args, **kwargs)
        _continue_inside(fn, *args)
        return original(self, continued_context().run, fn, *args, **kwargs)

    return submit


def _continue_inside(function: Any, *arguments: Any) -> None:
    """A job may enter contexts of its own: `partial(copy_context().run, f)`, as in `asyncio.to_thread`, where
    `f` may be the `run` of another one."""
    called = (function, *arguments)
    if isinstance(function, partial):
        called = (function.func, *function.args, *arguments)
    for each in called:
        context = getattr(each, "__self__", None)
        if not isinstance(context, Context):
            return
        with suppress(RuntimeError):  # it is entered
            continue_in(context)


def _task_with_context(original: Callable[..., Any]) -> Callable[..., Any]:
    """Tasks copy the context by themselves; what made them is added to it."""

    @wraps(original)
    def create_task(self: asyncio.AbstractEventLoop, coro: Any, **settings: Any) -> Any:
        if current_recorder() is None:
            return original(self, coro, **settings)
        context = settings.get("context")
        if context is None:
            return continued_context().run(original, self, coro, **settings)
        with suppress(RuntimeError):  # it is entered
            continue_in(context)
        return original(self, coro, **settings)

    return create_task


def _callback_with_context(original: Callable[..., Any]) -> Callable[..., Any]:
    """As `asyncio.run_coroutine_threadsafe` hands a coroutine to a loop on another thread."""

    @wraps(original)
    def call_soon_threadsafe(self: asyncio.AbstractEventLoop, *args: Any, context: Any = None) -> Any:
        if context is None and current_recorder() is not None:
            context = continued_context()
        return original(self, *args, context=context)

    return call_soon_threadsafe


def _apply_with_context(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def apply_async(self: Any, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if current_recorder() is not None:
            func = partial(continued_context().run, func)
        return original(self, func, *args, **kwargs)

    return apply_async


def _tasks_with_context(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return the jobs of one `map`, each in a context of its own: one context cannot be entered twice at a
    time.
    """

    @wraps(original)
    def generation(self: Any, result_job: Any, func: Callable[..., Any], iterable: Any) -> Any:
        if current_recorder() is not None:
            func = partial(_run_in_copy, continued_context(), func)
        return original(self, result_job, func, iterable)

    return generation


def _run_in_copy(context: Context, function: Callable[..., Any], *args: Any) -> Any:
    return context.copy().run(function, *args)


def _worker_that_answers(original: Callable[..., None]) -> Callable[..., None]:
    """The work loop of `multiprocessing.pool`, which forgets a job that raises no plain Exception: whoever
    waits for it would wait for ever. A refusal reaches him as a RuntimeError."""

    @wraps(original)
    def worker(inqueue: Any, *args: Any, **kwargs: Any) -> None:
        original(_PoolJobs(inqueue), *args, **kwargs)

    return worker


class _PoolJobs:
    """The queue of a pool's jobs, each of which ends in an answer."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)

    def get(self) -> Any:
        job = self._queue.get()
        return job if job is None else (*job[:2], partial(_with_plain_errors, job[2]), *job[3:])


def _with_plain_errors(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    try:
        return function(*args, **kwargs)
    except CallStopped as error:
        raise RuntimeError(str(error)) from error


def _is_pool_worker(thread: threading.Thread) -> bool:
    """Pool workers outlive the run that happens to start them; their jobs carry the context instead."""
    target = getattr(thread, "_target", None)
    return getattr(target, "__module__", None) == "concurrent.futures.thread"
