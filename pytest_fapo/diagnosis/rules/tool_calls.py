"""Tool calls that failed, as reported to models, and agents that ended before they answered."""

from __future__ import annotations

from pytest_fapo.core.diagnosis import Finding
from pytest_fapo.core.record import Level
from pytest_fapo.core.trace import ToolError, ToolUse, tool_error_of, tool_error_of_exception, tool_uses
from pytest_fapo.diagnosis.failure import Failure, shown
from pytest_fapo.diagnosis.loose_values import plain, whole_text
from pytest_fapo.diagnosis.trace_view import StepView

_LEVELS: dict[ToolError, Level] = {
    "invalid arguments": "prompt",
    "unknown tool": "prompt",
    "permission": "structure",
    "timeout": "structure",
    "error": "structure",
}

_OWN_DOING = ("timeout", "error")
"""Failures that are the tool's own: fixed in its function, where that is a step."""


def failed_tools(failure: Failure) -> Finding | None:
    """A tool's result that reports a failure, and no later call of the tool that succeeds."""
    if failure.view is None:
        return None
    for step in failure.view.steps:
        for use in not_retried(tool_uses(step.calls)):
            assert use.error is not None
            return _tool_finding(failure, step, use, use.error)
    return _raised(failure)


def unfinished(failure: Failure) -> Finding | None:
    """An agent that was still asking for tools when its loop ended."""
    if failure.view is None:
        return None
    for step in failure.view.model_steps:
        last = step.calls[-1]
        if not last.tool_calls or (last.answer or "").strip() or (step.output and not _calls_only(step)):
            continue
        turns = len(step.calls)
        return failure.finding(
            "empty",
            step,
            f"{step.key} ended after {turns} {'turns' if turns > 1 else 'turn'} while its model still asked "
            f"for the tool {last.tool_calls[0].name}",
            confidence=0.8,
            level="structure",
        )
    return None


def not_retried(uses: list[ToolUse]) -> list[ToolUse]:
    """The failed uses after which no use of the same tool succeeded."""
    return [
        use
        for number, use in enumerate(uses)
        if use.error is not None
        and not any(later.answered and later.error is None for later in _same_tool(uses[number:], use))
    ]


def _same_tool(uses: list[ToolUse], failed: ToolUse) -> list[ToolUse]:
    """Later uses of the tool; after an unknown one, of any."""
    return [use for use in uses if use.name == failed.name or failed.error == "unknown tool"]


def _tool_finding(failure: Failure, asked: StepView, use: ToolUse, kind: ToolError) -> Finding:
    step = asked
    if kind in _OWN_DOING:
        step = _function_of(failure, use) or asked
    text = use.result if isinstance(use.result, str) else plain(use.result)
    return failure.finding(
        "tool",
        step,
        f"a tool call failed ({kind}): {use.name or 'a tool'} told {asked.key}: {shown(text, 120)}",
        confidence=0.8,
        level=_LEVELS[kind],
        actual=text[:500],
    )


def _function_of(failure: Failure, use: ToolUse) -> StepView | None:
    """The step that is the tool's own function: of its name, or the innermost that gave this result."""
    assert failure.view is not None
    by_name = [step for step in failure.view.steps if step.name.rpartition(".")[2] == use.name]
    message = [step for step in failure.view.steps if not step.calls and step.output == use.result]
    return next((step for step in (*by_name, *message) if not step.calls), None)


def _raised(failure: Failure) -> Finding | None:
    """A plain function that a model asked for by its name, and that raised or reported a failure."""
    assert failure.view is not None
    asked_for = {use.name for step in failure.view.model_steps for use in tool_uses(step.calls)}
    for step in failure.view.steps:
        if step.calls or step.name.rpartition(".")[2] not in asked_for:
            continue
        if step.step.error:
            kind, message = tool_error_of_exception(step.step.error), step.step.error
        else:
            reported = tool_error_of(step.output)
            if reported is None:
                continue
            kind, message = reported, whole_text(step.output)
        if _succeeded_later(failure, step):
            continue
        return failure.finding(
            "tool",
            step if kind in _OWN_DOING else failure.view.last_model_step() or step,
            f"the tool {step.key} failed ({kind}): {shown(message, 120)}",
            confidence=0.75,
            level=_LEVELS[kind],
            actual=message[:500],
        )
    return None


def _succeeded_later(failure: Failure, failed: StepView) -> bool:
    assert failure.view is not None
    return any(
        step.name == failed.name and step.order > failed.order and not step.step.error
        and tool_error_of(step.output) is None
        for step in failure.view.steps
    )  # fmt: skip


def _calls_only(step: StepView) -> bool:
    """True if a step's output is nothing but the tool calls that its model asked for."""
    names = [call.name for call in step.calls[-1].tool_calls]
    output = step.output
    return (
        isinstance(output, list)
        and [entry.get("name") for entry in output if isinstance(entry, dict)] == names
    )
