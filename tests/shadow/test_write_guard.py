"""Hostile tests: whatever they try, the project itself stays as it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.shadow_project import Project, all_passed

from pytest_fapo.shadow.shadow_tree import ShadowTree

HOSTILE = """
    import io, os, posix, shutil, sqlite3, subprocess, sys
    from pathlib import Path
    import pytest
    REAL = os.environ["REAL_ROOT"]
    refused = pytest.raises(PermissionError, match="pytest-fapo judges a copy of this project")

    def test_functions_that_are_not_mapped():
        with refused: io.FileIO(f"{REAL}/app.py", "w")
        with refused: posix.open(f"{REAL}/app.py", os.O_RDWR)
        with refused: posix.unlink(f"{REAL}/app.py")
        with refused: posix.rename(f"{REAL}/app.py", "/tmp/x")
        with refused: posix.rename("/etc/hostname", f"{REAL}/app.py")
        with refused: posix.mkdir(f"{REAL}/new")
        with refused: posix.rmdir(f"{REAL}/empty")
        with refused: posix.truncate(f"{REAL}/app.py", 0)
        with refused: posix.chmod(f"{REAL}/app.py", 0)
        with refused: posix.utime(f"{REAL}/app.py", (1, 1))
        with refused: posix.link("/etc/hostname", f"{REAL}/linked")
        with refused: posix.symlink("/etc/hostname", f"{REAL}/linked")
        assert io.FileIO(f"{REAL}/app.py").read() == b"A = 1\\n"

    def test_linked_folders():
        assert open("large/data.txt").read() == "data"
        with refused: open("large/data.txt", "a")
        with refused: open(f"{REAL}/large/data.txt", "w")
        with refused: Path("large/new").mkdir()
        with refused: Path("large/data.txt").unlink()
        with refused: os.replace("app.py", "large/app.py")
        with refused: shutil.rmtree("large/sub")
        with refused: sqlite3.connect("large/new.db")
        with refused: os.open(".venv/x", os.O_CREAT | os.O_WRONLY)

    def test_by_the_descriptor_of_a_folder():
        folder = os.open("large/sub", os.O_RDONLY)
        with refused: os.unlink("x", dir_fd=folder)
        with refused: os.open("x", os.O_WRONLY, dir_fd=folder)
        with refused: os.open("y", os.O_WRONLY | os.O_CREAT, dir_fd=folder)
        with refused: os.rename("x", "y", src_dir_fd=folder, dst_dir_fd=folder)
        with refused: os.mkdir("y", dir_fd=folder)
        with refused: os.chmod(folder, 0o700)

    def test_neighbors_in_the_repository():
        assert open("../neighbor/n.txt").read() == "n"
        with refused: open("../neighbor/n.txt", "w")
        with refused: open("../neighbor/new.txt", "w")
        with refused: os.remove("../neighbor/n.txt")
        with refused: open("../new.txt", "w")

    def test_a_link_made_by_the_test(tmp_path):
        os.symlink(REAL, tmp_path / "way")
        with refused: io.FileIO(tmp_path / "way" / "app.py", "w")
        open(tmp_path / "way" / "app.py", "w").close()  # the copy's

    def test_another_process():
        script = f"import io; io.FileIO({REAL + '/app.py'!r}, 'w')"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        assert "PermissionError: [Errno 13] pytest-fapo judges a copy" in done.stderr

    def test_a_fork():
        child = os.fork()
        if child == 0:
            try: io.FileIO(f"{REAL}/app.py", "w")
            except PermissionError: os._exit(7)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.wait()[1]) == 7

    def test_its_own_copy_and_other_places_are_free(tmp_path):
        for place in (Path("."), tmp_path, Path(os.environ["OUTSIDE"])):
            (place / "free.txt").write_text("free")
            (place / "free").mkdir()
            shutil.rmtree(place / "free")
        shutil.rmtree("empty")
        Path("app.py").unlink()
"""


def test_the_project_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_fapo.shadow.tree_survey.LARGE_COUNT", 2)
    whole = Project(tmp_path / "mono").write({"neighbor/n.txt": "n", ".gitignore": "large/\n"})
    whole.git("init", "-q")
    project = Project(tmp_path / "mono" / "app")
    project.write(
        {"app.py": "A = 1\n", "test_hostile.py": HOSTILE, "large/data.txt": "data", "large/sub/x": "x"}
    )
    project.write({"large/1": "", "large/2": "", ".venv/pyvenv.cfg": ""})
    (project.root / "empty").mkdir()
    (tmp_path / "outside").mkdir()
    monkeypatch.setenv("REAL_ROOT", str(project.root))
    monkeypatch.setenv("OUTSIDE", str(tmp_path / "outside"))
    before = whole.state()

    evaluation = project.evaluate()

    assert whole.state() == before
    assert all_passed(evaluation)
    assert (tmp_path / "outside" / "free.txt").read_text() == "free"
    for path in (project.root / "app.py", project.root / "large/data.txt", whole.root / "neighbor/n.txt"):
        assert f"refused: writing to {path}" in evaluation.notes


@pytest.mark.usefixtures("bytecode")
def test_bytecode_in_the_environment_may_be_written(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{project.root}/.venv/lib:{os.environ.get('PYTHONPATH', '')}")
    project.write({".venv/pyvenv.cfg": "", ".venv/lib/library.py": "L = 1\n"})
    project.write({"test_library.py": "import library\ndef test_library(): assert library.L == 1\n"})
    evaluation = project.evaluate()
    assert all_passed(evaluation)
    assert evaluation.notes == []
    assert list((project.root / ".venv" / "lib" / "__pycache__").iterdir())


def test_a_watched_file_that_is_read_from_the_project_itself_is_told(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REAL_ROOT", str(project.root))
    project.write(
        {
            "prompt.md": "old",
            "test_real.py": """
                import io, os
                def test_real(): assert io.FileIO(os.environ["REAL_ROOT"] + "/prompt.md").read() == b"old"
            """,
        }
    )
    evaluation = project.evaluate({"prompt.md": b"new"})
    assert evaluation.loaded_files == []
    assert evaluation.notes == ["read from the project itself, not from its copy: prompt.md"]


def test_the_copy_shares_no_file_with_the_project(project: Project) -> None:
    project.write({"a.txt": "a", "b/c.txt": "c"})
    with ShadowTree.create(project.root) as shadow:
        for path in ("a.txt", "b/c.txt"):
            assert (shadow.path / path).stat().st_ino != (project.root / path).stat().st_ino
