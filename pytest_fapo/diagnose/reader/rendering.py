"""What a reader is shown of failing cases, fenced, so that nothing in it can pass for an instruction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pytest_fapo.diagnose.attribution import Attribution
from pytest_fapo.llm.fencing import fence_for, fenced, line, quoted, value
from pytest_fapo.reading import StepView

_SOURCE_SHARE, _TEST_CHARS = 0.4, 2_000
_MOST_STEPS = 30


def render_sources(texts: Mapping[str, str], limit: int, redact: Callable[[str], str]) -> str:
    """The modules, each between fence lines; together about `_SOURCE_SHARE` of `limit` characters."""
    if not texts:
        return "(not shown)"
    room = int(limit * _SOURCE_SHARE) // len(texts)
    mark = fence_for(list(texts.values()))
    return redact("\n\n".join(fenced(mark, path, _cut(text, room)) for path, text in texts.items()))


def render_tests(tests: Sequence[str], redact: Callable[[str], str]) -> str:
    """The test functions, each once."""
    shown = [text for text in dict.fromkeys(tests) if text]
    if not shown:
        return "(not shown)"
    mark = fence_for(shown)
    return redact("\n\n".join(fenced(mark, "test", _cut(text, _TEST_CHARS)) for text in shown))


def render_cases(cases: Sequence[Attribution], limit: int, redact: Callable[[str], str]) -> str:
    """The cases, numbered from 1: inputs, expectation, explanation, and all steps in their order."""
    room = int(limit * (1 - _SOURCE_SHARE)) // max(1, len(cases))
    return redact("\n\n".join(_case(number, one, room) for number, one in enumerate(cases, start=1)))


def _case(number: int, one: Attribution, room: int) -> str:
    failure = one.failure
    assert failure.view is not None
    steps = failure.view.steps[:_MOST_STEPS]
    each = max(120, room // (2 * len(steps) + 4))
    lines = [
        f"## Case {number}",
        f"inputs: {value(failure.case.inputs, 2 * each)}",
        f"expected: {value(failure.case.expected, each)}",
        "the test says:",
        quoted(failure.item.explanation, 2 * each),
        f"output of the whole: {value(failure.view.trace.output, each)}",
    ]
    if failure.view.trace.error:
        lines.append(f"it ended in: {line(failure.view.trace.error, 300)}")
    for place, step in enumerate(steps, start=1):
        lines += _step(place, step, each)
    return "\n".join(lines)


def _step(place: int, step: StepView, room: int) -> list[str]:
    kind = "asks a model" if step.calls else "code"
    lines = [
        f"step {place}: {line(step.key, 120)} ({kind})",
        f"  given: {value(step.step.inputs, room)}",
        f"  gave: {value(step.output, room)}",
    ]
    if step.answer is not None and step.answer != step.output:
        lines.append(f"  the model said: {value(step.answer, room)}")
    if step.step.error:
        lines.append(f"  raised: {line(step.step.error, 200)}")
    return lines


def _cut(text: str, limit: int) -> str:
    text = text.rstrip()
    return text if len(text) <= limit else f"{text[:limit]}\n… ({len(text) - limit} more characters)"
