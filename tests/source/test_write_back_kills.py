"""Real kills of the writing process: the project comes out all old or all new."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_fapo.source.write_back import recover

NAMES = [f"p{number}/prompt.md" for number in range(5)]
MADE = "made/by/the/patch.md"
"""A file that is not there before."""
SIZE = 200_000

WRITER = """
import hashlib, sys
from pathlib import Path
from pytest_fapo.source.write_back import write_back

root, journal, old, new = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
names = sys.argv[5:]
files = {name: new.encode() * SIZE for name in names}
expected = {name: hashlib.sha256(old.encode() * SIZE).hexdigest() for name in names if (root / name).exists()}
print("ready", flush=True)
result = write_back(root, files, expected=expected, journal=journal)
print(sorted(result.written), flush=True)
""".replace("SIZE", str(SIZE))


def contents(root: Path) -> set[bytes]:
    return {(root / name).read_bytes()[:1] for name in NAMES} | {
        (root / name).read_bytes()[-1:] for name in NAMES
    }


def helpers(journal: Path) -> list[int]:
    """Process ids of the helpers that work on `journal`."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(journal).encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def start(root: Path, journal: Path, old: str, new: str) -> subprocess.Popen[str]:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(root), str(journal), old, new, *NAMES, MADE],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    return writer


def wait_for_helpers(journal: Path) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if not [pid for pid in helpers(journal) if pid != os.getpid()]:
            return
        time.sleep(0.005)
    raise AssertionError("the helper does not end")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="finds the helper through /proc")
@pytest.mark.parametrize("kill_helper", [False, True], ids=["pytest killed", "pytest and helper killed"])
def test_killed_at_random_moments(tmp_path: Path, kill_helper: bool) -> None:
    source = random.Random(20 + kill_helper)
    root, old = tmp_path / "project", "0"
    for name in NAMES:
        (root / name).parent.mkdir(parents=True)
        (root / name).write_bytes(old.encode() * SIZE)
    moments = []
    for trial in range(22 if not kill_helper else 12):
        new, journal = "123456789"[trial % 9], tmp_path / f"run{trial}/write.json"
        if new == old:
            continue
        shutil.rmtree(root / "made", ignore_errors=True)
        writer = start(root, journal, old, new)
        time.sleep(source.uniform(0.0, 0.08))
        moments.append(writer.poll() is None)
        writer.kill()
        if kill_helper:
            time.sleep(source.uniform(0.0, 0.01))
            for pid in helpers(journal):
                os.kill(pid, signal.SIGKILL)
        writer.communicate()
        wait_for_helpers(journal)
        if not kill_helper:
            assert contents(root) in ({old.encode()}, {new.encode()}), "not whole before recover"
        result = recover(journal)
        found = contents(root)
        assert found in ({old.encode()}, {new.encode()}), "not whole after recover"
        assert found == {new.encode()} if result and result.written else found == {old.encode()}
        assert not list(root.rglob(".fapo-*"))
        assert (root / "made").exists() == (root / MADE).exists() == (found == {new.encode()})
        old = found.pop().decode()
    assert sum(moments) >= len(moments) // 3, "too few kills came before the end to mean anything"


def test_a_kill_right_after_the_commit_still_gives_all_new(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / "project" / name).parent.mkdir(parents=True)
        (tmp_path / "project" / name).write_bytes(b"0" * SIZE)
    code = WRITER.replace(
        "from pytest_fapo.source.write_back import write_back",
        "import os, signal\n"
        "from pytest_fapo.source import write_helper as finish\n"
        "from pytest_fapo.source.write_back import write_back\n"
        "save = finish.save\n"
        "def save_and_die(journal, record):\n"
        "    save(journal, record)\n"
        "    if record['state'] == 'committed': os.kill(os.getpid(), signal.SIGKILL)\n"
        "finish.save = save_and_die",
    )
    journal = tmp_path / "write.json"
    writer = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "project"), str(journal), "0", "1", *NAMES, MADE],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=False,
    )
    assert writer.returncode == -signal.SIGKILL, writer.stderr
    deadline = time.monotonic() + 10
    while contents(tmp_path / "project") != {b"1"} and time.monotonic() < deadline:
        time.sleep(0.01)
    assert contents(tmp_path / "project") == {b"1"}
    result = recover(journal)
    assert result is not None
    assert result.written == [*NAMES, MADE]
    assert (tmp_path / "project" / MADE).read_bytes() == b"1" * SIZE


DIES_AT = """
import hashlib, os, signal, subprocess, sys
from pathlib import Path
from pytest_fapo.source.write_back import write_back

def no_process(*arguments, **options):
    raise OSError("no process to be had")

subprocess.Popen = no_process
left = int(sys.argv[3])
def counted(function):
    def call(*arguments, **options):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)
    return call
os.replace, os.rmdir, os.unlink = counted(os.replace), counted(os.rmdir), counted(os.unlink)

root = Path(sys.argv[1])
write_back(
    root,
    {"a.md": b"old a", "made/by/it.md": None, "b.md": None},
    expected={
        name: hashlib.sha256((root / name).read_bytes()).hexdigest()
        for name in ("a.md", "made/by/it.md", "b.md")
    },
    journal=Path(sys.argv[2]),
    folders={"made/by/it.md": ["made/by", "made"]},
)
"""


@pytest.mark.slow
def test_a_removal_killed_at_every_step_is_whole_afterwards(tmp_path: Path) -> None:
    ends = set()
    for step in range(1, 40):
        root, journal = tmp_path / str(step), tmp_path / f"{step}.json"
        before = {"a.md": b"new a", "made/by/it.md": b"made", "b.md": b"b"}
        for name, content in before.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
        command = [sys.executable, "-c", DIES_AT, str(root), str(journal), str(step)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        result = recover(journal)
        now = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.md")}
        whole = result is not None and bool(result.written)
        assert now == ({"a.md": b"old a"} if whole else before), f"killed at step {step}"
        assert not list(root.rglob(".fapo-*"))
        assert (root / "made").exists() is not whole
        ends.add(whole)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
    else:
        raise AssertionError("it never came to its end")
    assert ends == {False, True}
