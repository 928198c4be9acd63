"""One run of one pipeline on one case."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_fapo.errors import PipelineError, RunEnded
from pytest_fapo.trace import Recorder

if TYPE_CHECKING:
    from types import TracebackType

    from pytest_fapo.models import Case, Trace

_OWN_FOLDER = str(Path(__file__).parents[1])


@dataclass(eq=False)
class Execution:
    """A pipeline's run on one case: first pending, then `done` with an output or an error."""

    case: Case
    pipeline: str
    function: Callable[..., Any]
    recorder: Recorder
    identity: str
    """Names the case within its pipeline: the id, told apart where two sources use one id."""
    timeout: float | None = None
    repeat: int = 1
    """Which of the case's runs this is."""
    output: Any = None
    error: BaseException | None = None
    traceback: TracebackType | None = None
    """Where the error was raised, beginning in the user's code."""
    trace: Trace | None = None
    done: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def trace_id(self) -> str:
        """Names the run among all of a session. No case can be called so that a first run has the name of
        another's repeat: it stands before the `::`, where only the name of a fixture can stand."""
        repeat = "" if self.repeat == 1 else f"~r{self.repeat}"
        return f"{self.pipeline}{repeat}::{self.identity}"

    def finish(self, output: Any = None, error: BaseException | None = None) -> bool:
        """Settle the run; False where it was settled before (a case that answers after its timeout)."""
        with self._lock:
            if self.done.is_set():
                return False
            # A pipeline that swallows a refused call has not answered its case all the same.
            self.error = self.recorder.violations[0] if self.recorder.violations else error
            self.output = None if self.error is not None else output
            self.traceback = _users_part(self.error)
            self.trace = self.recorder.trace(inputs=self.case.inputs, output=self.output, error=self.error)
            self.done.set()
            return True

    def expire(self) -> bool:
        """Settle the run as timed out."""
        reason = f"case {self.case.id!r} took longer than {self.timeout:g} s"
        expired = self.finish(error=TimeoutError(reason))
        if expired:
            self.recorder.stop(RunEnded(reason))
        return expired

    def call(self) -> Any:
        """Call the pipeline; gives its result, or the awaitable that it returned."""
        arguments, keywords = self._arguments()
        self._check(arguments, keywords)
        result = self.function(*arguments, **keywords)
        return list(result) if inspect.isgenerator(result) else result

    def _arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if isinstance(self.case.inputs, dict):
            return (), dict(self.case.inputs)
        return (self.case.inputs,), {}

    def _check(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        try:
            signature = inspect.signature(self.function)
        except (TypeError, ValueError):
            return  # a builtin without a signature: the call itself will tell
        try:
            signature.bind(*arguments, **keywords)
        except TypeError as error:
            name = getattr(self.function, "__qualname__", type(self.function).__name__)
            raise PipelineError(
                f"the pipeline {name}{signature} does not take the inputs of case {self.case.id!r} "
                f"({self.case.origin}): {error}"
            ) from None


def _users_part(error: BaseException | None) -> TracebackType | None:
    """The traceback without the frames of ours that it begins with."""
    traceback = error.__traceback__ if error is not None else None
    while traceback is not None and traceback.tb_frame.f_code.co_filename.startswith(_OWN_FOLDER):
        traceback = traceback.tb_next
    return traceback
