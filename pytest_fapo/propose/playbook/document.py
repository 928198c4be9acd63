"""A prompt as a document: where a section of rules belongs, and how its author would have written it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_fapo.propose.playbook.template import Template

_HEADING = re.compile(r"^(#{1,6})[ \t]+\S.*$", re.M)
_BULLET = re.compile(r"^([-*•])[ \t]+\S", re.M)


class Document:
    """A prompt's text with sections that can be added and revised; everything else stays as it is."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.template = Template(text)

    def with_section(self, title: str, lines: Sequence[str]) -> str:
        """The text with a section of this title and these lines; one that is there already is replaced."""
        newline = "\r\n" if "\r\n" in self.text else "\n"
        body = self._written(title, lines)
        present = self._section(title)
        if present is not None:
            start, end = present
            return self.text[:start] + body.replace("\n", newline) + self.text[end:]
        return self._inserted(body).replace("\r\n", "\n").replace("\n", newline)

    def section_lines(self, title: str) -> list[str]:
        """The rules of a section of ours that is there already."""
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
        """Where a section of ours stands: its title on a line, followed by nothing but bullets."""
        escaped = re.escape(self.template.escape(title))
        pattern = re.compile(
            rf"^(?:#{{1,6}}[ \t]+{escaped}|{escaped}:)[ \t]*\r?\n(?:[-*•][ \t]+.*(?:\r?\n|\Z))+", re.M
        )
        match = pattern.search(self.text)
        if match is None:
            return None
        return match.start(), match.start() + len(match.group().rstrip("\r\n"))

    def _inserted(self, body: str) -> str:
        position = self._place()
        before, after = self.text[:position], self.text[position:]
        if not after.strip():
            return f"{before.rstrip()}\n\n{body}{self._ending(after, before)}"
        gap = "" if not before.strip() else f"{before.rstrip()}\n\n"
        return f"{gap}{body}\n\n{after.lstrip(chr(10)).lstrip(chr(13) + chr(10))}"

    @staticmethod
    def _ending(after: str, before: str) -> str:
        return "\n" if (before + after).endswith("\n") else ""

    def _place(self) -> int:
        """Before the data (and the cue for the answer) that the prompt ends in; else its end."""
        blocks = _blocks(self.text)
        place = len(blocks)
        while place > 0 and self._is_tail(blocks[place - 1], last=place == len(blocks)):
            place -= 1
        if place == 0 or place == len(blocks):
            return len(self.text)
        if _is_caption(self.text[blocks[place - 1][0] : blocks[place - 1][1]]) and place - 1 > 0:
            place -= 1
        return blocks[place][0]

    def _is_tail(self, block: tuple[int, int], *, last: bool) -> bool:
        """A block that holds data, or the cue after it (`Answer:`)."""
        if any(block[0] <= hole.start < block[1] for hole in self.template.holes):
            return self._mostly_data(block)
        text = self.text[block[0] : block[1]].strip()
        return bool(re.fullmatch(r"</?[\w-]+>|```\w*|\"\"\"|-{3,}|={3,}", text)) or (
            last and len(text) <= 60 and text.endswith(":")
        )

    def _mostly_data(self, block: tuple[int, int]) -> bool:
        """Whether a block introduces data rather than instructs: few words beside the placeholders."""
        text = self.text[block[0] : block[1]]
        holes = [hole for hole in self.template.holes if block[0] <= hole.start < block[1]]
        literal = len(text) - sum(hole.end - hole.start for hole in holes)
        return literal <= 60 * len(holes) or text.rstrip().endswith(("}", "%", ">", "`"))


def _blocks(text: str) -> list[tuple[int, int]]:
    """The paragraphs with their places."""
    return [(match.start(), match.end()) for match in re.finditer(r"\S(?:.|\n(?![ \t\r]*\n))*", text)]


def _is_caption(text: str) -> bool:
    return bool(_HEADING.fullmatch(text.strip())) or (len(text.strip()) <= 60 and text.strip().endswith(":"))
