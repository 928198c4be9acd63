"""Answers in the shapes that the providers document: bodies as dicts, streams as lists of chunks."""

from __future__ import annotations

import json
from typing import Any


def sse(value: Any, event: str = "") -> bytes:
    """One server-sent event."""
    data = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return (f"event: {event}\n" if event else "").encode() + f"data: {data}\n\n".encode()


# --- OpenAI chat completions ----------------------------------------------------------------------------


def chat(text: str | None = "hello", *, finish: str = "stop", **message: Any) -> dict[str, Any]:
    """A chat completion; further keywords go into its message (`tool_calls`, `refusal`)."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": "gpt-test-2026-01-01",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": None, **message},
                "logprobs": None,
                "finish_reason": finish,
            }
        ],
        "usage": CHAT_USAGE,
        "system_fingerprint": "fp_1",
    }


CHAT_USAGE = {
    "prompt_tokens": 12,
    "completion_tokens": 5,
    "total_tokens": 17,
    "prompt_tokens_details": {"cached_tokens": 4},
}
CHAT_TOOL_CALLS = [
    {
        "id": "call_9",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"city": "Zürich", "days": 2}'},
    }
]


def chat_stream(text: str = "hel|lo| wörld", *, done: bool = True, finish: str = "stop") -> list[bytes]:
    """A streamed chat completion; `|` marks where one delta ends."""
    chunks = [_chunk({"role": "assistant", "content": ""})]
    chunks += [_chunk({"content": piece}) for piece in text.split("|")]
    chunks.append(_chunk({}, finish))
    chunks.append(sse({**_CHUNK, "choices": [], "usage": CHAT_USAGE}))
    return [*chunks, sse("[DONE]")] if done else chunks


def chat_tool_stream() -> list[bytes]:
    """A streamed tool call whose arguments come in pieces."""
    (call,) = CHAT_TOOL_CALLS
    arguments = str(call["function"]["arguments"])  # type: ignore[index]
    start = {"index": 0, "id": "call_9", "type": "function", "function": {"name": "weather", "arguments": ""}}
    return [
        _chunk({"role": "assistant", "content": None, "tool_calls": [start]}),
        _chunk({"tool_calls": [{"index": 0, "function": {"arguments": arguments[:9]}}]}),
        _chunk({"tool_calls": [{"index": 0, "function": {"arguments": arguments[9:]}}]}),
        _chunk({}, "tool_calls"),
        sse("[DONE]"),
    ]


_CHUNK = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1_760_000_000,
    "model": "gpt-test-2026-01-01",
}


def _chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    return sse({**_CHUNK, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


# --- OpenAI embeddings and responses ---------------------------------------------------------------------


def embedding(values: list[float] | str, *, base64: str = "") -> dict[str, Any]:
    """One embedding; the SDK asks for base64 unless told otherwise."""
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": base64 or values}],
        "model": "embed-test",
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }


def response(text: str = "hello", *, status: str = "completed", **fields: Any) -> dict[str, Any]:
    """A response of the Responses API."""
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_760_000_000,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": "gpt-test",
        "output": [_response_item(text)],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": 20,
            "input_tokens_details": {"cached_tokens": 8},
            "output_tokens": 6,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 26,
        },
        **fields,
    }


RESPONSE_TOOL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_7",
    "name": "weather",
    "arguments": '{"city": "Bern"}',
    "status": "completed",
}


def response_stream(text: str = "hel|lo", *, last: str = "response.completed") -> list[bytes]:
    """A streamed response."""
    whole = text.replace("|", "")
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    started = {**response(whole), "status": "in_progress", "output": []}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": started},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**_response_item(""), "content": []},
        },
        {"type": "response.content_part.added", **place, "part": _part("")},
    ]
    events += [
        {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []}
        for piece in text.split("|")
    ]
    events += [
        {"type": "response.output_text.done", **place, "text": whole, "logprobs": []},
        {"type": "response.content_part.done", **place, "part": _part(whole)},
        {"type": "response.output_item.done", "output_index": 0, "item": _response_item(whole)},
    ]
    if last:
        status = last.rsplit(".", 1)[-1]
        events.append({"type": last, "response": response(whole, status=status)})
    return [
        sse({**event, "sequence_number": number}, str(event["type"])) for number, event in enumerate(events)
    ]


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": []}


def _response_item(text: str) -> dict[str, Any]:
    return {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [_part(text)],
    }


# --- Anthropic messages ----------------------------------------------------------------------------------

MESSAGE_USAGE = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 3,
    "cache_read_input_tokens": 7,
    "output_tokens": 5,
}
MESSAGE_TOOL = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Zürich"}}


def message(text: str = "hello", *blocks: dict[str, Any], stop: str = "end_turn") -> dict[str, Any]:
    """A message; further content blocks after its text."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-test",
        "content": [{"type": "text", "text": text}, *blocks],
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": MESSAGE_USAGE,
    }


def message_stream(text: str = "hel|lo", *, tool: bool = False, last: bool = True) -> list[bytes]:
    """A streamed message, with a tool call after its text if asked for."""
    start = {**message(), "content": [], "stop_reason": None, "usage": {**MESSAGE_USAGE, "output_tokens": 1}}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
    ]
    events += [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
        for piece in text.split("|")
    ]
    events.append({"type": "content_block_stop", "index": 0})
    if tool:
        block = {**MESSAGE_TOOL, "input": {}}
        events.append({"type": "content_block_start", "index": 1, "content_block": block})
        for piece in ('{"city": ', '"Zürich"}'):
            delta = {"type": "input_json_delta", "partial_json": piece}
            events.append({"type": "content_block_delta", "index": 1, "delta": delta})
        events.append({"type": "content_block_stop", "index": 1})
    stop = {"stop_reason": "tool_use" if tool else "end_turn", "stop_sequence": None}
    events.append({"type": "message_delta", "delta": stop, "usage": {"output_tokens": 5}})
    if last:
        events.append({"type": "message_stop"})
    return [sse(event, str(event["type"])) for event in events]
