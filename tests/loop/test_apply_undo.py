"""A run's changes written later and taken back: exact bytes, all or none."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_fapo.core.candidate import Edit
from pytest_fapo.core.errors import FapoError
from pytest_fapo.core.scope import Scope
from pytest_fapo.loop.apply_undo import apply_run, finished_result, undo_run, write_part
from pytest_fapo.loop.change_review import find_reviewable
from pytest_fapo.loop.events import RunFinished
from pytest_fapo.loop.run_folder import RunFolder
from pytest_fapo.loop.run_result import ScopeSnapshot, load_result, save_result

BEFORE = {
    "app/prompts/sort.md": b"Sort.\r\nTicket: {ticket}\r\n",
    "app/texts.py": b"TONE = 'kind'  # \xe4 in Latin-1\n".replace(b"\xe4", "ä".encode()),
    "app/other.md": b"not in the scope\n",
}
EDITS = [
    Edit(address="app/prompts/sort.md", before="Sort.\nTicket: {ticket}\n", after="Sort well.\n{ticket}\n"),
    Edit(address="app/texts.py::TONE", before="kind", after="brief"),
    Edit(address="app/prompts/new/style.md", before="", after="Be brief.\n"),
]
NEW = "app/prompts/new/style.md"


class Made:
    """A small project and a run that has proven three edits of it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        for path, content in BEFORE.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_bytes(content)
        self.run = RunFolder.create(self.root / ".fapo" / "runs")
        scope = Scope(prompts=["app/prompts/**/*.md", "app/texts.py::TONE"])
        snapshot = ScopeSnapshot.take(self.root, scope)
        self.after = snapshot.render(EDITS)
        save_result(self.run, snapshot, self.after, [])
        self.run.journal.write(RunFinished(stop="target", writing="patch"))

    def files(self) -> dict[str, bytes]:
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for path in self.root.rglob("*")
            if path.is_file() and ".fapo" not in path.parts
        }

    def events(self) -> list[str]:
        return [event.event for event in self.run.journal.read()]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def test_apply_writes_the_whole_patch_and_undo_takes_it_back_to_the_byte(made: Made) -> None:
    (made.root / "app/texts.py").chmod(0o640)
    applied = apply_run(made.root, made.run)
    assert sorted(applied.written) == sorted(made.after)
    assert made.files() == {**BEFORE, **made.after}
    assert b"Sort well.\r\n" in made.files()["app/prompts/sort.md"]
    undone = undo_run(made.root, made.run)
    assert sorted(undone.written) == sorted(made.after)
    assert made.files() == BEFORE
    assert not (made.root / NEW).parent.exists(), "the folder was made for the new file alone"
    assert stat.S_IMODE((made.root / "app/texts.py").stat().st_mode) == 0o640
    assert made.events() == ["finished", "applied", "undone"]


def test_doing_it_twice_does_nothing_more(made: Made) -> None:
    assert undo_run(made.root, made.run).written == []
    apply_run(made.root, made.run)
    again = apply_run(made.root, made.run)
    assert (again.written, again.conflicts) == ([], {})
    assert made.files() == {**BEFORE, **made.after}
    undo_run(made.root, made.run)
    assert undo_run(made.root, made.run).written == []
    assert sorted(apply_run(made.root, made.run).written) == sorted(made.after)


def test_files_edited_since_are_named_and_nothing_is_touched(made: Made) -> None:
    (made.root / "app/texts.py").write_bytes(b"TONE = 'mine'\n")
    result = apply_run(made.root, made.run)
    assert result.conflicts == {"app/texts.py": "changed since the run began"}
    assert made.files() == {**BEFORE, "app/texts.py": b"TONE = 'mine'\n"}
    assert not load_result(made.run).written
    (made.root / "app/texts.py").write_bytes(BEFORE["app/texts.py"])
    apply_run(made.root, made.run)
    (made.root / NEW).write_bytes(b"Be loud.\n")
    (made.root / "app/prompts/sort.md").unlink()
    expected = made.files()
    assert undo_run(made.root, made.run).conflicts == {
        NEW: "changed since it was written",
        "app/prompts/sort.md": "deleted since it was written",
    }
    assert made.files() == expected


