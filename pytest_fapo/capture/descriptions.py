"""The texts of a request beside its messages: descriptions of tools and of the form of the answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_DEEPEST = 24

_MESSAGES = frozenset(
    {"messages", "input", "prompt", "instructions", "system", "contents", "systemInstruction", "metadata"}
)


def descriptions_of(body: Any) -> list[str]:
    """Return the values of `description` anywhere in a request's tools and schemas, each once.

    Args:
        body: of the request, in any provider's form.
    """
    if not isinstance(body, dict):
        return []
    parts = (value for name, value in body.items() if name not in _MESSAGES)
    return list(dict.fromkeys(text for part in parts for text in _described(part, 0)))


def _described(value: Any, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        return
    if isinstance(value, dict):
        for name, part in value.items():
            if name == "description" and isinstance(part, str):
                yield part
            else:
                yield from _described(part, depth + 1)
    elif isinstance(value, list):
        for part in value:
            yield from _described(part, depth + 1)
