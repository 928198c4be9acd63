"""`fapo cache`: what it counts, forgets, writes and reads."""

from __future__ import annotations

import json

import pytest
from support.cli_projects import SCRIPT_PROJECT, Folder

from pytest_fapo.llm import local_cache


@pytest.fixture
def asked(folder: Folder) -> Folder:
    """A project whose three cases have been answered, by the placeholder."""
    folder.write(SCRIPT_PROJECT)
    folder.fapo("init", "--yes")
    assert "3 passed" in folder.pytest("-q").out
    return folder


def test_answers_travel_to_another_project(asked: Folder) -> None:
    local_cache(asked.root).put("f" * 64, answer_of(asked))
    said = asked.fapo("cache", "export", "../answers.json", cwd="tests")
    assert said.code == 0
    assert said.out.startswith("../answers.json: 3 answers, those that the cases used when they last ran; ")
    assert asked.fapo("cache", "export", "all.json", "--all").out.startswith("all.json: 4 answers, all that")
    assert json.loads(asked.read("answers.json"))
    said = asked.fapo("cache", "export", cwd="tests")
    assert (said.code, asked.read("fapo-cache.json")) == (0, asked.read("answers.json"))
    assert asked.fapo("cache", "clear", "--yes").out == "Forgot 4 answers.\n"
    assert "1 failed" in asked.pytest("-q", "--fapo-cache=only", "-x").out
    said = asked.fapo("cache", "import", "answers.json")
    assert (said.code, said.out) == (0, "answers.json: 3 new answers.\n")
    said = asked.fapo("cache", "import", "answers.json")
    assert (said.code, said.out.count("3 were known")) == (1, 1)
    assert "3 passed" in asked.pytest("-q", "--fapo-cache=only").out


def answer_of(folder: Folder):  # type: ignore[no-untyped-def]  # a record of the cache
    cache = local_cache(folder.root)
    return cache.get(cache.keys()[0])


def test_what_is_counted(asked: Folder) -> None:
    said = asked.fapo("cache", "stats")
    lines = dict(line.split(None, 1) for line in said.out.splitlines())
    assert lines["answers"] == "3"
    assert lines["models"] == "m 3"
    assert lines["APIs"] == "chat.completions 3"
    assert "stand-in" in lines
    found = json.loads(asked.fapo("cache", "stats", "--json").out)
    assert (found["answers"], found["offline"], found["imported"]) == (3, 3, 0)
    assert found["oldest"] <= found["newest"]


def test_clear_asks_first(asked: Folder) -> None:
    said = asked.fapo("cache", "clear", typed="\n")
    assert (said.code, "Forget 3 answers" in said.out) == (1, True)
    assert asked.fapo("cache", "clear").code == 1
    assert json.loads(asked.fapo("cache", "stats", "--json").out)["answers"] == 3
    assert asked.fapo("cache", "clear", typed="what\ny\n").code == 0
    assert json.loads(asked.fapo("cache", "stats", "--json").out)["answers"] == 0
    assert asked.fapo("cache", "clear", "--yes").code == 1


def test_nothing_is_made_where_nothing_was_recorded(folder: Folder) -> None:
    said = folder.fapo("cache", "stats")
    assert (said.code, "No answer is recorded" in said.out) == (0, True)
    said = folder.fapo("cache", "export", "answers.json")
    assert (said.code, "answers.json was not written" in said.err) == (1, True)
    said = folder.fapo("cache", "import", "nosuch.json")
    assert (said.code, "nosuch.json" in said.err) == (1, True)
    assert list(folder.root.glob("*")) == []
