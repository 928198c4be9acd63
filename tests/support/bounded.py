"""An end to work that would go on for ever, counted in the process's own processor time."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def bounded(seconds: float = 60.0) -> Iterator[None]:
    """Fail where the block takes more processor time than this; how busy the machine is does not matter.

    Args:
        seconds: of processor time; far more than is needed, so that only another order of growth misses it.
    """

    def give_up(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"not done after {seconds:g} s of processor time")

    before = signal.signal(signal.SIGVTALRM, give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
