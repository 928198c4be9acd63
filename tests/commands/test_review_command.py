"""`pytest --fapo-review` as a person meets it: questions, proof, writing; with nobody there, nothing."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.left_patch import (
    NEW_SORT,
    NEW_TONE,
    SORT,
    TONE,
    TWO_PROMPTS,
    half_by_half,
    on_terminal,
    scripted,
)
from support.teams import BAD_PROMPT, Project, Server, make_project, proposal, serving

from pytest_fapo.loop.apply_undo import undo_run
from pytest_fapo.loop.run_folder import LOCK_NAME, LockOwner, RunFolder
from pytest_fapo.loop.run_result import load_result, store_result

pytestmark = pytest.mark.slow

LUCK = 'assert "few" not in PROMPT or "small" not in PROMPT'

BEFORE = {SORT: BAD_PROMPT, TONE: "You are a helper.\n"}


@pytest.fixture(scope="session")
def reviewed_server() -> Iterator[Server]:
    edits = iter([proposal(NEW_SORT, SORT), proposal(NEW_TONE, TONE)])
    answers = Server(task=half_by_half, optimizer=lambda body: next(edits, proposal("Nothing {ticket}.\n")))
    with serving(answers) as running:
        yield running


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory, reviewed_server: Server) -> Project:
    root = tmp_path_factory.mktemp("left") / "project"
    root.mkdir()
    made = make_project(root, reviewed_server, TWO_PROMPTS)
    before = made.snapshot()
    result = made.optimize()
    assert "2 accepted" in result.text, result.text
    assert made.prompt == NEW_SORT
    undone = undo_run(root, RunFolder(made.run_directory))
    assert sorted(undone.written) == [SORT, TONE]
    assert made.snapshot() == before, "undo gives back what a run itself has written"
    return made


@pytest.fixture
def left(tmp_path: Path, made_once: Project) -> Project:
    """The project with nothing written, and the run with two open changes."""
    root = Path(shutil.copytree(made_once.root, tmp_path / "project"))
    return Project(root, made_once.server)


def prompts(made: Project) -> dict[str, str]:
    return {path: (made.root / path).read_text(encoding="utf-8") for path in BEFORE}


def an_editor(folder: Path, old: str, new: str) -> str:
    """A command that replaces `old` by `new` in the file that it is given."""
    code = (
        "import pathlib, sys; file = pathlib.Path(sys.argv[1]); text = file.read_text(); "
        f"assert {old!r} in text; file.write_text(text.replace({old!r}, {new!r}))"
    )
    script = folder / "editor.py"
    script.write_text(code)
    return shlex.join([sys.executable, str(script)])


def test_everything_is_shown_accepted_and_written_on_a_terminal(left: Project) -> None:
    before = left.snapshot()
    result = on_terminal(left, ["what\r", "c\r", "?\r", "d\r", "y\r", "yes\r"])
    assert result.code == 0, result.text
    assert prompts(left) == {SORT: NEW_SORT, TONE: NEW_TONE}
    for words in (
        "2 changes to decide on",
        f"Change 1 of 2: {SORT}",
        "it must answer plainly (c1)",
        "I think Billing.",
        "Effect",
        "12 tests fixed, 0 broken, 0 other outputs changed",
        '"I think Billing." → "billing"',
        "Please answer y, n, e, s, q, d, c or b",
        "edit the new text in your editor",
        "3 Which team?",
        "│ 3 Which team, in small letters?",
        "-Which team?",
        "+Which team, in small letters?",
        "2 accepted, 0 rejected.",
        f"Changed in your project: {SORT} and {TONE}",
        "every test passes",
    ):
        assert words in result.text, f"{words!r} is not in:\n{result.text}"
    run = RunFolder(left.run_directory)
    assert load_result(run).decided == {SORT: "accepted", TONE: "accepted"}
    assert sorted(undo_run(left.root, run).written) == [SORT, TONE]
    assert left.snapshot() == before


@pytest.mark.parametrize(
    ("key", "code", "words"), [("\x03", 2, "interrupted"), ("\x04", 1, "No one answered")]
)
def test_leaving_a_terminal_writes_and_decides_nothing(
    left: Project, key: str, code: int, words: str
) -> None:
    before = left.snapshot()
    result = on_terminal(left, ["n\r", key])
    assert result.code == code, result.text
    assert words in result.text
    assert left.snapshot() == before
    assert load_result(RunFolder(left.run_directory)).decided == {}


def test_a_part_is_written_and_what_was_skipped_is_asked_for_next_time(left: Project) -> None:
    result = scripted(left, "s\ny\n")
    assert result.code == 1, result.text
    assert prompts(left) == {**BEFORE, TONE: NEW_TONE}
    assert "1 accepted, 0 rejected, 1 change left for later." in result.text
    assert f"Left for later: {SORT}" in result.text
    second = scripted(left, "y\n")
    assert second.code == 0, second.text
    assert f"Change 1 of 1: {SORT}" in second.text
    assert prompts(left) == {SORT: NEW_SORT, TONE: NEW_TONE}
    third = scripted(left, "")
    assert third.code == 4
    assert "no run has left changes that wait for a decision" in third.text
    assert "passed" not in third.text, "found out before the tests run"
    undo_run(left.root, RunFolder(left.run_directory))
    assert prompts(left) == BEFORE


def test_what_is_rejected_is_settled_and_nothing_is_written(left: Project) -> None:
    result = scripted(left, "n\nq\n")
    assert result.code == 1
    assert "0 accepted, 1 rejected, 1 change left for later." in result.text
    assert prompts(left) == BEFORE
    assert load_result(RunFolder(left.run_directory)).decided == {SORT: "rejected"}


def test_a_choice_that_breaks_something_is_refused_and_can_be_changed(left: Project) -> None:
    agree = 'def test_agree():\n    assert ("small" in PROMPT) == ("few" in PROMPT)\n'
    left.write({"test_agree.py": f"from app.pipeline import PROMPT\n{agree}"})
    changed = scripted(left, "y\nn\nb\n\ny\n")
    assert changed.code == 0, changed.text
    assert "Not written: broke what passed before: test_agree.py::test_agree" in changed.text
    assert "broken  test_agree" in changed.text
    assert "(accepted; Enter keeps that)" in changed.text
    assert prompts(left) == {SORT: NEW_SORT, TONE: NEW_TONE}


def test_a_loss_that_fresh_samples_have_shown_to_be_luck_refuses_nothing(left: Project) -> None:
    """What the run knew of a test that passes now and then holds for the proof of a review as well."""
    left.write({"test_luck.py": f"from app.pipeline import PROMPT\ndef test_luck():\n    {LUCK}\n"})
    refused = scripted(left, "y\ny\nq\n")
    assert "Not written: broke what passed before: test_luck.py::test_luck" in refused.text
    assert prompts(left) == BEFORE
    run = RunFolder(left.run_directory)
    store_result(run, load_result(run).model_copy(update={"chance": [("", "test_luck.py::test_luck")]}))
    written = scripted(left, "y\ny\n")
    assert "Not written" not in written.text
    assert prompts(left) == {SORT: NEW_SORT, TONE: NEW_TONE}


def test_a_review_waits_for_another_run_to_end(left: Project) -> None:
    """One that goes on, that is; what a run has left behind that was killed stops nobody."""
    before = left.snapshot()
    lock = left.root / ".fapo" / LOCK_NAME
    lock.write_text(LockOwner.this_process().model_dump_json())
    refused = scripted(left, "y\ny\n")
    assert refused.code == 4
    assert f"another run is going on in this project: process {os.getpid()}" in refused.text
    assert "passed" not in refused.text, "found out before the tests run"
    assert left.snapshot() == before
    assert lock.exists(), "it is the other run's"
    lock.write_text(LockOwner.this_process().model_copy(update={"began": "long ago"}).model_dump_json())
    assert scripted(left, "y\ny\n").code == 0
    assert not lock.exists()


def test_an_edited_text_is_reviewed_shown_again_and_proven(left: Project, tmp_path: Path) -> None:
    editor = an_editor(tmp_path, "{ticket}", "the ticket")
    blocked = scripted(left, "e\nq\n", EDITOR=editor)
    assert "The review objects: placeholders" in blocked.text
    assert "Your text was not taken" in blocked.text
    editor = an_editor(tmp_path, "small letters?", "small letters only?")
    result = scripted(left, "e\ny\ny\n", EDITOR=editor)
    assert result.code == 0, result.text
    assert "+Which team, in small letters only?" in result.text
    assert "That is of the text as it was proposed" in result.text
    assert prompts(left)[SORT] == NEW_SORT.replace("letters?", "letters only?")
    assert load_result(RunFolder(left.run_directory)).decided[SORT] == "edited"
    undo_run(left.root, RunFolder(left.run_directory))
    assert prompts(left) == BEFORE


def test_an_edit_that_fixes_nothing_is_written_only_on_a_second_word(left: Project, tmp_path: Path) -> None:
    editor = an_editor(tmp_path, "small letters", "two letters")
    missing = scripted(left, "e\ny\nn\n", "--fapo-cache=only", EDITOR=editor)
    assert missing.code == 1, missing.text
    assert "could not be proven: 30 tests had no recorded answer" in missing.text
    assert prompts(left) == BEFORE
    weak = scripted(left, "e\ny\nn\nb\nq\nn\n", EDITOR=editor)
    assert "Nothing breaks, but no test passes that failed before: train 0 % → 0 %" in weak.text
    assert prompts(left) == BEFORE
    assert load_result(RunFolder(left.run_directory)).decided == {}


def test_files_that_changed_since_are_left_out_and_named(left: Project) -> None:
    (left.root / SORT).write_text(BAD_PROMPT + "Mine.\n")
    result = scripted(left, "")
    assert f"Left out, because the files changed since: {SORT}." in result.text
    assert f"Change 1 of 1: {TONE}" in result.text
    assert "No one answered" in result.text


def test_a_run_that_is_not_there_is_named_before_the_tests_run(left: Project) -> None:
    result = scripted(left, "", "--fapo-run=2001")
    assert result.code == 4
    assert "no run begins with '2001'" in result.text
    assert left.run_directory.name in result.text
