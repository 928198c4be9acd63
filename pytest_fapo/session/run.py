"""`run`: what a test sees of its pipeline's run."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from pytest_fapo.errors import CallStopped, PipelineError

if TYPE_CHECKING:
    from pytest_fapo.models import Case, LLMCall, Step, Trace, Unanswered
    from pytest_fapo.session.execution import Execution


@dataclass
class ItemNotes:
    """What one pytest item leaves for its record while it runs."""

    case: Case | None = None
    pipeline: str | None = None
    repeat: int = 1
    execution: Execution | None = None
    error_seen: bool = False
    """Whether the test has looked at the run's error (then it is the test's own to judge)."""
    stopped: str = ""
    """Class name of the refusal that ended the item, where one did."""
    scores: dict[str, float] = field(default_factory=dict)
    feedback: list[str] = field(default_factory=list)
    trace: Trace | None = None
    """Of a test that calls its pipeline itself."""

    further_keys: list[str] = field(default_factory=list)
    """Cache keys of LLM calls that the test made beside its run's, as a model that judges the answer."""
    further_calls: list[LLMCall] = field(default_factory=list)
    """All of these calls."""
    further_unanswered: list[Unanswered] = field(default_factory=list)
    """Those of these calls that got no whole answer."""

    @property
    def unanswered(self) -> list[Unanswered]:
        """Calls of the run and of the test itself that got no whole answer."""
        from pytest_fapo.models import unanswered_in

        trace = self.made_trace
        return [*(unanswered_in(trace) if trace is not None else ()), *self.further_unanswered]

    @property
    def made_trace(self) -> Trace | None:
        """The trace of the item's run, or of what the test called itself."""
        if self.execution is not None and self.execution.trace is not None:
            return self.execution.trace
        return self.trace


class Run:
    """The pipeline's run on this test's case, shared by all tests that look at the case.

    `output` is what the pipeline returned; where it raised, reading `output` raises the same exception
    with the user's traceback.
    """

    def __init__(self, execution: Execution, notes: ItemNotes) -> None:
        self._execution = execution
        self._notes = notes

    def __repr__(self) -> str:
        return f"<run of {self._execution.pipeline!r} on case {self.case.id!r}>"

    @property
    def case(self) -> Case:
        return self._execution.case

    @property
    def output(self) -> Any:
        """What the pipeline returned. Raises what it raised."""
        __tracebackhide__ = True
        self._wait()
        self.raise_error()
        return self._execution.output

    @property
    def error(self) -> BaseException | None:
        """The exception that left the pipeline, for tests of failure; None where it returned."""
        self._wait()
        self._notes.error_seen = True
        return self._execution.error

    @property
    def trace(self) -> Trace:
        """Everything recorded of the run."""
        self._wait()
        assert self._execution.trace is not None
        return self._execution.trace

    @property
    def steps(self) -> list[Step]:
        """The traced steps, in the order in which they began."""
        return self.trace.steps

    @property
    def llm_calls(self) -> list[LLMCall]:
        """The LLM calls, in the order in which they were made."""
        return self.trace.llm_calls

    def score(self, name: str, value: float) -> None:
        """Record a graded metric of this item; higher is better.

        Raises:
            ValueError: the value is not a finite number.
        """
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ValueError(f"run.score({name!r}, ...): expected a number, got {value!r}") from None
        if not math.isfinite(number):
            raise ValueError(f"run.score({name!r}, ...): expected a finite number, got {value!r}")
        self._notes.scores[str(name)] = number

    def feedback(self, text: str) -> None:
        """Tell the optimizer, in words, what was wrong or right with this case's answer."""
        self._notes.feedback.append(str(text))

    def raise_error(self) -> None:
        """Raise what left the pipeline, if anything did."""
        __tracebackhide__ = True
        error = self._execution.error
        self._notes.error_seen = True
        if error is None:
            return
        if isinstance(error, CallStopped | PipelineError):
            self._notes.stopped = type(error).__name__
            pytest.fail(str(error), pytrace=False)
        # The traceback as it was first: tests that share the run must not make it grow.
        raise error.with_traceback(self._execution.traceback)

    def _wait(self) -> None:
        self._execution.done.wait()
