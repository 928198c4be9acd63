"""Converse and ConverseStream of Amazon Bedrock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from pytest_fapo.capture.http_answer import RecordedAnswer, decoded_body
from pytest_fapo.capture.model_output import (
    JSON_TYPE,
    ModelOutput,
    ResponseFrame,
    arguments_value,
    call_id,
    json_bytes,
    text_chunks,
    word_count,
)
from pytest_fapo.capture.wire.aws_events import CONTENT_TYPE, AwsEvent, aws_event_bytes, aws_events
from pytest_fapo.capture.wire.wire_format import (
    AnswerReading,
    WholeBody,
    error_text,
    finish_reason,
    json_body,
    mapping,
    objects,
    part_of_path,
    texts_of,
    tokens,
    with_system,
)
from pytest_fapo.core.text import json_or_text
from pytest_fapo.core.trace import ToolCall, Usage

_WRITTEN_REASONS = {"length": "max_tokens", "tool_calls": "tool_use", "content_filter": "content_filtered"}


class ConverseFormat:
    """`/model/<id>/converse`, streamed or not."""

    def asks(self, body: Any) -> bool:
        return isinstance(body, Mapping)

    def model(self, url: str, body: Any) -> str:
        return part_of_path(url, "model")

    def streams(self, url: str, body: Any) -> bool:
        return urlsplit(url).path.endswith("/converse-stream")

    def messages(self, body: Mapping[str, Any]) -> list[Any]:
        return with_system(texts_of(body.get("system")), [_message(m) for m in objects(body.get("messages"))])

    def whole(self, answer: RecordedAnswer) -> WholeBody:
        if not is_aws_stream(answer):
            return WholeBody(json_body(answer))
        events = list(aws_events(decoded_body(answer) or b""))
        names = {event.name for event in events}
        return WholeBody(joined_events(events), {"messageStop", "metadata"} <= names, stream_error(events))

    def is_answer(self, value: Any) -> bool:
        message = mapping(mapping(value).get("output")).get("message")
        return isinstance(message, Mapping) and isinstance(mapping(value).get("stopReason"), str)

    def read(self, value: Mapping[str, Any]) -> AnswerReading:
        blocks = objects(mapping(mapping(value.get("output")).get("message")).get("content"))
        reason = str(value.get("stopReason") or "")
        return AnswerReading(
            answer=texts_of(blocks),
            tool_calls=[_call(block["toolUse"]) for block in blocks if block.get("toolUse")],
            finish_reason=finish_reason(reason),
            usage=_usage(value.get("usage")),
        )

    def claims(self, value: Mapping[str, Any]) -> bool:
        return isinstance(value.get("output"), Mapping) and "stopReason" in value

    def write(
        self, url: str, frame: ResponseFrame, said: ModelOutput, streams: bool
    ) -> tuple[bytes, list[bytes]]:
        if not streams:
            return JSON_TYPE, [json_bytes(_written(frame, said))]
        events = _written_events(_written(frame, said))
        return CONTENT_TYPE.encode(), [aws_event_bytes(name, value) for name, value in events]


def is_aws_stream(answer: RecordedAnswer) -> bool:
    """True if an answer is an event stream of AWS."""
    return answer.header("content-type").lower().startswith(CONTENT_TYPE)


def stream_error(events: Sequence[AwsEvent]) -> str:
    """Return the error that a stream reports; empty where it reports none."""
    failed = next((event for event in events if event.kind != "event"), None)
    return "" if failed is None else error_text(failed.value) or failed.name


def joined_events(events: Sequence[AwsEvent]) -> dict[str, Any]:
    """Return the events of a stream as one answer."""
    return joined_pieces([(event.name, mapping(event.value)) for event in events])


def joined_pieces(pieces: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Events with their names as one answer."""
    whole: dict[str, Any] = {}
    role = "assistant"
    blocks: dict[int, dict[str, Any]] = {}
    for name, value in pieces:
        block = blocks.setdefault(value.get("contentBlockIndex") or 0, {}) if "contentBlock" in name else {}
        if name == "messageStart":
            role = value.get("role") or role
        elif name == "contentBlockStart":
            block.update({kind: dict(mapping(start)) for kind, start in mapping(value.get("start")).items()})
        elif name == "contentBlockDelta":
            _grow(block, mapping(value.get("delta")))
        elif name in ("messageStop", "metadata"):
            whole.update(value)
    content = [_finished(blocks[index]) for index in sorted(blocks)]
    return {"output": {"message": {"role": role, "content": content}}, **whole}


