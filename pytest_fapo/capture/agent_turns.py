"""Turns of one agent: requests that go on with the messages of an earlier one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from pytest_fapo.core.record import canonical_json

_TOOL_RESULTS = ("tool_result", "function_call_output", "custom_tool_call_output")
_RESULT_KEYS = frozenset({"toolResult", "functionResponse"})


def digest_of_turns(messages: Sequence[Any]) -> tuple[int, str]:
    """Return the number and the digest of a request's messages."""
    return len(messages), sha256(canonical_json(list(messages)).encode("utf-8", "replace")).hexdigest()


def continues(earlier: tuple[int, str], messages: Sequence[Any], *, by_tools: bool) -> bool:
    """True if a request's messages are those of an earlier one with more turns after them.

    Args:
        earlier: the number and the digest of the earlier request's messages.
        messages: of the request.
        by_tools: the further turns must be results of tools.
    """
    count, digest = earlier
    if not 0 < count < len(messages) or digest_of_turns(messages[:count])[1] != digest:
        return False
    return not by_tools or any(map(_is_tool_result, messages[count:]))


def _is_tool_result(message: Any) -> bool:
    if not isinstance(message, Mapping):
        return False
    if message.get("role") in ("tool", "function") or message.get("type") in _TOOL_RESULTS:
        return True
    parts = message.get("content", message.get("parts"))
    return isinstance(parts, list) and any(
        isinstance(part, Mapping) and (part.get("type") in _TOOL_RESULTS or not _RESULT_KEYS.isdisjoint(part))
        for part in parts
    )