def test_a_folder_that_got_other_files_stays(made: Made) -> None:
    apply_run(made.root, made.run)
    (made.root / NEW).with_name("mine.md").write_bytes(b"mine")
    undo_run(made.root, made.run)
    assert made.files() == {**BEFORE, "app/prompts/new/mine.md": b"mine"}


def test_a_part_is_written_then_another_and_undo_takes_all_back(made: Made) -> None:
    sort, tone = "app/prompts/sort.md", "app/texts.py"
    write_part(made.root, made.run, {sort: b"edited by a person\n"}, {sort: "edited"})
    assert [edit.address for edit in load_result(made.run).open] == [NEW, "app/texts.py::TONE"]
    decided = load_result(made.run).decided
    write_part(made.root, made.run, {tone: made.after[tone]}, {**decided, "app/texts.py::TONE": "accepted"})
    assert made.files() == {**BEFORE, sort: b"edited by a person\n", tone: made.after[tone]}
    assert [edit.address for edit in load_result(made.run).open] == [NEW]
    undo_run(made.root, made.run)
    assert made.files() == BEFORE
    assert len(load_result(made.run).open) == 3


def test_a_part_in_conflict_settles_nothing(made: Made) -> None:
    (made.root / "app/texts.py").write_bytes(b"TONE = 'mine'\n")
    outcome = write_part(
        made.root, made.run, {"app/texts.py": b"TONE = 'x'\n"}, {"app/texts.py::TONE": "edited"}
    )
    assert list(outcome.conflicts) == ["app/texts.py"]
    assert load_result(made.run).decided == {}


CUT_OFF = """
import os, signal, sys
from pathlib import Path
from pytest_fapo.source import write_helper as finish
from pytest_fapo.loop.events import RunFinished
from pytest_fapo.loop.run_folder import RunFolder
from pytest_fapo.loop.apply_undo import apply_run, undo_run

root, run, action, state = Path(sys.argv[1]), RunFolder(Path(sys.argv[2])), sys.argv[3], sys.argv[4]
save = finish.save
def save_and_die(journal, record):
    if state == "before" : os.kill(os.getpid(), signal.SIGKILL)
    save(journal, record)
    if record["state"] == state: os.kill(os.getpid(), signal.SIGKILL)
finish.save = save_and_die
{"apply": apply_run, "undo": undo_run}[action](root, run)
"""


@pytest.mark.slow
@pytest.mark.parametrize("state", ["before", "staging", "committed"])
def test_a_kill_leaves_a_result_that_is_true_of_the_files(made: Made, state: str) -> None:
    def cut_off(action: str) -> None:
        command = [sys.executable, "-c", CUT_OFF, str(made.root), str(made.run.path), action, state]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert done.returncode == -signal.SIGKILL, done.stderr

    cut_off("apply")
    result = finished_result(made.root, made.run)
    assert result.written == (state == "committed") == (made.files() != BEFORE)
    assert bool(result.open) != result.written
    apply_run(made.root, made.run)
    assert made.files() == {**BEFORE, **made.after}
    cut_off("undo")
    result = finished_result(made.root, made.run)
    assert result.written == (state != "committed") == (made.files() != BEFORE)
    undo_run(made.root, made.run)
    assert made.files() == BEFORE
    assert not [path for path in made.root.rglob("*") if path.name.startswith((".fapo-", "pending"))]


def test_links_are_written_through_and_kept(tmp_path: Path) -> None:
    made = Made(tmp_path)
    prompt = made.root / "app/prompts/sort.md"
    real = made.root / "shared.md"
    prompt.rename(real)
    prompt.symlink_to(os.path.relpath(real, prompt.parent))
    apply_run(made.root, made.run)
    assert prompt.is_symlink()
    assert real.read_bytes() == made.after["app/prompts/sort.md"]
    undo_run(made.root, made.run)
    assert prompt.is_symlink()
    assert real.read_bytes() == BEFORE["app/prompts/sort.md"]


def test_a_run_without_changes_says_so(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path)
    with pytest.raises(FapoError, match="left no proven change: it did not finish"):
        apply_run(tmp_path, run)
    run.journal.write(RunFinished(stop="unproven", writing="nothing"))
    with pytest.raises(FapoError, match="did not pass the final proof"):
        undo_run(tmp_path, run)
    (run.path / "result.json").write_text('{"files": [1]}')
    with pytest.raises(FapoError, match="not written by this version"):
        apply_run(tmp_path, run)


