"""The record of one run of one case, written while it runs, and the lookup of the calling code's run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from pytest_fapo.capture.agent_turns import continues, digest_of_turns
from pytest_fapo.capture.call_origin import CallOrigin, origin_of
from pytest_fapo.capture.call_stack import WATCHED_FUNCTIONS, call_stack
from pytest_fapo.capture.json_values import to_json, to_json_with_type
from pytest_fapo.capture.occurrences import Occurrences
from pytest_fapo.capture.redaction import Redactor
from pytest_fapo.capture.steps import CURRENT_STEP, CurrentStep, leave_step

if TYPE_CHECKING:
    from pydantic import JsonValue

    from pytest_fapo.core.errors import CallStopped
    from pytest_fapo.core.trace import LLMCall, Step, Trace

_RECORDED: list[Recorder] = []
"""The recorders of the runs that are under way in this process, one entry for each `recording`."""


def current_recorder() -> Recorder | None:
    """Return the recorder of the run that the calling code belongs to; None outside of every run."""
    current = CURRENT_STEP.get()
    return cast("Recorder", current.recorder) if current is not None else None


def recorded_now() -> list[Recorder]:
    """Return the recorders of the runs that are under way in this process, whoever asks; each once."""
    return list(dict.fromkeys(_RECORDED))


def forget_runs() -> None:
    """No run is under way in this process: it is a fork."""
    _RECORDED.clear()


@contextmanager
def recording(recorder: Recorder) -> Iterator[Recorder]:
    """Make `recorder` the current one for the body, and for tasks and threads started with its context."""
    token = CURRENT_STEP.set(CurrentStep(recorder, None))
    _RECORDED.append(recorder)
    try:
        yield recorder
    finally:
        _RECORDED.remove(recorder)
        leave_step(token)


@dataclass(frozen=True)
class Replacements:
    """The replacements of one run; steps by key (`name`, or `name#2` for the second of that name)."""

    outputs: Mapping[str, Any]
    """The output of each step that is not to be run, as JSON data."""
    types: Mapping[str, str] = field(default_factory=dict)
    """`Step.output_type` of what the step gave elsewhere, where that was more than JSON data."""
    resample: frozenset[str] = frozenset()
    """Steps whose models are asked for new answers, though there are answers on record."""


_TEXT_APIS = (
    *("chat.completions", "responses", "completions", "messages"),
    *("gemini", "ollama.chat", "ollama.generate", "cohere.chat", "bedrock.converse"),
)
"""APIs in whose form a text can be written as an answer."""


NO_ORIGIN = CallOrigin("", {}, "prompt")


@dataclass(frozen=True)
class CallPlace:
    """The step that a call belongs to, or the origin of the one that it makes up."""

    step: int | None = None
    """A traced step that is open, and whose function makes the call."""
    origin: CallOrigin = NO_ORIGIN
    parent: int | None = None
    """The traced step around the one that the call makes up."""
    messages: Sequence[Any] = ()


@dataclass(slots=True)
class _OpenStep:
    name: str
    parent: int | None
    inputs: JsonValue
    start: float
    key: Any = None
    conversation: tuple[int, str] = (0, "")
    """The number and the digest of the messages of a made-up step's latest call."""
    output: JsonValue = None
    output_type: str = ""
    output_cut: bool = False
    replaced: bool = False
    error: str | None = None
    duration: float | None = None
    calls: list[int] = field(default_factory=list)
    dropped: bool = False


@dataclass(slots=True)
class _OpenCall:
    call: LLMCall
    start: float
    step: int
    synthetic: bool
    duration: float | None = None


