"""What an edit brings in that stood in none of the project's prompts before."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

from pytest_fapo.review.leakage.words import Words, content_of, grams_of, words_of

_PIECE = re.compile(r"[^\w\s,'’-]+|->|=>|\n+|(?<!\w)'|'(?!\w)")
_SEGMENT = re.compile(r"[\n;]+|(?<=[.!?])\s+")
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
