"""Answers in the shape of OpenAI responses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_fapo.llm.wire.pieces import CREATED, Frame, Said, arguments, call_id, pieces, sse, words


def _items(frame: Frame, said: Said) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if said.text is not None or not said.tool_calls:
        part = {"type": "output_text", "text": said.text or "", "annotations": []}
        items.append(
            {
                "type": "message",
                "id": f"msg_{frame.id}",
                "role": "assistant",
                "status": "completed",
                "content": [part],
            }
        )
    for index, call in enumerate(said.tool_calls):
        items.append(
            {
                "type": "function_call",
                "id": f"fc_{index}",
                "call_id": call_id(call, index),
                "name": call["name"],
                "arguments": arguments(call),
                "status": "completed",
            }
        )
    return items


def body(frame: Frame, said: Said) -> dict[str, Any]:
    """A whole response."""
    spoken = words(said.text)
    cut = said.finish_reason == "length"
    return {
        **_head(frame),
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": _items(frame, said),
        "usage": {
            "input_tokens": frame.input_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": spoken,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": frame.input_tokens + spoken,
        },
    }


def _head(frame: Frame) -> dict[str, Any]:
    return {
        "id": f"resp_{frame.id}",
        "object": "response",
        "created_at": CREATED,
        "model": frame.model,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "temperature": None,
        "top_p": None,
    }


def events(frame: Frame, request: Mapping[str, Any], said: Said) -> Iterator[bytes]:
    """A response as a stream."""
    number = iter(range(1_000_000))

    def event(kind: str, **fields: Any) -> bytes:
        return sse({"type": kind, "sequence_number": next(number), **fields}, kind)

    yield event("response.created", response=_head(frame))
    for index, item in enumerate(_items(frame, said)):
        place = {"output_index": index, "item_id": item["id"]}
        started = {**item, "status": "in_progress"}
        if item["type"] == "message":
            (part,) = item["content"]
            empty, inside = {**part, "text": ""}, {**place, "content_index": 0}
            yield event("response.output_item.added", output_index=index, item={**started, "content": []})
            yield event("response.content_part.added", **inside, part=empty)
            for piece in pieces(said.text):
                yield event("response.output_text.delta", **inside, delta=piece, logprobs=[])
            yield event("response.output_text.done", **inside, text=part["text"], logprobs=[])
            yield event("response.content_part.done", **inside, part=part)
        else:
            arguments = item["arguments"]
            yield event("response.output_item.added", output_index=index, item={**started, "arguments": ""})
            yield event("response.function_call_arguments.delta", **place, delta=arguments)
            yield event(
                "response.function_call_arguments.done", **place, name=item["name"], arguments=arguments
            )
        yield event("response.output_item.done", output_index=index, item=item)
    whole = body(frame, said)
    yield event(f"response.{whole['status']}", response=whole)
