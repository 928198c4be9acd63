"""Take a prompt apart: what is told (the instructions) and what it is told about (the data)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

_TAGGED = re.compile(r"<(\w+)>\s*(.*?)\s*</\1>", re.DOTALL)
_FILLED_IN = re.compile(
    r"^(order(?: number| no\.?)?|category|team)[ \t]*:[ \t]*(\S.*)$", re.IGNORECASE | re.MULTILINE
)
_NEW_LINE = re.compile(r"^\s*([-*+•|#>]|\d+[.)])")
_BULLET = re.compile(r"^\s*(?:[-*+•>]|\d+[.)])\s+")
_RULE_OF_A_TABLE = re.compile(r"^\s*\|?[\s:|-]*-[\s:|-]*\|[\s:|-]*$")
_PASSAGES = ("handbook", "passages", "policies", "policy", "context", "knowledge")
_SENTENCE_END = re.compile(r"(?<=[.;!?])\s+")
_NO_JSON = re.compile(r"\b(no|not|never|without)\b[^.]{0,20}\bjson", re.IGNORECASE)
_LETTER = re.compile(
    r"\b(write|draft|compose|prepare)\b[^.]{0,40}\b(reply|answer|response|e-?mail|message|letter)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Line:
    """One paragraph, bullet, heading or table row of the instructions."""

    text: str
    bullet: bool
    heading: bool

    @cached_property
    def sentences(self) -> list[str]:
        return [part for part in _SENTENCE_END.split(self.text) if part.strip()]


@dataclass(frozen=True)
class Instructions:
    """The instructions in a prompt: the same for every ticket."""

    lines: tuple[Line, ...]

    @cached_property
    def sentences(self) -> list[str]:
        return [sentence for line in self.lines for sentence in line.sentences]

    @cached_property
    def text(self) -> str:
        return "\n".join(line.text for line in self.lines)

    @cached_property
    def wants_json(self) -> bool:
        return "json" in _NO_JSON.sub("", self.text).lower()

    @cached_property
    def wants_letter(self) -> bool:
        return bool(_LETTER.search(self.text))


@dataclass(frozen=True)
class Prompt:
    """A prompt as the stand-in understands it."""

    instructions: Instructions
    data: Mapping[str, str]

    @property
    def ticket(self) -> str:
        return self.data.get("ticket") or max(self.data.values(), key=len, default="")

    @property
    def category(self) -> str:
        return self.data.get("category") or self.data.get("team") or ""

    @property
    def order(self) -> str | None:
        """The order number that the prompt gives, if it gives one."""
        found = re.search(r"[A-Za-z]*-?\d{3,}", self.data.get("order", ""))
        return found[0] if found else None

    @property
    def passages(self) -> str:
        """The passages that the prompt gives to work with."""
        return next((self.data[tag] for tag in _PASSAGES if tag in self.data), "")

    @property
    def passage_ids(self) -> list[str]:
        """Their ids, where each begins with its id in brackets."""
        return re.findall(r"^\[([^\]]+)\]", self.passages, re.M)


def read(messages: Sequence[Mapping[str, Any]]) -> Prompt:
    """Understand the messages of a request; text in `<tags>` and filled-in `Order number:` lines are data."""
    instructions: list[str] = []
    data: dict[str, str] = {}
    for number, message in enumerate(messages):
        text = _plain(message.get("content"))
        for tag, content in _TAGGED.findall(text):
            data.setdefault(tag.lower(), content)
        rest = _TAGGED.sub("", text)
        if number and rest == text and number == len(messages) - 1 and not data:
            data["ticket"] = text  # nothing is marked: what comes last is what it is all about
        else:
            instructions.append(rest)
    text = "\n\n".join(instructions)
    for name, value in _FILLED_IN.findall(text):
        data.setdefault(name.lower().split()[0], value.strip())
    return Prompt(_instructions(_FILLED_IN.sub("", text)), data)


def _plain(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content or [] if isinstance(part, Mapping))


@lru_cache(maxsize=64)
def _instructions(text: str) -> Instructions:
    joined: list[str] = []
    open_line = False
    for raw in text.splitlines():
        if not raw.strip():
            open_line = False
        elif _RULE_OF_A_TABLE.match(raw):
            joined[-1:] = [f"# {head}" for head in joined[-1:]]  # the row above it is the table's head
            open_line = False
        elif open_line and not _NEW_LINE.match(raw):
            joined[-1] += " " + raw.strip()
        else:
            joined.append(raw.strip())
            open_line = not raw.startswith("#")
    return Instructions(tuple(_line(raw) for raw in joined))


def _line(raw: str) -> Line:
    return Line(
        text=re.sub(r"\be\.g\.|\bi\.e\.", "for example", _BULLET.sub("", raw).strip("# ")),
        bullet=bool(_BULLET.match(raw)) or raw.startswith("|"),
        heading=raw.startswith("#"),
    )
