"""A prompt's text as a template: which placeholder style it uses, what to escape, what a call filled in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from string import Formatter
from typing import Literal

Style = Literal["plain", "format", "replace", "dollar", "percent", "jinja"]
"""`replace` has `{x}` placeholders beside braces that `str.format` would not accept."""

_JINJA = re.compile(r"\{\{-?\s*([\w.]+)[^{}]*\}\}|\{%.*?%\}|\{#.*?#\}", re.S)
_FORMAT = re.compile(r"(?<![{$])\{([A-Za-z_][\w.\[\]]*|\d*)(?:![rsa])?(?::[^{}]*)?\}(?!\})")
_DOLLAR = re.compile(r"\$\{(\w+)\}|(?<!\$)\$([A-Za-z_]\w*)")
_PERCENT = re.compile(r"(?<!%)%\((\w+)\)[#0\- +]*[\d.]*[a-zA-Z]|(?<![%\w])%[sdr](?!\w)")
_MARKER = re.compile(r"<<\s*([\w ]+?)\s*>>|\[\[\s*([\w ]+?)\s*\]\]|(?<![A-Z_])__([A-Z][A-Z_]+)__")


@dataclass(frozen=True)
class Hole:
    """One placeholder in a template."""

    name: str
    start: int
    end: int


class Template:
    """The text of a prompt; knows its placeholders and how literal text must be written beside them."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def style(self) -> Style:
        if re.search(r"\{%.*?%\}", self.text, re.S):
            return "jinja"
        if _FORMAT.search(self.text):
            return "format" if _formats(self.text) else "replace"
        if re.search(r"\{\{-?\s*[A-Za-z_][\w.]*\s*(\|[^{}]*)?-?\}\}", self.text):
            return "jinja"
        if _PERCENT.search(self.text):
            return "percent"
        if _DOLLAR.search(self.text):
            return "dollar"
        return "plain"

    @cached_property
    def holes(self) -> list[Hole]:
        """The placeholders in the order in which they stand."""
        pattern = {
            "jinja": _JINJA,
            "format": _FORMAT,
            "replace": _FORMAT,
            "percent": _PERCENT,
            "dollar": _DOLLAR,
        }.get(self.style)
        found = list((pattern or _MARKER).finditer(self.text))
        return [
            Hole(next((group for group in match.groups() if group), ""), match.start(), match.end())
            for match in found
        ]

    def escape(self, literal: str) -> str:
        """Literal text as it must stand in this template."""
        if self.style == "format":
            return literal.replace("{", "{{").replace("}", "}}")
        if self.style == "dollar":
            return literal.replace("$", "$$")
        if self.style == "percent":
            return literal.replace("%", "%%")
        if self.style == "jinja":
            return re.sub(r"\{(?=[{%#])", "{ ", literal)
        return literal

    def unescape(self, text: str) -> str:
        """The literal text that a piece of this template stands for."""
        if self.style == "format":
            return text.replace("{{", "{").replace("}}", "}")
        if self.style == "dollar":
            return text.replace("$$", "$")
        if self.style == "percent":
            return text.replace("%%", "%")
        return text

    def filled(self, message: str) -> dict[str, str]:
        """What a message put into each placeholder; empty where it was not made from this template."""
        if not self.holes or len(message) > 200_000:
            return {}
        values: dict[str, str] = {}
        position = 0
        pieces = self._pieces()
        start = _find(message, pieces[0], 0) if pieces[0].strip() else (0, 0)
        if start is None:
            return {}
        position = start[1]
        for number, (hole, piece) in enumerate(zip(self.holes, pieces[1:], strict=True), start=1):
            last = number == len(self.holes) and not piece.strip()
            found = (len(message), len(message)) if last else _find(message, piece, position)
            if found is None:
                return {}
            if hole.name:
                values.setdefault(hole.name, message[position : found[0]].strip())
            position = found[1]
        return values

    def caption(self, name: str) -> str:
        """The words that introduce a placeholder on its line (`Order number: {order}`), else empty."""
        for hole in self.holes:
            if hole.name == name:
                line = self.text[: hole.start].rpartition("\n")[2]
                match = re.search(r"([A-Za-z][\w '’-]{1,40}?)\s*[:=]\s*[\"'<`]*$", line)
                return match.group(1).strip() if match else ""
        return ""

    def _pieces(self) -> list[str]:
        edges = [0, *(edge for hole in self.holes for edge in (hole.start, hole.end)), len(self.text)]
        return [self.unescape(self.text[edges[i] : edges[i + 1]]) for i in range(0, len(edges), 2)]


def _formats(text: str) -> bool:
    """Whether `str.format` accepts a text, with nothing but names in its placeholders."""
    try:
        names = [name for _, name, _, _ in Formatter().parse(text) if name is not None]
    except ValueError:
        return False
    return all(re.fullmatch(r"[\w.\[\]]*", name) for name in names)


def _find(message: str, piece: str, position: int) -> tuple[int, int] | None:
    """Where a literal piece stands in a message, white space at its ends and runs of it aside."""
    words = piece.split()
    if not piece:
        return position, position
    pattern = r"\s+".join(map(re.escape, words))
    if not words:
        pattern = r"\n\s*\n" if piece.count("\n") > 1 else r"\n" if "\n" in piece else r"\s"
    match = re.compile(pattern).search(message, position)
    return (match.start(), match.end()) if match else None
