"""`fapo cache`: what it counts, forgets, writes and reads."""

from __future__ import annotations

import json

import pytest
from support.cli_projects import SCRIPT_PROJECT, Folder

from pytest_fapo.answers.cache_layers import local_cache
from pytest_fapo.capture.http_answer import RecordedAnswer


@pytest.fixture
def asked(folder: Folder) -> Folder:
    """A project whose three cases have been answered, by the placeholder."""
    folder.write(SCRIPT_PROJECT)
    folder.fapo("init", "--yes")
    assert "3 passed" in folder.pytest("-q").out
    return folder


@pytest.mark.slow
def test_answers_travel_to_another_project(asked: Folder) -> None:
    local_cache(asked.root).put("f" * 64, answer_of(asked))
    said = asked.fapo("cache", "export", "../answers.json", cwd="tests")
    assert said.code == 0
    assert said.out.startswith("../answers.json: 3 answers, those that the cases used when they last ran; ")
    assert asked.fapo("cache", "export", "all.json", "--all").out.startswith("all.json: 4 answers, all that")
    assert json.loads(asked.read("answers.json"))
    said = asked.fapo("cache", "export", cwd="tests")
    assert (said.code, asked.read("fapo-cache.json")) == (0, asked.read("answers.json"))
    assert 'cache_files = ["fapo-cache.json"]' in said.out
    assert asked.fapo("cache", "clear", "--yes").out == "Forgot 4 answers.\n"
    assert "1 failed" in asked.pytest("-q", "--fapo-cache=only", "-x").out
    said = asked.fapo("cache", "import", "answers.json")
    assert (said.code, said.out) == (0, "answers.json: 3 new answers.\n")
    said = asked.fapo("cache", "import", "answers.json")
    assert (said.code, said.out.count("3 were known")) == (1, 1)
    assert "3 passed" in asked.pytest("-q", "--fapo-cache=only").out


def answer_of(folder: Folder) -> RecordedAnswer:
    cache = local_cache(folder.root)
    found = cache.get(cache.keys()[0])
    assert found is not None
    return found


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


def test_an_export_says_what_it_lacks(asked: Folder) -> None:
    hook = "def pytest_fapo_redact(text):\n    return None\n"
    asked.write({"conftest.py": asked.read("conftest.py") + "\n\n" + hook})
    settings = asked.read("pyproject.toml").replace(
        "[tool.fapo]\n", '[tool.fapo]\ncache_files = ["c/x.json"]\n'
    )
    (asked.root / "pyproject.toml").write_text(settings)
    (asked.root / "c").mkdir()
    assert "3 passed" in asked.pytest("-q").out
    cache = local_cache(asked.root)
    answers = [(key, found) for key in cache.keys()[1:] if (found := cache.get(key)) is not None]
    cache.clear()
    cache.put_all(answers)
    cache.close()
    said = asked.fapo("cache", "export")
    assert said.out.startswith("c/x.json: 2 answers")
    assert "1 answer that the cases used can be found no longer; run pytest again." in said.out
    assert "pytest_fapo_redact was not asked" in said.out
    assert "To read it" not in said.out
