"""Tool calls that failed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pytest_fapo.diagnose.failure import Failure, shown
from pytest_fapo.models import Finding
from pytest_fapo.reading import StepView
from pytest_fapo.reading.values import whole_text

_KINDS = (
    (
        "invalid arguments",
        re.compile(
            r"invalid (argument|parameter|input)|missing (required )?(argument|parameter)"
            r"|unexpected keyword|validation error|bad request",
            re.I,
        ),
    ),
    (
        "not found",
        re.compile(
            r"(tool|function)\b.{0,40}(not found|unknown|does not exist)|unknown (tool|function)|\b404\b",
            re.I,
        ),
    ),
    ("permission", re.compile(r"permission|forbidden|unauthori[sz]ed|access denied|\b40[13]\b", re.I)),
    ("timeout", re.compile(r"timed? ?out|deadline exceeded", re.I)),
)
_ERROR = re.compile(
    r"^\W*(error|exception|traceback|failed|failure)\b|\"(error|is_error)\"\s*:\s*(true|\")", re.I
)


def tools(failure: Failure) -> Finding | None:
    """A tool's result that reports an error, as the model was told it."""
    if failure.view is None:
        return None
    for step in failure.view.steps:
        for result in _results(step):
            text = whole_text(result)
            if not _is_error(result, text):
                continue
            kind = next((name for name, pattern in _KINDS if pattern.search(text)), "error")
            return failure.finding(
                "tool",
                step,
                f"a tool call failed ({kind}): {shown(text, 120)}",
                confidence=0.8,
                level="prompt" if kind in ("invalid arguments", "not found") else "structure",
                actual=text[:500],
            )
    return None


def _is_error(result: Any, text: str) -> bool:
    if isinstance(result, dict) and result.get("is_error") is True:
        return True
    return bool(_ERROR.search(text[:300]))


def _results(step: StepView) -> Iterator[Any]:
    """The tool results in the messages of a step: OpenAI's `tool` role, Anthropic's `tool_result` blocks."""
    for call in step.calls:
        for message in call.messages:
            if not isinstance(message, dict):
                continue
            if message.get("role") == "tool":
                yield message.get("content")
            elif message.get("type") == "function_call_output":
                yield message.get("output")
            content = message.get("content")
            if isinstance(content, list):
                for block in content:
                    if isinstance(block, dict) and block.get("type") == "tool_result":
                        yield {"is_error": block.get("is_error", False), "content": block.get("content")}
