"""A run judges the project that it copied; where that is another one by now, nothing is written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.teams import BAD_PROMPT, GOOD_PROMPT, TEST, MakeProject, Project, Server, proposal, teams_cases

from pytest_fapo.core.errors import FapoError
from pytest_fapo.loop.resume import RunTree
from pytest_fapo.loop.run_folder import LOCK_NAME, LockOwner, RunLock
from pytest_fapo.shadow.tree_state import TreeState

CASES = "\n".join(json.dumps(case) for case in teams_cases(12))
Change = Callable[[Path], object]


def while_proposing(server: Server, change: Callable[[], object]) -> None:
    """Change the project when the run has judged the copy and asks for a candidate."""

    def optimizer(body: dict[str, Any]) -> object:
        change()
        return proposal(GOOD_PROMPT)

    server.optimizer = optimizer


def small(project: MakeProject, **files: str) -> Project:
    return project({"cases.jsonl": CASES, "data.txt": "one\n", "app/rules.py": "A = 1\n", **files})


COUNTED: dict[str, tuple[Change, str]] = {
    "a test": (
        lambda root: (root / "test_teams.py").write_text(TEST + "\n# more\n"),
        "test_teams.py changed",
    ),
    "a case": (lambda root: (root / "cases.jsonl").write_text(CASES + "\n"), "cases.jsonl changed"),
    "code": (lambda root: (root / "app/rules.py").write_text("A = 2\n"), "app/rules.py changed"),
    "data gone": (lambda root: (root / "data.txt").unlink(), "data.txt was deleted"),
    "a new test": (lambda root: (root / "test_new.py").write_text(""), "test_new.py is new"),
    "settings": (lambda root: (root / "pytest.ini").write_text("[pytest]\n"), "pytest.ini is new"),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", [list(COUNTED), ["a test"]], ids=["all", "patch"])
def test_what_a_test_could_read_has_changed(project: MakeProject, server: Server, what: list[str]) -> None:
    made = small(project)
    while_proposing(server, lambda: [COUNTED[each][0](made.root) for each in what])
    result = made.optimize(*(["--fapo-write=patch"] if len(what) == 1 else []))
    assert result.code == 1, result.text
    words = " ".join(result.text.split())
    assert "Your files are untouched (" in words
    for each in what:
        assert COUNTED[each][1] in words
    assert "The change is saved as a patch." in words
    assert "pass now" not in words
    assert made.prompt == BAD_PROMPT
    assert (made.run_directory / "changes.patch").is_file()


@pytest.mark.slow
def test_what_no_verdict_rests_on_may_change(project: MakeProject, server: Server) -> None:
    made = small(project, **{".gitignore": "*.log\nout/\n"})

    def change() -> None:
        made.write({"server.log": "x", "out/page.html": "x", ".data.txt.swp": "x", "data.txt~": "x"})

    while_proposing(server, change)
    result = made.optimize()
    assert result.code == 0, result.text
    assert made.prompt == GOOD_PROMPT


def cut_off(made: Project, server: Server) -> None:
    """A run that was interrupted when its reference was on disk."""
    while_proposing(server, lambda: sys.exit() or None)
    process = subprocess.Popen(
        made.command("--fapo-optimize"),
        cwd=made.root,
        env=made.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while_proposing(server, process.kill)
    process.wait(60)
    while_proposing(server, lambda: None)


@pytest.mark.slow
def test_a_run_is_resumed_on_nothing_else(project: MakeProject, server: Server) -> None:
    """Whatever is changed back lets it go on."""
    test = "def test_of_the_user():\n    with open('last-run.txt', 'w') as file:\n        file.write('x')\n"
    made = small(project, **{"test_writes.py": test})
    cut_off(made, server)
    for what, path in (("a test", "test_teams.py"), ("a case", "cases.jsonl"), ("code", "app/rules.py")):
        change, words = COUNTED[what]
        before = (made.root / path).read_bytes()
        change(made.root)
        result = made.pytest("--fapo-resume")
        assert result.code == 4, result.text
        assert words in result.text
        assert "start a new run with --fapo-optimize" in result.text
        (made.root / path).write_bytes(before)
    folder = made.run_directory / "tree.json"
    tree = RunTree.model_validate_json(folder.read_bytes())
    assert tree.written == ["last-run.txt"]
    folder.write_text(
        tree.model_copy(update={"versions": {**tree.versions, "openai": "0.1"}}).model_dump_json()
    )
    result = made.pytest("--fapo-resume")
    assert result.code == 4
    assert "instead of 0.1" in result.text
    folder.write_text(tree.model_dump_json())
    (made.root / "last-run.txt").write_text("another run of the tests")
    result = made.pytest("--fapo-resume")
    assert result.code == 0, result.text
    assert made.prompt == GOOD_PROMPT


# --- the state of a tree -----------------------------------------------------------------------------------


def test_a_state_tells_links_and_folders(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("1")
    (tmp_path / "link").symlink_to("a")
    before = TreeState.now(tmp_path)
    assert before.changes(TreeState.now(tmp_path)) == {}
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("b")
    (tmp_path / "b").unlink()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "c.py").write_text("1")
    after = TreeState.now(tmp_path)
    assert before.changes(after) == {"b": "deleted", "folder/c.py": "new", "link": "changed"}
    assert before.changes(after, besides=["link", "b"]) == {"folder/c.py": "new"}


# --- one run at a time -------------------------------------------------------------------------------------


def other(**update: object) -> str:
    """The record of a lock that belongs to the process above this one, which runs."""
    owner = LockOwner.this_process().model_copy(update={"pid": os.getppid(), "began": "", **update})
    return owner.model_dump_json()


def test_a_lock_is_taken_released_and_taken_again(tmp_path: Path) -> None:
    lock = RunLock(tmp_path)
    lock.take()
    lock.take()
    assert LockOwner.model_validate_json((tmp_path / LOCK_NAME).read_bytes()).pid == os.getpid()
    lock.release()
    assert not (tmp_path / LOCK_NAME).exists()


def test_another_process_keeps_its_lock(tmp_path: Path) -> None:
    (tmp_path / LOCK_NAME).write_text(other())
    with pytest.raises(FapoError, match=rf"another run is going on in this project: process {os.getppid()}"):
        RunLock(tmp_path).take()
    RunLock(tmp_path).release()
    assert (tmp_path / LOCK_NAME).exists()


def test_of_another_machine_nobody_can_tell(tmp_path: Path) -> None:
    (tmp_path / LOCK_NAME).write_text(other(host="elsewhere", pid=999_999_999))
    with pytest.raises(FapoError, match=r"on elsewhere, since .*delete \.fapo/running\.json"):
        RunLock(tmp_path).take()


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("left", ["dead", "recycled", "torn"])
def test_what_a_dead_process_left_is_taken_over(tmp_path: Path, left: str) -> None:
    texts = {
        "dead": other(pid=dead_pid()),
        "recycled": other(began="before the process that has this number now"),
        "torn": other()[:20],
    }
    (tmp_path / LOCK_NAME).write_text(texts[left])
    RunLock(tmp_path).take()
    assert LockOwner.model_validate_json((tmp_path / LOCK_NAME).read_bytes()).pid == os.getpid()


def test_a_second_optimizer_says_that_one_is_at_work(project: MakeProject) -> None:
    made = small(project)
    (made.root / ".fapo").mkdir()
    (made.root / ".fapo" / LOCK_NAME).write_text(LockOwner.this_process().model_dump_json())
    result = made.optimize()
    assert result.code == 4
    assert f"another run is going on in this project: process {os.getpid()}" in result.text
    assert "continue with: pytest --fapo-resume" in result.text
    assert not (made.root / ".fapo" / "runs").exists()


def test_what_the_session_itself_writes_is_no_change(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text("A = 1\n")
    with (tmp_path / "out.txt").open("w") as output:  # as `pytest > out.txt` has it
        before = TreeState.now(tmp_path)
        output.write("....\n")
        output.flush()
        assert before.changes(TreeState.now(tmp_path)) == {}
    with (tmp_path / "again.txt").open("w"):  # of a session that resumes
        assert before.changes(TreeState.now(tmp_path)) == {}
    (tmp_path / "out.txt").chmod(0o600)
    with (tmp_path / "test_a.py").open():
        (tmp_path / "test_a.py").write_text("A = 2\n")
        assert before.changes(TreeState.now(tmp_path)) == {"test_a.py": "changed", "again.txt": "new"}


@pytest.mark.skipif(sys.platform != "linux", reason="who reads a pipe is told by /proc")
@pytest.mark.parametrize("behind", ["tee out.txt", "cat | tee out.txt", "cat > out.txt"])
def test_where_a_pipe_takes_the_output_is_no_change(tmp_path: Path, behind: str) -> None:
    (tmp_path / "test_a.py").write_text("A = 1\n")
    script = """
