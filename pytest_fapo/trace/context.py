"""Which recorder and which step the running code belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pytest_fapo.trace.recorder import Recorder


class Place(NamedTuple):
    """A recorder and the innermost step that is open in this context."""

    recorder: Recorder
    step: int | None


_RECORDED: list[Recorder] = []
"""The recorders of the runs that are under way in this process, one entry for each `recording`."""

PLACE: ContextVar[Place | None] = ContextVar("pytest_fapo_place", default=None)


def current_recorder() -> Recorder | None:
    """The recorder of the run that the calling code belongs to; None outside of every run."""
    place = PLACE.get()
    return place.recorder if place is not None else None


def recorded_now() -> list[Recorder]:
    """The recorders of the runs that are under way in this process, whoever asks; each once."""
    return list(dict.fromkeys(_RECORDED))


@contextmanager
def recording(recorder: Recorder) -> Iterator[Recorder]:
    """Make `recorder` the current one for the body, and for tasks and threads started with its context."""
    token = PLACE.set(Place(recorder, None))
    _RECORDED.append(recorder)
    try:
        yield recorder
    finally:
        _RECORDED.remove(recorder)
        leave(token)


def leave(token: Token[Place | None]) -> None:
    """Undo a `PLACE.set`. A coroutine that is abandoned is closed in whichever context happens to run then;
    there is nothing to undo there."""
    with suppress(ValueError):
        PLACE.reset(token)
