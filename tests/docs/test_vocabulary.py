"""Messages, pages and docstrings keep to plain American English: the retired words stay away."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.documents import PAGES, REPOSITORY

PACKAGE = REPOSITORY / "pytest_fapo"
RETIRED = {
    r"mend(s|ed|ing)?": "fix",
    "anew": "again",
    r"what is reached": "what passes",
    "in vain": "without an answer",
    "read by nobody": "not read",
    "steadying": "retry",
    "hitherto": "until now",
    r"behaviou?rs? of old": "earlier behavior",
    r"behaviours?": "behavior",
    r"colour(s|ed)?": "color",
    "labelled": "labeled",
    "licence": "license",
    r"artefacts?": "artifact",
    r"honour(s|ed|ing)?": "honor",
    r"\w+(?<![mr])(?:al|im|ogn|erial)ise[sd]?": "-ize",
    "catalogue": "catalog",
    "whilst": "while",
    r"(?:c[ao]me|comes|run|ran|runs) to (?:its|their) end": "finish",
    "still at work": "still running",
    "nobody was there": "no one answered",
    r"stands? (?:nowhere|once|twice)": "is",
}
"""Patterns of whole words, each with the word that stands in its place."""
_WORD = re.compile("|".join(rf"(?P<w{number}>\b{pattern}\b)" for number, pattern in enumerate(RETIRED)), re.I)
_RIDDLE = re.compile(r"(Whether|What|Which|Where|How|Why)\b")


def texts(file: Path) -> Iterator[tuple[int, str]]:
    """Yield each string of a module, docstrings and messages alike, with its line."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value


def retired_in(text: str) -> list[str]:
    found = []
    for match in _WORD.finditer(text):
        better = list(RETIRED.values())[int((match.lastgroup or "w0")[1:])]
        found.append(f"{match.group()!r}: write {better!r}")
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_have_no_retired_word(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [(number, each) for number, line in enumerate(lines, 1) for each in retired_in(line)] == []


def test_messages_and_docstrings_have_no_retired_word() -> None:
    files = sorted(PACKAGE.rglob("*.py"))
    assert len(files) > 200
    found = [
        (file.relative_to(PACKAGE).as_posix(), line, each)
        for file in files
        for line, text in texts(file)
        for each in retired_in(text)
    ]
    assert found == []


def test_docstrings_are_statements() -> None:
    """`Return ...`, `True if ...`: none begins with the word of a question."""
    found = []
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                text = ast.get_docstring(node) or ""
                if _RIDDLE.match(text):
                    found.append(
                        f"{file.relative_to(PACKAGE).as_posix()}:{node.lineno} {text.splitlines()[0]}"
                    )
    assert found == []


def test_a_retired_word_is_found_with_a_better_one() -> None:
    assert retired_in("It mends the colour.") == ["'mends': write 'fix'", "'colour': write 'color'"]
    assert retired_in("Recommended amendments, promise, otherwise, raise, colors, precise") == []
