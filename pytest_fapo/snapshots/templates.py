"""Where a prompt's text stands in a message, and what was put into its placeholders."""

from __future__ import annotations

import re
from typing import NamedTuple

_PLACEHOLDER = re.compile(
    r"\{\{\s*[\w.]+[^{}]*\}\}|\$\{\w+\}|\$[A-Za-z_]\w*|%\(\w+\)[a-z]|\{[A-Za-z_][\w.\[\]]*(![rsa])?(:[^{}]*)?\}"
)
_ENOUGH = 12
"""Characters of literal text; less is found by chance."""


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
    literals = [_unescaped(part) for part in _pieces(template.strip())]
    if sum(len(literal.strip()) for literal in literals) < _ENOUGH:
        return None
    spans: list[Span] = []
    at = message.find(literals[0])
    if at < 0:
        return None
    at += len(literals[0])
    for number, literal in enumerate(literals[1:], start=1):
        last = number == len(literals) - 1
        found = message.find(literal, at) if literal else (len(message) if last else at)
        if found < 0:
            return None
        spans.append(Span(at, found))
        at = found + len(literal)
    return spans


def _pieces(template: str) -> list[str]:
    """The literal parts: one more than there are placeholders."""
    parts: list[str] = []
    at = 0
    for found in _PLACEHOLDER.finditer(template):
        parts.append(template[at : found.start()])
        at = found.end()
    return [*parts, template[at:]]


def _unescaped(literal: str) -> str:
    return literal.replace("{{", "{").replace("}}", "}").replace("$$", "$")
