"""The messages of an LLM call as text, and the position of a prompt's text in them. Without ids and
signatures: whatever the provider calls the parts, they read the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pytest_fapo.core.text import json_or_text, one_line
from pytest_fapo.core.trace import LLMCall, ToolCall
from pytest_fapo.source.template_syntax import PLACEHOLDER
from pytest_fapo.source.text_files import front_matter

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

_VOLATILE_KEYS = (
    "id",
    "call_id",
    "tool_call_id",
    "tool_use_id",
    "signature",
    "encrypted_content",
    "cache_control",
)


class MessagePart(NamedTuple):
    """One message, or one piece of it that a model would take for a message of its own."""

    role: str
    """`system`, `user`, `assistant`, `tool` …, as the provider has it."""
    text: str


def parts_of(call: LLMCall) -> list[MessagePart]:
    """Return the messages of a call, in order; empty messages left out."""
    parts = [part for message in call.messages for part in _parts(message)]
    return [part for part in parts if part.text.strip()]


def answer_text(call: LLMCall) -> str:
    """Return the model's answer as one text that is equal for answers with equal effect."""
    texts = [call.answer, call.refusal, call.error, *(_question_parts(tool) for tool in call.tool_calls)]
    return "\n".join(word for word in texts if word)


def _question_parts(tool: ToolCall) -> str:
    return f"{tool.name}({_json(tool.arguments)})"


def _parts(message: Any) -> Iterator[MessagePart]:
    if not isinstance(message, Mapping):
        yield MessagePart("user", message if isinstance(message, str) else _json(message))
        return
    kind = message.get("type")
    if kind in ("function_call", "custom_tool_call"):
        yield MessagePart(
            "assistant", _tool_call(message.get("name"), message.get("arguments", message.get("input")))
        )
        return
    if kind in ("function_call_output", "custom_tool_call_output"):
        yield MessagePart("tool", _text(message.get("output")))
        return
    if "role" not in message:
        yield MessagePart("assistant" if _NOT_TEXT.get(str(kind)) == "thinking" else "user", _piece(message))
        return
    role = str(message["role"])
    yield from _of_content(role, message.get("content"))
    for call in message.get("tool_calls") or ():
        function = call.get("function") or call.get("custom") or {} if isinstance(call, Mapping) else {}
        yield MessagePart(
            role, _tool_call(function.get("name"), function.get("arguments", function.get("input")))
        )


def _of_content(role: str, content: Any) -> Iterator[MessagePart]:
    """Yield a message's content; what a tool said stands apart from what the user said in the same
    message.
    """
    if not _is_list(content):
        yield MessagePart(role, _text(content))
        return
    own: list[str] = []
    for piece in content:
        if isinstance(piece, Mapping) and piece.get("type") == "tool_result":
            yield MessagePart("tool", _text(piece.get("content")))
        else:
            own.append(_piece(piece))
    yield MessagePart(role, "\n\n".join(own))


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
    return _json({name: value for name, value in piece.items() if name not in _VOLATILE_KEYS})


def _tool_call(name: Any, arguments: Any) -> str:
    return f"{name}({_json(json_or_text(arguments))})"


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


_ENOUGH = 12
"""Characters of literal text; less is found by chance."""

_MOST = 0.6
"""Share of a prompt's paragraphs by which it is known although it was changed on its way."""

_VALUE = 1_500
"""Characters of what was put into a placeholder that are shown whole."""

_MESSAGE = 8_000
"""The same for a message whose prompt is not known."""


class TextSpan(NamedTuple):
    """A piece of a message."""

    start: int
    end: int


def placeholder_values(template: str, message: str) -> list[TextSpan] | None:
    """Return the message's texts at the template's placeholders; None if the template is not in it word for
    word.

    Args:
        template: a prompt with placeholders of any usual kind, or with none; its front matter is left out.
        message: what was sent.
    """
    literals = _literals(template)
    if sum(len(literal.strip()) for literal in literals) < _ENOUGH:
        return None
    at = message.find(literals[0])
    if at < 0:
        return None
    at += len(literals[0])
    spans: list[TextSpan] = []
    for number, literal in enumerate(literals[1:], start=1):
        last = number == len(literals) - 1
        found = message.find(literal, at) if literal else (len(message) if last else at)
        if found < 0:
            return None
        spans.append(TextSpan(at, found))
        at = found + len(literal)
    return spans


def is_in(template: str, message: str) -> bool:
    """True if a prompt was sent: word for word, or most of its paragraphs however they are wrapped."""
    if placeholder_values(template, message) is not None:
        return True
    paragraphs = [one_line(part) for literal in _literals(template) for part in re.split(r"\n\s*\n", literal)]
    telling = [paragraph for paragraph in paragraphs if len(paragraph) >= _ENOUGH]
    sent = one_line(message)
    found = sum(len(paragraph) for paragraph in telling if paragraph in sent)
    return bool(telling) and found >= _MOST * sum(map(len, telling))


def shortened(message: str, templates: Sequence[str]) -> str:
    """Return the message without the middle of long values; the words of a prompt are never left out."""
    known = [spans for template in templates if (spans := placeholder_values(template, message)) is not None]
    if not known:
        return _cut_value(message, _MESSAGE)
    longest = max(known, key=lambda spans: len(message) - sum(end - start for start, end in spans))
    for start, end in sorted(longest, reverse=True):
        message = message[:start] + _cut_value(message[start:end], _VALUE) + message[end:]
    return message


def _cut_value(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit * 3 // 4]}\n⟨left out⟩\n{text[-limit // 4 :]}"


def _literals(template: str) -> list[str]:
    """Return the parts between the placeholders: one more than there are of these."""
    body = front_matter(template).body.strip()
    parts = PLACEHOLDER.split(body)
    return [part.replace("{{", "{").replace("}}", "}").replace("$$", "$") for part in parts]
