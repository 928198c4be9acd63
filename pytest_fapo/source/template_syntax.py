"""The syntax of prompt templates: placeholders of any dialect, and what `str.format` fills in."""

from __future__ import annotations

import re
from string import Formatter

PLACEHOLDER = re.compile(
    r"\{%.*?%\}|\{#.*?#\}|\{\{\s*[\w.]+[^{}]*\}\}"
    r"|\$\{\w+\}|\$[A-Za-z_]\w*|%\(\w+\)[a-z]|(?<![%\w])%(?:\.\d+)?[sdrif](?!\w)"
    r"|\{(?:[A-Za-z_][\w.\[\]]*|\d*)(?:![rsa])?(?::[^{}]*)?\}"
    r"|<<\s*\w+\s*>>|\[\[\s*\w+\s*\]\]",
    re.S,
)
"""One of Jinja or mustache, `string.Template`, the `%` operator or `str.format`, or a mark to be replaced.
Generous: for finding the literal text around placeholders, not for deciding what a renderer would accept."""

FORMAT_FIELD = re.compile(r"(?:[A-Za-z_]\w*|\d*)(?:\.\w+|\[[^\]{}]*\])*")
"""The names that `str.format` can look up; other text between braces was not meant for it."""


def is_format(text: str) -> bool:
    """True if `text` is meant for `str.format`: braces are there, and all are fields or doubled."""
    if "{" not in text and "}" not in text:
        return False
    try:
        return all(FORMAT_FIELD.fullmatch(name) for name in format_fields(text))
    except ValueError:
        return False


def format_fields(text: str) -> list[str]:
    """Return the field expressions in order, those inside format specifications included.

    Raises:
        ValueError: `str.format` could not read the text.
    """
    names: list[str] = []
    for _, name, spec, _ in Formatter().parse(text):
        if name is not None:
            names.append(name)
            names += format_fields(spec) if spec else []
    return names


def fixed_parts(text: str) -> tuple[str, ...]:
    """Return the text between placeholders, as it reads once they are filled in; blank parts are left out."""
    pieces = PLACEHOLDER.split(_DOUBLED.sub(_marked, text) if is_format(text) else text)
    found = (piece.translate(_UNMARKED).replace("$$", "$").replace("%%", "%") for piece in pieces)
    return tuple(piece.replace("{{", "{").replace("}}", "}") for piece in found if piece.strip())


_DOUBLED = re.compile(r"\{\{|\}\}")

_UNMARKED = {0xE000: "{", 0xE001: "}"}


def _marked(match: re.Match[str]) -> str:
    """Return a private character for a doubled brace, which is no placeholder."""
    return "\ue000" if match[0] == "{{" else "\ue001"


_PERCENT = re.compile(r"%(?:%|(\([^()]*\))?[-#0 +]*(?:\*|\d+)?(?:\.(?:\*|\d+))?[hlL]?[diouxXeEfFgGcrsa])")


def percent_fields(text: str) -> list[str] | None:
    """Return what the `%` operator fills in, in order; None where it could not read the text."""
    if "%" in _PERCENT.sub("", text):
        return None
    return [match[0] for match in _PERCENT.finditer(text) if match[0] != "%%"]
