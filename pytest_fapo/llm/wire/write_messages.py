"""Answers in the shape of Anthropic messages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_fapo.llm.wire.pieces import Frame, Said, call_id, pieces, sse, words

_FINISH = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


def _blocks(said: Said) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if said.text is not None:
        blocks.append({"type": "text", "text": said.text})
    for index, call in enumerate(said.tool_calls):
        arguments = call.get("arguments", {})
        value = json.loads(arguments) if isinstance(arguments, str) else arguments
        blocks.append({"type": "tool_use", "id": call_id(call, index), "name": call["name"], "input": value})
    return blocks


def body(frame: Frame, said: Said) -> dict[str, Any]:
    """A whole message."""
    return {
        "id": f"msg_{frame.id}",
        "type": "message",
        "role": "assistant",
        "model": frame.model,
        "content": _blocks(said),
        "stop_reason": _FINISH.get(said.finish_reason, said.finish_reason),
        "stop_sequence": None,
        "usage": {"input_tokens": frame.input_tokens, "output_tokens": words(said.text)},
    }


def events(frame: Frame, request: Mapping[str, Any], said: Said) -> Iterator[bytes]:
    """A message as a stream."""

    def event(kind: str, **fields: Any) -> bytes:
        return sse({"type": kind, **fields}, kind)

    whole = body(frame, said)
    start = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 0}}
    yield event("message_start", message=start)
    for index, block in enumerate(_blocks(said)):
        if block["type"] == "text":
            yield event("content_block_start", index=index, content_block={**block, "text": ""})
            deltas = [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]
        else:
            yield event("content_block_start", index=index, content_block={**block, "input": {}})
            deltas = [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
        for delta in deltas:
            yield event("content_block_delta", index=index, delta=delta)
        yield event("content_block_stop", index=index)
    stop = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield event("message_delta", delta=stop, usage={"output_tokens": whole["usage"]["output_tokens"]})
    yield event("message_stop")