LINES = b"".join(b"Rule %d.\n" % number for number in range(9))
RUN = LINES.replace(b"Rule 2.", b"Rule 2, by the run.")
MINE = LINES.replace(b"Rule 6.", b"Rule 6, by me.")
BOTH = RUN.replace(b"Rule 6.", b"Rule 6, by me.")


@pytest.fixture
def lines(tmp_path: Path) -> tuple[Path, RunFolder]:
    """A run that has proven a change of one line of a prompt."""
    root = tmp_path / "lines"
    (root / "p").mkdir(parents=True)
    (root / "p/a.md").write_bytes(LINES)
    run = RunFolder.create(root / ".fapo" / "runs")
    save_result(run, ScopeSnapshot.take(root, Scope(prompts=["p/*.md"])), {"p/a.md": RUN}, [])
    run.journal.write(RunFinished(stop="target", writing="patch"))
    return root, run


def test_edits_beside_the_runs_are_kept_when_it_is_applied_and_taken_back(
    lines: tuple[Path, RunFolder],
) -> None:
    root, run = lines
    (root / "p/a.md").write_bytes(MINE)
    applied = apply_run(root, run)
    assert (applied.written, applied.merged) == (["p/a.md"], ["p/a.md"])
    assert (root / "p/a.md").read_bytes() == BOTH
    assert apply_run(root, run).written == []
    undo_run(root, run)
    assert (root / "p/a.md").read_bytes() == MINE


@pytest.mark.parametrize("edited_before", [True, False])
def test_an_edit_after_the_writing_survives_the_undo(
    lines: tuple[Path, RunFolder], edited_before: bool
) -> None:
    root, run = lines
    if edited_before:
        (root / "p/a.md").write_bytes(MINE)
    apply_run(root, run)
    (root / "p/a.md").write_bytes((root / "p/a.md").read_bytes() + b"One more rule.\n")
    assert undo_run(root, run).written == ["p/a.md"]
    assert (root / "p/a.md").read_bytes() == (MINE if edited_before else LINES) + b"One more rule.\n"


def test_edits_of_the_same_lines_are_a_conflict(lines: tuple[Path, RunFolder]) -> None:
    root, run = lines
    (root / "p/a.md").write_bytes(LINES.replace(b"Rule 2.", b"Rule 2, by me."))
    assert apply_run(root, run).conflicts == {"p/a.md": "changed since the run began"}
    (root / "p/a.md").write_bytes(LINES)
    apply_run(root, run)
    (root / "p/a.md").write_bytes(RUN.replace(b"Rule 2, by the run.", b"Rule 2, by me."))
    assert undo_run(root, run).conflicts == {"p/a.md": "changed since it was written"}


def test_two_runs_are_taken_back_each_by_itself(lines: tuple[Path, RunFolder]) -> None:
    root, run = lines
    apply_run(root, run)
    second = RunFolder.create(root / ".fapo" / "runs")
    after = RUN.replace(b"Rule 7.", b"Rule 7, by the second run.")
    save_result(second, ScopeSnapshot.take(root, Scope(prompts=["p/*.md"])), {"p/a.md": after}, [])
    second.journal.write(RunFinished(stop="target", writing="patch"))
    apply_run(root, second)
    undo_run(root, run)
    assert (root / "p/a.md").read_bytes() == LINES.replace(b"Rule 7.", b"Rule 7, by the second run.")
    undo_run(root, second)
    assert (root / "p/a.md").read_bytes() == LINES


def test_a_review_offers_the_change_in_an_edited_file(lines: tuple[Path, RunFolder]) -> None:
    root, run = lines
    (root / "p/a.md").write_bytes(MINE)
    reviewable = find_reviewable(root, Scope(prompts=["p/*.md"]))
    assert [edit.after.encode() for edit in reviewable.edits] == [BOTH]
    assert not reviewable.whole
    base = reviewable.snapshot.files
    result = write_part(root, run, {"p/a.md": BOTH}, {"p/a.md": "accepted"}, base)
    assert (result.written, result.conflicts) == (["p/a.md"], {})
    undo_run(root, run)
    assert (root / "p/a.md").read_bytes() == MINE
