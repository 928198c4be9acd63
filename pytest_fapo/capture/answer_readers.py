"""One reader for each API of OpenAI and Anthropic: text, tools, finish reason, tokens of a body."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytest_fapo.capture.wire.wire_format import AnswerReading, finish_reason
from pytest_fapo.core.text import json_or_text
from pytest_fapo.core.trace import ToolCall, Usage


def _read_chat(value: Mapping[str, Any]) -> AnswerReading:
    choice = value["choices"][0]
    message = choice.get("message") or {}
    calls = [_openai_call(call) for call in message.get("tool_calls") or []]
    if message.get("function_call"):
        calls.append(_openai_call({"function": message["function_call"]}))
    return AnswerReading(
        answer=_text_of(message.get("content")),
        tool_calls=calls,
        finish_reason=finish_reason(choice.get("finish_reason")),
        refusal=message.get("refusal") or None,
        usage=_openai_usage(value.get("usage")),
    )


def _openai_call(call: Mapping[str, Any]) -> ToolCall:
    function = call.get("function") or call.get("custom") or {}
    arguments = function.get("arguments", function.get("input"))
    return ToolCall(
        id=str(call.get("id") or ""), name=str(function.get("name") or ""), arguments=json_or_text(arguments)
    )


def _read_completion(value: Mapping[str, Any]) -> AnswerReading:
    choice = value["choices"][0]
    return AnswerReading(
        answer=choice.get("text"),
        finish_reason=finish_reason(choice.get("finish_reason")),
        usage=_openai_usage(value.get("usage")),
    )


def _read_embedding(value: Mapping[str, Any]) -> AnswerReading:
    return AnswerReading(usage=_openai_usage(value.get("usage")))


def _read_response(value: Mapping[str, Any]) -> AnswerReading:
    texts, refusals, calls = [], [], []
    for item in value.get("output") or []:
        kind = item.get("type")
        if kind == "message":
            parts = item.get("content") or []
            texts += [part.get("text") or "" for part in parts if part.get("type") == "output_text"]
            refusals += [part.get("refusal") or "" for part in parts if part.get("type") == "refusal"]
        elif kind in ("function_call", "custom_tool_call"):
            arguments = json_or_text(item.get("arguments", item.get("input")))
            calls.append(
                ToolCall(id=str(item.get("call_id") or ""), name=str(item.get("name")), arguments=arguments)
            )
    reason = (value.get("incomplete_details") or {}).get("reason")
    finish = finish_reason(reason) or ("tool_calls" if calls else "stop")
    return AnswerReading(
        answer="".join(texts) if texts else None,
        tool_calls=calls,
        finish_reason=finish if value.get("status") in ("completed", "incomplete") else value.get("status"),
        refusal="".join(refusals) or None,
        usage=_responses_usage(value.get("usage")),
    )


def _read_message(value: Mapping[str, Any]) -> AnswerReading:
    blocks = value.get("content") or []
    texts = [block.get("text") or "" for block in blocks if block.get("type") == "text"]
    calls = [
        ToolCall(id=str(block.get("id") or ""), name=str(block.get("name")), arguments=block.get("input"))
        for block in blocks
        if block.get("type") == "tool_use"
    ]
    answer = "".join(texts) if texts else None
    refused = value.get("stop_reason") == "refusal"
    return AnswerReading(
        answer=answer,
        tool_calls=calls,
        finish_reason=finish_reason(value.get("stop_reason")),
        refusal=(answer or "refused without a text") if refused else None,
        usage=_anthropic_usage(value.get("usage")),
    )


def read_by_shape(value: Mapping[str, Any]) -> AnswerReading | None:
    """Read an answer by whichever of the known shapes it has; None where it has none of them."""
    for key, reader in (("choices", _read_chat), ("output", _read_response), ("content", _read_message)):
        if isinstance(value.get(key), list):
            reading = reader(value)
            if reading.answer is not None or reading.tool_calls:
                return reading
    return None


READERS: dict[str, Callable[[Mapping[str, Any]], AnswerReading]] = {
    "chat.completions": _read_chat,
    "completions": _read_completion,
    "embeddings": _read_embedding,
    "responses": _read_response,
    "messages": _read_message,
}


def _text_of(content: Any) -> str | None:
    if isinstance(content, list):  # some compatible servers answer in parts
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else None


def _openai_usage(usage: Any) -> Usage:
    if not isinstance(usage, dict):
        return Usage()
    details = usage.get("prompt_tokens_details") or {}
    return Usage.of_valid(
        input_tokens=_token_count(usage, "prompt_tokens"),
        output_tokens=_token_count(usage, "completion_tokens"),
        cached_input_tokens=_token_count(details, "cached_tokens"),
    )


def _responses_usage(usage: Any) -> Usage:
    if not isinstance(usage, dict):
        return Usage()
    return Usage.of_valid(
        input_tokens=_token_count(usage, "input_tokens"),
        output_tokens=_token_count(usage, "output_tokens"),
        cached_input_tokens=_token_count(usage.get("input_tokens_details") or {}, "cached_tokens"),
    )


def _anthropic_usage(usage: Any) -> Usage:
    """Anthropic counts the tokens read from and written to its prompt cache apart from the rest."""
    if not isinstance(usage, dict):
        return Usage()
    read = _token_count(usage, "cache_read_input_tokens")
    written = _token_count(usage, "cache_creation_input_tokens")
    return Usage.of_valid(
        input_tokens=_token_count(usage, "input_tokens") + read + written,
        output_tokens=_token_count(usage, "output_tokens"),
        cached_input_tokens=read,
        cache_write_tokens=written,
    )


def _token_count(usage: Mapping[str, Any], name: str) -> int:
    value = usage.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
