"""Damaged records by the thousand, in one process: each reader gives what was written, or says what is wrong.

A few rounds here; FAPO_FUZZ=4000 makes it 20,000 files.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from loop.test_apply_undo import Made
from support.damage import damaged
from support.judged import evaluation

from pytest_fapo.answers.cache import AnswerCache
from pytest_fapo.answers.cache_export import export_cache
from pytest_fapo.answers.exported_cache import AnswerFile
from pytest_fapo.capture.http_answer import RecordedAnswer
from pytest_fapo.core.errors import FapoError
from pytest_fapo.loop.events import IterationBegan, RunBegan, RunFinished
from pytest_fapo.loop.journal import Journal
from pytest_fapo.loop.run_folder import RunFolder
from pytest_fapo.loop.run_result import load_result
from pytest_fapo.verdict.baseline_contents import make_baseline
from pytest_fapo.verdict.baseline_file import read_baseline, write_baseline

ROUNDS = int(os.environ.get("FAPO_FUZZ", "40"))

ANSWERS = {
    f"{number:064x}": RecordedAnswer(status=200, headers=(), chunks=(b'{"choices": [%d]}' % number * number,))
    for number in range(1, 30)
}


def fuzz(path: Path, read: Callable[[int], None]) -> None:
    """Damage the file again and again; only an error that has words for the user may come of reading it."""
    content, refused = path.read_bytes(), 0
    for number in range(ROUNDS):
        path.write_bytes(damaged(content, number))
        try:
            read(number)
        except FapoError:
            refused += 1
    path.write_bytes(content)
    read(-1)
    print(f"{path.name}: {ROUNDS} damaged, {refused} refused")


def test_a_journal_gives_every_line_that_is_whole(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write(RunBegan())
    for number in range(8):
        journal.write(IterationBegan(number=number, best="original", scores={"train": 0.5}))
    journal.write(RunFinished(stop="target"))
    lines = journal.path.read_bytes().splitlines()
    events = dict(zip(lines, (repr(event) for event in journal.read()), strict=True))

    def read(number: int) -> None:
        found = Counter(repr(event) for event in journal.read())
        whole = Counter(line for line in journal.path.read_bytes().split(b"\n") if line in events)
        missing = [line for line, count in whole.items() if found[events[line]] < count]
        assert not missing, (number, missing)
        journal.last(RunFinished)
        Journal(tmp_path).go_over()

    fuzz(journal.path, read)


def test_a_result_is_what_was_proven_or_refused(tmp_path: Path) -> None:
    made = Made(tmp_path)
    right = load_result(made.run)

    def read(number: int) -> None:
        assert load_result(RunFolder(made.run.path)) == right, number

    fuzz(made.run.path / "result.json", read)


def test_a_baseline_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "fapo-baseline.json"
    right = make_baseline(evaluation({"t1": "++-", "v1": "+++", "h1": "s"}), artifacts={"a.md": "1"})
    write_baseline(path, right)

    def read(number: int) -> None:
        found = read_baseline(path)
        assert number >= 0 or found == right

    fuzz(path, read)


def test_an_exported_cache_gives_an_answer_of_the_right_form_or_is_refused(tmp_path: Path) -> None:
    cache, path = AnswerCache(tmp_path / "cache"), tmp_path / "answers.json"
    cache.put_all(ANSWERS.items())
    export_cache(cache, path)
    cache.close()

    def read(number: int) -> None:
        file = AnswerFile(path)
        try:
            found = {key: file.get(key) for key in ANSWERS}
        finally:
            file.close()
        assert number >= 0 or found.keys() == ANSWERS.keys()

    fuzz(path, read)


def test_a_cache_gives_the_right_answer_or_none(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "cache")
    cache.put_all(ANSWERS.items())
    cache.close()

    def read(number: int) -> None:
        for name in ("cache.db-wal", "cache.db-shm"):
            (tmp_path / "cache" / name).unlink(missing_ok=True)
        opened = AnswerCache(tmp_path / "cache")
        try:
            for key, answer in ANSWERS.items():
                with suppress(FapoError):
                    assert opened.get(key) in (None, answer), number
        finally:
            opened.close()

    fuzz(tmp_path / "cache" / "cache.db", read)
