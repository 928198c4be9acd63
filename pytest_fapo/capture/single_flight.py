"""Send identical simultaneous requests once: the first leads, the others wait for its answer.

Those of one process wait for each other by `Flight`; where processes share their answers, one that finds a
request under way in another one waits by `RemoteFlight`.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError, TimeoutError
from contextlib import suppress

from pytest_fapo.capture.http_answer import RecordedAnswer


class Flight:
    """A request under way, which other threads and event loops can wait for."""

    def __init__(self) -> None:
        self._owner = _loop_or_thread()
        self._end: Future[RecordedAnswer | None] = Future()
        # As a running future it cannot be cancelled by a waiter that is cancelled itself.
        self._end.set_running_or_notify_cancel()

    @property
    def answer(self) -> RecordedAnswer | None:
        """The answer; None while it is under way and when it failed."""
        return self._end.result() if self._end.done() else None

    def land(self, answer: RecordedAnswer | None) -> None:
        """It is over; None says that it failed and that somebody else should try."""
        with suppress(InvalidStateError):
            self._end.set_result(answer)

    def can_wait(self) -> bool:
        """True if the calling thread may block for it: not on its own request, nor on an event loop."""
        return self._owner[0] != threading.get_ident() and running_loop() is None

    def wait(self, patience: float) -> bool:
        """Block until it is over; False when it took longer than `patience` seconds."""
        try:
            self._end.result(timeout=patience)
        except TimeoutError:
            return False
        return True

    def can_wait_async(self) -> bool:
        """True if the calling task may wait for it: not for its own request; only under asyncio."""
        return running_loop() is not None and self._owner != _loop_or_thread()

    async def wait_async(self, patience: float) -> bool:
        """Like `wait`, for a task."""
        done, _ = await asyncio.wait([asyncio.wrap_future(self._end)], timeout=patience)
        return bool(done)


class RemoteFlight(Flight):
    """The same request under way in another process, here or on another machine; looked at until it is over.

    Args:
        look: gives the answer once there is one.
        claim: takes the request over; False while its owner is at it.
    """

    def __init__(self, look: Callable[[], RecordedAnswer | None], claim: Callable[[], bool]) -> None:
        super().__init__()
        self._look = look
        self._claim = claim

    def can_wait(self) -> bool:
        return running_loop() is None

    def can_wait_async(self) -> bool:
        return running_loop() is not None

    def wait(self, patience: float) -> bool:
        for pause in _pauses(patience):
            if self._is_over():
                return True
            time.sleep(pause)
        return False

    async def wait_async(self, patience: float) -> bool:
        for pause in _pauses(patience):
            if self._is_over():
                return True
            await asyncio.sleep(pause)
        return False

    def _is_over(self) -> bool:
        """True if there is an answer, or its owner is no more and the request is ours."""
        answer = self._look()
        if answer is None and not self._claim():
            return False
        self.land(answer)
        return True


def _pauses(patience: float) -> Iterator[float]:
    """Yield seconds between two looks, short ones first, until so many have passed."""
    end, pause = time.monotonic() + patience, 0.01
    while time.monotonic() < end:
        yield pause
        pause = min(1.5 * pause, 0.25)


class Flights:
    """The requests under way, by cache key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[str, Flight] = {}

    def join(self, key: str) -> tuple[Flight, bool]:
        """Return the flight for `key`, and whether the caller leads it."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                return flight, False
            flight = self._flights[key] = Flight()
            return flight, True

    def land(self, key: str, flight: Flight, answer: RecordedAnswer | None) -> None:
        """End a flight that the caller leads."""
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]
        flight.land(answer)


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop of the calling code; None outside of asyncio."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _loop_or_thread() -> tuple[int, int]:
    """Return the running thread and, within it, the running task."""
    task = None
    if running_loop() is not None:
        task = asyncio.current_task()
    return threading.get_ident(), id(task) if task is not None else 0
