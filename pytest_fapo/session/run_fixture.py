"""The fixture `run`: a test's access to its pipeline's run."""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from pytest_fapo.capture.single_flight import running_loop
from pytest_fapo.core.errors import CallStopped, PipelineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_fapo.core.case import Case
    from pytest_fapo.core.trace import LLMCall, Step, Trace
    from pytest_fapo.core.unanswered import Unanswered
    from pytest_fapo.session.execution import Execution


@dataclass(slots=True)
class ItemNotes:
    """The notes that one pytest item leaves for its record while it runs."""

    case: Case | None = None
    pipeline: str | None = None
    repeat: int = 1
    execution: Execution | None = None
    """The item's run, once it is over."""
    output: Any = None
    """The pipeline's return value, this item's own copy."""
    producible_in: str = ""
    """The folder in which the run can be made apart from this test; empty if it cannot, or nobody asks."""
    perform: Callable[[], None] | None = None
    """Runs the pipeline, where the item asks for `run` and it has not run yet."""
    error_seen: bool = False
    """True if the test has looked at the run's error (then it is the test's own to judge)."""
    stopped: str = ""
    """Class name of the refusal that ended the item, where one did."""
    scores: dict[str, float] = field(default_factory=dict)
    judge_scores: dict[str, list[float]] = field(default_factory=dict)
    """What a judge said each time, where it was asked several times."""
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

        trace = self.resulting_trace
        return [*(unanswered_in(trace) if trace is not None else ()), *self.further_unanswered]

    @property
    def resulting_trace(self) -> Trace | None:
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

    def __init__(self, case: Case, notes: ItemNotes, judge_repeats: int = 1) -> None:
        self._case = case
        self._notes = notes
        self._judge_repeats = judge_repeats

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

    def score(self, name: str, value: Any, reason: str = "") -> None:
        """Record a graded metric of this item.

        Args:
            name: the metric's name.
            value: a number; or what a library's metric gives, with `score` and `reason` on it.
            reason: why, in words, for the optimizer to read.

        Raises:
            ValueError: the value is not a finite number.
        """
        number, said = read_score(value, f"run.score({name!r}, ...)")
        self._notes.scores[str(name)] = number
        self._say(name, reason or said)

    def judge(self, name: str, ask: Callable[[], Any]) -> float:
        """Ask a judge about the output, `judge_repeats` times; its mean becomes a graded metric.

        Args:
            name: the metric's name.
            ask: calls the judge once, and gives what `score` takes.

        Returns:
            the mean.

        Raises:
            ValueError: an answer is not a finite number.
        """
        call = f"run.judge({name!r}, ...)"
        answers = [read_score(waited(ask()), call) for _ in range(self._judge_repeats)]
        numbers = [number for number, _ in answers]
        mean = math.fsum(numbers) / len(numbers)
        self._notes.scores[str(name)] = mean
        if len(numbers) > 1:
            self._notes.judge_scores[str(name)] = numbers
        self._say(name, min(answers, key=lambda each: abs(each[0] - mean))[1])
        return mean

    def _say(self, name: str, reason: str) -> None:
        if reason.strip():
            self.feedback(f"{name}: {reason.strip()}")

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


def read_score(value: Any, call: str) -> tuple[float, str]:
    """Return a score and its reason.

    Args:
        value: a number, a number with a text, or what a metric gives: like a number, or with `score`,
            with its words in `reason` or, as autoevals has them, in `metadata["rationale"]`.
        call: what to name in an error.

    Raises:
        ValueError: there is no finite number in it.
    """
    given, reason, metadata = value, getattr(value, "reason", None), getattr(value, "metadata", None)
    if reason is None and isinstance(metadata, Mapping):
        reason = metadata.get("rationale")
    if isinstance(value, tuple) and len(value) == 2:
        value, reason = value
    elif not isinstance(value, int | float) and hasattr(value, "score"):
        value = value.score
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{call}: expected a number, got {given!r}") from None
    if not math.isfinite(number):
        raise ValueError(f"{call}: expected a finite number, got {given!r}")
    return number, reason if isinstance(reason, str) else ""


def waited(answer: Any) -> Any:
    """Return what an async judge gives at last."""
    if not inspect.iscoroutine(answer):
        return answer
    if running_loop() is None:
        return asyncio.run(answer)
    answer.close()
    raise ValueError(
        "run.judge(...): an async judge cannot be waited for inside an async test; "
        "make the test a plain function, or await the judge and give run.score its answer"
    )
