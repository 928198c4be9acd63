"""Answers in the shape of OpenAI chat and text completions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_fapo.llm.wire.pieces import CREATED, Frame, Said, arguments, call_id, pieces, sse, words


def _usage(frame: Frame, said: Said) -> dict[str, int]:
    spoken = words(said.text)
    return {
        "prompt_tokens": frame.input_tokens,
        "completion_tokens": spoken,
        "total_tokens": frame.input_tokens + spoken,
    }


def _calls(said: Said) -> list[dict[str, Any]]:
    return [
        {
            "id": call_id(call, index),
            "type": "function",
            "function": {"name": call["name"], "arguments": arguments(call)},
        }
        for index, call in enumerate(said.tool_calls)
    ]


def body(frame: Frame, said: Said) -> dict[str, Any]:
    """A whole chat completion."""
    message: dict[str, Any] = {"role": "assistant", "content": said.text, "refusal": None}
    if said.tool_calls:
        message["tool_calls"] = _calls(said)
    choice = {"index": 0, "message": message, "finish_reason": said.finish_reason, "logprobs": None}
    return {**_head(frame), "choices": [choice], "usage": _usage(frame, said)}


def _head(frame: Frame, kind: str = "chat.completion") -> dict[str, Any]:
    return {"id": frame.id, "object": kind, "created": CREATED, "model": frame.model}


def events(frame: Frame, request: Mapping[str, Any], said: Said) -> Iterator[bytes]:
    """A chat completion as a stream."""
    head = _head(frame, "chat.completion.chunk")

    def chunk(delta: Mapping[str, Any], finish: str | None = None) -> bytes:
        return sse({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    yield chunk({"role": "assistant", "content": "" if said.text is not None else None})
    for piece in pieces(said.text):
        yield chunk({"content": piece})
    for index, call in enumerate(_calls(said)):
        yield chunk({"tool_calls": [{"index": index, **call}]})
    yield chunk({}, said.finish_reason)
    if (request.get("stream_options") or {}).get("include_usage"):
        yield sse({**head, "choices": [], "usage": _usage(frame, said)})
    yield sse(b"[DONE]")


def text_body(frame: Frame, said: Said) -> dict[str, Any]:
    """A whole text completion."""
    choice = {"index": 0, "text": said.text or "", "finish_reason": said.finish_reason, "logprobs": None}
    return {
        **_head(frame, "text_completion"),
        "choices": [choice],
        "usage": _usage(frame, said),
    }


def text_events(frame: Frame, request: Mapping[str, Any], said: Said) -> Iterator[bytes]:
    """A text completion as a stream."""
    head = _head(frame, "text_completion")
    for piece in pieces(said.text):
        yield sse({**head, "choices": [{"index": 0, "text": piece, "finish_reason": None}]})
    yield sse({**head, "choices": [{"index": 0, "text": "", "finish_reason": said.finish_reason}]})
    yield sse(b"[DONE]")
