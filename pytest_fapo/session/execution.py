"""One run of one pipeline on one case."""

from __future__ import annotations

import contextvars
import enum
import inspect
import threading
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_fapo.capture.recorder import Recorder
from pytest_fapo.core.errors import PipelineError, RunEnded, is_bound_to_thread
from pytest_fapo.core.record import deep_copy
from pytest_fapo.core.text import one_line
from pytest_fapo.core.unanswered import unanswered_in
from pytest_fapo.session.outage_breaker import OutageBreaker
from pytest_fapo.session.run_output import RUN_OUTPUT, RunOutput

if TYPE_CHECKING:
    from types import TracebackType

    from pytest_fapo.core.case import Case
    from pytest_fapo.core.trace import Trace

_OWN_FOLDER = str(Path(__file__).parents[1])


class Latch:
    """An event like `threading.Event` that is set once, with one lock: there is one for every run."""

    __slots__ = ("_lock", "_open")

    def __init__(self) -> None:
        self._open = False
        self._lock = threading.Lock()
        self._lock.acquire()

    def is_set(self) -> bool:
        return self._open

    def set(self) -> None:
        """Let all go on that wait; called once."""
        self._open = True
        self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Return when it is set, or False after so many seconds."""
        if self._open:
            return True
        if not self._lock.acquire(timeout=-1 if timeout is None else timeout):
            return False
        self._lock.release()
        return True


@dataclass(eq=False)
class Execution:
    """A pipeline's run on one case: first pending, then `done` with an output or an error."""

    case: Case
    pipeline: str
    """As it is recorded, see `pipeline_name`."""
    function: Callable[..., Any]
    recorder: Recorder
    trace_id: str
    """Names the run among all of a session."""
    timeout: float | None = None
    on_fixture_loop: bool = False
    """True if it has to run on an event loop that belongs to fixtures."""
    shared: bool = False
    """True if several tests may look at this run; each of them then gets a copy of its output."""
    output: Any = None
    error: BaseException | None = None
    traceback: TracebackType | None = None
    """The traceback of the error, beginning in the user's code."""
    trace: Trace | None = None
    uncopied: str = ""
    """The reason why the output of a shared run cannot be copied; empty if it can."""
    context: contextvars.Context = field(default_factory=contextvars.copy_context)
    """The context variables that fixtures have set; no run sees the values that another one sets."""
    printed: RunOutput | None = None
    """The output and logs kept for the test's own turn; None if they go their usual way."""
    done: Latch = field(default_factory=Latch)
    breaker: OutageBreaker | None = None
    """Keeps the run from beginning where its model answers nobody."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def inside(self, work: Callable[[], None]) -> None:
        """Do `work` in the run's own context, its output kept where it is to be kept."""

        def kept() -> None:
            RUN_OUTPUT.set(self.printed)
            work()

        self.context.run(kept)

    def finish(self, output: Any = None, error: BaseException | None = None) -> bool:
        """Settle the run; False where it was settled before (a case that answers after its timeout)."""
        with self._lock:
            if self.done.is_set():
                return False
            # A pipeline that swallows a refused call has not answered its case all the same.
            self.error = self.recorder.refusal() or error
            self.output = None if self.error is not None else output
            self.traceback = _users_part(self.error)
            self.trace = self._recorded()
            if self.breaker is not None:
                self.breaker.note(self.trace)
            if self.shared and self.error is None:
                self._keep_copy()
            self.done.set()
            return True

    def _recorded(self) -> Trace:
        return self.recorder.trace(inputs=self.case.inputs, output=self.output, error=self.error)

    def _keep_copy(self) -> None:
        # At once: a pipeline may return an object that its next run changes.
        try:
            self.output = copied(self.output)
        except Exception as error:
            self.uncopied = f"{type(self.output).__name__}: {error}"

    def expire(self) -> bool:
        """Settle the run as timed out."""
        reason = f"case {self.case.id!r} took longer than {self.timeout:g} s"
        expired = self.finish(error=TimeoutError(reason))
        if expired:
            self.recorder.stop(RunEnded(reason))
        return expired

    def call(self) -> Any:
        """Call the pipeline; gives its result, or the awaitable that it returned."""
        if self.breaker is not None:
            self.breaker.check()
        arguments, keywords = self._arguments()
        self._check(arguments, keywords)
        result = self.function(*arguments, **keywords)
        return list(result) if inspect.isgenerator(result) else result

    def _arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        try:
            inputs = deep_copy(self.case.inputs)  # a pipeline may add to a list that it is given
        except Exception:
            inputs = self.case.inputs
        return ((), dict(inputs)) if isinstance(inputs, dict) else ((inputs,), {})

    def _check(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        function, positional, names = self.function, len(arguments), tuple(keywords)
        if isinstance(function, types.FunctionType):
            problem = _misfit(function, positional, names)
        elif isinstance(function, types.MethodType) and not _misfit(function.__func__, positional + 1, names):
            return  # remembered by its function: the object that it belongs to is the user's
        else:
            problem = _misfit.__wrapped__(function, positional, names)
        if problem:
            raise PipelineError(
                f"the pipeline {problem[0]} does not take the inputs of case {self.case.id!r} "
                f"({self.case.origin}): {problem[1]}; {_passed(arguments, keywords)}"
            )


@lru_cache(maxsize=64)
def _misfit(function: Callable[..., Any], positional: int, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return a function with its parameters and why it does not take such arguments, in words; empty where
    it does, or cannot say."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return ()  # a builtin: the call itself will tell
    try:
        signature.bind(*[None] * positional, **dict.fromkeys(names))
    except TypeError as error:
        name = getattr(function, "__qualname__", type(function).__name__)
        return f"{name}{signature}", str(error)
    return ()


def _passed(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> str:
    """Return the pipeline's arguments as text."""
    if arguments:
        kind = type(arguments[0]).__name__
        return f"the case has one input without a name, a value of type {kind}, passed as the only argument"
    if not keywords:
        return "the case has no inputs"
    return (
        f"the case's inputs are passed by name: {', '.join(keywords)}; give the pipeline parameters of these "
        f'names, or rename the inputs: cases(..., inputs={{"parameter": "column"}})'
    )


def copied(output: Any) -> Any:
    """Return a copy that shares nothing with the original that could be changed.

    Raises:
        Exception: there is no such copy.
    """
    copy_of = deep_copy(output)
    if copy_of is output and not isinstance(output, _UNCHANGING):
        raise TypeError("copy.deepcopy gives the object itself")
    return copy_of


_UNCHANGING = (
    *(str, bytes, int, float, complex, bool, type(None), tuple, frozenset, range, enum.Enum, type),
    *(types.FunctionType, types.BuiltinFunctionType, type(Ellipsis), type(NotImplemented)),
)


def bound_to_thread(execution: Execution) -> str:
    """Return the error of a run that failed as it, or something it uses, belongs to another thread or event
    loop; empty for others.
    """
    said = [each.message for each in unanswered_in(execution.trace)] if execution.trace is not None else []
    error, seen = execution.error, set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        said.append(f"{type(error).__name__}: {error}")
        error = error.__cause__ or error.__context__
    return next((one_line(each, most=90) for each in said if is_bound_to_thread(each)), "")


def _users_part(error: BaseException | None) -> TracebackType | None:
    """Return the traceback without the frames of ours that it begins with."""
    traceback = error.__traceback__ if error is not None else None
    while traceback is not None and traceback.tb_frame.f_code.co_filename.startswith(_OWN_FOLDER):
        traceback = traceback.tb_next
    return traceback