def _grow(block: dict[str, Any], delta: Mapping[str, Any]) -> None:
    for kind, more in delta.items():
        if isinstance(more, str):
            block[kind] = (block.get(kind) or "") + more
        elif isinstance(more, Mapping):
            inner = block.setdefault(kind, {})
            for name, text in more.items():
                inner[name] = (inner.get(name) or "") + text if isinstance(text, str) else text
        else:
            block[kind] = more


def _finished(block: dict[str, Any]) -> dict[str, Any]:
    """Return a block with a tool's arguments, which a stream brings as text, as data."""
    if isinstance(block.get("toolUse"), dict):
        block["toolUse"]["input"] = json_or_text(block["toolUse"].get("input") or "{}")
    return block


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    blocks = [_block(block) for block in objects(message.get("content"))]
    plain = all(block.get("type") == "text" for block in blocks)
    return {"role": message.get("role") or "user", "content": texts_of(blocks) or "" if plain else blocks}


def _block(block: Mapping[str, Any]) -> dict[str, Any]:
    """Return a block in the form of Anthropic's; pictures and the like as they are."""
    call, result = block.get("toolUse"), block.get("toolResult")
    if isinstance(call, Mapping):
        asked = _call(call)
        return {"type": "tool_use", "id": asked.id, "name": asked.name, "input": asked.arguments}
    if isinstance(result, Mapping):
        parts = objects(result.get("content"))
        content = texts_of(parts) if all("text" in part for part in parts) else parts
        found = {"type": "tool_result", "tool_use_id": result.get("toolUseId"), "content": content}
        return {**found, "is_error": True} if result.get("status") == "error" else found
    return {"type": "text", "text": block["text"]} if isinstance(block.get("text"), str) else dict(block)


def _call(call: Mapping[str, Any]) -> ToolCall:
    return ToolCall(
        id=str(call.get("toolUseId") or ""), name=str(call.get("name") or ""), arguments=call.get("input")
    )


def _usage(usage: Any) -> Usage:
    """Bedrock counts the tokens read from and written to its prompt cache apart from the rest."""
    return Usage(
        input_tokens=tokens(usage, "inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens"),
        output_tokens=tokens(usage, "outputTokens"),
        cached_input_tokens=tokens(usage, "cacheReadInputTokens"),
        cache_write_tokens=tokens(usage, "cacheWriteInputTokens"),
    )


def _written(frame: ResponseFrame, said: ModelOutput) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"text": said.text}] if said.text is not None else []
    for index, call in enumerate(said.tool_calls):
        asked = {"toolUseId": call_id(call, index), "name": call["name"], "input": arguments_value(call)}
        content.append({"toolUse": asked})
    spoken = word_count(said.text)
    usage = {
        "inputTokens": frame.input_tokens,
        "outputTokens": spoken,
        "totalTokens": frame.input_tokens + spoken,
    }
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": _WRITTEN_REASONS.get(said.finish_reason, "end_turn"),
        "usage": usage,
        "metrics": {"latencyMs": 1},
    }


def _written_events(whole: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "messageStart", {"role": "assistant"}
    for index, block in enumerate(whole["output"]["message"]["content"]):
        place = {"contentBlockIndex": index}
        if "text" in block:
            for piece in text_chunks(block["text"]):
                yield "contentBlockDelta", {"delta": {"text": piece}, **place}
        else:
            asked = dict(block["toolUse"])
            arguments = json_bytes(asked.pop("input")).decode()
            yield "contentBlockStart", {"start": {"toolUse": asked}, **place}
            yield "contentBlockDelta", {"delta": {"toolUse": {"input": arguments}}, **place}
        yield "contentBlockStop", place
    yield "messageStop", {"stopReason": whole["stopReason"]}
    yield "metadata", {"usage": whole["usage"], "metrics": whole["metrics"]}
