"""Prepared answers in the form of each API: as one JSON body, or as the API's stream of events."""

from __future__ import annotations

import hashlib
import json
from array import array
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pytest_fapo.capture.endpoints import messages_of, output_tools
from pytest_fapo.capture.http_answer import RecordedAnswer
from pytest_fapo.capture.model_output import (
    EVENTS_TYPE,
    JSON_TYPE,
    ModelOutput,
    ResponseFrame,
    arguments_text,
    arguments_value,
    call_id,
    json_bytes,
    sse_bytes,
    text_chunks,
    word_count,
)
from pytest_fapo.capture.wire.embeddings import EmbeddingFormat
from pytest_fapo.capture.wire.formats import FORMATS
from pytest_fapo.core.text import json_or_text

CREATED = 1_700_000_000
"""When every offline answer claims to have been made: equal questions get equal answers."""


def _chat_usage(frame: ResponseFrame, said: ModelOutput) -> dict[str, int]:
    spoken = word_count(said.text)
    return {
        "prompt_tokens": frame.input_tokens,
        "completion_tokens": spoken,
        "total_tokens": frame.input_tokens + spoken,
    }


def _chat_calls(said: ModelOutput) -> list[dict[str, Any]]:
    return [
        {
            "id": call_id(call, index),
            "type": "function",
            "function": {"name": call["name"], "arguments": arguments_text(call)},
        }
        for index, call in enumerate(said.tool_calls)
    ]


def chat_body(frame: ResponseFrame, said: ModelOutput) -> dict[str, Any]:
    """Return a whole chat completion."""
    message: dict[str, Any] = {"role": "assistant", "content": said.text, "refusal": None}
    if said.tool_calls:
        message["tool_calls"] = _chat_calls(said)
    choice = {"index": 0, "message": message, "finish_reason": said.finish_reason, "logprobs": None}
    return {**_chat_head(frame), "choices": [choice], "usage": _chat_usage(frame, said)}


def _chat_head(frame: ResponseFrame, kind: str = "chat.completion") -> dict[str, Any]:
    return {"id": frame.id, "object": kind, "created": CREATED, "model": frame.model}


