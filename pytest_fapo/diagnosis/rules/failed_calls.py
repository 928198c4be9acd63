"""Calls that failed: no answer from the model, an exception, a refusal, a cut answer, an error of a tool."""

from __future__ import annotations

import re
from collections import defaultdict

from pytest_fapo.capture.endpoints import STOP_PARAMETERS
from pytest_fapo.core.diagnosis import Finding
from pytest_fapo.core.record import Level
from pytest_fapo.core.text import one_line
from pytest_fapo.core.trace import (
    LLMCall,
    ToolError,
    ToolUse,
    tool_error_of,
    tool_error_of_exception,
    tool_uses,
)
from pytest_fapo.diagnosis.asserted_step import answering_step
from pytest_fapo.diagnosis.blame import blame_fields
from pytest_fapo.diagnosis.failure import Failure, shown
from pytest_fapo.diagnosis.loose_values import mentions, normal, plain, same, shape_of, texts_in, whole_text
from pytest_fapo.diagnosis.rules.malformed_output import PARSE_ERRORS
from pytest_fapo.diagnosis.trace_view import StepView

_ERRORS = re.compile(
    r"CacheMiss|NetworkRefused|BudgetExceeded|RateLimit|OverloadedError|APIConnection|APITimeout|InternalServerError"
    r"|ServiceUnavailable|AuthenticationError|PermissionDeniedError|ConnectError|ConnectTimeout|ReadTimeout"
    r"|WriteTimeout|PoolTimeout|ReadError|RemoteProtocolError|ConnectionError|ConnectionReset"
    r"|ConnectionRefused|TimeoutError|CaseTimeout|gaierror|SSLError|APIStatusError"
)


def no_answer(failure: Failure) -> Finding | None:
    """The finding of an item of which a call got no answer, or that ended in an error that only the way to a
    provider raises. Such an item says nothing of a step, so that it comes before all rules.
    """
    kind = failure.assertion.error or failure.item.error_type.rpartition(".")[2]
    call = _failed_call(failure)
    lacking = next(iter(failure.item.unanswered), None)
    if lacking is not None:
        about = f": {lacking.message}" if lacking.message else ""
        what, step = f"no answer from the model ({lacking.reason}){about}", _step_of(failure, call)
    elif call is not None and not _rejected_by_code(call, kind):
        what = f"answered {call.status}" if call.status else f"gave no answer ({call.error or 'no response'})"
        what, step = f"the LLM endpoint {what}", _step_of(failure, call)
    elif kind and _ERRORS.search(kind):
        message = failure.assertion.message.splitlines()
        about = f": {message[0][:160]}" if message and message[0] else ""
        steps = failure.view.steps if failure.view is not None else []
        what, step = f"{kind}{about}", next((view for view in steps if view.step.error), None)
    else:
        return None
    return failure.finding("infrastructure", step, what, confidence=0.95, level="structure")


def _step_of(failure: Failure, call: LLMCall | None) -> StepView | None:
    """The step that made the call; None where the test itself had asked."""
    steps = failure.view.steps if failure.view is not None else []
    return next((view for view in steps if call in view.calls), None)


def _failed_call(failure: Failure) -> LLMCall | None:
    """The first call that failed and was not repeated with success."""
    if failure.view is None:
        return None
    calls = failure.view.trace.llm_calls
    answered = {call.key for call in calls if not _has_failed(call)}
    return next((call for call in calls if _has_failed(call) and call.key not in answered), None)


def _has_failed(call: LLMCall) -> bool:
    return (call.status is not None and call.status >= 400) or (
        call.error is not None and call.answer is None and not call.tool_calls
    )


def _rejected_by_code(call: LLMCall, kind: str) -> bool:
    """A request that the provider refused as malformed: the user's code made it so."""
    return call.status in (400, 413, 422) and kind not in ("", "AssertionError")


_CUT = {"length", "max_tokens", "max_output_tokens", "incomplete", "MAX_TOKENS"}

_REFUSED = re.compile(
    r"^\W*(i'?m (very |really )?sorry,? (but )?i (can'?t|cannot|am unable|am not able|won'?t)"
    r"|(sorry,? )?(but )?i (can'?t|cannot|am unable to|'m unable to|am not able to|won'?t be able to) "
    r"(help|assist|comply|provide|do that|answer|fulfil|continue|classify|process)"
    r"|as an ai( language)? model|i must decline)",
    re.I,
)

