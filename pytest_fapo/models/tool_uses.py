"""Tool calls and their results, read from the messages in which models ask for them and are told them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import JsonValue

from pytest_fapo.models.base import Record, canonical_json, json_or_text

if TYPE_CHECKING:
    from pytest_fapo.models.traces import LLMCall

ToolError = Literal["invalid arguments", "unknown tool", "permission", "timeout", "error"]

_KINDS: tuple[tuple[ToolError, re.Pattern[str]], ...] = (
    (
        "invalid arguments",
        re.compile(
            r"invalid (argument|parameter|input|value|date|format)|missing \d* ?(required )?"
            r"(positional |keyword-only )?(argument|parameter|field)|unexpected keyword|field required"
            r"|validation ?error|bad request|must be an? |is not a valid",
            re.I,
        ),
    ),
    (
        "unknown tool",
        re.compile(
            r"(tool|function)\b.{0,40}(not found|unknown|does not exist|not available|not defined)"
            r"|(unknown|no such|invalid) (tool|function)|\b404\b",
            re.I,
        ),
    ),
    ("permission", re.compile(r"permission|forbidden|unauthori[sz]ed|access denied|\b40[13]\b", re.I)),
    ("timeout", re.compile(r"time(d|s)?[ -]?out|deadline exceeded", re.I)),
)
_ERROR = re.compile(
    r"^[\s*_#>(\[]*(error|exception|traceback|failed|failure|\w*(Error|Exception|Timeout)\b)"
    r"|[\"'](error|is_error)[\"']\s*:\s*(true|[\"'])",
    re.I,
)
_TOLD = re.compile(
    r"^\W*(the )?(permission denied|access denied|forbidden|unauthori[sz]ed"
    r"|(request |call )?timed? ?out|timeout"
    r"|unknown (tool|function)|no such (tool|function)|(tool|function)\b.{0,40}(not found|does not exist)"
    r"|invalid (argument|parameter)|missing (required )?(argument|parameter))",
    re.I,
)


class ToolUse(Record):
    """One call of a tool that a model asked for."""

    name: str
    arguments: JsonValue = None
    result: JsonValue = None
    """What the model was told; None where it was told nothing."""
    answered: bool = False
    """Whether the model was told a result."""
    error: ToolError | None = None
    """What kind of failure the result reports, if it does."""
    call: int = -1
    """Index in the calls that were read of the one whose answer asked for it; -1 where only messages do."""


def error_of(result: Any) -> ToolError | None:
    """The kind of failure that a tool's result reports; None for a result that reports none."""
    flagged = isinstance(result, Mapping) and result.get("is_error") is True
    text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False, default=str)
    if not (flagged or _ERROR.search(text[:300]) or _TOLD.search(text[:300])):
        return None
    return next((kind for kind, pattern in _KINDS if pattern.search(text[:2_000])), "error")


def kind_of_exception(description: str) -> ToolError:
    """The kind of failure of a tool that raised, from `TypeName: message`."""
    return next((kind for kind, pattern in _KINDS if pattern.search(description[:2_000])), "error")


@dataclass
class _Seen:
    """A request or a result in a message."""

    id: str
    name: str = ""
    arguments: Any = None
    result: Any = None
    is_result: bool = False


def tool_uses(calls: Sequence[LLMCall]) -> list[ToolUse]:
    """The tools that the models of a trace asked for, in order; each once, however often later messages
    repeat it."""
    found: dict[tuple[str, ...], ToolUse] = {}
    open_by_id: dict[str, ToolUse] = {}
    for index, call in enumerate(calls):
        conversation = _conversation(call)
        counts: dict[str, int] = {}
        pending: dict[str, ToolUse] = {}
        for seen in _in_messages(call.messages):
            if seen.is_result:
                use = pending.pop(seen.id, None) or open_by_id.get(seen.id)
                use = use or _use(found, conversation, counts, _Seen(seen.id, seen.name))
                if not use.answered:
                    use.result, use.answered, use.error = seen.result, True, error_of(seen.result)
            else:
                pending[seen.id] = _use(found, conversation, counts, seen)
        for asked in call.tool_calls:
            use = _use(found, conversation, counts, _Seen(asked.id, asked.name, asked.arguments))
            use.call = index if use.call < 0 else use.call
            open_by_id[asked.id] = use
    return list(found.values())


def _use(
    found: dict[tuple[str, ...], ToolUse], conversation: str, counts: dict[str, int], seen: _Seen
) -> ToolUse:
    """The n-th request of this name and these arguments in a conversation."""
    asked = canonical_json([seen.id, seen.name, seen.arguments])
    counts[asked] = counts.get(asked, 0) + 1
    key = (conversation, asked, str(counts[asked]))
    if key not in found:
        found[key] = ToolUse(name=seen.name, arguments=seen.arguments)
    return found[key]


def _conversation(call: LLMCall) -> str:
    """What the messages of one agent loop have in common: those before the model's first turn."""
    opening: list[Any] = []
    for message in call.messages:
        if isinstance(message, dict) and (message.get("role") == "assistant" or "call_id" in message):
            break
        opening.append(message)
    return canonical_json(opening[:4])


def _in_messages(messages: Sequence[Any]) -> Iterator[_Seen]:
    for message in messages:
        if not isinstance(message, dict):
            continue
        kind, role, content = message.get("type"), message.get("role"), message.get("content")
        if kind in ("function_call", "custom_tool_call"):  # OpenAI responses
            arguments = json_or_text(message.get("arguments", message.get("input")))
            yield _Seen(_text(message.get("call_id")), _text(message.get("name")), arguments)
        elif kind in ("function_call_output", "custom_tool_call_output"):
            yield _Seen(_text(message.get("call_id")), result=_told(message.get("output")), is_result=True)
        elif role == "tool":  # OpenAI chat
            name = _text(message.get("name"))
            yield _Seen(_text(message.get("tool_call_id")), name, result=_told(content), is_result=True)
        for call in message.get("tool_calls") or ():
            if isinstance(call, dict):
                function = call.get("function") or call.get("custom") or {}
                arguments = json_or_text(function.get("arguments", function.get("input")))
                yield _Seen(_text(call.get("id")), _text(function.get("name")), arguments)
        if isinstance(content, list):
            yield from _in_blocks(content)


def _in_blocks(blocks: Sequence[Any]) -> Iterator[_Seen]:
    """Anthropic's content blocks."""
    for block in blocks:
        if not isinstance(block, dict):
            continue
        if block.get("type") == "tool_use":
            yield _Seen(_text(block.get("id")), _text(block.get("name")), block.get("input"))
        elif block.get("type") == "tool_result":
            told = _told(block.get("content"))
            result = {"is_error": True, "content": told} if block.get("is_error") is True else told
            yield _Seen(_text(block.get("tool_use_id")), result=result, is_result=True)


def _told(content: Any) -> Any:
    """A result in parts as one text."""
    if isinstance(content, list) and content and all(isinstance(part, dict) for part in content):
        texts = [part.get("text") for part in content]
        if all(isinstance(text, str) for text in texts):
            return "".join(texts)
    return content


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
