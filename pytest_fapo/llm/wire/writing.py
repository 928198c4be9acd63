"""An offline model's answer in the shape of each API: as one JSON body, or as the API's stream of events."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_fapo.llm.wire.requests import messages_of

JSON = b"application/json"
EVENTS = b"text/event-stream"
_ANTHROPIC_FINISH = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
_CREATED = 1_700_000_000


@dataclass
class Said:
    """What a model said, whatever the API."""

    text: str | None
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    finish_reason: str = "stop"


@dataclass
class _Frame:
    """The parts of a response that do not depend on what was said."""

    id: str
    model: str
    input_tokens: int


def write(api: str, body: Mapping[str, Any], answer: Any) -> tuple[bytes, list[bytes]]:
    """Content type and body chunks for what an offline model returned.

    Token counts are counts of words, as no tokenizer is asked.

    Args:
        api: as in `LLMCall.api`.
        body: the request's body.
        answer: see `pytest_fapo.llm.offline`.

    Raises:
        TypeError, ValueError: the answer does not fit the API.
    """
    frame = _frame(api, body)
    if api == "embeddings":
        return JSON, [_dump(answer if isinstance(answer, Mapping) else _embeddings(frame, body, answer))]
    streams = body.get("stream") is True
    said = _said(answer)
    if said is None:
        if streams:
            raise ValueError(
                "a whole response body cannot be streamed; return a text, or text and tool_calls"
            )
        return JSON, [_dump(answer)]
    if api not in _WRITERS:
        raise ValueError("an endpoint of your own needs the whole response body: return a mapping")
    whole, events = _WRITERS[api]
    if streams:
        return EVENTS, list(events(frame, body, said))
    return JSON, [_dump(whole(frame, said))]


def failure(api: str, message: str) -> tuple[bytes, list[bytes]]:
    """Content type and body chunks of an error in the API's shape."""
    error = {"type": "api_error", "message": message}
    return JSON, [_dump({"type": "error", "error": error} if api == "messages" else {"error": error})]


def _frame(api: str, body: Mapping[str, Any]) -> _Frame:
    text = json.dumps(body, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:24]
    words = sum(_words(json.dumps(message)) for message in messages_of(api, body))
    return _Frame(id=f"offline-{digest}", model=str(body.get("model") or "offline"), input_tokens=words)


def _said(answer: Any) -> Said | None:
    if isinstance(answer, str):
        return Said(answer)
    if not isinstance(answer, Mapping):
        raise TypeError(f"it returned {type(answer).__name__}; a text or a mapping was expected")
    if "text" not in answer and "tool_calls" not in answer:
        return None
    calls = [dict(call) for call in answer.get("tool_calls") or []]
    finish = answer.get("finish_reason") or ("tool_calls" if calls else "stop")
    return Said(answer.get("text"), calls, str(finish))


def _words(text: str | None) -> int:
    return len((text or "").split())


def _dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _sse(value: Any, name: str = "") -> bytes:
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + (value if isinstance(value, bytes) else _dump(value)) + b"\n\n"


def _pieces(text: str | None) -> list[str]:
    """A text in a few pieces, as a stream brings it."""
    words = (text or "").split(" ")
    pieces = [" ".join(words[start : start + 8]) for start in range(0, len(words), 8)]
    return [piece if index == 0 else f" {piece}" for index, piece in enumerate(pieces)] if text else []


def _arguments(call: Mapping[str, Any]) -> str:
    arguments = call.get("arguments", {})
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _call_id(call: Mapping[str, Any], index: int) -> str:
    return str(call.get("id") or f"call_{index}")


# --- chat.completions and completions --------------------------------------------------------------------


def _chat_usage(frame: _Frame, said: Said) -> dict[str, int]:
    spoken = _words(said.text)
    return {
        "prompt_tokens": frame.input_tokens,
        "completion_tokens": spoken,
        "total_tokens": frame.input_tokens + spoken,
    }


def _chat_calls(said: Said) -> list[dict[str, Any]]:
    return [
        {
            "id": _call_id(call, index),
            "type": "function",
            "function": {"name": call["name"], "arguments": _arguments(call)},
        }
        for index, call in enumerate(said.tool_calls)
    ]


def _chat(frame: _Frame, said: Said) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": said.text, "refusal": None}
    if said.tool_calls:
        message["tool_calls"] = _chat_calls(said)
    choice = {"index": 0, "message": message, "finish_reason": said.finish_reason, "logprobs": None}
    return {**_chat_head(frame), "choices": [choice], "usage": _chat_usage(frame, said)}


def _chat_head(frame: _Frame, kind: str = "chat.completion") -> dict[str, Any]:
    return {"id": frame.id, "object": kind, "created": _CREATED, "model": frame.model}


