"""Recorded data inside a prompt, so that nothing in it can pass for a part of the prompt."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence

from pydantic import JsonValue

_FENCE_LINES = re.compile(r"\A\s*==== [0-9a-f]{8} .*\n|\n==== [0-9a-f]{8} end\s*\Z")
_LINE_BREAKS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}  # JSON leaves these unescaped


def shorten(text: str, limit: int) -> str:
    """`text` with its middle left out where it is longer than `limit` characters."""
    if len(text) <= limit:
        return text
    head = max(limit * 2 // 3, 1)
    tail = max(limit - head, 1)
    return f"{text[:head]} … [{len(text) - head - tail} characters left out] … {text[-tail:]}"


def line(text: str, limit: int = 600) -> str:
    """Words of ours that may quote recorded data, kept on one line."""
    return shorten(" ".join(text.split()), limit)


def value(recorded: JsonValue, limit: int) -> str:
    """A recorded value as JSON on one line."""
    return shorten(json.dumps(recorded, ensure_ascii=False).translate(_LINE_BREAKS), limit)


def quoted(text: str, limit: int) -> str:
    """Recorded lines, each behind a bar."""
    return "\n".join(f"| {line}" for line in shorten(text.strip(), limit).splitlines())


def fence_for(texts: Sequence[str]) -> str:
    """A mark that stands in none of the texts; the same texts give the same mark."""
    number = 0
    while True:
        body = json.dumps([number, *texts]).encode()
        mark = hashlib.sha256(body).hexdigest()[:8]
        if not any(mark in text for text in texts):
            return mark
        number += 1


def unfenced(text: str) -> str:
    """`text` without fence lines that a model copied around it."""
    return _FENCE_LINES.sub("", text)


def fenced(mark: str, label: str, text: str) -> str:
    """`text` between two lines that bear the mark."""
    return f"==== {mark} {label}\n{text}\n==== {mark} end"
