"""What is kept of a case's run, so that a later one can be compared with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_fapo.models import Step, Trace, canonical_json, text_digest

OUTPUT_CHARS = 240
"""Of the JSON of an output; the rest is cut off."""
_CUTS = (160, 80, 40, 20)
"""Characters that the texts in an output may keep, tried in this order."""


def shown(value: object) -> str:
    """A value as JSON on one line of at most `OUTPUT_CHARS`: long texts in it are cut, so that as much as
    possible stays readable as JSON; where that is not enough, the line is."""
    text = canonical_json(value)
    for most in _CUTS:
        if len(text) <= OUTPUT_CHARS:
            return text
        text = canonical_json(_with_short_texts(value, most))
    return text if len(text) <= OUTPUT_CHARS else text[: OUTPUT_CHARS - 1] + "…"


def _with_short_texts(value: object, most: int) -> object:
    if isinstance(value, str):
        return value if len(value) <= most else value[: most - 1] + "…"
    if isinstance(value, dict):
        return {key: _with_short_texts(each, most) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_short_texts(each, most) for each in value]
    return value


def output_of(trace: Trace) -> str:
    """The pipeline's output, or what left it instead, for messages."""
    return shown(trace.output) if trace.error is None else shown({"error": trace.error})


def output_digest(trace: Trace) -> str:
    """Digest of an output that `output_of` does not give whole; empty for one that it does."""
    whole = canonical_json(trace.output if trace.error is None else {"error": trace.error})
    return digest_of(whole) if len(whole) > OUTPUT_CHARS else ""


def step_digests(trace: Trace) -> list[list[str]]:
    """Key and digest of the output of each step, a step after those inside it: the first that differs is
    then the innermost."""
    return [[step.key, _digest(step)] for step in inner_first(trace.steps)]


def first_difference(before: Sequence[Sequence[str]], trace: Trace) -> str:
    """Key of the first step whose output is not the recorded one, that is new, or that is gone; empty where
    there is none.

    Steps are found by their keys: those that run side by side may begin in any order.

    Args:
        before: what `step_digests` gave.
        trace: of a later run of the case.
    """
    recorded = {step[0]: step[1] for step in before}
    after = step_digests(trace)
    changed = next((key for key, digest in after if recorded.get(key) != digest), "")
    if changed:
        return changed
    left = {key for key, _ in after}
    return next((key for key in recorded if key not in left), "")


def calls_digest(traces: Iterable[Trace]) -> str:
    """Digest over the questions that some runs asked; empty where they asked none."""
    keys = sorted(call.key for trace in traces for call in trace.llm_calls)
    return digest_of("\n".join(keys)) if keys else ""


def inner_first(steps: Sequence[Step]) -> list[Step]:
    """The steps, each after those inside it; those side by side in the order in which they began."""
    inside: dict[int | None, list[Step]] = {}
    known = {step.index for step in steps}
    for step in steps:
        inside.setdefault(step.parent if step.parent in known else None, []).append(step)
    ordered: list[Step] = []
    waiting = [(step, False) for step in reversed(inside.get(None, []))]
    while waiting:
        step, entered = waiting.pop()
        if entered:
            ordered.append(step)
            continue
        waiting.append((step, True))
        waiting += [(each, False) for each in reversed(inside.get(step.index, []))]
    return ordered


def _digest(step: Step) -> str:
    value = step.output if step.error is None else {"error": step.error}
    return digest_of(canonical_json(value))[:12]


def digest_of(text: str) -> str:
    """As `text_digest`, also of a text with half a surrogate pair, which models do answer with."""
    return text_digest(text.encode("utf-8", "surrogatepass"))
