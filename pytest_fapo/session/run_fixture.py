"""The fixture `run`: a test's access to its pipeline's run."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from pytest_fapo.core.errors import CallStopped, PipelineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_fapo.core.case import Case
    from pytest_fapo.core.trace import LLMCall, Step, Trace
    from pytest_fapo.core.unanswered import Unanswered
    from pytest_fapo.session.execution import Execution


@dataclass
class ItemNotes:
    """The notes that one pytest item leaves for its record while it runs."""

    case: Case | None = None
    pipeline: str | None = None
    repeat: int = 1
    execution: Execution | None = None
    """The item's run, once it is over."""
    output: Any = None
    """The pipeline's return value, this item's own copy."""
    perform: Callable[[], None] | None = None
    """Runs the pipeline, where the item asks for `run` and it has not run yet."""
    error_seen: bool = False
    """True if the test has looked at the run's error (then it is the test's own to judge)."""
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
        from pytest_fapo.core.unanswered import unanswered_in

        trace = self.made_trace
        return [*(unanswered_in(trace) if trace is not None else ()), *self.further_unanswered]

    @property
    def made_trace(self) -> Trace | None:
        """The trace of the item's run, or of what the test called itself."""
        if self.execution is not None and self.execution.trace is not None:
            return self.execution.trace
        return self.trace


class Run:
    """The pipeline's run on this test's case, inside the test's own fixtures.

    `output` is what the pipeline returned; where it raised, reading `output` raises the same exception
    with the user's traceback. The pipeline runs when all fixtures of the test are set up, or when one of
    them reads the run.
    """

    def __init__(self, case: Case, notes: ItemNotes) -> None:
        self._case = case
        self._notes = notes

    def __repr__(self) -> str:
        return f"<run of {self._notes.pipeline!r} on case {self.case.id!r}>"

    @property
    def case(self) -> Case:
        """The case, this test's own copy."""
        return self._case

    @property
    def _execution(self) -> Execution:
        if self._notes.perform is not None:
            self._notes.perform()
        assert self._notes.execution is not None
        return self._notes.execution

    @property
    def output(self) -> Any:
        """The pipeline's return value. Raises what the pipeline raised."""
        __tracebackhide__ = True
        self.raise_error()
        return self._notes.output

    @property
    def error(self) -> BaseException | None:
        """The exception that left the pipeline, for tests of failure; None where it returned."""
        self._notes.error_seen = True
        return self._execution.error

    @property
    def trace(self) -> Trace:
        """Everything recorded of the run."""
        trace = self._execution.trace
        assert trace is not None
        return trace

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
        execution = self._execution
        error = execution.error
        self._notes.error_seen = True
        if error is None:
            return
        if isinstance(error, CallStopped | PipelineError):
            self._notes.stopped = type(error).__name__
            pytest.fail(str(error), pytrace=False)
        # The traceback as it was first: tests that share the run must not make it grow.
        raise error.with_traceback(execution.traceback)
