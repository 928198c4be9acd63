"""A cache that is damaged while it is open counts as empty: one warning, and the calls go on."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from support import llm_shapes as shapes
from support.llm_lab import Lab
from support.llm_server import LLMServer

from pytest_fapo.answers import cache as cache_module
from pytest_fapo.answers.cache import AnswerCache
from pytest_fapo.answers.cache_export import export_cache
from pytest_fapo.core.errors import CacheMiss


def _overwrite(folder: Path) -> None:
    (folder / "cache.db").write_bytes(b"no database at all. " * 1000)


def _empty(folder: Path) -> None:
    (folder / "cache.db").write_bytes(b"")


def _cut(folder: Path) -> None:
    os.truncate(folder / "cache.db", 4096)


def _overwrite_all(folder: Path) -> None:
    for path in folder.iterdir():
        path.write_bytes(b"no database at all. " * 5000)


def _empty_all(folder: Path) -> None:
    for path in folder.iterdir():
        path.write_bytes(b"")


def _replace(folder: Path) -> None:
    (folder / "other").write_bytes(b"something else")
    (folder / "other").replace(folder / "cache.db")


def _delete(folder: Path) -> None:
    (folder / "cache.db").unlink()


def _drop_the_table(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "cache.db")) as database, database:
        database.execute("DROP TABLE Cache")


DAMAGE = [
    _overwrite,
    _empty,
    _cut,
    _overwrite_all,
    _empty_all,
    _replace,
    _delete,
    shutil.rmtree,
    _drop_the_table,
]


def _ask(lab: Lab, server: LLMServer, word: str) -> str:
    body = {"model": "m", "messages": [{"role": "user", "content": word}]}
    url = f"{server.base_url}/chat/completions"
    answer = lab.run(lambda: httpx.post(url, json=body, verify=False))
    return str(answer.json()["choices"][0]["message"]["content"])


@pytest.fixture
def filled(server: LLMServer, lab: Lab) -> Lab:
    """A cache of some answers, written back to its file and opened by another session."""
    server.respond = lambda request: shapes.chat(f"echo: {request.last_text} " + "x" * 9000)
    for word in ("one", "two", "three"):
        _ask(lab, server, word)
    lab.capture()
    _ask(lab, server, "one")
    assert server.count == 3
    return lab


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_while_it_is_open_is_one_warning_and_the_calls_go_on(
    damage: Callable[[Path], None], server: LLMServer, filled: Lab
) -> None:
    capture = filled.capture()
    _ask(filled, server, "one")
    damage(filled.folder)
    for word in ("two", "three", "four", "two"):
        assert _ask(filled, server, word).startswith(f"echo: {word} ")
    assert server.count == 7
    (problem,) = capture.problems
    assert str(filled.folder) in problem
    filled.capture("off")  # closes the damaged one


def test_under_only_damage_is_a_miss(server: LLMServer, filled: Lab) -> None:
    capture = filled.capture("only")
    _ask(filled, server, "one")
    _overwrite_all(filled.folder)
    for word in ("one", "two"):
        with pytest.raises(CacheMiss):
            _ask(filled, server, word)
    assert server.count == 3
    assert len(capture.problems) == 1


def test_exported_answers_below_a_damaged_cache_still_answer(
    server: LLMServer, filled: Lab, tmp_path: Path
) -> None:
    path = tmp_path / "answers.json"
    with closing(AnswerCache(filled.folder)) as cache:
        assert export_cache(cache, path).answers == 3
    capture = filled.capture(files=[path])
    _ask(filled, server, "one")
    _overwrite_all(filled.folder)
    for word in ("one", "two", "three"):
        _ask(filled, server, word)
    assert server.count == 3
    assert len(capture.problems) == 1


def test_a_cut_index_of_the_log_is_no_damage_and_no_bus_error(server: LLMServer, filled: Lab) -> None:
    capture = filled.capture()
    _ask(filled, server, "four")
    (filled.folder / "cache.db-shm").write_bytes(b"")
    for word in ("one", "four"):
        _ask(filled, server, word)
    assert (server.count, capture.problems) == (4, [])


def test_a_lock_that_lasts_stops_writing_but_not_reading(
    server: LLMServer, filled: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "_PATIENCE", 0.05)
    capture = filled.capture()
    _ask(filled, server, "one")
    with closing(sqlite3.connect(filled.folder / "cache.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        for word in ("four", "five", "two"):
            _ask(filled, server, word)
        other.rollback()
    assert server.count == 5
    (problem,) = capture.problems
    assert "another process has locked it" in problem
