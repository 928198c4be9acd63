"""The messages of an LLM call as text, whatever the provider calls their parts; no ids, no signatures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pytest_fapo.models import LLMCall, ToolCall, json_or_text

_TEXTS = ("text", "input_text", "output_text", "refusal", "summary_text")
_NOT_TEXT = {
    "image": "image",
    "image_url": "image",
    "input_image": "image",
    "audio": "audio",
    "input_audio": "audio",
    "document": "document",
    "file": "file",
    "input_file": "file",
    "thinking": "thinking",
    "redacted_thinking": "thinking",
    "reasoning": "thinking",
}
_VOLATILE = (
    "id",
    "call_id",
    "tool_call_id",
    "tool_use_id",
    "signature",
    "encrypted_content",
    "cache_control",
)


class Part(NamedTuple):
    """One message, or one piece of it that a model would take for a message of its own."""

    role: str
    """`system`, `user`, `assistant`, `tool` …, as the provider has it."""
    text: str


def parts_of(call: LLMCall) -> list[Part]:
    """What a call says, in order; empty messages left out."""
    parts = [part for message in call.messages for part in _parts(message)]
    return [part for part in parts if part.text.strip()]


def said(call: LLMCall) -> str:
    """What the model answered, as one text that is equal for answers with equal effect."""
    words = [call.answer, call.refusal, call.error, *(_asked(tool) for tool in call.tool_calls)]
    return "\n".join(word for word in words if word)


def _asked(tool: ToolCall) -> str:
    return f"{tool.name}({_json(tool.arguments)})"


def _parts(message: Any) -> Iterator[Part]:
    if not isinstance(message, Mapping):
        yield Part("user", message if isinstance(message, str) else _json(message))
        return
    kind = message.get("type")
    if kind in ("function_call", "custom_tool_call"):
        yield Part(
            "assistant", _tool_call(message.get("name"), message.get("arguments", message.get("input")))
        )
        return
    if kind in ("function_call_output", "custom_tool_call_output"):
        yield Part("tool", _text(message.get("output")))
        return
    if "role" not in message:
        yield Part("assistant" if _NOT_TEXT.get(str(kind)) == "thinking" else "user", _piece(message))
        return
    role = str(message["role"])
    yield from _of_content(role, message.get("content"))
    for call in message.get("tool_calls") or ():
        function = call.get("function") or call.get("custom") or {} if isinstance(call, Mapping) else {}
        yield Part(role, _tool_call(function.get("name"), function.get("arguments", function.get("input"))))


def _of_content(role: str, content: Any) -> Iterator[Part]:
    """A message's content; what a tool said stands apart from what the user said in the same message."""
    if not _is_list(content):
        yield Part(role, _text(content))
        return
    own: list[str] = []
    for piece in content:
        if isinstance(piece, Mapping) and piece.get("type") == "tool_result":
            yield Part("tool", _text(piece.get("content")))
        else:
            own.append(_piece(piece))
    yield Part(role, "\n\n".join(own))


def _text(content: Any) -> str:
    if content is None:
        return ""
    if _is_list(content):
        return "\n\n".join(_piece(piece) for piece in content)
    return content if isinstance(content, str) else _piece(content)


def _piece(piece: Any) -> str:
    if isinstance(piece, str):
        return piece
    if not isinstance(piece, Mapping):
        return _json(piece)
    kind = piece.get("type")
    if kind in _TEXTS:
        return str(piece.get("text", piece.get("refusal", "")))
    if kind == "tool_use":
        return _tool_call(piece.get("name"), piece.get("input"))
    if kind in _NOT_TEXT:
        return f"({_NOT_TEXT[str(kind)]})"
    return _json({name: value for name, value in piece.items() if name not in _VOLATILE})


def _tool_call(name: Any, arguments: Any) -> str:
    return f"{name}({_json(json_or_text(arguments))})"


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