SHORT_ANSWER = 30
"""Tokens; an answer cut off before this many had no room, and no wording of the prompt gives it any."""

_DECLINED = {"refusal", "content_filter", "safety"}


def refusal(failure: Failure) -> Finding | None:
    """A step whose model declined."""
    for step in _suspects(failure):
        call = step.calls[-1]
        text = (call.answer or "").replace("’", "'")
        if call.refusal or (call.finish_reason or "") in _DECLINED or _REFUSED.search(text[:200]):
            said = call.refusal or call.answer or call.finish_reason or ""
            return failure.finding(
                "refusal", step, f"the model declined: {shown(said)}", confidence=0.9, actual=said
            )
    return None


def truncated(failure: Failure) -> Finding | None:
    """A step whose answer ran into its token limit."""
    for step in _suspects(failure):
        call = next((call for call in step.calls if (call.finish_reason or "") in _CUT), None)
        if call is not None:
            by_param = 0 < call.usage.output_tokens < SHORT_ANSWER
            level: Level = "param" if by_param else "prompt"
            return failure.finding("truncated", step, _cut_text(call), confidence=0.9, level=level)
    return _stopped(failure)


def _stopped(failure: Failure) -> Finding | None:
    """A step whose answer is the beginning of the right one, and was to end at a text of the request."""
    blame = blame_fields(failure)
    if blame is None or not blame.step.calls or not _is_beginning(blame.actual, blame.expected):
        return None
    for call in blame.step.calls:
        for name in STOP_PARAMETERS:
            stops = call.parameters.get(name)
            texts = stops if isinstance(stops, list) else [stops]
            if stops and not any(isinstance(text, str) and text in (call.answer or "") for text in texts):
                return failure.finding(
                    "truncated",
                    blame.step,
                    f"the answer {shown(call.answer, 60)} is the beginning of the right one, and the request "
                    f"has answers end at {shown(stops)} ({name})",
                    confidence=0.7,
                    level="param",
                    field=blame.field,
                    expected=blame.expected,
                    actual=blame.actual,
                )
    return None


def _is_beginning(actual: object, expected: object) -> bool:
    if isinstance(actual, list) and isinstance(expected, list):
        return 0 < len(actual) < len(expected) and same(expected[: len(actual)], actual)
    if isinstance(actual, str) and isinstance(expected, str):
        return 0 < len(actual.strip()) < len(expected) and expected.startswith(actual.strip())
    return False


def _cut_text(call: LLMCall) -> str:
    tokens = f" after {call.usage.output_tokens} tokens" if call.usage.output_tokens else ""
    ending = f"; it ends in {shown((call.answer or '')[-40:])}" if call.answer else ""
    return f"the answer was cut off{tokens} (finish reason {call.finish_reason!r}){ending}"


def _suspects(failure: Failure) -> list[StepView]:
    """The asking steps, without those after a step that is known to be wrong already."""
    if failure.view is None:
        return []
    blame = blame_fields(failure)
    limit = blame.step.order if blame is not None else None
    return [step for step in failure.view.model_steps if limit is None or step.order <= limit]


_OF_FORM = {"SyntaxError", "ValueError", "JSONDecodeError", "ParseError", "IndexError", "AttributeError"}


def exception(failure: Failure) -> Finding | None:
    """An exception that left a step; the answer is to blame where the message quotes it, or where the same
    code takes what the model says in passing cases."""
    if failure.view is None:
        return None
    if failure.view.trace.error is None:
        return _unread_by_test(failure)
    erring = next((step for step in failure.view.steps if step.step.error), None)
    error = (erring.step.error if erring is not None else None) or failure.view.trace.error
    asked = failure.view.last_model_step(erring)
    if asked is None or not asked.answer or _is_right_answer(failure, asked):
        return _exception_finding(failure)
    shows_answer = _quotes(error, asked.answer)
    if not shows_answer and (erring is None or not _choked(failure, erring, asked)):
        return _exception_finding(failure)
    by_form = shows_answer or error.partition(":")[0].rpartition(".")[2] in _OF_FORM
    return failure.finding(
        "format" if by_form else "content",
        asked,
        f"the code could not use the answer {shown(asked.answer, 90)} of {asked.key}: {error[:120]}",
        confidence=0.75 if shows_answer else 0.7,
        actual=asked.answer,
    )


