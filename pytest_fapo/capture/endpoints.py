"""LLM endpoints: the HTTP requests that ask a model, and the keys of their messages, settings and tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_ENDINGS = {
    "/chat/completions": "chat.completions",
    "/responses": "responses",
    "/completions": "completions",
    "/embeddings": "embeddings",
    "/messages": "messages",
}

_EVERYDAY_WORDS = ("messages", "responses")
"""APIs whose path could as well belong to a chat service or a survey; their body must ask a model."""


def api_of(method: str, path: str, extra: Sequence[str] = ()) -> str | None:
    """The API that a request speaks, judged by method and path; None where it is no LLM request.

    Args:
        method: the HTTP method.
        path: the URL's path, without the query.
        extra: further path endings of the user's that count, as API `other`.
    """
    path = path.rstrip("/")
    if method.upper() == "POST":
        for ending, api in _ENDINGS.items():
            if path.endswith(ending):
                return api
    return "other" if any(path.endswith(_from_boundary(ending)) for ending in extra) else None


def _from_boundary(ending: str) -> str:
    """A configured ending, such that it matches whole parts of a path: `ask` is not the end of `/task`."""
    ending = ending.rstrip("/")
    return ending if ending[:1] in ("/", ":") else f"/{ending}"


def plausible(api: str, body: Any) -> bool:
    """True if a request body fits `api`, where the path alone does not tell."""
    if api not in _EVERYDAY_WORDS:
        return True
    return isinstance(body, Mapping) and ("model" in body or "prompt" in body)


_MESSAGE_FIELDS = frozenset(
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
        return _as_list(body.get("messages"))
    if api == "messages":
        return [*_with_role("system", body.get("system")), *_as_list(body.get("messages"))]
    if api == "responses":
        return [*_with_role("system", body.get("instructions")), *_input_messages(body.get("input"))]
    if api == "completions":
        return _with_role("user", body.get("prompt"))
    if api == "embeddings":
        return _with_role("user", body.get("input"))
    if isinstance(body.get("messages"), list):
        return _as_list(body["messages"])
    return _with_role("user", dict(body))


def parameters_of(body: Any) -> dict[str, Any]:
    """The single-valued settings of a request: temperature, limits and the like, not what it says."""
    if not isinstance(body, Mapping):
        return {}
    return {
        str(name): value
        for name, value in body.items()
        if isinstance(value, (bool, int, float, str))
        and name not in _MESSAGE_FIELDS
        and len(str(value)) <= 200
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


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else []


def _with_role(role: str, content: Any) -> list[Any]:
    return [{"role": role, "content": content}] if content else []


def _input_messages(value: Any) -> list[Any]:
    return _as_list(value) if isinstance(value, list) else _with_role("user", value)
