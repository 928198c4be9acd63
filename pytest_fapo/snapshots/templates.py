"""Where a prompt's text stands in a message, and what was put into its placeholders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_PLACEHOLDER = re.compile(
    r"\{\{\s*[\w.]+[^{}]*\}\}|\$\{\w+\}|\$[A-Za-z_]\w*|%\(\w+\)[a-z]|\{[A-Za-z_][\w.\[\]]*(![rsa])?(:[^{}]*)?\}"
)
_ENOUGH = 12
"""Characters of literal text; less is found by chance."""
_VALUE = 1_500
"""Characters of what was put into a placeholder that are shown whole."""
_MESSAGE = 8_000
"""The same for a message whose prompt is not known."""


class Span(NamedTuple):
    """A piece of a message."""

    start: int
    end: int


def placeholder_values(template: str, message: str) -> list[Span] | None:
    """What stands in the message at the template's placeholders; None where the template is not in it.

    Args:
        template: a prompt with placeholders of any usual kind, or with none.
        message: what was sent.
    """
    literals = [_unescaped(part) for part in _PLACEHOLDER.split(template.strip())[:: _PLACEHOLDER.groups + 1]]
    if sum(len(literal.strip()) for literal in literals) < _ENOUGH:
        return None
    at = message.find(literals[0])
    if at < 0:
        return None
    at += len(literals[0])
    spans: list[Span] = []
    for number, literal in enumerate(literals[1:], start=1):
        last = number == len(literals) - 1
        found = message.find(literal, at) if literal else (len(message) if last else at)
        if found < 0:
            return None
        spans.append(Span(at, found))
        at = found + len(literal)
    return spans


def shortened(message: str, templates: Sequence[str]) -> str:
    """The message without the middle of long values; the words of a prompt are never left out."""
    known = [spans for template in templates if (spans := placeholder_values(template, message)) is not None]
    if not known:
        return _cut(message, _MESSAGE)
    longest = max(known, key=lambda spans: len(message) - sum(end - start for start, end in spans))
    for start, end in sorted(longest, reverse=True):
        message = message[:start] + _cut(message[start:end], _VALUE) + message[end:]
    return message


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit * 3 // 4]}\n⟨left out⟩\n{text[-limit // 4 :]}"


def _unescaped(literal: str) -> str:
    return literal.replace("{{", "{").replace("}}", "}").replace("$$", "$")