def _unread_by_test(failure: Failure) -> Finding | None:
    """A text of the output that the test itself could not convert: `float('about 3')`."""
    error = f"{failure.assertion.error}: {failure.assertion.message}"
    step = answering_step(failure)
    if failure.view is None or failure.assertion.error not in _OF_FORM or step is None:
        return None
    text = next((text for text in texts_in(failure.view.trace.output) if repr(text)[:60] in error), "")
    if not text:
        return None
    labels = list(failure.fields.forms.fields(failure.case).values())
    return failure.finding(
        "format",
        step,
        f"the test could not read what {step.key} answered: {one_line(error, most=160)}",
        confidence=0.85,
        expected=labels[0] if len(labels) == 1 else None,
        actual=text,
    )


def _choked(failure: Failure, erring: StepView, asked: StepView) -> bool:
    """True if code without a model was handed the answer, raised, and takes other answers elsewhere."""
    answer = (asked.answer or "").strip()
    if erring.calls or not any(answer in text for text in texts_in(erring.step.inputs)):
        return False
    return any(
        other is not None and other.step.error is None
        for reading in failure.fields.readings
        if reading.passed
        for other in [reading.view.by_key(erring.key)]
    )


def _is_right_answer(failure: Failure, asked: StepView) -> bool:
    """True if the answer is one that the case's expected values mention, or one of the words that the prompt
    offers: then the code has to take it."""
    answer = asked.answer or ""
    if not normal(answer) or len(answer.split()) > 4:
        return False
    if mentions(whole_text(failure.case.expected), answer):
        return True
    known = whole_text(failure.case.inputs)
    return answer.strip() in asked.messages_text and not mentions(known, answer)


def _exception_finding(failure: Failure) -> Finding:
    assert failure.view is not None
    erring = next((step for step in failure.view.steps if step.step.error), None)
    step = erring or failure.last_step
    error = (erring.step.error if erring is not None else None) or failure.view.trace.error or ""
    where = f"in {step.key}" if step is not None else "in the pipeline"
    return failure.finding(
        "exception", step, f"{error[:160]} was raised {where}", confidence=0.85, level="structure"
    )


def _quotes(error: str, answer: str) -> bool:
    """True if an exception's message shows the model's answer, or a good part of it."""
    kind, _, message = error.partition(":")
    if kind.rpartition(".")[2] in PARSE_ERRORS:
        return True
    text = answer.strip()
    return 0 < len(text) <= 400 and (text[:60] in message or (len(text) <= 60 and mentions(message, text)))


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
            misused = use.error == "error" and (_names_argument(use) or _asked_otherwise(failure, use))
            kind = "invalid arguments" if misused else use.error
            return _tool_finding(failure, step, use, kind)
    return _raised(failure)


def _names_argument(use: ToolUse) -> bool:
    """True if what the tool reported names what it was asked with: it could not use that."""
    said = whole_text(use.result)
    return any(len(text) >= 2 and mentions(said, text) for text in texts_in(use.arguments))


def _asked_otherwise(failure: Failure, use: ToolUse) -> bool:
    """True if a number or date is written otherwise than in all calls that passing cases make: the form that
    a tool can use is for its description to tell."""
    asked = use.arguments if isinstance(use.arguments, dict) else {}
    made: dict[str, list[str]] = defaultdict(list)
    for reading in failure.fields.readings if asked else ():
        for step in reading.view.model_steps if reading.passed else ():
            for other in tool_uses(step.calls):
                if other.name == use.name and other.error is None and isinstance(other.arguments, dict):
                    for name, value in other.arguments.items():
                        made[name].append(shape_of(plain(value)))
    forms = {name: set(shapes) for name, shapes in made.items() if len(shapes) >= _USUAL}
    return any(
        len(forms.get(name, ())) == 1 and {shape_of(plain(value))} != forms[name] and "9" in max(forms[name])
        for name, value in asked.items()
    )


_USUAL = 4
"""Calls in passing cases that tell how an argument is written."""


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
