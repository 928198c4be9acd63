"""The record of what a case does in another process, and its way into the record of the case.

A process appends one line for each step that begins or ends and for each call that ends, so that nothing is
missing however it ends. Later lines of a step replace earlier ones.
"""

from __future__ import annotations

import itertools
import json
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_fapo.capture.occurrences import Occurrences
from pytest_fapo.capture.recorder import Recorder
from pytest_fapo.capture.redaction import Redactor
from pytest_fapo.core import errors

if TYPE_CHECKING:
    from pytest_fapo.core.trace import LLMCall

_OWN = ("key", "conversation")
"""Fields of a step by which its own process finds it again."""

_COUNTER = itertools.count(1)


@dataclass(frozen=True)
class Handoff:
    """Record of what another process must know to go on with a case."""

    case: str
    """Names the run among those of the session."""
    folder: str
    """The place where the processes of the session leave what they record."""
    case_id: str
    pipeline: str
    limit: int
    sample: str
    began: float
    """When the run began, by the clock that all processes of a machine share."""
    step: int | None
    """The step that was open in the run when it handed over."""
    by_test: bool
    within: str
    """The process whose steps `step` counts; empty for the one that runs the case."""
    session: Mapping[str, Any]
    """What sets capture up in a process that has none; see `session/case_program.py`."""

    @property
    def notes(self) -> Path:
        """The file with the lines of all processes."""
        return Path(self.folder) / "recorded.jsonl"

    @property
    def numbers(self) -> Path:
        """The folder in which the run's processes number identical questions."""
        return Path(self.folder) / f"asked-{self.case}"

    def to_text(self) -> str:
        """As JSON text."""
        return json.dumps(asdict(self))


class ChildRecorder(Recorder):
    """Records a part of a case's run, and leaves word of it for the process that runs the case.

    Args:
        handoff: says which run.
        redactor: see `Recorder`.
        origin: the run's own recorder, where this process is a fork.
    """

    def __init__(
        self, handoff: Handoff, *, redactor: Redactor | None = None, origin: Recorder | None = None
    ) -> None:
        super().__init__(
            pipeline=handoff.pipeline,
            case_id=handoff.case_id,
            limit=handoff.limit,
            redactor=redactor,
            sample=handoff.sample,
        )
        self.origin = origin
        self.by_test = handoff.by_test
        self.occurrences = Occurrences(handoff.numbers)
        self.violations = _ReportedViolations(self)
        self._began = handoff.began
        self._handoff = handoff
        self._name = f"{os.getpid()}-{next(_COUNTER)}"
        self._writing = threading.Lock()
        self.open_step: int | None = None
        """Stands for the step that was open when the case was handed over."""
        if handoff.step is not None:
            self.open_step = super().begin_step("", None, parent=None)

    def handed_on(self, step: int | None) -> Handoff:
        """Return the handoff to a process that this one starts."""
        return replace(self._handoff, step=step, within=self._name, sample=self.sample_in(step))

    def begin_step(self, name: str, inputs: Any, *, parent: int | None) -> int:
        index = super().begin_step(name, inputs, parent=parent)
        self.leave(steps=[index])
        return index

    def end_step(self, index: int, *, output: Any = None, error: BaseException | None = None) -> None:
        super().end_step(index, output=output, error=error)
        self.leave(steps=[index])

    def end_call(self, index: int, call: LLMCall, *, duration: float | None = None) -> LLMCall:
        ended = super().end_call(index, call, duration=duration)
        self.leave(steps=[self._calls[index].step], calls=[index])
        return ended

    def leave(
        self, *, steps: Iterable[int] = (), calls: Iterable[int] = (), violation: BaseException | None = None
    ) -> None:
        """Append one line."""
        line: dict[str, Any] = {
            "case": self._handoff.case,
            "child": self._name,
            "open": self.open_step,
            "step": self._handoff.step,
            "within": self._handoff.within,
            "steps": [[i, self._step_fields(i)] for i in steps if i != self.open_step],
            "calls": [[i, self._call_fields(i)] for i in calls],
        }
        if violation is not None:
            line["violation"] = [type(violation).__name__, str(violation)]
        data = json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        with self._writing:
            try:
                note = os.open(self._handoff.notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            except FileNotFoundError:  # the session is over
                return
            os.write(note, data)
            os.close(note)

    def _step_fields(self, index: int) -> dict[str, Any]:
        fields = asdict(self._steps[index])
        return {name: value for name, value in fields.items() if name not in _OWN}

    def _call_fields(self, index: int) -> dict[str, Any]:
        opened = self._calls[index]
        return {
            "call": opened.call.model_dump(mode="json"),
            "start": opened.start,
            "step": opened.step,
            "synthetic": opened.synthetic,
            "duration": opened.duration,
        }


class _ReportedViolations(list[BaseException]):
    """Refusals in another process, which fail the case too."""

    def __init__(self, recorder: ChildRecorder) -> None:
        super().__init__()
        self._recorder = recorder

    def append(self, error: BaseException) -> None:
        super().append(error)
        if not isinstance(error, errors.NetworkRefused):  # the network guard leaves word of these
            self._recorder.leave(violation=error)


class ChildLines:
    """Takes the lines of a run's other processes into its recorder.

    Args:
        recorder: of the run.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._steps: dict[tuple[str, int], int] = {}

    def take(self, line: Mapping[str, Any]) -> None:
        """Take one line in."""
        recorder, child = self._recorder, line["child"]
        if line["open"] is not None:
            within, step = line["within"], line["step"]
            self._steps[child, line["open"]] = self._steps[within, step] if within else step
        with recorder._lock:
            for index, fields in line["steps"]:
                self._take_step(child, index, fields)
            for _, fields in line["calls"]:
                self._take_call(child, fields)
        if "violation" in line:
            kind, text = line["violation"]
            recorder.violations.append(getattr(errors, kind, errors.CallStopped)(text))

    def _take_step(self, child: str, index: int, fields: dict[str, Any]) -> None:
        recorder = self._recorder
        fields = {
            **fields,
            "inputs": recorder.json(fields["inputs"]),
            "output": recorder.json(fields["output"]),
        }
        parent = fields["parent"]
        fields["parent"] = None if parent is None else self._steps[child, parent]
        known = self._steps.get((child, index))
        if known is None:
            self._steps[child, index] = len(recorder._steps)
            recorder._steps.append(recorder.opened_step({**fields, "calls": []}))
        else:
            calls = recorder._steps[known].calls
            recorder._steps[known] = recorder.opened_step({**fields, "calls": calls})

    def _take_call(self, child: str, fields: dict[str, Any]) -> None:
        from pytest_fapo.core.trace import LLMCall

        recorder = self._recorder
        call = LLMCall.model_validate(fields["call"])
        call = call.model_copy(
            update={
                "messages": [recorder.json(message) for message in call.messages],
                "answer": None if call.answer is None else str(recorder.json(call.answer)),
            }
        )
        step = self._steps[child, fields["step"]]
        recorder._steps[step].calls.append(len(recorder._calls))
        recorder._calls.append(recorder.opened_call({**fields, "call": call, "step": step}))