import sys, time
from pathlib import Path
from pytest_fapo.shadow.tree_state import TreeState
root = Path(sys.argv[1])
for _ in range(1000):
    before = TreeState.now(root)
    if "out.txt" in before.files: break
    time.sleep(0.01)
print("....", flush=True)
while not (root / "out.txt").stat().st_size: time.sleep(0.01)
(root / "test_a.py").write_text("A = 2\\n")
print(before.changes(TreeState.now(root)), file=sys.stderr)
"""
    command = f'exec 3>&2; {{ "$0" -c "$1" "$2" 2>&3; }} | {behind}'
    done = subprocess.run(
        ["bash", "-c", command, sys.executable, script, str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stderr == "{'test_a.py': 'changed'}\n"


def test_a_new_file_counts_where_a_test_would_come_across_it(tmp_path: Path) -> None:
    made = ["test_a.py", "README.md", "tests/mails/a.csv", "app/prompts/a.md"]
    counted = {
        *("extra.py", "pytest.ini", "setup.cfg", ".env", "notes.md", "somewhere/else/conftest.py"),
        *("tests/b.csv", "tests/letters/b.csv", "app/prompts/b.md"),
    }
    left = {"server.log", "copy.jsonl", "tests/trace.log", "somewhere/else/data.csv", "app/profile.svg"}
    for name in made:
        write(tmp_path / name)
    before = TreeState.now(tmp_path)
    for name in counted | left:
        write(tmp_path / name)
    assert before.changes(TreeState.now(tmp_path)) == dict.fromkeys(sorted(counted), "new")


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("text\n")
