"""Pieces that the answers of all APIs are written with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CREATED = 1_700_000_000
"""When every offline answer claims to have been made: equal questions get equal answers."""


@dataclass
class Said:
    """What a model said, whatever the API."""

    text: str | None
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    finish_reason: str = "stop"


@dataclass
class Frame:
    """The parts of a response that do not depend on what was said."""

    id: str
    model: str
    input_tokens: int


def words(text: str | None) -> int:
    """How many words a text has."""
    return len((text or "").split())


def dump(value: Any) -> bytes:
    """JSON as it is sent."""
    return json.dumps(value, ensure_ascii=False).encode()


def sse(value: Any, name: str = "") -> bytes:
    """One server-sent event."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + (value if isinstance(value, bytes) else dump(value)) + b"\n\n"


def pieces(text: str | None) -> list[str]:
    """A text in a few pieces, as a stream brings it."""
    words = (text or "").split(" ")
    pieces = [" ".join(words[start : start + 8]) for start in range(0, len(words), 8)]
    return [piece if index == 0 else f" {piece}" for index, piece in enumerate(pieces)] if text else []


def arguments(call: Mapping[str, Any]) -> str:
    """A tool call's arguments as JSON text."""
    arguments = call.get("arguments", {})
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def call_id(call: Mapping[str, Any], index: int) -> str:
    """A tool call's id, made up where it has none."""
    return str(call.get("id") or f"call_{index}")
