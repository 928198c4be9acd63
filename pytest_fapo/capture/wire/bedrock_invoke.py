"""InvokeModel and InvokeModelWithResponseStream of Amazon Bedrock: each model family in its own form.

Claude speaks Anthropic's messages, Nova the form of Converse, gpt-oss, Jamba and Mistral that of OpenAI,
Llama, Titan and Command plain texts.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from pytest_fapo.capture.answer_forms import assembled_completion, assembled_message
from pytest_fapo.capture.answer_readers import read_by_shape
from pytest_fapo.capture.http_answer import RecordedAnswer, decoded_body
from pytest_fapo.capture.model_output import ModelOutput, ResponseFrame
from pytest_fapo.capture.wire.aws_events import AwsEvent, aws_events
from pytest_fapo.capture.wire.bedrock_converse import (
    ConverseFormat,
    is_aws_stream,
    joined_pieces,
    stream_error,
)
from pytest_fapo.capture.wire.wire_format import (
    AnswerReading,
    WholeBody,
    finish_reason,
    json_body,
    mapping,
    objects,
    part_of_path,
    texts_of,
    tokens,
    with_system,
)
from pytest_fapo.core.trace import Usage

_CONVERSE = ConverseFormat()

_METRICS = "amazon-bedrock-invocationMetrics"

_TEXT_KEYS = ("generation", "outputText", "completion", "text")
"""Keys under which a family without messages gives its text: Llama, Titan, Claude 2, Command."""

_ENTRIES = ("results", "outputs", "generations", "choices")
"""Keys of a list whose entries hold such a text: Titan, Mistral, Command, DeepSeek."""


class InvokeModelFormat:
    """`/model/<id>/invoke`, streamed or not."""

    def asks(self, body: Any) -> bool:
        return isinstance(body, Mapping)

    def model(self, url: str, body: Any) -> str:
        return part_of_path(url, "model")

    def streams(self, url: str, body: Any) -> bool:
        return urlsplit(url).path.endswith("-stream")

    def messages(self, body: Mapping[str, Any]) -> list[Any]:
        if isinstance(body.get("messages"), list):
            if str(body.get("schemaVersion", "")).startswith("messages"):  # Nova
                return _CONVERSE.messages(body)
            return with_system(body.get("system"), objects(body["messages"]))
        text = body.get("prompt") or body.get("inputText") or body.get("message") or dict(body)
        return with_system(body.get("system"), [{"role": "user", "content": text}])

    def whole(self, answer: RecordedAnswer) -> WholeBody:
        if is_aws_stream(answer):
            events = list(aws_events(decoded_body(answer) or b""))
            pieces = [piece for event in events if (piece := _piece(event))]
            ended = any(_METRICS in piece for piece in pieces)
            return WholeBody(_joined(pieces), ended, stream_error(events))
        value = json_body(answer)
        if isinstance(value, dict) and answer.header("x-amzn-bedrock-output-token-count"):
            counts = {
                name: answer.header(f"x-amzn-bedrock-{kind}-token-count")
                for name, kind in (("inputTokenCount", "input"), ("outputTokenCount", "output"))
            }
            value = {**value, _METRICS: {name: int(n) for name, n in counts.items() if n.isdigit()}}
        return WholeBody(value)

    def is_answer(self, value: Any) -> bool:
        answer = mapping(value)
        if isinstance(answer.get("content"), list):
            return isinstance(answer.get("stop_reason"), str)
        if isinstance(answer.get("output"), Mapping):
            return _CONVERSE.is_answer(answer)
        return bool(answer.keys() - {_METRICS, "message"})

    def read(self, value: Mapping[str, Any]) -> AnswerReading:
        if isinstance(value.get("output"), Mapping):
            return _CONVERSE.read(value)
        reading = read_by_shape(value) or _read_texts(value)
        if not reading.usage.input_tokens and not reading.usage.output_tokens:
            counted = value.get(_METRICS)
            reading.usage = Usage(
                input_tokens=tokens(counted, "inputTokenCount"),
                output_tokens=tokens(counted, "outputTokenCount"),
            )
        return reading

    def claims(self, value: Mapping[str, Any]) -> bool:
        return False  # the form is the model's, which has another name elsewhere

    def write(
        self, url: str, frame: ResponseFrame, said: ModelOutput, streams: bool
    ) -> tuple[bytes, list[bytes]]:
        raise ValueError("InvokeModel answers in the form of its model; return the whole response body")


def _piece(event: AwsEvent) -> Mapping[str, Any] | None:
    data = mapping(event.value).get("bytes")
    if not isinstance(data, str):
        return None
    try:
        return mapping(json.loads(base64.b64decode(data)))
    except ValueError:
        return None


def _joined(pieces: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the pieces of a stream as one answer, by the form of the first."""
    metrics: dict[str, Any] = {}
    for piece in pieces:
        metrics.update({_METRICS: piece[_METRICS]} if _METRICS in piece else {})
    first = pieces[0] if pieces else {}
    if first.get("type") == "message_start":
        return {**assembled_message(pieces), **metrics}
    if any(name in first for name in ("messageStart", "contentBlockDelta")):
        events = [(name, mapping(value)) for piece in pieces for name, value in piece.items()]
        return {**joined_pieces(events), **metrics}
    if isinstance(first.get("choices"), list) and "delta" in mapping(next(iter(first["choices"]), None)):
        return {**assembled_completion(pieces), **metrics}
    last: dict[str, Any] = {}
    for piece in pieces:
        last.update(piece)
    text = "".join(_text_of(piece) or "" for piece in pieces)
    return {"text": text, **{name: last[name] for name in _REASONS if last.get(name)}, **metrics}


_REASONS = ("stop_reason", "completionReason", "finish_reason")


def _read_texts(value: Mapping[str, Any]) -> AnswerReading:
    entry = next((entry for name in _ENTRIES for entry in objects(value.get(name))), {})
    reason = next((holder[name] for holder in (value, entry) for name in _REASONS if holder.get(name)), None)
    usage = Usage(
        input_tokens=tokens(value, "prompt_token_count", "inputTextTokenCount"),
        output_tokens=tokens(value, "generation_token_count") or tokens(entry, "tokenCount"),
    )
    return AnswerReading(answer=_text_of(value), finish_reason=finish_reason(reason), usage=usage)


def _text_of(value: Mapping[str, Any]) -> str | None:
    entries = [entry for name in _ENTRIES for entry in objects(value.get(name))]
    for holder in (value, *entries):
        found = next((holder[name] for name in _TEXT_KEYS if isinstance(holder.get(name), str)), None)
        if found is not None:
            return str(found)
    return texts_of(mapping(value.get("message")).get("content"))
