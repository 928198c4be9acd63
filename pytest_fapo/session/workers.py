"""Threads that are used again: each holds connections (the cache's, an SDK's) that cost to open."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import NamedTuple


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
