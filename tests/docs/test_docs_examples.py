"""The documentation's examples work: its projects run, its settings load, its links lead somewhere."""

from __future__ import annotations

import ast
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.desk_example import copy_example
from support.documents import PAGES, REPOSITORY, Block, Scenario, absent, anchors, blocks, links, pictures

from pytest_fapo.core.settings import Settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

README = REPOSITORY / "README.md"
BLOCKS = [block for page in PAGES for block in blocks(page)]
PLAYED = [page for page in PAGES if any(block.kind == "run" for block in blocks(page))]


@pytest.mark.slow
@pytest.mark.parametrize("page", PLAYED, ids=lambda page: page.name)
def test_its_project_does_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    scenario = Scenario(tmp_path)
    sessions = 0
    for block in blocks(page):
        scenario.play(block)
        sessions += block.kind == "run"
    assert sessions


def test_tutorial_is_among_the_pages_that_run() -> None:
    assert "tutorial.md" in {page.name for page in PLAYED}


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "python"], ids=str)
def test_python_compiles(block: Block) -> None:
    assert ast.parse(block.text).body


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "toml"], ids=str)
def test_settings_load(block: Block) -> None:
    document: dict[str, Any] = tomllib.loads(block.text)
    assert document
    Settings.model_validate(document.get("tool", {}).get("fapo", {}))


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "json"], ids=str)
def test_json_loads(block: Block) -> None:
    assert [json.loads(line) for line in block.text.splitlines() if line.strip()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{page.name}: {link}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pictures_are_there_and_have_a_text_for_those_who_do_not_see_them(page: Path) -> None:
    assert "![](" not in page.read_text(encoding="utf-8")
    assert [picture for picture in pictures(page) if not picture.is_file()] == []


def test_the_readme_is_short() -> None:
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    tour = [block for block in blocks(README) if block.kind == "tour"]
    assert sum(len(block.text.splitlines()) for block in tour) <= 30
    assert len(pictures(README)) == 2


@pytest.mark.parametrize("name", ["example", "test"])
def test_readme_commands_are_one_line_each(name: str) -> None:
    commands = [block for block in BLOCKS if block.kind == "command" and block.argument == name]
    assert [block.page for block in commands] == [README]
    assert commands[0].text.count("\n") == 1
    assert commands[0].text.startswith("python3 -m venv .venv && ")


def test_output_is_compared_in_order_and_without_figures_of_time() -> None:
    printed = "one\ntwo in 1.23s\nthree\n==== 2 failed in 0.10s ====\n"
    assert absent("one\n...\nthree\n= 2 failed in 9.99s =\n", printed) is None
    assert absent("one\nthree\n", printed) == "one\nthree\n"
    assert absent("three\n...\none\n", printed) == "one\n"


@pytest.mark.slow
def test_the_readme_tour_is_what_the_example_prints(tmp_path: Path) -> None:
    """Its first half: the second takes a minute and is compared where the example is optimized."""
    first = next(block for block in BLOCKS if block.kind == "tour")
    assert first.text.startswith("$ pytest --fapo-diagnose\n")
    scenario = Scenario(copy_example(tmp_path / "example"))
    scenario.play(replace(first, kind="run", argument="exit 1"))
