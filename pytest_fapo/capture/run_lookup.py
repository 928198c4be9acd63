"""Find the run that a request belongs to, also where its thread is older or younger than the run."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_fapo.capture.recorder import Recorder, current_recorder, recorded_now

_QUOTABLE = 8
"""Characters of an input that is no other text's by chance."""


def may_belong_to_run() -> bool:
    """True if a request of the calling code may belong to a run."""
    if current_recorder() is not None:
        return True
    return threading.current_thread() is not threading.main_thread() and bool(recorded_now())


def run_of_request(body: Any) -> Recorder | None:
    """Return the recorder of the run that a request belongs to; None outside of every run.

    A thread that outlives its run, or that is older than all, works for the run under way whose inputs the
    request quotes.

    Args:
        body: of the request, as data.
    """
    current, under_way = current_recorder(), recorded_now()
    if not under_way or current in under_way or (current is not None and current.stopped is not None):
        return current
    said = "\n".join(_texts_in(body))
    if current is not None and _quotes(said, current):
        return current
    quoted = [recorder for recorder in under_way if _quotes(said, recorder)]
    if len(quoted) == 1:
        return quoted[0]
    return under_way[0] if current is not None and len(under_way) == 1 else current


def _quotes(said: str, recorder: Recorder) -> bool:
    """True if a request holds one of the texts that the case gives."""
    return any(len(text) >= _QUOTABLE and text in said for text in _texts_in(recorder.inputs))


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for each in value.values() for text in _texts_in(each))
    elif isinstance(value, list | tuple):
        yield from (text for each in value for text in _texts_in(each))
