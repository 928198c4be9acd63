"""Google's Gemini, from AI Studio and Vertex AI: `:generateContent` and `:streamGenerateContent`.

A stream comes as server-sent events (`alt=sse`) or as one JSON array.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from pytest_fapo.capture.http_answer import RecordedAnswer, decoded_body, events_of, is_event_stream
from pytest_fapo.capture.model_output import (
    EVENTS_TYPE,
    JSON_TYPE,
    ModelOutput,
    ResponseFrame,
    arguments_value,
    json_bytes,
    sse_bytes,
    text_chunks,
    word_count,
)
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
from pytest_fapo.core.trace import ToolCall, Usage

_WRITTEN_REASONS = {"length": "MAX_TOKENS", "content_filter": "SAFETY"}


class GeminiFormat:
    """`generateContent`, streamed or not."""

    def asks(self, body: Any) -> bool:
        return "contents" in mapping(body)

    def model(self, url: str, body: Any) -> str:
        name = (
            part_of_path(url, "models") or part_of_path(url, "tunedModels") or part_of_path(url, "endpoints")
        )
        return name.rpartition(":")[0]

    def streams(self, url: str, body: Any) -> bool:
        return urlsplit(url).path.endswith(":streamGenerateContent")

    def messages(self, body: Mapping[str, Any]) -> list[Any]:
        instruction = body.get("systemInstruction", body.get("system_instruction"))
        system = instruction if isinstance(instruction, str) else texts_of(_parts(instruction))
        contents = body.get("contents")
        contents = [{"parts": [{"text": contents}]}] if isinstance(contents, str) else contents
        contents = [contents] if isinstance(contents, Mapping) else contents
        return with_system(system, [_message(content) for content in objects(contents)])

    def whole(self, answer: RecordedAnswer) -> WholeBody:
        if is_event_stream(answer):
            pieces = objects([event.value for event in events_of(decoded_body(answer) or b"")])
        else:
            value = json_body(answer)
            if not isinstance(value, list):
                return WholeBody(value)
            pieces = objects(value)
        error = next((error_text(piece["error"]) for piece in pieces if piece.get("error")), "")
        value = _joined(pieces)
        ended = any(each.get("finishReason") for each in value["candidates"]) or _block_reason(value)
        return WholeBody(value, bool(ended), error)

    def is_answer(self, value: Any) -> bool:
        candidates = objects(mapping(value).get("candidates"))
        good = all(each.get("content") or each.get("finishReason") for each in candidates)
        return bool(_block_reason(value)) or (bool(candidates) and good)

    def read(self, value: Mapping[str, Any]) -> AnswerReading:
        candidate = next(iter(objects(value.get("candidates"))), {})
        parts = _parts(candidate.get("content"))
        calls = [_call(part["functionCall"]) for part in parts if part.get("functionCall")]
        reason = str(candidate.get("finishReason") or "")
        finish = finish_reason(reason)
        blocked = _block_reason(value)
        return AnswerReading(
            answer=texts_of([part for part in parts if not part.get("thought")]),
            tool_calls=calls,
            finish_reason="content_filter" if blocked else "tool_calls" if calls else finish,
            refusal=f"blocked: {blocked}" if blocked else None,
            usage=_usage(value.get("usageMetadata")),
        )

    def claims(self, value: Mapping[str, Any]) -> bool:
        return isinstance(value.get("candidates"), list) or bool(_block_reason(value))

    def write(
        self, url: str, frame: ResponseFrame, said: ModelOutput, streams: bool
    ) -> tuple[bytes, list[bytes]]:
        if not streams:
            return JSON_TYPE, [json_bytes(_written(frame, said, _written_parts(said), last=True))]
        pieces = list(_written_pieces(frame, said))
        if "alt=sse" in urlsplit(url).query:
            return EVENTS_TYPE, [sse_bytes(piece) for piece in pieces]
        texts = [json_bytes(piece) for piece in pieces]
        return JSON_TYPE, [b"[", *(t if i == 0 else b",\r\n" + t for i, t in enumerate(texts)), b"]"]


def _parts(content: Any) -> list[Mapping[str, Any]]:
    parts = mapping(content).get("parts")
    return objects([parts] if isinstance(parts, Mapping) else parts)


def _message(content: Mapping[str, Any]) -> dict[str, Any]:
    role = "assistant" if content.get("role") == "model" else "user"
    blocks = [_block(part) for part in _parts(content)]
    plain = all(block.get("type") == "text" for block in blocks)
    return {"role": role, "content": texts_of(blocks) or "" if plain else blocks}


def _block(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part in the form of Anthropic's content blocks; pictures and the like as they are."""
    call = part.get("functionCall", part.get("function_call"))
    result = part.get("functionResponse", part.get("function_response"))
    if isinstance(call, Mapping):
        asked = _call(call)
        return {"type": "tool_use", "id": asked.id, "name": asked.name, "input": asked.arguments}
    if isinstance(result, Mapping):
        name = str(result.get("id") or result.get("name") or "")
        return {"type": "tool_result", "tool_use_id": name, "content": result.get("response")}
    return {"type": "text", "text": part["text"]} if isinstance(part.get("text"), str) else dict(part)


