"""The LLM calls of the sample case as the snapshot shows and compares them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_fapo.models import Artifact, LLMCall, Trace, canonical_json, text_digest
from pytest_fapo.snapshots.markdown import code, fenced
from pytest_fapo.snapshots.masking import Answer, Mask
from pytest_fapo.snapshots.messages import Part, parts_of, said
from pytest_fapo.snapshots.steps import owners
from pytest_fapo.snapshots.templates import placeholder_values

_SHOWN = 4
"""Calls of one step that are shown; an agent may make hundreds."""


@dataclass(frozen=True)
class Asked:
    """One call of the sample case."""

    step: str
    """Name of the step that made it; empty where none did."""
    call: LLMCall
    parts: Sequence[Part]
    """Its messages, masked."""

    @property
    def question(self) -> str:
        """Digest of what was asked, with the model and the settings."""
        call = self.call
        return _short([self.step, call.api, call.model, call.parameters, call.offered, self.parts])

    @property
    def answer(self) -> str:
        """Digest of what was answered."""
        return _short(said(self.call))

    @property
    def end(self) -> float:
        return self.call.start + self.call.duration


def asked_in(trace: Trace, mask: Mask) -> list[Asked]:
    """The calls of a trace, in the order in which they were made."""
    found: list[Asked] = []
    answers: list[tuple[float, Answer]] = []
    steps = owners(trace)
    for index, call in sorted(enumerate(trace.llm_calls), key=lambda pair: (pair[1].start, pair[0])):
        step = steps[index].name if index in steps else ""
        raw = parts_of(call)
        before = [answer for end, answer in answers if end <= call.start]
        found.append(Asked(step, call, [Part(role, mask(text, before)) for role, text in raw]))
        answers.append((found[-1].end, Answer(step, call, raw)))
    return found


def shown(calls: Sequence[Asked], artifacts: Sequence[Artifact]) -> str:
    """The prompts step by step, with the files that their texts come from."""
    blocks: list[str] = []
    counts: dict[str, int] = {}
    for number, each in enumerate(calls):
        counts[each.step] = counts.get(each.step, 0) + 1
        if counts[each.step] <= _SHOWN:
            blocks.append(_block(each, calls[:number], artifacts, counts[each.step]))
        elif counts[each.step] == _SHOWN + 1:
            blocks.append(f"Further calls of {_name(each.step)} are not shown.\n")
    return "\n".join(blocks)


def used_prompts(calls: Iterable[Asked], artifacts: Sequence[Artifact]) -> set[str]:
    """Addresses of the prompts whose text stands in the calls."""
    texts = [part.text for each in calls for part in each.parts]
    return {
        artifact.address
        for artifact in artifacts
        if artifact.level == "prompt" and any(_stands_in(artifact, text) for text in texts)
    }


def _block(each: Asked, earlier: Sequence[Asked], artifacts: Sequence[Artifact], count: int) -> str:
    title = f"### {_name(each.step)}" + (f", call {count}" if count > 1 else "")
    parts, goes_on = _new_parts(each, earlier)
    lines = [title, "", _settings(each.call), ""]
    if goes_on:
        lines += ["Goes on from the call before, with:", ""]
    for part in parts:
        lines += [_label(part, artifacts), "", fenced(part.text.strip("\n")).rstrip("\n"), ""]
    return "\n".join(lines)


def _name(step: str) -> str:
    return code(step) if step else "Outside of all steps"


def _label(part: Part, artifacts: Sequence[Artifact]) -> str:
    sources = [
        code(artifact.address)
        for artifact in artifacts
        if artifact.level == "prompt" and _stands_in(artifact, part.text)
    ]
    return f"**{part.role}**" + (f", from {' and '.join(sources)}" if sources else "") + ":"


def _new_parts(each: Asked, earlier: Sequence[Asked]) -> tuple[Sequence[Part], bool]:
    """The messages that the step's call before did not have, where this one goes on from it."""
    last = next((other for other in reversed(earlier) if other.step == each.step), None)
    size = len(last.parts) if last is not None else 0
    if last is not None and 0 < size < len(each.parts) and list(each.parts[:size]) == list(last.parts):
        return each.parts[size:], True
    return each.parts, False


def _settings(call: LLMCall) -> str:
    shown: Mapping[str, object] = {name: call.parameters[name] for name in sorted(call.parameters)}
    words = [code(call.model)] if call.model else []
    words += [f"{code(name)} {code(canonical_json(value))}" for name, value in shown.items()]
    if call.offered:
        words.append("tools " + ", ".join(code(name) for name in call.offered))
    return "Asks " + (" · ".join(words) or call.api)


def _stands_in(artifact: Artifact, text: str) -> bool:
    return placeholder_values(artifact.text, text) is not None


def _short(value: object) -> str:
    return text_digest(canonical_json(value))[:8]
