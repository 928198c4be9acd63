"""The LLM calls of the sample case as the snapshot compares them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pytest_fapo.models import LLMCall, Step, Trace, canonical_json, text_digest
from pytest_fapo.snapshots.masking import Answer, Mask
from pytest_fapo.snapshots.messages import Part, parts_of, said
from pytest_fapo.snapshots.steps import StepPath, step_paths


@dataclass(frozen=True)
class Asked:
    """One call of the sample case."""

    path: StepPath
    """Names of the steps in which it was made, the outermost first; empty outside of all steps. Of a test's
    own call the test."""
    call: LLMCall
    parts: Sequence[Part]
    """Its messages, masked."""

    @property
    def step(self) -> str:
        """The path in words."""
        return " > ".join(self.path)

    @cached_property
    def question(self) -> str:
        """Digest of what was asked, with the model and the settings."""
        call = self.call
        return _short([self.path, call.api, call.model, call.parameters, call.offered, self.parts])

    @cached_property
    def answer(self) -> str:
        """Digest of what was answered."""
        return _short(said(self.call))

    @property
    def answer_is_known(self) -> bool:
        """Whether equal digests mean equal answers: of vectors, pictures and sounds no text is recorded."""
        return self.call.answer is not None or bool(said(self.call)) or self.call.cache_hit


def may_know(call: LLMCall, other: LLMCall) -> bool:
    """Whether what `call` asks may depend on what `other` was answered; a stream is read while it lasts."""
    if other.streamed and other.start < call.start:
        return True
    return other is not call and other.end <= call.start


def asked_in(trace: Trace, mask: Mask) -> list[Asked]:
    """The calls of a trace in the order in which they were made; without those that failed and were made
    again."""
    made: list[Asked] = []
    answers: list[tuple[LLMCall, Answer]] = []
    paths = step_paths(trace)
    owners = {index: step for step in trace.steps for index in step.llm_calls}
    for index, call in sorted(enumerate(trace.llm_calls), key=lambda pair: (pair[1].start, pair[0])):
        owner = owners.get(index)
        path = paths[owner.index] if owner is not None else ()
        raw = parts_of(call)
        before = [answer for other, answer in answers if may_know(call, other)]
        made.append(Asked(path, call, [Part(role, mask(text, before)) for role, text in raw]))
        answers.append((call, Answer(_giver(trace, owner, call), call, raw)))
    return [each for number, each in enumerate(made) if not _was_repeated(each, made[number + 1 :])]


def judged_in(trace: Trace, tests: Mapping[str, Sequence[LLMCall]], mask: Mask) -> list[Asked]:
    """The calls that tests made themselves about a run, test by test; each knows all answers of the run.

    Args:
        trace: of the run.
        tests: by name of the test, its calls in the order in which they were made.
        mask: as in `asked_in`.
    """
    owners = {index: step for step in trace.steps for index in step.llm_calls}
    given = [
        Answer(_giver(trace, owners.get(index), call), call, parts_of(call))
        for index, call in enumerate(trace.llm_calls)
    ]
    made: list[Asked] = []
    for test, calls in tests.items():
        mine: list[Asked] = []
        answers = list(given)
        for call in calls:
            raw = parts_of(call)
            mine.append(Asked((test,), call, [Part(role, mask(text, answers)) for role, text in raw]))
            answers.append(Answer("", call, raw))
        made += [each for number, each in enumerate(mine) if not _was_repeated(each, mine[number + 1 :])]
    return made


def _giver(trace: Trace, owner: Step | None, call: LLMCall) -> str:
    """Name of the step that gives a call's answer: the outermost that passes it on as it is."""
    by_index = {step.index: step for step in trace.steps}
    answer = (call.answer or "").strip()
    step = owner
    while step is not None and step.parent in by_index:
        outer = by_index[step.parent]
        if not isinstance(outer.output, str) or outer.output.strip() != answer:
            break
        step = outer
    return step.name if step is not None else ""


def _was_repeated(each: Asked, later: Sequence[Asked]) -> bool:
    return each.call.error is not None and any(other.question == each.question for other in later)


def _short(value: object) -> str:
    return text_digest(canonical_json(value))[:8]
