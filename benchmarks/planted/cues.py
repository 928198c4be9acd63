"""Read a prompt as the loopback models do: by meaning as far as patterns go."""

from __future__ import annotations

import re
from collections.abc import Iterable

_ONLY = re.compile(
    r"nothing (else|but)|and (no|nothing) (other|more)|no (other|further|extra|additional|surrounding) "
    r"|no (explanation|prose|sentence|comment|commentary|words|preamble|introduction|full sentence)"
    r"|no (code )?fence"
    r"|without (any |a |an )?(explanation|comment|other|further|additional|surrounding|sentence|prose|words)"
    r"|\b(answer|reply|respond|output|return|write|give|print)\b[^.\n]{0,40}\b(only|just|solely|exactly)\b"
    r"|\bonly (the|with|one|a|an|that|its)\b|\b(bare|single) (word|label|name|value|number|answer|identifier)"
    r"|at most \w+ words?",
    re.I,
)
_ABSENT = re.compile(
    r"\b(missing|absent|(is|are|was|were) not (given|stated|mentioned|there|known|in)|no such|does not (give"
    r"|state|mention|contain|say|name|have)"
    r"|doesn't (give|state|mention|say|have)|gives? no|has no|contains? no"
    r"|if (there is|there are) (no|none)|without an?|unknown|not stated|not mentioned"
    r"|never (invent|guess|make))\b",
    re.I,
)


def only(text: str) -> bool:
    """Asks for the bare answer."""
    return bool(_ONLY.search(text))


def absent(text: str) -> bool:
    """Says what to do where the input lacks something."""
    return bool(_ABSENT.search(text))


def names(text: str, labels: Iterable[str]) -> bool:
    """Names every label."""
    return all(named(text, label) for label in labels)


def named(text: str, label: str) -> bool:
    """Names one label, as a word of its own."""
    return bool(re.search(rf"(?<![\w-]){re.escape(label)}(?![\w-])", text, re.I))


def tells(text: str, label: str, *words: str) -> bool:
    """Some sentence or line speaks of the label together with one of the words (patterns of whole words)."""
    pattern = re.compile(rf"\b({'|'.join(words)})\b", re.I)
    pieces = re.split(r"\n|(?<=[.;])\s", text)
    return any(named(piece, label) and pattern.search(piece) for piece in pieces)


def says(text: str, *patterns: str) -> bool:
    """Every pattern occurs."""
    return all(re.search(pattern, text, re.I) for pattern in patterns)
