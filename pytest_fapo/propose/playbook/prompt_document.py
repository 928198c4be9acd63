"""A prompt as a document: its placeholders, and where a section of rules belongs.

New sections are written as the prompt's author would have written them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from pytest_fapo.source.template_syntax import is_format

Style = Literal["plain", "format", "replace", "dollar", "percent", "jinja"]
"""`replace` has `{x}` placeholders beside braces that `str.format` would not accept."""

_JINJA = re.compile(r"\{\{-?\s*([\w.]+)[^{}]*\}\}|\{%.*?%\}|\{#.*?#\}", re.S)

_FORMAT = re.compile(r"(?<![{$])\{([A-Za-z_][\w.\[\]]*|\d*)(?:![rsa])?(?::[^{}]*)?\}(?!\})")

_DOLLAR = re.compile(r"\$\{(\w+)\}|(?<!\$)\$([A-Za-z_]\w*)")

_PERCENT = re.compile(r"(?<!%)%\((\w+)\)[#0\- +]*[\d.]*[a-zA-Z]|(?<![%\w])%[sdr](?!\w)")

_MARKER = re.compile(r"<<\s*([\w ]+?)\s*>>|\[\[\s*([\w ]+?)\s*\]\]|(?<![A-Z_])__([A-Z][A-Z_]+)__")


@dataclass(frozen=True)
class Placeholder:
    """One placeholder in a template."""

    name: str
    start: int
    end: int


class PromptTemplate:
    """The text of a prompt; knows its placeholders and how literal text must be written beside them."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def style(self) -> Style:
        if re.search(r"\{%.*?%\}", self.text, re.S):
            return "jinja"
        if _FORMAT.search(self.text):
            return "format" if is_format(self.text) else "replace"
        if re.search(r"\{\{-?\s*[A-Za-z_][\w.]*\s*(\|[^{}]*)?-?\}\}", self.text):
            return "jinja"
        if _PERCENT.search(self.text):
            return "percent"
        if _DOLLAR.search(self.text):
            return "dollar"
        return "plain"

    @cached_property
    def holes(self) -> list[Placeholder]:
        """The placeholders in the order in which they stand."""
        pattern = {
            "jinja": _JINJA,
            "format": _FORMAT,
            "replace": _FORMAT,
            "percent": _PERCENT,
            "dollar": _DOLLAR,
        }.get(self.style)
        matches = list((pattern or _MARKER).finditer(self.text))
        return [
            Placeholder(next((group for group in match.groups() if group), ""), match.start(), match.end())
            for match in matches
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
        """Return the literal text that a piece of this template stands for."""
        if self.style == "format":
            return text.replace("{{", "{").replace("}}", "}")
        if self.style == "dollar":
            return text.replace("$$", "$")
        if self.style == "percent":
            return text.replace("%%", "%")
        return text

    def filled(self, message: str) -> dict[str, str]:
        """Return the text that a message put into each placeholder; empty if it was not made from this
        template.
        """
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
            span = (len(message), len(message)) if last else _find(message, piece, position)
            if span is None:
                return {}
            if hole.name:
                values.setdefault(hole.name, message[position : span[0]].strip())
            position = span[1]
        return values

    def caption(self, name: str) -> str:
        """Return the words that introduce a placeholder on its line (`Order number: {order}`), else empty."""
        for hole in self.holes:
            if hole.name == name:
                line = self.text[: hole.start].rpartition("\n")[2]
                match = re.search(r"([A-Za-z][\w '’-]{1,40}?)\s*[:=]\s*[\"'<`]*$", line)
                return match.group(1).strip() if match else ""
        return ""

    def _pieces(self) -> list[str]:
        edges = [0, *(edge for hole in self.holes for edge in (hole.start, hole.end)), len(self.text)]
        return [self.unescape(self.text[edges[i] : edges[i + 1]]) for i in range(0, len(edges), 2)]


def _find(message: str, piece: str, position: int) -> tuple[int, int] | None:
    """Return the position of a literal piece in a message; white space around and within it is ignored."""
    words = piece.split()
    if not piece:
        return position, position
    pattern = r"\s+".join(map(re.escape, words))
    if not words:
        pattern = r"\n\s*\n" if piece.count("\n") > 1 else r"\n" if "\n" in piece else r"\s"
    match = re.compile(pattern).search(message, position)
    return (match.start(), match.end()) if match else None


_HEADING = re.compile(r"^(#{1,6})[ \t]+\S.*$", re.M)

_BULLET = re.compile(r"^([-*•])[ \t]+\S", re.M)


class PromptDocument:
    """A prompt's text with sections that can be added and revised; everything else stays as it is."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.template = PromptTemplate(text)

    def with_section(self, title: str, lines: Sequence[str]) -> str:
        """Return the text with a section of this title and these lines; one that is there already is
        replaced.
        """
        margin = _margin(self.text)
        if margin:  # of a text that is indented with the code around it
            flush = PromptDocument(_without_margin(self.text, margin)).with_section(title, lines)
            return _with_margin(flush, margin)
        newline = "\r\n" if "\r\n" in self.text else "\n"
        body = self._written(title, lines)
        present = self._section(title)
        if present is not None:
            start, end = present
            return self.text[:start] + body.replace("\n", newline) + self.text[end:]
        return self._inserted(body).replace("\r\n", "\n").replace("\n", newline)

    def section_lines(self, title: str) -> list[str]:
        """Return the rules of a section of ours that is there already."""
        margin = _margin(self.text)
        if margin:
            return PromptDocument(_without_margin(self.text, margin)).section_lines(title)
        present = self._section(title)
        if present is None:
            return []
        lines = self.text[present[0] : present[1]].splitlines()[1:]
        return [self.template.unescape(line.strip()[2:]) for line in lines if line.strip()]

    def _written(self, title: str, lines: Sequence[str]) -> str:
        rules = [f"{self._bullet} {self.template.escape(line)}" for line in lines]
        return "\n".join([self._title(title), *rules])

    def _title(self, title: str) -> str:
        levels = [len(match.group(1)) for match in _HEADING.finditer(self.text) if not self._is_title(match)]
        escaped = self.template.escape(title)
        if not levels:
            return f"{escaped}:"
        level = max(set(levels), key=levels.count)
        return f"{'#' * (2 if level == 1 else level)} {escaped}"

    def _is_title(self, match: re.Match[str]) -> bool:
        """A single top-level heading at the very beginning names the prompt; sections are below it."""
        several = len(_HEADING.findall(self.text)) > 1
        return len(match.group(1)) == 1 and several and not self.text[: match.start()].strip()

    @property
    def _bullet(self) -> str:
        marks = [match.group(1) for match in _BULLET.finditer(self.text)]
        return max(set(marks), key=marks.count) if marks else "-"

    def _section(self, title: str) -> tuple[int, int] | None:
        """Return the position of a section of ours: its title on a line, followed by nothing but bullets."""
        escaped = re.escape(self.template.escape(title))
        pattern = re.compile(
            rf"^(?:#{{1,6}}[ \t]+{escaped}|{escaped}:)[ \t]*\r?\n(?:[-*•][ \t]+.*(?:\r?\n|\Z))+", re.M
        )
        match = pattern.search(self.text)
        if match is None:
            return None
        return match.start(), match.start() + len(match.group().rstrip("\r\n"))

    def _inserted(self, body: str) -> str:
        position = self._insert_position()
        before, after = self.text[:position], self.text[position:]
        if not after.strip():
            end = self.text[len(self.text.rstrip()) :]
            return f"{before.rstrip()}\n\n{body}{end if chr(10) in end else ''}"
        gap = "" if not before.strip() else f"{before.rstrip()}\n\n"
        return f"{gap}{body}\n\n{after.lstrip(chr(10)).lstrip(chr(13) + chr(10))}"

    def _insert_position(self) -> int:
        """Before the data (and the cue for the answer) that the prompt ends in; else its end."""
        blocks = _blocks(self.text)
        index = len(blocks)
        while index > 0 and self._is_tail(blocks[index - 1], last=index == len(blocks)):
            index -= 1
        if index == 0 or index == len(blocks):
            return len(self.text)
        if _is_caption(self.text[blocks[index - 1][0] : blocks[index - 1][1]]) and index - 1 > 0:
            index -= 1
        return blocks[index][0]

    def _is_tail(self, block: tuple[int, int], *, last: bool) -> bool:
        """A block that holds data, or the cue after it (`Answer:`)."""
        if any(block[0] <= hole.start < block[1] for hole in self.template.holes):
            return self._mostly_data(block)
        text = self.text[block[0] : block[1]].strip()
        return bool(re.fullmatch(r"</?[\w-]+>|```\w*|\"\"\"|-{3,}|={3,}", text)) or (
            last and len(text) <= 60 and text.endswith(":")
        )

    def _mostly_data(self, block: tuple[int, int]) -> bool:
        """True if a block introduces data rather than instructs: few words beside the placeholders."""
        text = self.text[block[0] : block[1]]
        holes = [hole for hole in self.template.holes if block[0] <= hole.start < block[1]]
        literal = len(text) - sum(hole.end - hole.start for hole in holes)
        return literal <= 60 * len(holes) or text.rstrip().endswith(("}", "%", ">", "`"))


def _margin(text: str) -> str:
    """Return the white space that begins all paragraphs after the first line; empty where they differ."""
    first, _, rest = text.partition("\n")
    lines = [line for line in rest.splitlines() if line.strip()]
    if not lines or (first.strip() and len(_blocks(text)) < 2):
        return ""
    margins = [line[: len(line) - len(line.lstrip(" \t"))] for line in lines]
    least = min(margins, key=len)
    return least if all(margin.startswith(least) for margin in margins) else ""


def _without_margin(text: str, margin: str) -> str:
    return re.sub(rf"(?<=\n){margin}(?=[ \t]*\S)", "", text)


def _with_margin(text: str, margin: str) -> str:
    return re.sub(r"(?<=\n)(?=[ \t]*\S)", margin, text)


def _blocks(text: str) -> list[tuple[int, int]]:
    """Return the paragraphs with their places."""
    return [(match.start(), match.end()) for match in re.finditer(r"\S(?:.|\n(?![ \t\r]*\n))*", text)]


def _is_caption(text: str) -> bool:
    return bool(_HEADING.fullmatch(text.strip())) or (len(text.strip()) <= 60 and text.strip().endswith(":"))
