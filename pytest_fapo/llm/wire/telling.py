"""Which API and which model an answer comes from, judged by the answer alone."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from pytest_fapo.llm.recorded import Recorded
from pytest_fapo.llm.wire.bodies import decoded_body, events_of, is_event_stream
from pytest_fapo.llm.wire.reading import json_of

_OBJECTS = {
    "chat.completion": "chat.completions",
    "chat.completion.chunk": "chat.completions",
    "text_completion": "completions",
    "response": "responses",
}
_EVENTS_LOOKED_AT = 5


def api_of_answer(answer: Recorded) -> str:
    """As in `LLMCall.api`; `other` where the answer does not say."""
    return next((api for api in map(_api, _values(answer)) if api), "other")


def model_of_answer(answer: Recorded) -> str:
    """The model's name as the provider gives it; empty where it does not."""
    return next((name for name in map(_model, _values(answer)) if name), "")


def _values(answer: Recorded) -> list[Mapping[str, Any]]:
    """The JSON objects in which an answer may say what it is."""
    if is_event_stream(answer):
        events = islice(events_of(decoded_body(answer) or b""), _EVENTS_LOOKED_AT)
        values = [event.value for event in events]
    else:
        values = [json_of(answer)]
    return [value for value in values if isinstance(value, Mapping)]


def _api(value: Mapping[str, Any]) -> str:
    kind = value.get("object")
    if kind == "list" and isinstance(value.get("data"), list):
        return "embeddings"
    if isinstance(kind, str) and kind in _OBJECTS:
        return _OBJECTS[kind]
    event = value.get("type")
    if event in ("message", "message_start"):
        return "messages"
    return "responses" if isinstance(event, str) and event.startswith("response.") else ""


def _model(value: Mapping[str, Any]) -> str:
    for holder in (value, value.get("message"), value.get("response")):
        name = holder.get("model") if isinstance(holder, Mapping) else None
        if isinstance(name, str) and name:
            return name
    return ""
