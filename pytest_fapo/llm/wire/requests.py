"""The messages of a request, whatever the API calls them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SAID = frozenset(
    {
        "model",
        "stream",
        "prompt",
        "input",
        "instructions",
        "system",
        "messages",
        "user",
        "previous_response_id",
    }
    | {"prompt_cache_key", "safety_identifier", "store"}
)


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


def parameters_of(body: Any) -> dict[str, Any]:
    """The single-valued settings of a request: temperature, limits and the like, not what it says."""
    if not isinstance(body, Mapping):
        return {}
    return {
        str(name): value
        for name, value in body.items()
        if isinstance(value, (bool, int, float, str)) and name not in _SAID and len(str(value)) <= 200
    }


def offered_tools(body: Any) -> list[str]:
    """Names of the tools that a request offers."""
    tools = body.get("tools") if isinstance(body, Mapping) else None
    found = []
    for tool in tools if isinstance(tools, list) else []:
        if isinstance(tool, Mapping):
            inner = tool.get("function")
            name = (inner if isinstance(inner, Mapping) else tool).get("name")
            found += [name] if isinstance(name, str) else []
    return found


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else []


def _role(role: str, content: Any) -> list[Any]:
    return [{"role": role, "content": content}] if content else []


def _input(value: Any) -> list[Any]:
    return _list(value) if isinstance(value, list) else _role("user", value)
