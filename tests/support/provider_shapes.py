"""Answers of Gemini, Ollama, Cohere and Bedrock, as their documentation shows them."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

from support.llm_server import Answer

from pytest_fapo.capture.wire.aws_events import CONTENT_TYPE, aws_event_bytes

WORDS = ["The ", "team is ", "billing."]

TEXT = "".join(WORDS)

TOOL = "find_order"

ARGUMENTS = {"number": "KC-12"}


def gemini(text: str = TEXT, *, tool: bool = False, **fields: Any) -> dict[str, Any]:
    """A whole answer of Gemini."""
    parts = [{"functionCall": {"name": TOOL, "args": ARGUMENTS}}] if tool else [{"text": text}]
    usage = {
        "promptTokenCount": 20,
        "candidatesTokenCount": 5,
        "thoughtsTokenCount": 2,
        "totalTokenCount": 27,
        "cachedContentTokenCount": 8,
    }
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-flash", **fields}


def gemini_pieces() -> list[dict[str, Any]]:
    """The pieces of a stream of Gemini."""
    pieces = [gemini(word) for word in WORDS]
    for piece in pieces[:-1]:
        del piece["candidates"][0]["finishReason"]
        piece["usageMetadata"] = {"promptTokenCount": 20, "totalTokenCount": 20}
    return pieces


def gemini_events() -> Answer:
    """A stream of Gemini as server-sent events."""
    return Answer(chunks=[f"data: {json.dumps(piece)}\r\n\r\n".encode() for piece in gemini_pieces()])


def gemini_array() -> Answer:
    """A stream of Gemini as one JSON array."""
    texts = [json.dumps(piece, indent=1) for piece in gemini_pieces()]
    chunks = ["[" + texts[0], *(",\r\n" + text for text in texts[1:]), "\r\n]"]
    return Answer(chunks=[c.encode() for c in chunks], headers={"content-type": "application/json"})


def ollama_chat(text: str = TEXT, *, tool: bool = False) -> dict[str, Any]:
    """A whole answer of Ollama's chat."""
    message: dict[str, Any] = {"role": "assistant", "content": "" if tool else text}
    if tool:
        message["tool_calls"] = [{"function": {"name": TOOL, "arguments": ARGUMENTS}}]
    return {"model": "llama3.2", "created_at": "2026-01-01T00:00:00Z", "message": message, **_OLLAMA_END}


_OLLAMA_END = {
    "done": True,
    "done_reason": "stop",
    "total_duration": 5,
    "prompt_eval_count": 20,
    "eval_count": 7,
}


def ollama_generate(text: str = TEXT) -> dict[str, Any]:
    """A whole answer of Ollama's generate."""
    return {"model": "llama3.2", "created_at": "2026-01-01T00:00:00Z", "response": text, **_OLLAMA_END}


def ollama_lines(*, chat: bool) -> Answer:
    """A stream of Ollama."""
    head = {"model": "llama3.2", "created_at": "2026-01-01T00:00:00Z", "done": False}
    lines: list[dict[str, Any]] = [
        {**head, "message": {"role": "assistant", "content": word}} if chat else {**head, "response": word}
        for word in WORDS
    ]
    lines.append(ollama_chat("") if chat else ollama_generate(""))
    chunks = [json.dumps(line).encode() + b"\n" for line in lines]
    return Answer(chunks=chunks, headers={"content-type": "application/x-ndjson"})


def cohere(text: str = TEXT, *, tool: bool = False) -> dict[str, Any]:
    """A whole answer of Cohere."""
    message: dict[str, Any] = {"role": "assistant"}
    if tool:
        function = {"name": TOOL, "arguments": json.dumps(ARGUMENTS)}
        message["tool_calls"] = [{"id": "call_1", "type": "function", "function": function}]
        message["tool_plan"] = "I look the order up."
    else:
        message["content"] = [{"type": "text", "text": text}]
    return {"id": "c1", "message": message, **_cohere_end("TOOL_CALL" if tool else "COMPLETE")}


def _cohere_end(reason: str) -> dict[str, Any]:
    billed = {"input_tokens": 5, "output_tokens": 7}
    counted = {"input_tokens": 20.0, "output_tokens": 7.0}
    return {"finish_reason": reason, "usage": {"billed_units": billed, "tokens": counted}}


def cohere_events() -> Answer:
    """A stream of Cohere."""
    start = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    events: list[dict[str, Any]] = [
        {"type": "message-start", "id": "c1", "delta": {"message": start}},
        {
            "type": "content-start",
            "index": 0,
            "delta": {"message": {"content": {"type": "text", "text": ""}}},
        },
        *(
            {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": word}}}}
            for word in WORDS
        ),
        {"type": "content-end", "index": 0},
        {"type": "message-end", "id": "c1", "delta": _cohere_end("COMPLETE")},
    ]
    chunks = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]
    return Answer(chunks=[*chunks, b"data: [DONE]\n\n"])


_CONVERSE_USAGE = {
    "inputTokens": 12,
    "outputTokens": 7,
    "totalTokens": 27,
    "cacheReadInputTokens": 8,
    "cacheWriteInputTokens": 0,
}


def converse(text: str = TEXT, *, tool: bool = False) -> dict[str, Any]:
    """A whole answer of Bedrock's Converse."""
    call = {"toolUse": {"toolUseId": "tu_1", "name": TOOL, "input": ARGUMENTS}}
    return {
        "output": {"message": {"role": "assistant", "content": [call if tool else {"text": text}]}},
        "stopReason": "tool_use" if tool else "end_turn",
        "usage": _CONVERSE_USAGE,
        "metrics": {"latencyMs": 1},
    }


def aws_stream(events: Sequence[tuple[str, dict[str, Any]]]) -> Answer:
    """An event stream of AWS."""
    chunks = [aws_event_bytes(name, value) for name, value in events]
    return Answer(chunks=chunks, headers={"content-type": CONTENT_TYPE})


def converse_events(*, tool: bool = False) -> Answer:
    """A stream of Bedrock's ConverseStream."""
    start = {"start": {"toolUse": {"toolUseId": "tu_1", "name": TOOL}}, "contentBlockIndex": 0}
    arguments = json.dumps(ARGUMENTS)
    pieces = [arguments[:5], arguments[5:]] if tool else WORDS
    deltas = [{"toolUse": {"input": piece}} if tool else {"text": piece} for piece in pieces]
    return aws_stream(
        [
            ("messageStart", {"role": "assistant"}),
            *([("contentBlockStart", start)] if tool else []),
            *(("contentBlockDelta", {"delta": delta, "contentBlockIndex": 0}) for delta in deltas),
            ("contentBlockStop", {"contentBlockIndex": 0}),
            ("messageStop", {"stopReason": "tool_use" if tool else "end_turn"}),
            ("metadata", {"usage": _CONVERSE_USAGE, "metrics": {"latencyMs": 1}}),
        ]
    )


def invoke_stream(pieces: Sequence[dict[str, Any]]) -> Answer:
    """A stream of Bedrock's InvokeModelWithResponseStream, with the counts in its last piece."""
    metrics = {"inputTokenCount": 20, "outputTokenCount": 7, "invocationLatency": 1, "firstByteLatency": 1}
    last = {**pieces[-1], "amazon-bedrock-invocationMetrics": metrics}
    encoded = [base64.b64encode(json.dumps(piece).encode()).decode() for piece in [*pieces[:-1], last]]
    return aws_stream([("chunk", {"bytes": text}) for text in encoded])
