"""Cohere's chat API of version 2: `/v2/chat`, whose streams are server-sent events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_fapo.capture.http_answer import RecordedAnswer, decoded_body, events_of, is_event_stream
from pytest_fapo.capture.model_output import (
    EVENTS_TYPE,
    JSON_TYPE,
    ModelOutput,
    ResponseFrame,
    arguments_text,
    call_id,
    json_bytes,
    sse_bytes,
    text_chunks,
    word_count,
)
from pytest_fapo.capture.wire.wire_format import (
    AnswerReading,
    WholeBody,
    finish_reason,
    json_body,
    mapping,
    named_model,
    objects,
    texts_of,
    tokens,
)
from pytest_fapo.core.text import json_or_text
from pytest_fapo.core.trace import ToolCall, Usage

_WRITTEN_REASONS = {"length": "MAX_TOKENS", "tool_calls": "TOOL_CALL"}

_FINISHED, _FAILED = ("COMPLETE", "STOP_SEQUENCE", "MAX_TOKENS", "TOOL_CALL"), ("ERROR", "TIMEOUT")


class CohereFormat:
    """`/v2/chat`, streamed or not."""

    def asks(self, body: Any) -> bool:
        return bool(named_model(body)) and "messages" in body

    def model(self, url: str, body: Any) -> str:
        return named_model(body)

    def streams(self, url: str, body: Any) -> bool:
        return mapping(body).get("stream") is True

    def messages(self, body: Mapping[str, Any]) -> list[Any]:
        return objects(body.get("messages"))

    def whole(self, answer: RecordedAnswer) -> WholeBody:
        if not is_event_stream(answer):
            return WholeBody(json_body(answer))
        events = objects([event.value for event in events_of(decoded_body(answer) or b"")])
        return WholeBody(_joined(events), any(event.get("type") == "message-end" for event in events))

    def is_answer(self, value: Any) -> bool:
        answer = mapping(value)
        message = answer.get("message")
        if not isinstance(message, Mapping) or answer.get("finish_reason") in (None, *_FAILED):
            return False
        return isinstance(message.get("content"), list) or bool(message.get("tool_calls"))

    def read(self, value: Mapping[str, Any]) -> AnswerReading:
        message = mapping(value.get("message"))
        calls = [_call(call) for call in objects(message.get("tool_calls"))]
        parts = [part for part in objects(message.get("content")) if part.get("type", "text") == "text"]
        reason = str(value.get("finish_reason") or "")
        usage = mapping(value.get("usage"))
        return AnswerReading(
            answer=texts_of(parts),
            tool_calls=calls,
            finish_reason=finish_reason(reason),
            usage=_usage(usage),
        )

    def claims(self, value: Mapping[str, Any]) -> bool:
        if value.get("type") == "message-start":
            return True
        return isinstance(value.get("message"), Mapping) and value.get("finish_reason") in {
            *_FINISHED,
            *_FAILED,
        }

    def write(
        self, url: str, frame: ResponseFrame, said: ModelOutput, streams: bool
    ) -> tuple[bytes, list[bytes]]:
        if not streams:
            return JSON_TYPE, [json_bytes(_written(frame, said))]
        return EVENTS_TYPE, list(_written_events(frame, said))


def _call(call: Mapping[str, Any]) -> ToolCall:
    function = mapping(call.get("function"))
    arguments = json_or_text(function.get("arguments"))
    return ToolCall(id=str(call.get("id") or ""), name=str(function.get("name") or ""), arguments=arguments)


def _usage(usage: Mapping[str, Any]) -> Usage:
    """Return the tokens; where they are not reported, those that are billed."""
    counted = mapping(usage.get("tokens")) or mapping(usage.get("billed_units"))
    return Usage(
        input_tokens=tokens(counted, "input_tokens"),
        output_tokens=tokens(counted, "output_tokens"),
        cached_input_tokens=tokens(usage, "cached_tokens"),
    )


def _joined(events: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the events of a stream as one answer."""
    whole: dict[str, Any] = {}
    parts: dict[int, dict[str, Any]] = {}
    calls: dict[int, dict[str, Any]] = {}
    for event in events:
        kind, index, delta = event.get("type"), event.get("index") or 0, mapping(event.get("delta"))
        message = mapping(delta.get("message"))
        if kind == "content-start":
            parts[index] = dict(mapping(message.get("content")))
        elif kind == "content-delta":
            part = parts.setdefault(index, {"type": "text"})
            for name, text in mapping(message.get("content")).items():
                part[name] = (part.get(name) or "") + text if isinstance(text, str) else text
        elif kind == "tool-call-start":
            call = mapping(message.get("tool_calls"))
            calls[index] = {**call, "function": dict(mapping(call.get("function")))}
        elif kind == "tool-call-delta":
            function = calls.setdefault(index, {}).setdefault("function", {})
            more = mapping(mapping(message.get("tool_calls")).get("function")).get("arguments") or ""
            function["arguments"] = (function.get("arguments") or "") + more
        elif kind == "message-end":
            whole = {name: value for name, value in delta.items() if name != "message"}
    content = [parts[index] for index in sorted(parts)]
    message = {
        "role": "assistant",
        "content": content,
        "tool_calls": [calls[index] for index in sorted(calls)],
    }
    return {**whole, "message": message}


def _written_calls(said: ModelOutput) -> list[dict[str, Any]]:
    return [
        {
            "id": call_id(call, index),
            "type": "function",
            "function": {"name": call["name"], "arguments": arguments_text(call)},
        }
        for index, call in enumerate(said.tool_calls)
    ]


def _written_end(frame: ResponseFrame, said: ModelOutput) -> dict[str, Any]:
    counted = {"input_tokens": frame.input_tokens, "output_tokens": word_count(said.text)}
    return {
        "finish_reason": _WRITTEN_REASONS.get(said.finish_reason, "COMPLETE"),
        "usage": {"billed_units": counted, "tokens": counted},
    }


def _written(frame: ResponseFrame, said: ModelOutput) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant"}
    if said.text is not None:
        message["content"] = [{"type": "text", "text": said.text}]
    if said.tool_calls:
        message["tool_calls"] = _written_calls(said)
    return {"id": frame.id, "message": message, **_written_end(frame, said)}


def _written_events(frame: ResponseFrame, said: ModelOutput) -> Iterator[bytes]:
    def event(kind: str, **fields: Any) -> bytes:
        return sse_bytes({"type": kind, **fields}, kind)

    start = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    yield event("message-start", id=frame.id, delta={"message": start})
    if said.text is not None:
        yield event("content-start", index=0, delta={"message": {"content": {"type": "text", "text": ""}}})
        for piece in text_chunks(said.text):
            yield event("content-delta", index=0, delta={"message": {"content": {"text": piece}}})
        yield event("content-end", index=0)
    for index, call in enumerate(_written_calls(said)):
        arguments = call["function"]["arguments"]
        begun = {**call, "function": {**call["function"], "arguments": ""}}
        more = {"function": {"arguments": arguments}}
        yield event("tool-call-start", index=index, delta={"message": {"tool_calls": begun}})
        yield event("tool-call-delta", index=index, delta={"message": {"tool_calls": more}})
        yield event("tool-call-end", index=index)
    yield event("message-end", id=frame.id, delta=_written_end(frame, said))
