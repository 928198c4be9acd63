"""Which HTTP requests are questions to an LLM: known by the end of their path, on any host."""

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
    """Whether a request body fits `api`, where the path alone does not tell."""
    if api not in _EVERYDAY_WORDS:
        return True
    return isinstance(body, Mapping) and ("model" in body or "prompt" in body)
