"""Absolute paths of the project reach the copy, by whatever function a file is opened or changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.shadow_project import Project, all_passed

READING = """
    import codecs, glob, gzip, io, json, os, shutil, sqlite3, subprocess, sys, tempfile
    from pathlib import Path
    REAL = os.environ["REAL_ROOT"]
    PROMPT = f"{REAL}/prompts/a.md"

    def test_open_by_every_name():
        assert open(PROMPT).read() == "new"
        assert io.open(PROMPT.encode()).read() == "new"
        assert open(file=PROMPT).read() == "new"
        assert codecs.open(PROMPT).read() == "new"
        assert Path(PROMPT).read_text() == "new"
        with Path(PROMPT).open() as file: assert file.read() == "new"
        descriptor = os.open(PROMPT, os.O_RDONLY)
        assert os.read(descriptor, 10) == b"new"
        assert open(descriptor).read() == ""

    def test_links_and_dots():
        assert open(f"{REAL}/prompts/../prompts/./a.md").read() == "new"
        assert open(os.environ["REAL_LINK"] + "/prompts/a.md").read() == "new"

    def test_looking_about():
        assert os.path.exists(f"{REAL}/prompts/added.md")
        assert Path(REAL, "prompts/added.md").is_file()
        assert os.stat(PROMPT).st_size == 3
        assert Path(PROMPT).stat().st_size == 3
        assert "added.md" in os.listdir(f"{REAL}/prompts")
        assert "added.md" in {entry.name for entry in os.scandir(f"{REAL}/prompts")}
        assert "added.md" in {os.path.basename(path) for path in glob.glob(f"{REAL}/prompts/*.md")}
        assert "added.md" in {path.name for path in Path(REAL, "prompts").glob("*.md")}
        assert "added.md" in {path.name for path in Path(REAL).rglob("*.md")}
        assert "added.md" in {path.name for path in Path(REAL, "prompts").iterdir()}
        assert "added.md" in next(iter(os.walk(f"{REAL}/prompts")))[2]

    def test_changing_folder():
        here = os.getcwd()
        os.chdir(REAL)
        try: assert open("prompts/a.md").read() == "new"
        finally: os.chdir(here)

    def test_another_process():
        script = f"print(open({PROMPT!r}).read(), __import__('pathlib').Path({PROMPT!r}).read_text())"
        done = subprocess.run([sys.executable, "-c", script], cwd="/", capture_output=True, text=True)
        assert done.stdout == "new new\\n", done.stderr

    def test_a_database():
        base = sqlite3.connect(f"{REAL}/data.db")
        base.execute("create table t (x)")
        base.commit()
        assert os.path.exists("data.db")

    def test_writing_goes_to_the_copy():
        with open(f"{REAL}/made.txt", "w") as file: file.write("made")
        assert open("made.txt").read() == "made"
        os.makedirs(f"{REAL}/made/deep")
        Path(REAL, "made/deep/x").write_text("x")
        os.rename(f"{REAL}/made.txt", f"{REAL}/made/moved.txt")
        shutil.copytree(f"{REAL}/made", f"{REAL}/again")
        with tempfile.NamedTemporaryFile(dir=f"{REAL}/made") as file: file.write(b"x")
        os.symlink("moved.txt", f"{REAL}/made/link")
        assert os.readlink(f"{REAL}/made/link") == "moved.txt"
        shutil.rmtree(f"{REAL}/made")
        Path(REAL, "again/deep/x").unlink()
        os.utime(f"{REAL}/again/moved.txt", (1, 1))
        assert not Path("made").exists()
        assert sorted(os.listdir("again")) == ["deep", "moved.txt"]

    def test_what_is_not_copied_stays_where_it_is():
        assert open(f"{REAL}/.venv/lib/x.txt").read() == "x"
        assert open(f"{REAL}/.fapo/note").read() == "kept"
        with open(f"{REAL}/.fapo/written", "w") as file: file.write("by the run")

    def test_other_things_go_on_working(tmp_path):
        assert os.stat in os.supports_fd and os.stat in os.supports_follow_symlinks
        assert os.open in os.supports_dir_fd
        folder = os.open(tmp_path, os.O_RDONLY)
        descriptor = os.open("x", os.O_CREAT | os.O_WRONLY, dir_fd=folder)
        os.write(descriptor, b"x")
        assert (tmp_path / "x").read_text() == "x"
        os.rename("x", "y", src_dir_fd=folder, dst_dir_fd=folder)
        assert os.listdir(folder) == ["y"]
        with gzip.open(tmp_path / "z.gz", "wt") as file: file.write("z")
        for broken in (None, 3.5):
            try: open(broken)
            except TypeError: pass
            else: assert False
        try: open("with\\0nul")
        except ValueError: pass
"""


@pytest.mark.parametrize("link", [False, True])
def test_absolute_paths(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: bool
) -> None:
    (tmp_path / "link").symlink_to(project.root)
    monkeypatch.setenv("REAL_ROOT", str(tmp_path / "link" if link else project.root))
    monkeypatch.setenv("REAL_LINK", str(project.root if link else tmp_path / "link"))
    project.write(
        {"prompts/a.md": "old", "test_reading.py": READING, ".venv/pyvenv.cfg": "", ".venv/lib/x.txt": "x"}
    )
    project.write({".fapo/note": "kept"})
    before = project.state()
    evaluation = project.evaluate({"prompts/a.md": b"new", "prompts/added.md": b"added"})
    assert all_passed(evaluation)
    assert (project.root / ".fapo" / "written").read_text() == "by the run"
    os.unlink(project.root / ".fapo" / "written")
    assert project.state() == before
    assert evaluation.loaded_files == ["prompts/a.md"]
    assert evaluation.notes == []
