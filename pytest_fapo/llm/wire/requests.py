"""The messages of a request, whatever the API calls them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def messages_of(api: str, body: Any) -> list[Any]:
    """The messages that a request sends, in the provider's own shape, the system prompt first."""
    if not isinstance(body, Mapping):
        return []
    if api == "chat.completions":
        return _list(body.get("messages"))
    if api == "messages":
        return [*_role("system", body.get("system")), *_list(body.get("messages"))]
    if api == "responses":
        return [*_role("system", body.get("instructions")), *_input(body.get("input"))]
    if api == "completions":
        return _role("user", body.get("prompt"))
    if api == "embeddings":
        return _role("user", body.get("input"))
    if isinstance(body.get("messages"), list):
        return _list(body["messages"])
    return _role("user", dict(body))


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else []


def _role(role: str, content: Any) -> list[Any]:
    return [{"role": role, "content": content}] if content else []


def _input(value: Any) -> list[Any]:
    return _list(value) if isinstance(value, list) else _role("user", value)