def _chat_events(frame: _Frame, body: Mapping[str, Any], said: Said) -> Iterator[bytes]:
    head = _chat_head(frame, "chat.completion.chunk")

    def chunk(delta: Mapping[str, Any], finish: str | None = None) -> bytes:
        return _sse({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    yield chunk({"role": "assistant", "content": "" if said.text is not None else None})
    for piece in _pieces(said.text):
        yield chunk({"content": piece})
    for index, call in enumerate(_chat_calls(said)):
        yield chunk({"tool_calls": [{"index": index, **call}]})
    yield chunk({}, said.finish_reason)
    if (body.get("stream_options") or {}).get("include_usage"):
        yield _sse({**head, "choices": [], "usage": _chat_usage(frame, said)})
    yield _sse(b"[DONE]")


def _text(frame: _Frame, said: Said) -> dict[str, Any]:
    choice = {"index": 0, "text": said.text or "", "finish_reason": said.finish_reason, "logprobs": None}
    return {
        **_chat_head(frame, "text_completion"),
        "choices": [choice],
        "usage": _chat_usage(frame, said),
    }


def _text_events(frame: _Frame, body: Mapping[str, Any], said: Said) -> Iterator[bytes]:
    head = _chat_head(frame, "text_completion")
    for piece in _pieces(said.text):
        yield _sse({**head, "choices": [{"index": 0, "text": piece, "finish_reason": None}]})
    yield _sse({**head, "choices": [{"index": 0, "text": "", "finish_reason": said.finish_reason}]})
    yield _sse(b"[DONE]")


# --- embeddings ------------------------------------------------------------------------------------------


def _embeddings(frame: _Frame, body: Mapping[str, Any], answer: Any) -> dict[str, Any]:
    if not isinstance(answer, Sequence) or isinstance(answer, str):
        raise TypeError("an embedding is a list of numbers, or one such list for each input")
    asked = body.get("input")
    several = isinstance(asked, list) and bool(asked) and not isinstance(asked[0], int)
    nested = bool(answer) and isinstance(answer[0], Sequence)
    vectors = list(answer) if nested else [answer] * (len(asked) if several and asked else 1)
    base64 = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _packed(vector) if base64 else list(vector)}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": frame.input_tokens, "total_tokens": frame.input_tokens}
    return {"object": "list", "data": data, "model": frame.model, "usage": usage}


def _packed(vector: Sequence[float]) -> str:
    from array import array
    from base64 import b64encode

    return b64encode(array("f", vector).tobytes()).decode()


# --- responses -------------------------------------------------------------------------------------------


def _response_items(frame: _Frame, said: Said) -> list[dict[str, Any]]:
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
                "call_id": _call_id(call, index),
                "name": call["name"],
                "arguments": _arguments(call),
                "status": "completed",
            }
        )
    return items


def _response(frame: _Frame, said: Said) -> dict[str, Any]:
    spoken = _words(said.text)
    cut = said.finish_reason == "length"
    return {
        **_response_head(frame),
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": _response_items(frame, said),
        "usage": {
            "input_tokens": frame.input_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": spoken,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": frame.input_tokens + spoken,
        },
    }


def _response_head(frame: _Frame) -> dict[str, Any]:
    return {
        "id": f"resp_{frame.id}",
        "object": "response",
        "created_at": _CREATED,
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


def _response_events(frame: _Frame, body: Mapping[str, Any], said: Said) -> Iterator[bytes]:
    number = iter(range(1_000_000))

    def event(kind: str, **fields: Any) -> bytes:
        return _sse({"type": kind, "sequence_number": next(number), **fields}, kind)

    yield event("response.created", response=_response_head(frame))
    for index, item in enumerate(_response_items(frame, said)):
        place = {"output_index": index, "item_id": item["id"]}
        started = {**item, "status": "in_progress"}
        if item["type"] == "message":
            (part,) = item["content"]
            empty, inside = {**part, "text": ""}, {**place, "content_index": 0}
            yield event("response.output_item.added", output_index=index, item={**started, "content": []})
            yield event("response.content_part.added", **inside, part=empty)
            for piece in _pieces(said.text):
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
    whole = _response(frame, said)
    yield event(f"response.{whole['status']}", response=whole)


# --- messages --------------------------------------------------------------------------------------------


def _message_blocks(said: Said) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if said.text is not None:
        blocks.append({"type": "text", "text": said.text})
    for index, call in enumerate(said.tool_calls):
        arguments = call.get("arguments", {})
        value = json.loads(arguments) if isinstance(arguments, str) else arguments
        blocks.append({"type": "tool_use", "id": _call_id(call, index), "name": call["name"], "input": value})
    return blocks


def _message(frame: _Frame, said: Said) -> dict[str, Any]:
    return {
        "id": f"msg_{frame.id}",
        "type": "message",
        "role": "assistant",
        "model": frame.model,
        "content": _message_blocks(said),
        "stop_reason": _ANTHROPIC_FINISH.get(said.finish_reason, said.finish_reason),
        "stop_sequence": None,
        "usage": {"input_tokens": frame.input_tokens, "output_tokens": _words(said.text)},
    }


def _message_events(frame: _Frame, body: Mapping[str, Any], said: Said) -> Iterator[bytes]:
    def event(kind: str, **fields: Any) -> bytes:
        return _sse({"type": kind, **fields}, kind)

    whole = _message(frame, said)
    start = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 0}}
    yield event("message_start", message=start)
    for index, block in enumerate(_message_blocks(said)):
        if block["type"] == "text":
            yield event("content_block_start", index=index, content_block={**block, "text": ""})
            deltas = [{"type": "text_delta", "text": piece} for piece in _pieces(block["text"])]
        else:
            yield event("content_block_start", index=index, content_block={**block, "input": {}})
            deltas = [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
        for delta in deltas:
            yield event("content_block_delta", index=index, delta=delta)
        yield event("content_block_stop", index=index)
    stop = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield event("message_delta", delta=stop, usage={"output_tokens": whole["usage"]["output_tokens"]})
    yield event("message_stop")


_Events = Callable[[_Frame, Mapping[str, Any], Said], Iterator[bytes]]
_WRITERS: dict[str, tuple[Callable[[_Frame, Said], dict[str, Any]], _Events]] = {
    "chat.completions": (_chat, _chat_events),
    "completions": (_text, _text_events),
    "responses": (_response, _response_events),
    "messages": (_message, _message_events),
}