def chat_events(frame: ResponseFrame, request: Mapping[str, Any], said: ModelOutput) -> Iterator[bytes]:
    """Yield a chat completion as a stream."""
    head = _chat_head(frame, "chat.completion.chunk")

    def chunk(delta: Mapping[str, Any], finish: str | None = None) -> bytes:
        return sse_bytes({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    yield chunk({"role": "assistant", "content": "" if said.text is not None else None})
    for piece in text_chunks(said.text):
        yield chunk({"content": piece})
    for index, call in enumerate(_chat_calls(said)):
        yield chunk({"tool_calls": [{"index": index, **call}]})
    yield chunk({}, said.finish_reason)
    if (request.get("stream_options") or {}).get("include_usage"):
        yield sse_bytes({**head, "choices": [], "usage": _chat_usage(frame, said)})
    yield sse_bytes(b"[DONE]")


def completion_body(frame: ResponseFrame, said: ModelOutput) -> dict[str, Any]:
    """Return a whole text completion."""
    choice = {"index": 0, "text": said.text or "", "finish_reason": said.finish_reason, "logprobs": None}
    return {
        **_chat_head(frame, "text_completion"),
        "choices": [choice],
        "usage": _chat_usage(frame, said),
    }


def completion_events(frame: ResponseFrame, request: Mapping[str, Any], said: ModelOutput) -> Iterator[bytes]:
    """Yield a text completion as a stream."""
    head = _chat_head(frame, "text_completion")
    for piece in text_chunks(said.text):
        yield sse_bytes({**head, "choices": [{"index": 0, "text": piece, "finish_reason": None}]})
    yield sse_bytes({**head, "choices": [{"index": 0, "text": "", "finish_reason": said.finish_reason}]})
    yield sse_bytes(b"[DONE]")


def vectors_for(answer: Any, count: int) -> list[Sequence[float]]:
    """Return the vectors an offline model gave for `count` inputs: one for each, or one for all."""
    if hasattr(answer, "tolist"):  # numpy and its like
        answer = answer.tolist()
    if not isinstance(answer, Sequence) or isinstance(answer, str):
        raise TypeError("an embedding is a list of numbers, or one such list for each input")
    nested = bool(answer) and isinstance(answer[0], Sequence)
    return list(answer) if nested else [answer] * count


def embeddings_body(frame: ResponseFrame, request: Mapping[str, Any], answer: Any) -> dict[str, Any]:
    """Return a list of embeddings, one for each input."""
    asked = request.get("input")
    several = isinstance(asked, list) and bool(asked) and not isinstance(asked[0], int)
    vectors = vectors_for(answer, len(asked) if several and asked else 1)
    base64 = request.get("encoding_format") == "base64"
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": _packed_vector(vector) if base64 else list(vector),
        }
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": frame.input_tokens, "total_tokens": frame.input_tokens}
    return {"object": "list", "data": data, "model": frame.model, "usage": usage}


def _packed_vector(vector: Sequence[float]) -> str:
    return b64encode(array("f", vector).tobytes()).decode()


_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


def _content_blocks(said: ModelOutput) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if said.text is not None:
        blocks.append({"type": "text", "text": said.text})
    for index, call in enumerate(said.tool_calls):
        asked = {"id": call_id(call, index), "name": call["name"], "input": arguments_value(call)}
        blocks.append({"type": "tool_use", **asked})
    return blocks


def messages_body(frame: ResponseFrame, said: ModelOutput) -> dict[str, Any]:
    """Return a whole message."""
    return {
        "id": f"msg_{frame.id}",
        "type": "message",
        "role": "assistant",
        "model": frame.model,
        "content": _content_blocks(said),
        "stop_reason": _STOP_REASONS.get(said.finish_reason, said.finish_reason),
        "stop_sequence": None,
        "usage": {"input_tokens": frame.input_tokens, "output_tokens": word_count(said.text)},
    }


def messages_events(frame: ResponseFrame, request: Mapping[str, Any], said: ModelOutput) -> Iterator[bytes]:
    """Yield a message as a stream."""

    def event(kind: str, **fields: Any) -> bytes:
        return sse_bytes({"type": kind, **fields}, kind)

    whole = messages_body(frame, said)
    start = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 0}}
    yield event("message_start", message=start)
    for index, block in enumerate(_content_blocks(said)):
        if block["type"] == "text":
            yield event("content_block_start", index=index, content_block={**block, "text": ""})
            deltas = [{"type": "text_delta", "text": piece} for piece in text_chunks(block["text"])]
        else:
            yield event("content_block_start", index=index, content_block={**block, "input": {}})
            deltas = [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
        for delta in deltas:
            yield event("content_block_delta", index=index, delta=delta)
        yield event("content_block_stop", index=index)
    stop = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield event("message_delta", delta=stop, usage={"output_tokens": whole["usage"]["output_tokens"]})
    yield event("message_stop")


def _response_items(frame: ResponseFrame, said: ModelOutput) -> list[dict[str, Any]]:
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
                "arguments": arguments_text(call),
                "status": "completed",
            }
        )
    return items


def responses_body(frame: ResponseFrame, said: ModelOutput) -> dict[str, Any]:
    """Return a whole response."""
    spoken = word_count(said.text)
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


def _response_head(frame: ResponseFrame) -> dict[str, Any]:
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


def responses_events(frame: ResponseFrame, request: Mapping[str, Any], said: ModelOutput) -> Iterator[bytes]:
    """Yield a response as a stream."""
    number = iter(range(1_000_000))

    def event(kind: str, **fields: Any) -> bytes:
        return sse_bytes({"type": kind, "sequence_number": next(number), **fields}, kind)

    yield event("response.created", response=_response_head(frame))
    for index, item in enumerate(_response_items(frame, said)):
        place = {"output_index": index, "item_id": item["id"]}
        started = {**item, "status": "in_progress"}
        if item["type"] == "message":
            (part,) = item["content"]
            empty, inside = {**part, "text": ""}, {**place, "content_index": 0}
            yield event("response.output_item.added", output_index=index, item={**started, "content": []})
            yield event("response.content_part.added", **inside, part=empty)
            for piece in text_chunks(said.text):
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
    whole = responses_body(frame, said)
    yield event(f"response.{whole['status']}", response=whole)