class Recorder:
    """Everything recorded of one run of one case. Safe to use from several threads and tasks at once.

    Args:
        pipeline: name of the fixture that gave the pipeline.
        case_id: the case's id.
        limit: about how many characters of JSON are kept of one value.
        redactor: takes credentials and private texts out of values; a default one where not given.
        step_functions: False to record LLM calls only, not the functions marked as steps.
        sample: where not empty, names this run's own sample of answers: it is part of every cache key.
        replacements: steps that are not run, or that ask their models again.
        inputs: the case's inputs: what quotes them is this run's.
    """

    def __init__(
        self,
        *,
        pipeline: str,
        case_id: str,
        limit: int = 20_000,
        redactor: Redactor | None = None,
        step_functions: bool = True,
        sample: str = "",
        replacements: Replacements | None = None,
        inputs: Any = None,
    ) -> None:
        self.pipeline = pipeline
        self.case_id = case_id
        self.limit = limit
        self.redactor = redactor if redactor is not None else Redactor()
        self.redactor.refresh()
        self.step_functions = step_functions
        self.replacements = replacements
        self.violations: list[BaseException] = []
        """Refusals to send a request that were raised inside, so that a pipeline that swallows them fails."""
        self.stage = ""
        """What its calls are for: the stage of an evaluation, or the optimizer's work."""
        self.by_test = False
        """True where the calls are a test's own, beside its run: to a model that judges the output."""
        self.stopped: CallStopped | None = None
        """If set, every further LLM call raises it (see `stop`)."""
        self.late_violations: Callable[[Recorder], None] | None = None
        """Adds the refusals that are known only afterwards: those in processes that the run has started."""
        self._sample = sample
        self.inputs = inputs
        self._lock = threading.Lock()
        self._began = time.perf_counter()
        self._steps: list[_OpenStep] = []
        self._calls: list[_OpenCall] = []
        self.occurrences = Occurrences()
        self.collect_processes: Callable[[Recorder], None] | None = None
        """Adds what processes that the run has started recorded; see `case_processes.py`."""
        self._last_attempt: dict[str, int] = {}

    # --- steps -----------------------------------------------------------------------------------------

    def begin_step(self, name: str, inputs: Any, *, parent: int | None) -> int:
        """A step begins; returns its index."""
        opened = _OpenStep(name, parent, self.json(inputs), self._now())
        with self._lock:
            self._steps.append(opened)
            return len(self._steps) - 1

    def end_step(self, index: int, *, output: Any = None, error: BaseException | None = None) -> None:
        """A step is over, with what it gave or what it raised."""
        recorded, kind, cut = None, "", False
        if error is None:
            recorded, kind, cut = to_json_with_type(output, limit=self.limit, redactor=self.redactor)
        with self._lock:
            opened = self._steps[index]
            opened.duration = self._now() - opened.start
            opened.output, opened.output_type, opened.output_cut = recorded, kind, cut
            opened.error = None if error is None else self.describe(error)

    def describe_step(self, index: int, *, name: str, inputs: Any) -> None:
        """Take in what is known of a step only later."""
        recorded = self.json(inputs)
        with self._lock:
            opened = self._steps[index]
            opened.name, opened.inputs = name, recorded if inputs is not None else opened.inputs

    def has_calls(self, index: int) -> bool:
        """True if LLM calls belong to the step itself."""
        with self._lock:
            return bool(self._steps[index].calls)

    def drop_step(self, index: int) -> None:
        """Take back what looked like a step: what is in it goes to the step around it. Where there is none,
        and calls belong to it, it stays."""
        with self._lock:
            opened = self._steps[index]
            opened.duration = self._now() - opened.start
            around = opened.parent
            while around is not None and self._steps[around].dropped:
                around = self._steps[around].parent
            if around is None and opened.calls:
                return
            opened.dropped = True
            if around is not None:
                self._steps[around].calls = sorted([*self._steps[around].calls, *opened.calls])
                for number in opened.calls:
                    self._calls[number].step = around

    # --- replaced and repeated steps -------------------------------------------------------------------

    def key_of_step(self, index: int) -> str:
        """Return the step's name, with `#2` for the second step of that name."""
        with self._lock:
            name = self._steps[index].name
            occurrence = sum(opened.name == name for opened in self._steps[: index + 1])
        return name if occurrence == 1 else f"{name}#{occurrence}"

    def mark_replaced(self, index: int) -> None:
        """The step is not run; `end_step` follows with the output that was prepared for it."""
        self._steps[index].replaced = True

    def replaced_answer(self, index: int) -> Any:
        """Return the output prepared for the step that a call makes up by itself; None for any other call."""
        made_up = self._calls[index].synthetic and self._calls[index].call.api in _TEXT_APIS
        if self.replacements is None or not made_up:
            return None
        step = self._calls[index].step
        output = self.replacements.outputs.get(self.key_of_step(step))
        if output is not None:
            self.mark_replaced(step)
        return output

    def sample(self, place: CallPlace) -> str:
        """Return the name of the sample of answers that a call is to get; empty for the recorded ones."""
        if self.replacements is None or not self.replacements.resample:
            return self._sample
        with self._lock:
            step = place.step if place.step is not None else self._same_execution(place)
        fresh = self._is_fresh_call(place) if step is None else self._is_fresh(step)
        return f"{self._sample} fresh".strip() if fresh else self._sample

    def sample_in(self, step: int | None) -> str:
        """As `sample`, for what another process does in a step."""
        if self.replacements is None or not self.replacements.resample or not self._is_fresh(step):
            return self._sample
        return f"{self._sample} fresh".strip()

    def _is_fresh(self, step: int | None) -> bool:
        assert self.replacements is not None
        while step is not None:
            if self.key_of_step(step) in self.replacements.resample:
                return True
            step = self._steps[step].parent
        return False

    def _is_fresh_call(self, place: CallPlace) -> bool:
        """True if the call that is about to be made is a step by itself and to be asked again."""
        assert self.replacements is not None
        if place.parent is not None and self._is_fresh(place.parent):
            return True
        name = place.origin.name
        with self._lock:
            before = sum(opened.name == name for opened in self._steps)
        return (name if before == 0 else f"{name}#{before + 1}") in self.replacements.resample

    # --- LLM calls -------------------------------------------------------------------------------------

    def locate_call(self, messages: Sequence[Any]) -> CallPlace:
        """Return the step that a call of the calling code belongs to.

        Args:
            messages: those of the request, its system prompt among them.
        """
        current = CURRENT_STEP.get()
        around = current.step if current is not None and current.recorder is self else None
        is_broad = current is not None and current.is_broad
        stack = call_stack() if around is None or is_broad or WATCHED_FUNCTIONS else []
        if around is not None and not is_broad:
            return CallPlace(around)
        origin = origin_of(stack, messages)
        if around is not None and origin.told_by not in ("framework", "function"):
            return CallPlace(around)
        return CallPlace(None, origin, around, messages)

    def begin_call(self, call: LLMCall, question: str, place: CallPlace) -> int:
        """An LLM request is about to be made; returns the call's index.

        A call that belongs to no traced step makes one up. The further turns of an agent belong to the step
        of its first one, and so does a question that is repeated because it just failed (an SDK's retry).

        Args:
            call: what is known of it so far.
            question: digest of the request, equal for the attempts of one retried request.
            place: the step that it belongs to.
        """
        inputs = self.json(place.origin.arguments)
        now = self._now()
        with self._lock:
            synthetic = place.step is None
            step = place.step if place.step is not None else self._failed_step(question)
            if step is None:
                step = self._same_execution(place)
            if step is None:
                name, key = place.origin.name or call.api, place.origin.key
                self._steps.append(_OpenStep(name, place.parent, inputs, now, key))
                step = len(self._steps) - 1
            if synthetic:
                self._steps[step].conversation = digest_of_turns(place.messages)
            self._calls.append(_OpenCall(call, now, step, synthetic))
            index = len(self._calls) - 1
            self._last_attempt[question] = index
            self._steps[step].calls.append(index)
            return index

    def _same_execution(self, place: CallPlace) -> int | None:
        """Return the made-up step that this call is a further turn of."""
        origin = place.origin
        for index in reversed(range(len(self._steps))):
            step = self._steps[index]
            if step.name != origin.name or step.parent != place.parent or not step.conversation[1]:
                continue
            if origin.key is not None and (step.key is origin.key or step.key == origin.key):
                return index
            if continues(step.conversation, place.messages, by_tools=origin.told_by != "framework"):
                return index
        return None

    def elapsed(self, index: int) -> float:
        """Seconds since the call began."""
        return round(self._now() - self._calls[index].start, 6)

    def end_call(self, index: int, call: LLMCall, *, duration: float | None = None) -> LLMCall:
        """The call is over; returns `call` with its times filled in.

        Args:
            index: of the call.
            call: what is known of it by now.
            duration: what the live call took, where this is its replay; default: the time since it began.
        """
        with self._lock:
            opened = self._calls[index]
            passed = self._now() - opened.start
            opened.duration = passed if duration is None else duration
            times = {
                "start": opened.start,
                "duration": opened.duration,
                "replayed_in": passed if call.cache_hit and duration is not None else None,
            }
            opened.call = call.updated(**times)
            if opened.synthetic:
                self._close_synthetic(self._steps[opened.step], opened.call)
            return opened.call

    def stop(self, reason: CallStopped) -> None:
        """Let no further LLM request of this run through: each raises `reason`. For a run whose time is up
        but whose thread cannot be ended."""
        self.stopped = reason

    def refusal(self) -> BaseException | None:
        """Return the first refusal that was raised inside; None where there was none."""
        self._collect_processes()
        if self.late_violations is not None:
            self.late_violations(self)
        return self.violations[0] if self.violations else None

    def occurrence(self, question: str) -> int:
        """Return the lowest free number of this identical question in the run, 1 for the first."""
        return self.occurrences.take(question)

    def release(self, question: str, number: int) -> None:
        """The question went unanswered: asking it again is no second sample but the same one."""
        self.occurrences.release(question, number)

    @property
    def began(self) -> float:
        """When the run began, as `time.perf_counter` tells it."""
        return self._began

    def opened_step(self, fields: Mapping[str, Any]) -> _OpenStep:
        """Return a step as it is kept here."""
        return _OpenStep(**fields)

    def opened_call(self, fields: Mapping[str, Any]) -> _OpenCall:
        """Return a call as it is kept here."""
        return _OpenCall(**fields)

    # --- the record ------------------------------------------------------------------------------------

    def trace(self, *, inputs: Any = None, output: Any = None, error: BaseException | None = None) -> Trace:
        """Return the record so far, with the run's own inputs, output and error."""
        from pytest_fapo.core.trace import Trace

        self._collect_processes()
        with self._lock:
            steps, calls = self._finished_steps(), self._calls_so_far()
        return Trace.of_valid(
            pipeline=self.pipeline,
            case_id=self.case_id,
            inputs=self.json(inputs),
            output=self.json(output),
            error=None if error is None else self.describe(error),
            duration=self._now(),
            steps=steps,
            llm_calls=calls,
        )

    @property
    def is_empty(self) -> bool:
        """True if neither steps nor calls were recorded, as far as processes have told of theirs."""
        return not self._steps and not self._calls

    def answered_keys(self) -> list[str]:
        """Return the cache keys of the LLM calls so far that were answered well."""
        self._collect_processes()
        with self._lock:
            return [opened.call.key for opened in self._calls if opened.call.answered]

    def json(self, value: Any) -> JsonValue:
        """`value` as it is recorded."""
        return to_json(value, limit=self.limit, redactor=self.redactor)

    def keeps(self, content: bytes) -> bool:
        """True if what this JSON holds is recorded as it is; False where `json` has to look at its parts."""
        return len(content) < self.limit and self.redactor.surely_spares(content.decode("utf-8", "replace"))

    def describe(self, error: BaseException) -> str:
        """Return an exception as it is recorded."""
        try:
            text = str(error)
        except Exception:
            text = ""
        name = type(error).__name__
        return self.redactor(f"{name}: {text}"[: self.limit]) if text else name

    def _collect_processes(self) -> None:
        if self.collect_processes is not None:
            self.collect_processes(self)

    def _calls_so_far(self) -> list[LLMCall]:
        """Return every call; one that is still under way has its times up to now."""
        now = self._now()
        return [
            opened.call
            if opened.duration is not None
            else opened.call.model_copy(update={"start": opened.start, "duration": now - opened.start})
            for opened in self._calls
        ]

    def _finished_steps(self) -> list[Step]:
        from pytest_fapo.core.trace import Step

        seen: dict[str, int] = {}
        steps: list[Step] = []
        places: list[int | None] = []
        """By index of an opened step: where it is in the record, or the step around a dropped one."""
        for opened in self._steps:
            around = places[opened.parent] if opened.parent is not None else None
            places.append(around if opened.dropped else len(steps))
            if opened.dropped:
                continue
            seen[opened.name] = seen.get(opened.name, 0) + 1
            step = Step.of_valid(
                name=opened.name,
                index=len(steps),
                occurrence=seen[opened.name],
                parent=around,
                inputs=opened.inputs,
                output=opened.output,
                output_type=opened.output_type,
                output_cut=opened.output_cut,
                replaced=opened.replaced,
                error=opened.error,
                start=opened.start,
                duration=opened.duration if opened.duration is not None else self._now() - opened.start,
                llm_calls=list(opened.calls),
            )
            steps.append(step)
        return steps

    def _failed_step(self, question: str) -> int | None:
        """Return the synthetic step of the last attempt at `question`, where that attempt has failed."""
        index = self._last_attempt.get(question) if question else None
        if index is None:
            return None
        opened = self._calls[index]
        failed = opened.synthetic and opened.duration is not None and opened.call.error is not None
        return opened.step if failed else None

    @staticmethod
    def _close_synthetic(step: _OpenStep, call: LLMCall) -> None:
        step.duration = call.start + call.duration - step.start
        step.error = call.error
        if call.answer is not None or not call.tool_calls:
            step.output = call.answer
        else:
            step.output = [{"name": tool.name, "arguments": tool.arguments} for tool in call.tool_calls]

    def _now(self) -> float:
        return time.perf_counter() - self._began
