"""Where a prompt's text stands in a message, and what was put into its placeholders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from pytest_fapo.artifacts import front_matter

_PLACEHOLDER = re.compile(
    r"\{%.*?%\}|\{#.*?#\}|\{\{\s*[\w.]+[^{}]*\}\}|\$\{\w+\}|\$[A-Za-z_]\w*|%\(\w+\)[a-z]|\{[A-Za-z_][\w.\[\]]*(![rsa])?(:[^{}]*)?\}",
    re.S,
)
_ENOUGH = 12
"""Characters of literal text; less is found by chance."""
_MOST = 0.6
"""Share of a prompt's paragraphs by which it is known although it was changed on its way."""
_VALUE = 1_500
"""Characters of what was put into a placeholder that are shown whole."""
_MESSAGE = 8_000
"""The same for a message whose prompt is not known."""


class Span(NamedTuple):
    """A piece of a message."""

    start: int
    end: int


def placeholder_values(template: str, message: str) -> list[Span] | None:
    """What stands in the message at the template's placeholders; None where the template is not in it word
    for word.

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
    spans: list[Span] = []
    for number, literal in enumerate(literals[1:], start=1):
        last = number == len(literals) - 1
        found = message.find(literal, at) if literal else (len(message) if last else at)
        if found < 0:
            return None
        spans.append(Span(at, found))
        at = found + len(literal)
    return spans


def stands_in(template: str, message: str) -> bool:
    """Whether a prompt was sent: word for word, or most of its paragraphs however they are wrapped."""
    if placeholder_values(template, message) is not None:
        return True
    paragraphs = [
        _squeezed(part) for literal in _literals(template) for part in re.split(r"\n\s*\n", literal)
    ]
    telling = [paragraph for paragraph in paragraphs if len(paragraph) >= _ENOUGH]
    sent = _squeezed(message)
    found = sum(len(paragraph) for paragraph in telling if paragraph in sent)
    return bool(telling) and found >= _MOST * sum(map(len, telling))


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


def _literals(template: str) -> list[str]:
    """The parts between the placeholders: one more than there are of these."""
    body = front_matter(template)[1].strip()
    parts = _PLACEHOLDER.split(body)[:: _PLACEHOLDER.groups + 1]
    return [part.replace("{{", "{").replace("}}", "}").replace("$$", "$") for part in parts]


def _squeezed(text: str) -> str:
    return " ".join(text.split())