def write_answer(api: str, body: Mapping[str, Any], answer: Any, url: str = "") -> tuple[bytes, list[bytes]]:
    """Content type and body chunks for what an offline model returned.

    Token counts are counts of words, as no tokenizer is asked.

    Args:
        api: as in `LLMCall.api`.
        body: the request's body.
        answer: see `pytest_fapo.answers.offline`.
        url: of the request; some APIs say there which model is asked, and whether the answer is a stream.

    Raises:
        TypeError, ValueError: the answer does not fit the API.
    """
    wire = FORMATS.get(api)
    model = wire.model(url, body) if wire is not None else str(body.get("model") or "")
    frame = _response_frame(api, body, model)
    if api == "embeddings":
        whole = answer if isinstance(answer, Mapping) else embeddings_body(frame, body, answer)
        return JSON_TYPE, [json_bytes(whole)]
    if isinstance(wire, EmbeddingFormat) and not isinstance(answer, Mapping):
        vectors = vectors_for(answer, len(wire.texts(body)))
        return JSON_TYPE, [json_bytes(wire.body(url, frame, vectors))]
    streams = wire.streams(url, body) if wire is not None else body.get("stream") is True
    said = _model_output(answer)
    if said is None:
        if streams:
            raise ValueError(
                "a whole response body cannot be streamed; return a text, or text and tool_calls"
            )
        return JSON_TYPE, [json_bytes(answer)]
    if wire is not None:
        return wire.write(url, frame, said, streams)
    if api not in _WRITERS:
        raise ValueError("an endpoint of your own needs the whole response body: return a mapping")
    write_whole, write_events = _WRITERS[api]
    if streams:
        return EVENTS_TYPE, list(write_events(frame, body, said))
    return JSON_TYPE, [json_bytes(write_whole(frame, said))]


def text_of(output: Any) -> str:
    """Return what a model says that answers with these data: a text as it is, anything else as JSON."""
    return output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)


def written_answer(api: str, body: Any, output: Any, url: str = "") -> RecordedAnswer:
    """Return the HTTP answer of a model that said `output`; data other than text is told as JSON. Where the
    answer must come by a tool, it is the tool's arguments.

    Args:
        api: as in `LLMCall.api`, none of `embeddings` and `other`.
        body: the request's body.
        output: what is to be said.
        url: of the request.
    """
    answer: Any = text_of(output)
    tools = output_tools(body)
    if len(tools) == 1 and isinstance(json_or_text(output), dict):
        answer = {"tool_calls": [{"name": tools[0], "arguments": json_or_text(output)}]}
    content_type, chunks = write_answer(api, body if isinstance(body, Mapping) else {}, answer, url)
    headers = ((b"content-type", content_type),)
    return RecordedAnswer(status=200, headers=headers, chunks=tuple(chunks), reason=b"OK")


def written_failure(api: str, message: str) -> tuple[bytes, list[bytes]]:
    """Content type and body chunks of an error in the API's shape."""
    error = {"type": "api_error", "message": message}
    return JSON_TYPE, [
        json_bytes({"type": "error", "error": error} if api == "messages" else {"error": error})
    ]


def _response_frame(api: str, body: Mapping[str, Any], model: str) -> ResponseFrame:
    text = json.dumps(body, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:24]
    spoken = sum(word_count(json.dumps(message)) for message in messages_of(api, body))
    return ResponseFrame(id=f"offline-{digest}", model=model or "offline", input_tokens=spoken)


def _model_output(answer: Any) -> ModelOutput | None:
    if isinstance(answer, str):
        return ModelOutput(answer)
    if not isinstance(answer, Mapping):
        raise TypeError(f"it returned {type(answer).__name__}; a text or a mapping was expected")
    if "text" not in answer and "tool_calls" not in answer:
        return None
    calls = [dict(call) for call in answer.get("tool_calls") or []]
    finish = answer.get("finish_reason") or ("tool_calls" if calls else "stop")
    return ModelOutput(answer.get("text"), calls, str(finish))


_EventWriter = Callable[[ResponseFrame, Mapping[str, Any], ModelOutput], Iterator[bytes]]

_WRITERS: dict[str, tuple[Callable[[ResponseFrame, ModelOutput], dict[str, Any]], _EventWriter]] = {
    "chat.completions": (chat_body, chat_events),
    "completions": (completion_body, completion_events),
    "responses": (responses_body, responses_events),
    "messages": (messages_body, messages_events),
}
