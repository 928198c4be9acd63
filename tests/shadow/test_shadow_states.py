"""Applying a patch, restoring, undoing what tests did to the tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.shadow_project import Project

from pytest_fapo.core.errors import EvaluationError
from pytest_fapo.shadow.shadow_tree import ShadowTree, Stamps


@pytest.fixture
def shadow(project: Project) -> ShadowTree:
    project.write(
        {"app.py": "A = 1\n", "prompts/a.md": "hello\n", "prompts/b.md": "bye\n", "data/x/y.txt": "y\n"}
    )
    (project.root / "prompts" / "link.md").symlink_to("a.md")
    (project.root / "empty").mkdir()
    return ShadowTree.create(project.root)


def contents(shadow: ShadowTree) -> dict[str, str]:
    return {
        str(path.relative_to(shadow.path)): os.readlink(path) if path.is_symlink() else path.read_text()
        for path in sorted(shadow.path.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def test_apply_is_always_relative_to_the_pristine_copy(shadow: ShadowTree) -> None:
    pristine = contents(shadow)
    shadow.apply({"prompts/a.md": b"one\n", "new/deep/file.txt": b"new\n"})
    assert contents(shadow) == {**pristine, "prompts/a.md": "one\n", "new/deep/file.txt": "new\n"}
    shadow.apply({"prompts/b.md": b"two\r\n"})
    assert (shadow.path / "prompts/b.md").read_bytes() == b"two\r\n"
    assert (shadow.path / "prompts/a.md").read_text() == "hello\n"
    assert not (shadow.path / "new").exists()
    shadow.restore()
    assert contents(shadow) == pristine


def test_undoes_what_tests_did(shadow: ShadowTree) -> None:
    shadow.apply({"prompts/a.md": b"patched\n"})
    before = contents(shadow)
    path = shadow.path
    (path / "app.py").write_text("A = 2\n")
    (path / "prompts" / "a.md").write_text("spoilt!\n")
    (path / "prompts" / "b.md").unlink()
    (path / "prompts" / "link.md").unlink()
    (path / "prompts" / "link.md").write_text("no link any more")
    (path / "made").mkdir()
    (path / "made" / "file").write_text("made")
    (path / "made").chmod(0o500)
    shutil.rmtree(path / "data")
    (path / "data").write_text("a file in a folder's place")
    (path / "empty").rmdir()
    shadow.clean()
    assert contents(shadow) == before
    assert (path / "empty").is_dir()
    assert not (path / "made").exists()


def test_sees_a_change_that_keeps_size_and_time(shadow: ShadowTree) -> None:
    place = shadow.path / "prompts" / "a.md"
    seen = place.stat()
    place.write_text("HELLO\n")
    os.utime(place, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    shadow.clean()
    assert place.read_text() == "hello\n"


def test_restores_modes(shadow: ShadowTree) -> None:
    (shadow.path / "prompts").chmod(0o000)
    (shadow.path / "app.py").chmod(0o777)
    shadow.clean()
    assert (shadow.path / "prompts").stat().st_mode & 0o777 == 0o755
    assert (shadow.path / "app.py").stat().st_mode & 0o777 == 0o644


def test_restores_the_state_of_the_runs_start_whatever_the_user_does_meanwhile(
    project: Project, shadow: ShadowTree
) -> None:
    project.write({"app.py": "changed by the user\n"})
    shutil.rmtree(project.root / "prompts")
    (shadow.path / "app.py").unlink()
    shutil.rmtree(shadow.path / "prompts")
    shadow.clean()
    assert (shadow.path / "app.py").read_text() == "A = 1\n"
    assert (shadow.path / "prompts" / "a.md").read_text() == "hello\n"


def test_a_repository_that_tests_make_is_gone_again(repository: Project) -> None:
    repository.write({"app.py": ""})
    with ShadowTree.create(repository.root) as shadow:
        subprocess.run(["git", "init", "-q"], cwd=shadow.path, check=True)
        assert (shadow.path / ".git" / "HEAD").exists()
        shadow.clean()
        assert list((shadow.path / ".git").iterdir()) == []


def test_never_writes_into_the_project(project: Project, shadow: ShadowTree) -> None:
    before = project.state()
    shadow.apply({"app.py": b"B\n", "prompts/link.md": b"through the link\n"})
    shadow.restore()
    shadow.close()
    assert project.state() == before


def test_a_patch_follows_links_inside_the_tree(shadow: ShadowTree) -> None:
    shadow.apply({"prompts/link.md": b"new\n"})
    assert (shadow.path / "prompts" / "link.md").is_symlink()
    assert (shadow.path / "prompts" / "a.md").read_text() == "new\n"


@pytest.mark.parametrize("path", ["../x.py", "/etc/x", "a/../../x", "", ".venv/lib/x.py", "outward.md"])
def test_a_patch_cannot_leave_the_tree(project: Project, tmp_path: Path, path: str) -> None:
    project.write({".venv/pyvenv.cfg": "", ".venv/lib/x.py": "X\n"})
    (tmp_path / "outside.md").write_text("outside")
    (project.root / "outward.md").symlink_to(tmp_path / "outside.md")
    with ShadowTree.create(project.root) as shadow, pytest.raises(EvaluationError, match="project"):
        shadow.apply({path: b"written"})
    assert (tmp_path / "outside.md").read_text() == "outside"
    assert (project.root / ".venv" / "lib" / "x.py").read_text() == "X\n"


def test_bytecode_of_the_trees_sources_is_kept_and_no_other(shadow: ShadowTree) -> None:
    cache = shadow.path / "__pycache__"
    cache.mkdir()
    for name in ("app.cpython-311.pyc", "app.cpython-311-pytest-9.2.0.pyc", "gone.cpython-311.pyc", "x.txt"):
        (cache / name).write_bytes(b"")
    shadow.clean()
    assert sorted(path.name for path in cache.iterdir()) == [
        "app.cpython-311-pytest-9.2.0.pyc",
        "app.cpython-311.pyc",
    ]


def test_stamps_are_whole_seconds_that_never_repeat() -> None:
    stamps = Stamps()
    stamps.seen(4_000_000_000 * 10**9)  # a file from the far future does not drag the clock along
    made = [stamps.next() for _ in range(5)]
    assert made == sorted(set(made))
    assert all(stamp % 10**9 == 0 for stamp in made)
    assert made[-1] < 3_000_000_000 * 10**9


def _imported(folder: Path) -> str:
    command = [sys.executable, "-c", "import texts; print(texts.PROMPT)"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_same_size_edits_within_a_second_are_never_hidden_by_stale_bytecode(project: Project) -> None:
    project.write({"texts.py": 'PROMPT = "v0"\n'})
    with ShadowTree.create(project.root) as shadow:
        seen = []
        for number in range(10):
            shadow.apply({"texts.py": f'PROMPT = "v{number}"\n'.encode()})
            seen.append(_imported(shadow.path))
        shadow.restore()
        seen.append(_imported(shadow.path))
    assert seen == [*(f"v{number}" for number in range(10)), "v0"]


def test_without_unique_times_bytecode_would_be_stale(project: Project) -> None:
    """The trap itself, so that the test above is known to test something."""
    source = project.root / "texts.py"
    project.write({"texts.py": 'PROMPT = "v0"\n'})
    os.utime(source, (1_700_000_000, 1_700_000_000))
    assert _imported(project.root) == "v0"
    project.write({"texts.py": 'PROMPT = "v1"\n'})
    os.utime(source, (1_700_000_000, 1_700_000_000))
    assert _imported(project.root) == "v0"


def test_knows_what_any_program_has_read(shadow: ShadowTree) -> None:
    shadow.mark_unread(["prompts/a.md", "prompts/b.md"])
    subprocess.run(["cat", shadow.path / "prompts" / "a.md"], check=True, capture_output=True)
    if not shadow.was_read("prompts/a.md"):
        pytest.skip("this file system keeps no access times")
    assert not shadow.was_read("prompts/b.md")
    shadow.mark_unread(["prompts/a.md"])
    assert not shadow.was_read("prompts/a.md")
