"""What an edit brings in that stood in none of the project's prompts before."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

from pytest_fapo.review.leakage.words import MARKS, Words, content_of, grams_of, parts_of, words_of

_PIECE = re.compile(rf"[^\w\s,'’{MARKS}-]+|->|=>|\n+|(?<!\w)'|'(?!\w)")
_SEGMENT = re.compile(r"[\n;]+|(?<=[.!?])\s+|(?<=[。！？।།။។])")
_QUOTED = re.compile(
    r'"([^"\n]+)"|“([^”\n]+)”|„([^“”\n]+)[“”]|«([^»\n]+)»|`([^`\n]+)`|(?<!\w)\'([^\'\n]+)\'(?!\w)'
)


class Added:
    """The new parts of a text.

    Args:
        after: the new text.
        known: texts whose wording is no news: the project's prompts as of the parent, label names.
    """

    def __init__(self, after: str, known: Sequence[str]) -> None:
        self.after = after
        self.words = words_of(after)
        self.content = content_of(self.words)
        self._known_texts = known
        self._known = [words_of(text) for text in known]
        self._known_content = [content_of(text) for text in self._known]
        self._known_lines = {words_of(line) for text in known for line in _SEGMENT.split(text)}
        self.raw_known = "\n".join(known).casefold()
        self._squeezed: dict[int, set[str]] = {}
        self._cache: dict[tuple[int, bool], dict[Words, int]] = {}

    def grams(self, size: int, *, content: bool = False) -> dict[Words, int]:
        """Runs of `size` (content) words that are new, with their places in `words` (or `content`)."""
        key = (size, content)
        if key not in self._cache:
            found = grams_of(self.content if content else self.words, size)
            for text in self._known_content if content else self._known:
                for gram in grams_of(text, size):
                    found.pop(gram, None)
            self._cache[key] = found
        return self._cache[key]

    def has(self, run: Words) -> bool:
        """Whether the new text says `run`, and no known text did."""
        return bool(run) and run in self.grams(len(run))

    @cached_property
    def known_words(self) -> set[str]:
        return {word for text in self._known for word in text}

    def squeezed_parts(self, size: int) -> set[str]:
        """New runs of `size` characters, where nothing stands between the words."""
        if size not in self._squeezed:
            known = "\n".join("".join(text) for text in self._known)
            text = "".join(self.words)
            parts = {text[place : place + size] for place in range(len(text) - size + 1)}
            self._squeezed[size] = {part for part in parts if part not in known}
        return self._squeezed[size]

    @cached_property
    def parts(self) -> list[tuple[str, dict[str, float]]]:
        """The new lines and sentences, each with the pieces of words that no known text has."""
        known = {part for text in self._known_texts for part in parts_of(text)}
        return [
            (segment, {part: share for part, share in parts_of(segment).items() if part not in known})
            for segment in self.segments
        ]

    def line_of(self, words: Words) -> int:
        """The number of the line in which `words` begin, 1 for the first; 0 where it cannot be told."""
        place = self.grams(len(words)).get(words) if words else None
        if place is not None and place < len(self._line_numbers):
            return self._line_numbers[place]
        wanted = set(words)
        found = [(len(wanted & set(line)), -number) for number, line in enumerate(self._lines, 1)]
        most, number = max(found)
        return -number if most else self._squeezed_line("".join(words))

    def _squeezed_line(self, text: str) -> int:
        """The line that a text stands in once everything between the words is gone."""
        lines = ["".join(line) for line in self._lines]
        for place in range(0, max(1, len(text) - 11), 4):
            part = text[place : place + 12]
            number = next((number for number, line in enumerate(lines, 1) if part in line), 0)
            if number:
                return number
        return 0

    @cached_property
    def _lines(self) -> list[Words]:
        return [words_of(line) for line in self.after.split("\n")]

    @cached_property
    def _line_numbers(self) -> list[int]:
        """For each word, the number of its line."""
        return [number for number, line in enumerate(self._lines, 1) for _ in line]

    @cached_property
    def segments(self) -> list[str]:
        """New lines and sentences."""
        parts = (part.strip() for part in _SEGMENT.split(self.after))
        return [part for part in parts if part and words_of(part) not in self._known_lines]

    @cached_property
    def pieces(self) -> set[Words]:
        """What stands between punctuation (commas and hyphens aside)."""
        return {words_of(piece) for piece in _PIECE.split(self.after)}

    @cached_property
    def quotations(self) -> list[Words]:
        """What stands in quotation marks, as words, where it is new."""
        found = [words_of(next(filter(None, groups), "")) for groups in _QUOTED.findall(self.after)]
        return [words for words in found if self.has(words)]
