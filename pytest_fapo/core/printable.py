"""Text made printable: control characters become visible, and what an encoding lacks becomes a look-alike.
Other people's text (cases, hypotheses, diffs) goes through here before a terminal, a page or a log sees it.
"""

from __future__ import annotations

import re

Part = str | tuple[str, str]
"""A piece of a line: text, or text and its style in rich's words (`bold red`)."""

_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\U000e0000-\U000e007f]"
)

_ASCII = str.maketrans(
    {
        "→": "->",
        "·": "|",
        "—": "-",
        "–": "-",
        "…": "...",
        "≥": ">=",
        "≤": "<=",
        "×": "x",
        "✓": "+",
        "✗": "x",
        "━": "=",
        "╸": "=",
        "─": "-",
        "│": "|",
        "“": '"',
        "”": '"',
        "‘": "'",
        "’": "'",
    }
)


def shown(text: str) -> str:
    """`text` with its control characters made visible; newlines and tabs stay."""
    return _CONTROL.sub(lambda match: match.group().encode("unicode_escape").decode(), text)


def encodable(text: str, encoding: str) -> str:
    """`text` in characters that `encoding` has: symbols become ASCII look-alikes, the rest escapes."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(_replaced(character, encoding) for character in text)
    except LookupError:
        return text.translate(_ASCII).encode("ascii", "backslashreplace").decode()
    return text


def _replaced(character: str, encoding: str) -> str:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return character.translate(_ASCII).encode("ascii", "backslashreplace").decode()
    return character
