"""Assign the threads that a pipeline starts to its run.

Context variables do not reach new threads by themselves, so the LLM calls of a pipeline that fans out over
a `ThreadPoolExecutor` would belong to nobody. While a run is recorded, thread starts and submitted jobs
take
the context along. Outside of a run nothing changes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial, wraps
from multiprocessing import pool
from typing import Any

from pytest_fapo.capture.recorder import current_recorder
from pytest_fapo.core.errors import CallStopped


@contextmanager
def propagating() -> Iterator[None]:
    """For the duration of the body, threads and pool jobs started inside a recorded run carry its context."""
    start, submit = threading.Thread.start, ThreadPoolExecutor.submit
    new_start, new_submit = _start_with_context(start), _submit_with_context(submit)
    pool_worker = pool.worker  # type: ignore[attr-defined]
    new_worker = _worker_that_answers(pool_worker)
    pool.worker = new_worker  # type: ignore[attr-defined]
    threading.Thread.start = new_start  # type: ignore[method-assign,assignment]
    ThreadPoolExecutor.submit = new_submit  # type: ignore[method-assign]
    try:
        yield
    finally:
        if pool.worker is new_worker:  # type: ignore[attr-defined]
            pool.worker = pool_worker  # type: ignore[attr-defined]
        # Someone else may have wrapped these meanwhile; then ours stays below theirs and does nothing.
        if threading.Thread.start is new_start:
            threading.Thread.start = start  # type: ignore[method-assign]
        if ThreadPoolExecutor.submit is new_submit:
            ThreadPoolExecutor.submit = submit  # type: ignore[method-assign]


def _start_with_context(original: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
    @wraps(original)
    def start(self: threading.Thread) -> None:
        if current_recorder() is None or _is_pool_worker(self):
            return original(self)
        run = self.run
        self.run = partial(copy_context().run, run)  # type: ignore[method-assign]
        return original(self)

    return start


def _submit_with_context(original: Callable[..., Future[Any]]) -> Callable[..., Future[Any]]:
    @wraps(original)
    def submit(self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if current_recorder() is None:
            return original(self, fn, *args, **kwargs)
        return original(self, copy_context().run, fn, *args, **kwargs)

    return submit


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
