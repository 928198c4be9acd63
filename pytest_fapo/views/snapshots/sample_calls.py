"""The calls of the sample case as a snapshot compares them: without a model's own words and today's date."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pytest_fapo.core.record import canonical_json, text_digest
from pytest_fapo.core.text import parsed_json
from pytest_fapo.core.trace import LLMCall, Step, Trace
from pytest_fapo.views.snapshots.prompt_messages import MessagePart, answer_text, parts_of, placeholder_values
from pytest_fapo.views.snapshots.step_graph import StepPath, step_paths

_LONG = 20
"""Characters; an answer that is shorter is in other places too by chance."""

_VOLATILE = (
    ("id", re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b")),
    (
        "time",
        re.compile(
            r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|\b ?[+-]\d\d:?\d\d|\b)"
            r"|\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b"
        ),
    ),
    (
        "date",
        re.compile(
            r"\b(?:19|20)\d\d-\d\d-\d\d\b|\b\d{1,2}[./]\d{1,2}[./](?:19|20)\d\d\b"
            r"|\b(?:\d{1,2}(?:st|nd|rd|th)? )?(?:January|February|March|April|May|June|July|August|September"
            r"|October|November|December)(?: \d{1,2}(?:st|nd|rd|th)?)?,? (?:19|20)\d\d\b"
        ),
    ),
)


class KnownAnswer:
    """The answer of a step's model, by which later prompts quote it.

    Args:
        step: the step's key; empty for a call outside of all steps.
        call: with its answer.
        question: what was asked: words that are in it are not the model's own.
    """

    def __init__(self, step: str, call: LLMCall, question: Sequence[MessagePart]) -> None:
        self.mark = f"⟨answer of {step}⟩" if step else "⟨an earlier answer⟩"
        text = (call.answer or "").strip()
        asked = "\n".join(part.text for part in question)
        self.whole = text
        self.own = [piece for piece in (text, *_texts(text)) if len(piece) >= _LONG and piece not in asked]


class PromptMask:
    """Replaces what differs from run to run, the same way in every run.

    Args:
        known: texts that are the project's own (the case's inputs, the prompts); dates and ids in them stay.
        templates: prompts of the project; the values of their placeholders are told apart.
        root: folder of the project.
    """

    def __init__(self, known: Iterable[str], templates: Sequence[str], root: Path | None = None) -> None:
        self._known = "\n".join(known)
        self._templates = templates
        self._folders = [
            (name, re.compile(rf"(?<![\w./-]){re.escape(str(folder))}(?![\w.-]){rest}"))
            for name, folder, rest in (
                ("project", root, ""),
                ("temporary file", Path(tempfile.gettempdir()), r"(?:[\w./-]*[\w/-])?"),
                ("home", Path("~").expanduser() if "HOME" in os.environ else None, ""),
            )
            if folder is not None and len(folder.parts) > 1
        ]

    def __call__(self, text: str, answers: Sequence[KnownAnswer] = ()) -> str:
        """`text` with marks in place of what an earlier answer or the moment of the run put there.

        Args:
            answers: of the calls before this one, in order.
        """
        text = self._quoted_answers(text, answers)
        for name, pattern in (*self._folders, *_VOLATILE):
            text = pattern.sub(lambda found, name=name: self._unless_known(found[0], name), text)  # type: ignore[misc]
        return text

    def _quoted_answers(self, text: str, answers: Sequence[KnownAnswer]) -> str:
        for template in self._templates:
            values = placeholder_values(template, text) or ()
            for span in sorted(values, reverse=True):
                value = text[span.start : span.end].strip()
                mark = next(
                    (answer.mark for answer in reversed(answers) if answer.whole == value != ""), None
                )
                if mark is not None:
                    text = (
                        text[: span.start]
                        + text[span.start : span.end].replace(value, mark)
                        + text[span.end :]
                    )
        pieces = [(piece, answer.mark) for answer in answers for piece in answer.own]
        for piece, mark in sorted(pieces, key=lambda pair: -len(pair[0])):
            text = text.replace(piece, mark)
        return text

    def _unless_known(self, value: str, name: str) -> str:
        return value if value in self._known else f"⟨{name}⟩"


def _texts(answer: str) -> list[str]:
    """Return the texts in an answer that is JSON."""
    if not answer.startswith(("{", "[")):
        return []
    try:
        return list(_leaves(parsed_json(answer)))
    except ValueError:
        return []


def _leaves(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value.strip()
    elif isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)


@dataclass(frozen=True)
class SampleCall:
    """One call of the sample case."""

    path: StepPath
    """Names of the steps in which it was made, the outermost first; empty outside of all steps. Of a test's
    own call the test."""
    call: LLMCall
    parts: Sequence[MessagePart]
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
        return _short(answer_text(self.call))

    @property
    def answer_is_known(self) -> bool:
        """True if equal digests mean equal answers: of vectors, pictures and sounds no text is recorded."""
        return self.call.answer is not None or bool(answer_text(self.call)) or self.call.cache_hit


def may_know(call: LLMCall, other: LLMCall) -> bool:
    """True if what `call` asks may depend on what `other` was answered; a stream is read while it lasts."""
    if other.streamed and other.start < call.start:
        return True
    return other is not call and other.end <= call.start


def sample_calls(trace: Trace, mask: PromptMask) -> list[SampleCall]:
    """Return the calls of a trace in the order in which they were made; without those that failed and were
    made again.
    """
    made: list[SampleCall] = []
    answers: list[tuple[LLMCall, KnownAnswer]] = []
    paths = step_paths(trace)
    owners = {index: step for step in trace.steps for index in step.llm_calls}
    for index, call in sorted(enumerate(trace.llm_calls), key=lambda pair: (pair[1].start, pair[0])):
        owner = owners.get(index)
        path = paths[owner.index] if owner is not None else ()
        raw = parts_of(call)
        before = [answer for other, answer in answers if may_know(call, other)]
        made.append(SampleCall(path, call, [MessagePart(role, mask(text, before)) for role, text in raw]))
        answers.append((call, KnownAnswer(_answering_step(trace, owner, call), call, raw)))
    return [each for number, each in enumerate(made) if not _was_repeated(each, made[number + 1 :])]


def judged_in(trace: Trace, tests: Mapping[str, Sequence[LLMCall]], mask: PromptMask) -> list[SampleCall]:
    """Return the calls that tests made themselves about a run, test by test; each knows all answers of the
    run.

    Args:
        trace: of the run.
        tests: by name of the test, its calls in the order in which they were made.
        mask: as in `asked_in`.
    """
    owners = {index: step for step in trace.steps for index in step.llm_calls}
    given = [
        KnownAnswer(_answering_step(trace, owners.get(index), call), call, parts_of(call))
        for index, call in enumerate(trace.llm_calls)
    ]
    made: list[SampleCall] = []
    for test, calls in tests.items():
        mine: list[SampleCall] = []
        answers = list(given)
        for call in calls:
            raw = parts_of(call)
            mine.append(
                SampleCall((test,), call, [MessagePart(role, mask(text, answers)) for role, text in raw])
            )
            answers.append(KnownAnswer("", call, raw))
        made += [each for number, each in enumerate(mine) if not _was_repeated(each, mine[number + 1 :])]
    return made


def _answering_step(trace: Trace, owner: Step | None, call: LLMCall) -> str:
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


def _was_repeated(each: SampleCall, later: Sequence[SampleCall]) -> bool:
    return each.call.error is not None and any(other.question == each.question for other in later)


def _short(value: object) -> str:
    return text_digest(canonical_json(value))[:8]
