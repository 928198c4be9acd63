"""What surrounds the body of a test: calls that it makes itself are traced, unread errors are raised."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from pytest_fapo.session.parametrize import BoundCase, bound_case
from pytest_fapo.session.run import ItemNotes, Run
from pytest_fapo.trace import Recorder, recording

if TYPE_CHECKING:
    from pytest_fapo.session.state import FapoSession


@contextmanager
def watched_body(session: FapoSession, item: pytest.Item) -> Iterator[None]:
    """Trace what the test calls itself, and let no error of its run go unnoticed."""
    bound = bound_case(item)
    if bound is None:
        yield
        return
    notes = session.state_of(item).notes
    recorder = session.recorder(item, bound, session.pipeline_name(item, bound))
    recorder.by_test = notes.execution is not None
    try:
        with recording(recorder):
            yield
    finally:
        _keep_trace(notes, recorder, bound)
    _raise_unread(notes, recorder, bound)


def _keep_trace(notes: ItemNotes, recorder: Recorder, bound: BoundCase) -> None:
    if notes.execution is not None:
        from pytest_fapo.models import unanswered_in

        notes.further_keys = recorder.answered_keys()
        trace = recorder.trace()
        notes.further_calls = trace.llm_calls
        notes.further_unanswered = unanswered_in(trace)
    else:
        trace = recorder.trace(inputs=bound.case.inputs)
        notes.trace = trace if trace.steps or trace.llm_calls else None


def _raise_unread(notes: ItemNotes, recorder: Recorder, bound: BoundCase) -> None:
    """A test that passed without looking at its run must still fail where the run did."""
    __tracebackhide__ = True
    if notes.execution is not None and not notes.error_seen:
        Run(bound.case, notes).raise_error()
    refusal = recorder.refusal()
    if refusal is not None:
        notes.stopped = type(refusal).__name__
        pytest.fail(str(refusal), pytrace=False)
