"""The prompts of the sample case as a reader sees them, one block for each call of a step."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_fapo.models import Artifact, LLMCall, canonical_json
from pytest_fapo.snapshots.asked import Asked
from pytest_fapo.snapshots.markdown import code, fenced
from pytest_fapo.snapshots.messages import Part
from pytest_fapo.snapshots.steps import StepPath
from pytest_fapo.snapshots.templates import shortened, stands_in

_SHOWN = 4
"""Different calls of one step that are shown; an agent may make hundreds."""


def blocks(calls: Sequence[Asked], prompts: Sequence[Artifact]) -> list[str]:
    """One block of Markdown for each call, step by step; equal calls of a step share one.

    The calls of a step stand in an order that does not depend on which of them was answered first.

    Args:
        calls: in the order in which they were made.
        prompts: the artifacts that are prompts, to say where a text comes from.
    """
    steps: dict[StepPath, list[Asked]] = {}
    for each in calls:
        steps.setdefault(each.path, []).append(each)
    common = _common([path for path in steps if path])
    found: list[str] = []
    for path, mine in steps.items():
        title = f"### {' › '.join(map(code, path[common:]))}" if path else "### Outside of all steps"
        different = sorted({each.question: each for each in mine}.values(), key=_order)
        for number, each in enumerate(different[:_SHOWN]):
            times = sum(other.question == each.question for other in mine)
            head = title if number == 0 else f"{title}, prompt {number + 1}"
            found.append(f"{head}\n\n{_body(each, different[:number], prompts, times)}")
        if len(different) > _SHOWN:
            found.append(f"{title}, further prompts\n\nThe same step asks more, which is not shown.\n")
    return found


def was_sent(prompt: Artifact, texts: Sequence[str]) -> bool:
    """Whether a prompt's text is a part of one of the texts."""
    return any(stands_in(prompt.text, text) for text in texts)


def _common(paths: Sequence[StepPath]) -> int:
    """How many outer steps all paths share, the innermost of each left out."""
    shared = 0
    shortest = min(map(len, paths), default=0)
    while shared < shortest - 1 and len({path[shared] for path in paths}) == 1:
        shared += 1
    return shared


def _order(each: Asked) -> tuple[int, bool, str]:
    text = "\n".join(part.text for part in each.parts)
    return len(each.parts), "⟨" in text, text


def _body(each: Asked, earlier: Sequence[Asked], prompts: Sequence[Artifact], times: int) -> str:
    known = max((_begins_with(each.parts, other.parts) for other in earlier), default=0)
    lines = [_settings(each.call) + (f", {times} times" if times > 1 else "") + ".", ""]
    if known:
        lines += ["Goes on from a prompt above, with:", ""]
    for part in each.parts[known:]:
        shown = shortened(part.text, [artifact.text for artifact in prompts])
        lines += [_label(part, prompts), "", fenced(shown)]
    return "\n".join(lines)


def _begins_with(parts: Sequence[Part], start: Sequence[Part]) -> int:
    """How many messages `parts` has from `start`; 0 where it does not go on from it."""
    return len(start) if len(start) < len(parts) and list(parts[: len(start)]) == list(start) else 0


def _label(part: Part, prompts: Sequence[Artifact]) -> str:
    role = f"**{part.role}**" if re.fullmatch(r"\w+", part.role) else code(part.role)
    sources = [code(artifact.address) for artifact in prompts if was_sent(artifact, [part.text])]
    return role + (f", from {' and '.join(sources)}" if sources else "") + ":"


def _settings(call: LLMCall) -> str:
    words = [code(call.model or call.api)]
    words += [code(f"{name}={canonical_json(value)}") for name, value in sorted(call.parameters.items())]
    if call.offered:
        words.append(f"with the tools {', '.join(map(code, call.offered))}")
    return "Asks " + ", ".join(words)
