"""Ollama's own API: `/api/chat` and `/api/generate`, whose streams are lines of JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_fapo.capture.http_answer import RecordedAnswer, decoded_body
from pytest_fapo.capture.model_output import (
    JSON_TYPE,
    ModelOutput,
    ResponseFrame,
    arguments_value,
    json_bytes,
    text_chunks,
    word_count,
)
from pytest_fapo.capture.wire.wire_format import (
    AnswerReading,
    WholeBody,
    error_text,
    mapping,
    named_model,
    objects,
    tokens,
    with_system,
)
from pytest_fapo.core.text import parsed_json
from pytest_fapo.core.trace import ToolCall, Usage

_LINES_TYPE = b"application/x-ndjson"

_CREATED_AT = "2023-11-14T22:13:20Z"


class OllamaFormat:
    """One of the two endpoints.

    Args:
        chat: True for `/api/chat`, False for `/api/generate`.
    """

    def __init__(self, *, chat: bool) -> None:
        self._chat = chat

    def asks(self, body: Any) -> bool:
        asked = mapping(body)
        return bool(named_model(asked)) and ("messages" if self._chat else "prompt") in asked

    def model(self, url: str, body: Any) -> str:
        return named_model(body)

    def streams(self, url: str, body: Any) -> bool:
        return mapping(body).get("stream") is not False

    def messages(self, body: Mapping[str, Any]) -> list[Any]:
        if self._chat:
            return [_message(message) for message in objects(body.get("messages"))]
        prompt = body.get("prompt")
        return with_system(body.get("system"), [{"role": "user", "content": prompt}] if prompt else [])

    def whole(self, answer: RecordedAnswer) -> WholeBody:
        lines = [line for line in (decoded_body(answer) or b"").splitlines() if line.strip()]
        try:
            pieces = objects([parsed_json(line) for line in lines])
        except ValueError:
            return WholeBody(None, ended=False)
        if len(pieces) < len(lines) or not pieces:
            return WholeBody(None)
        error = next((error_text(piece["error"]) for piece in pieces if piece.get("error")), "")
        return WholeBody(_joined(pieces), pieces[-1].get("done") is not False, error)

    def is_answer(self, value: Any) -> bool:
        answer = mapping(value)
        message = answer.get("message")
        if self._chat:
            return isinstance(message, Mapping) and bool(message.keys() - {"role"})
        return isinstance(answer.get("response"), str)

    def read(self, value: Mapping[str, Any]) -> AnswerReading:
        message = mapping(value.get("message")) if self._chat else {"content": value.get("response")}
        calls = [_call(call) for call in objects(message.get("tool_calls"))]
        text = message.get("content")
        return AnswerReading(
            answer=text if isinstance(text, str) and (text or not calls) else None,
            tool_calls=calls,
            finish_reason="tool_calls" if calls else str(value.get("done_reason") or "stop"),
            usage=Usage(
                input_tokens=tokens(value, "prompt_eval_count"), output_tokens=tokens(value, "eval_count")
            ),
        )

    def claims(self, value: Mapping[str, Any]) -> bool:
        named = isinstance(value.get("model"), str) and isinstance(value.get("done"), bool)
        return named and ("message" if self._chat else "response") in value

    def write(
        self, url: str, frame: ResponseFrame, said: ModelOutput, streams: bool
    ) -> tuple[bytes, list[bytes]]:
        spoken = word_count(said.text)
        end = {
            "done": True,
            "done_reason": "length" if said.finish_reason == "length" else "stop",
            "prompt_eval_count": frame.input_tokens,
            "eval_count": spoken,
        }
        if not streams:
            return JSON_TYPE, [json_bytes({**self._piece(frame, said.text, said.tool_calls), **end})]
        pieces = [{**self._piece(frame, text), "done": False} for text in text_chunks(said.text)]
        pieces += [{**self._piece(frame, "", said.tool_calls), **end}]
        return _LINES_TYPE, [json_bytes(piece) + b"\n" for piece in pieces]

    def _piece(
        self, frame: ResponseFrame, text: str | None, calls: list[dict[str, Any]] | None = None
    ) -> dict[str, Any]:
        head = {"model": frame.model, "created_at": _CREATED_AT}
        if not self._chat:
            return {**head, "response": text or ""}
        message: dict[str, Any] = {"role": "assistant", "content": text or ""}
        if calls:
            message["tool_calls"] = [
                {"function": {"name": call["name"], "arguments": arguments_value(call)}} for call in calls
            ]
        return {**head, "message": message}


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message as OpenAI has it; a tool call without an id is known by the tool's name."""
    found = dict(message)
    if found.get("role") == "tool" and "tool_call_id" not in found:
        found["tool_call_id"] = found.get("tool_name") or found.get("name") or ""
    if isinstance(found.get("tool_calls"), list):
        found["tool_calls"] = [{"id": _call(call).id, **call} for call in objects(found["tool_calls"])]
    return found


def _call(call: Mapping[str, Any]) -> ToolCall:
    function = mapping(call.get("function"))
    name = str(function.get("name") or "")
    return ToolCall(id=str(call.get("id") or name), name=name, arguments=function.get("arguments"))


def _joined(pieces: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the lines of a stream as one answer."""
    whole: dict[str, Any] = {}
    message: dict[str, Any] = {}
    response = ""
    for piece in pieces:
        whole.update(piece)
        response += piece.get("response") or ""
        for name, value in mapping(piece.get("message")).items():
            grows = name != "role" and isinstance(value, str | list)
            message[name] = (message.get(name) or type(value)()) + value if grows else value
    if message:
        whole["message"] = message
    if "response" in whole:
        whole["response"] = response
    return whole
