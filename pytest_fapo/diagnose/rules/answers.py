"""What the model's answer says about itself: refused, or cut off."""

from __future__ import annotations

import re

from pytest_fapo.diagnose.blame import blame_fields
from pytest_fapo.diagnose.failure import Failure, shown
from pytest_fapo.models import Finding, Level, LLMCall
from pytest_fapo.reading import StepView

_CUT = {"length", "max_tokens", "max_output_tokens", "incomplete", "MAX_TOKENS"}
_REFUSED = re.compile(
    r"^\W*(i'?m (very |really )?sorry,? (but )?i (can'?t|cannot|am unable|am not able|won'?t)"
    r"|(sorry,? )?(but )?i (can'?t|cannot|am unable to|'m unable to|am not able to|won'?t be able to) "
    r"(help|assist|comply|provide|do that|answer|fulfil|continue|classify|process)"
    r"|as an ai( language)? model|i must decline)",
    re.I,
)
SHORT = 30
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
            by_param = 0 < call.usage.output_tokens < SHORT
            level: Level = "param" if by_param else "prompt"
            return failure.finding("truncated", step, _cut_words(call), confidence=0.9, level=level)
    return None


def _cut_words(call: LLMCall) -> str:
    tokens = f" after {call.usage.output_tokens} tokens" if call.usage.output_tokens else ""
    ending = f"; it ends in {shown((call.answer or '')[-40:])}" if call.answer else ""
    return f"the answer was cut off{tokens} (finish reason {call.finish_reason!r}){ending}"


def _suspects(failure: Failure) -> list[StepView]:
    """The asking steps, without those after a step that is known to be wrong already."""
    if failure.view is None:
        return []
    blame = blame_fields(failure)
    limit = blame.step.order if blame is not None else None
    return [step for step in failure.view.asking if limit is None or step.order <= limit]