def _call(call: Mapping[str, Any]) -> ToolCall:
    """Return a tool call; those without an id are told apart by the tool's name, which results repeat."""
    name = str(call.get("name") or "")
    return ToolCall(id=str(call.get("id") or name), name=name, arguments=call.get("args"))


def _joined(pieces: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the pieces of a stream as one response: the parts of each candidate in a row, the rest as
    last.
    """
    whole: dict[str, Any] = {}
    candidates: dict[int, dict[str, Any]] = {}
    for piece in pieces:
        whole.update({name: value for name, value in piece.items() if name != "candidates"})
        for candidate in objects(piece.get("candidates")):
            found = candidates.setdefault(candidate.get("index") or 0, {"content": {"parts": []}})
            found["content"]["parts"] += _parts(candidate.get("content"))
            found.update({name: value for name, value in candidate.items() if name != "content"})
    return {**whole, "candidates": [candidates[index] for index in sorted(candidates)]}


def _block_reason(value: Any) -> str:
    return str(mapping(mapping(value).get("promptFeedback")).get("blockReason") or "")


def _usage(usage: Any) -> Usage:
    return Usage(
        input_tokens=tokens(usage, "promptTokenCount", "toolUsePromptTokenCount"),
        output_tokens=tokens(usage, "candidatesTokenCount", "thoughtsTokenCount"),
        cached_input_tokens=tokens(usage, "cachedContentTokenCount"),
    )


def _written_parts(said: ModelOutput) -> list[dict[str, Any]]:
    calls = [
        {"functionCall": {"name": call["name"], "args": arguments_value(call)}} for call in said.tool_calls
    ]
    return [*([{"text": said.text}] if said.text is not None else []), *calls]


def _written_pieces(frame: ResponseFrame, said: ModelOutput) -> Iterator[dict[str, Any]]:
    chunks: list[list[dict[str, Any]]] = [[{"text": piece}] for piece in text_chunks(said.text)]
    calls = _written_parts(ModelOutput(None, said.tool_calls))
    chunks += [calls] if calls or not chunks else []
    for number, parts in enumerate(chunks, 1):
        yield _written(frame, said, parts, last=number == len(chunks))


def _written(frame: ResponseFrame, said: ModelOutput, parts: Any, *, last: bool) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if last:
        candidate["finishReason"] = _WRITTEN_REASONS.get(said.finish_reason, "STOP")
    spoken = word_count(said.text)
    usage = {
        "promptTokenCount": frame.input_tokens,
        "candidatesTokenCount": spoken,
        "totalTokenCount": frame.input_tokens + spoken,
    }
    return {
        "candidates": [candidate],
        "usageMetadata": usage,
        "modelVersion": frame.model,
        "responseId": frame.id,
    }
