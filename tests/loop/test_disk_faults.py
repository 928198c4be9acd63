"""A full disk, a clock that is set, and files that turn into something else while the loop is at work."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from support.plain_user import USER, as_plain_user, needs_root

from benchmarks._trust_run import FILES, HONEST, memorable, trust_run, write_project

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="tells by Linux's errors"),
]

NO_ROOM = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000))"
"""Nothing can grow past a few kilobytes: as near to a full disk as a test may come."""


def meanwhile(action: str) -> dict[str, str]:
    """A proposer that does this before it proposes."""
    head = "    def propose(self, evidence):\n"
    return {"conftest.py": FILES["conftest.py"].replace(head, f"{head}        import os\n        {action}\n")}


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (NO_ROOM, "cannot be written: File too large; make room, then start again"),
        ("import shutil; shutil.rmtree('.fapo')", "journal.jsonl cannot be written: No such file or"),
    ],
    ids=["no room", "records deleted"],
)
def test_what_cannot_be_written_is_one_line(action: str, words: str) -> None:
    with trust_run({"honest": HONEST}, "on", meanwhile(action)) as run:
        assert words in run.text
        assert "fapo: your files are untouched" in run.text
        assert "Traceback" not in run.text
        assert "INTERNALERROR" not in run.text
        assert (run.root / "app/pipeline.py").read_text() == FILES["app/pipeline.py"]


def test_a_file_in_the_place_of_the_folder_is_named_and_kept() -> None:
    with trust_run({"honest": HONEST}, "on", {".fapo": "mine"}) as run:
        assert f"ERROR: {run.root / '.fapo'} cannot be written: File exists; runs and answers" in run.text
        assert "INTERNALERROR" not in run.text
        assert (run.root / ".fapo").read_text() == "mine"


def test_what_is_too_large_to_copy_is_said() -> None:
    made = "import os\nif not os.path.exists('data.bin'):\n    open('data.bin', 'w').truncate(30_000_000)\n"
    with trust_run({"honest": HONEST}, "on", {"conftest.py": made + FILES["conftest.py"]}) as run:
        assert "read where it lies, too large to copy: 1 file (30 MB)" in run.text
        assert "All 60 tests pass now." in run.text


@pytest.mark.parametrize(
    "action",
    [
        "os.path.isdir('app/pipeline.py') or (os.unlink('app/pipeline.py'), os.mkdir('app/pipeline.py'))",
        "os.path.islink('app/pipeline.py') or (os.rename('app/pipeline.py', '.fapo/m'), "
        "os.symlink('../.fapo/m', 'app/pipeline.py'))",
        "os.path.islink('app') or (os.rename('app', '.fapo/app'), os.symlink('.fapo/app', 'app'))",
    ],
    ids=["a folder", "a link", "its folder a link"],
)
def test_a_file_that_turns_into_something_else_gets_a_patch(action: str) -> None:
    with trust_run({"honest": HONEST}, "on", meanwhile(action)) as run:
        assert "Your files are untouched (" in run.text
        assert "The change is saved as a patch" in run.text
        path = run.root / "app/pipeline.py"
        assert path.is_dir() or path.read_text() == FILES["app/pipeline.py"]
        assert os.path.lexists(path)


CLOCK = """import itertools, time

_days, _clock = itertools.count(), time.time
time.time = lambda: _clock() + 86_400 * (-1) ** next(_days)


"""
"""One that is set a day ahead and a day back at each look at it, in all processes."""


def test_a_clock_that_is_set_again_and_again_changes_nothing() -> None:
    files = {"conftest.py": CLOCK + FILES["conftest.py"]}
    with trust_run({"honest": HONEST}, "on", files, options=["--fapo-time-limit=30m"]) as run:
        assert "All 60 tests pass now." in run.text
        assert "Traceback" not in run.text


@needs_root
@pytest.mark.parametrize(
    ("foreign", "words"),
    [
        (
            "app/pipeline.py",
            "Your files are untouched (app/pipeline.py: read-only). The change is saved as a",
        ),
        (".fapo", "cannot be written: Permission denied; runs and answers are kept there: make it writable"),
        ("cases.jsonl", "cases.jsonl: cannot be read: Permission denied"),
    ],
)
def test_files_of_another_user_are_named(foreign: str, words: str) -> None:
    folder = Path(tempfile.mkdtemp())  # pytest's own folders are root's alone
    root = folder / "project"
    files = {".fapo/cache/made-by-root": ""} if foreign == ".fapo" else {}
    write_project(root, {"honest": HONEST}, "on", cases=memorable(), files=files)
    for path in (folder, root, *root.rglob("*")):
        mine = foreign not in path.relative_to(folder).as_posix()
        os.chown(path, *([USER, USER] if mine else [0, 0]))
    if foreign == "cases.jsonl":
        (root / foreign).chmod(0o600)
    command = ["-p", "pytest_fapo.plugin", "-p", "no:cacheprovider", "--fapo-optimize", "--fapo-write=auto"]
    said = as_plain_user(["-m", "pytest", *command], root, folder)
    content = (root / "app/pipeline.py").read_text()
    shutil.rmtree(folder)
    assert words in said, said
    assert "Traceback" not in said
    assert content == FILES["app/pipeline.py"]


@needs_root
def test_root_keeps_the_owner_of_a_file() -> None:
    given = "os.chown('app/pipeline.py', 12345, 12345)"
    with trust_run({"honest": HONEST}, "on", meanwhile(given)) as run:
        assert "All 60 tests pass now." in run.text
        assert (run.root / "app/pipeline.py").stat().st_uid == USER
