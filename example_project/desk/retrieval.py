"""The handbook: forty passages in Markdown, searched with BM25."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from rank_bm25 import BM25Okapi

from desk import settings

Passage = dict[str, str]

_SECTION = re.compile(r"^# (\w+)\s*$")
_HEADING = re.compile(r"^## ([A-Z]{2}-\d+) (.+)$")
_STOP_WORDS = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "but",
        "by",
        "can",
        "do",
        "does",
        "for",
        "from",
        "has",
        "have",
        "how",
        "i",
        "if",
        "in",
        "is",
        "it",
        "its",
        "me",
        "my",
        "not",
        "of",
        "on",
        "or",
        "our",
        "so",
        "that",
        "the",
        "then",
        "there",
        "this",
        "to",
        "us",
        "was",
        "we",
        "what",
        "when",
        "where",
        "which",
        "who",
        "why",
        "will",
        "with",
        "would",
        "you",
        "your",
    ]
)


def parse_handbook(text: str) -> list[Passage]:
    """The passages of a handbook: `# section`, then `## ID title` and a paragraph or two."""
    passages: list[Passage] = []
    section = ""
    for line in text.splitlines():
        if found := _SECTION.match(line):
            section = found[1]
        elif found := _HEADING.match(line):
            passages.append({"id": found[1], "section": section, "title": found[2], "text": ""})
        elif line.strip() and passages:
            passages[-1]["text"] = f"{passages[-1]['text']} {line.strip()}".strip()
    return passages


def tokens(text: str) -> list[str]:
    """Lower-case words without stop words, cut to a rough stem."""
    words = re.findall(r"[a-z]+", text.lower())
    return [re.sub(r"(ing|ed|es|e|s)$", "", word) for word in words if word not in _STOP_WORDS]


class Handbook:
    """Searchable passages."""

    def __init__(self, path: Path) -> None:
        self.passages = parse_handbook(path.read_text(encoding="utf-8"))
        self._index = BM25Okapi(
            [tokens(f"{passage['title']} {passage['text']}") for passage in self.passages]
        )

    def search(self, query: str, section: str | None, limit: int) -> list[Passage]:
        """The best passages for `query`, best first; within `section` where the handbook has it."""
        scores = self._index.get_scores(tokens(query))
        known = {passage["section"] for passage in self.passages}
        found = [
            (-score, number)
            for number, score in enumerate(scores)
            if section not in known or self.passages[number]["section"] == section
        ]
        return [self.passages[number] for _, number in sorted(found)[:limit]]


@lru_cache(maxsize=1)
def handbook() -> Handbook:
    return Handbook(settings.HANDBOOK)


def retrieve(message: str, category: str) -> list[Passage]:
    """The passages of the handbook that fit a message, best first; those of the category's section only."""
    return handbook().search(message, category, settings.TOP_K)
