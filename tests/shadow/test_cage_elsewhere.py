"""The cage where a kernel offers less, and for a plain user: what can be is shut, what is missing is said."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from support.plain_user import ROOT, as_plain_user, needs_root

from benchmarks._trust_run import FILES, HONEST, trust_run
from pytest_fapo.loop.candidate_cage import missing_locks

pytestmark = pytest.mark.skipif(bool(missing_locks()), reason=f"no {', '.join(missing_locks())} here")

TRIES = """
import ctypes, os, sys
from pytest_fapo.shadow.inside import cage

libc = ctypes.CDLL(None, use_errno=True)
LACKING
print(cage.missing_locks())
cage.enter({"read": ["/usr", sys.prefix], "write": [], "execute": [], "connections": False,
            "memory": 1 << 32, "file_size": 0, "processor": 0})
def reads(): open("/etc/passwd").close()
def writes(): os.close(os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY))
def starts(): os.execv("/bin/true", ["true"])
def unshares(): libc.unshare(0x10000000) and (_ for _ in ()).throw(PermissionError())
def traces(): libc.ptrace(16, os.getppid(), 0, 0) and (_ for _ in ()).throw(PermissionError())
for each in (reads, writes, unshares, traces):
    try:
        each()
        print(each.__name__, "open")
    except PermissionError:
        print(each.__name__, "shut")
"""


def what_is_shut(lacking: str, path: Path) -> tuple[str, set[str]]:
    """Close the cage on a kernel that lacks something; return what is said, and what is shut."""
    code = TRIES.replace("LACKING", lacking)
    done = subprocess.run(
        [sys.executable, "-c", code, str(path / "made")], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    said, *lines = done.stdout.splitlines()
    return said, {line.partition(" ")[0] for line in lines if line.endswith("shut")}


def test_without_landlock_calls_to_the_system_are_shut(tmp_path: Path) -> None:
    said, shut = what_is_shut("cage.landlock_version = lambda: 0", tmp_path)
    assert said == "['files and programs (the kernel has no Landlock)']"
    assert shut == {"unshares", "traces"}


def test_without_seccomp_files_are_shut(tmp_path: Path) -> None:
    said, shut = what_is_shut("cage.has_seccomp = lambda: False", tmp_path)
    assert said == "['connections (no seccomp on this kernel or processor)']"
    assert shut >= {"reads", "writes"}


LACKS = """import pytest_fapo.loop.candidate_cage as candidate_cage

candidate_cage.missing_locks = lambda: ["files and programs (the kernel has no Landlock)"]


"""


@pytest.mark.slow
def test_a_run_says_in_a_line_what_is_missing_and_goes_on() -> None:
    with trust_run({"honest": HONEST}, "on", {"conftest.py": LACKS + FILES["conftest.py"]}) as run:
        assert "candidates are not locked out of files and programs (the kernel has no Landlock)" in run.text
        assert "All 60 tests pass now." in run.text


@pytest.mark.slow
def test_a_run_that_requires_the_cage_tries_nothing_without_it() -> None:
    required = "[tool.fapo]\ncage = 'require'\noptimizer = ['hostile:0']\n[tool.fapo.scope]\n"
    files = {
        "conftest.py": LACKS + FILES["conftest.py"],
        "pyproject.toml": f"{required}structure = ['app/*']",
    }
    with trust_run({"honest": HONEST}, "on", files) as run:
        said = " ".join(run.text.split())
        assert "cannot lock candidates out of files and programs (the kernel has no Landlock)" in said
        assert run.judged() == []
        assert (run.root / "app/pipeline.py").read_text() == FILES["app/pipeline.py"]


@pytest.mark.slow
@needs_root
def test_for_a_plain_user_everything_is_as_shut() -> None:
    """The other tests of the cage, once more."""
    names = (
        "test_every_way_out_is_open_when_watched_and_shut_when_caged",
        "test_what_the_unpatched_tree_did_a_candidate_may_do",
    )
    tests = [f"tests/shadow/test_cage.py::{name}" for name in names]
    home = Path(tempfile.mkdtemp())  # pytest's own folders are root's alone
    said = as_plain_user(["-m", "pytest", "-q", "-p", "no:cacheprovider", *tests], ROOT, home)
    shutil.rmtree(home)
    assert "2 passed" in said, said
