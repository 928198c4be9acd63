"""The map is true: its rooms are those of the package, and each file that it names holds what it says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest
from core.test_layout import ROOMS
from support.documents import REPOSITORY

MAP = REPOSITORY / "docs" / "architecture.md"
PACKAGE = REPOSITORY / "pytest_fapo"
_ADDRESS = re.compile(r"`([\w./-]+\.(?:py|toml|yaml|md))(?:::([\w.]+))?`")


def addresses() -> list[tuple[str, str]]:
    """Return every file that is named, with the definition in it; an empty one for the file as a whole."""
    pages = [page.read_text(encoding="utf-8") for page in (MAP, REPOSITORY / "CONTRIBUTING.md")]
    return sorted({(path, name) for page in pages for path, name in _ADDRESS.findall(page)})


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading of the map, without the table's head."""
    text = MAP.read_text(encoding="utf-8")
    section = text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@cache
def definitions(path: str) -> set[str]:
    """Return `name` and `Class.name` of what the module defines; what it imports is not defined there."""
    file = PACKAGE / path if (PACKAGE / path).exists() else REPOSITORY / path
    return set(_defined(ast.parse(file.read_bytes()).body, ""))


def _defined(body: list[ast.stmt], prefix: str) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield prefix + node.name
            if isinstance(node, ast.ClassDef):
                yield from _defined(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (prefix + target.id for target in targets if isinstance(target, ast.Name))


@pytest.mark.parametrize(("path", "name"), addresses(), ids="::".join)
def test_the_named_file_holds_the_named_definition(path: str, name: str) -> None:
    assert (PACKAGE / path).is_file() or (REPOSITORY / path).is_file()
    assert not name or name in definitions(path)


def test_every_question_is_answered_by_a_definition() -> None:
    questions = rows("Where is it, and where do I change it?")
    assert len(questions) >= 20
    for question, answer in questions:
        assert question.endswith("?")
        assert any(name for _, name in _ADDRESS.findall(answer)), question


def test_the_rooms_stand_in_the_order_of_imports() -> None:
    assert [row[0].strip("`") for row in rows("Rooms")] == [*ROOMS]


def test_the_file_to_open_first_is_the_one_that_the_room_itself_names() -> None:
    for room, *_, first in rows("Rooms"):
        folder, _, file = first.strip("`").partition("/")
        assert folder == room.strip("`")
        assert f"`{file}`" in (PACKAGE / folder / "__init__.py").read_text(encoding="utf-8"), first


def test_the_glossary_is_short_and_each_word_has_a_place_in_the_code() -> None:
    words = rows("Glossary")
    assert 10 <= len(words) <= 20
    assert len({word for word, *_ in words}) == len(words)
    for word, _, place in words:
        assert _ADDRESS.fullmatch(place), word
