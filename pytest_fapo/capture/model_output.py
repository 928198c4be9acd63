"""The words of a model before they get the form of an API, and the pieces that all forms are made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class ModelOutput:
    """The output of a model, whatever the API."""

    text: str | None
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    finish_reason: str = "stop"


@dataclass
class ResponseFrame:
    """The parts of a response that do not depend on what was said."""

    id: str
    model: str
    input_tokens: int


JSON_TYPE = b"application/json"

EVENTS_TYPE = b"text/event-stream"


def word_count(text: str | None) -> int:
    """Return the number of words in a text."""
    return len((text or "").split())


def json_bytes(value: Any) -> bytes:
    """JSON as it is sent."""
    return json.dumps(value, ensure_ascii=False).encode()


def sse_bytes(value: Any, name: str = "") -> bytes:
    """One server-sent event."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + (value if isinstance(value, bytes) else json_bytes(value)) + b"\n\n"


def text_chunks(text: str | None) -> list[str]:
    """Return a text in a few pieces, as a stream brings it."""
    words = (text or "").split(" ")
    pieces = [" ".join(words[start : start + 8]) for start in range(0, len(words), 8)]
    return [piece if index == 0 else f" {piece}" for index, piece in enumerate(pieces)] if text else []


def arguments_text(call: Mapping[str, Any]) -> str:
    """Return a tool call's arguments as JSON text."""
    arguments = call.get("arguments", {})
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def arguments_value(call: Mapping[str, Any]) -> Any:
    """Return a tool call's arguments as data."""
    arguments = call.get("arguments", {})
    return json.loads(arguments) if isinstance(arguments, str) else arguments


def call_id(call: Mapping[str, Any], index: int) -> str:
    """Return a tool call's id, made up where it has none."""
    return str(call.get("id") or f"call_{index}")
