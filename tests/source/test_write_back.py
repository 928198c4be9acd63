from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path

import pytest

from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.source.write_back import WriteResult, recover, write_back
from pytest_fapo.source.write_helper import save


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Project:
    """A folder with files, their hashes as the run began with, and a journal beside it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        self.journal = folder / "run/write.json"
        self.before: dict[str, bytes] = {"a.md": b"a\n", "p/b.md": b"b\r\n", "p/q/c.py": b"X = 'c'\n"}
        self.after: dict[str, bytes] = {path: content * 3 for path, content in self.before.items()}
        for path, content in self.before.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_bytes(content)

    def write(self) -> WriteResult:
        expected = {path: sha(content) for path, content in self.before.items()}
        return write_back(self.root, self.after, expected=expected, journal=self.journal)

    def now(self) -> dict[str, bytes]:
        return {path: (self.root / path).read_bytes() for path in self.before if (self.root / path).exists()}

    def leftovers(self) -> list[Path]:
        return [path for path in self.root.rglob("*") if path.name.startswith(".fapo-")]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_all_files_are_written(project: Project) -> None:
    result = project.write()
    assert result == WriteResult(written=list(project.after))
    assert project.now() == project.after
    assert project.leftovers() == []
    assert recover(project.journal) == result


def test_mode_and_times_are_kept_or_moved_as_python_needs(project: Project) -> None:
    script = project.root / "p/q/c.py"
    script.chmod(0o751)
    second = int(script.stat().st_mtime) + 2
    os.utime(script, (second, second))
    project.after["p/q/c.py"] = b"X = 'd'\n"
    project.write()
    assert stat.S_IMODE(script.stat().st_mode) == 0o751
    assert int(script.stat().st_mtime) != second, "a .pyc of the old source would stay in use"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give files away")
def test_the_owner_is_kept(project: Project) -> None:
    os.chown(project.root / "a.md", 1234, 2345)
    project.write()
    status = (project.root / "a.md").stat()
    assert (status.st_uid, status.st_gid) == (1234, 2345)


def test_a_changed_file_stops_everything(project: Project) -> None:
    (project.root / "p/b.md").write_bytes(b"mine")
    result = project.write()
    assert result == WriteResult(conflicts={"p/b.md": "changed since the run began"})
    assert project.now() == {**project.before, "p/b.md": b"mine"}
    assert project.leftovers() == []


def test_a_deleted_file_stops_everything(project: Project) -> None:
    (project.root / "p/b.md").unlink()
    result = project.write()
    assert result.conflicts == {"p/b.md": "deleted since the run began"}
    assert "p/b.md" not in project.now()
    assert project.now()["a.md"] == project.before["a.md"]


def test_a_read_only_file_is_refused_before_anything_is_written(project: Project) -> None:
    (project.root / "p/b.md").chmod(0o444)
    result = project.write()
    assert result == WriteResult(conflicts={"p/b.md": "read-only"})
    assert project.now() == project.before
    assert not project.journal.exists()


def test_a_link_inside_stays_a_link(project: Project) -> None:
    (project.root / "p/b.md").rename(project.root / "real.md")
    (project.root / "p/b.md").symlink_to("../real.md")
    assert project.write().written == list(project.after)
    assert (project.root / "p/b.md").is_symlink()
    assert (project.root / "real.md").read_bytes() == project.after["p/b.md"]


def test_a_link_that_leads_out_is_refused(project: Project, tmp_path: Path) -> None:
    outside = tmp_path / "outside.md"
    outside.write_bytes(b"b\r\n")
    (project.root / "p/b.md").unlink()
    (project.root / "p/b.md").symlink_to(outside)
    assert project.write().conflicts == {"p/b.md": "a link that leads out of the project"}
    assert outside.read_bytes() == b"b\r\n"
    assert (project.root / "a.md").read_bytes() == project.before["a.md"]


def test_two_names_of_one_file_are_refused(project: Project) -> None:
    (project.root / "p/b.md").unlink()
    (project.root / "p/b.md").symlink_to("../a.md")
    project.before["p/b.md"] = project.before["a.md"]
    assert project.write().conflicts == {"p/b.md": "the same file as a.md, through a link"}
    assert (project.root / "a.md").read_bytes() == project.before["a.md"]


def test_what_is_there_already_is_not_written_again(project: Project) -> None:
    (project.root / "a.md").write_bytes(project.after["a.md"])
    assert project.write().written == ["p/b.md", "p/q/c.py"]
    assert project.write() == WriteResult()


def test_a_new_file_is_made_and_an_unexpected_one_left(project: Project) -> None:
    project.after["new/d.md"] = b"d"
    assert "new/d.md" in project.write().written
    assert (project.root / "new/d.md").read_bytes() == b"d"
    project.after = {"new/d.md": b"e"}
    assert project.write().conflicts == {"new/d.md": "created since the run began"}


def journaled(project: Project, state: str) -> None:
    """The journal and the staged files as a killed write leaves them."""
    import base64

    files = []
    for number, (path, content) in enumerate(project.before.items()):
        target = (project.root / path).resolve()
        staged = target.with_name(f".fapo-{number}")
        staged.write_bytes(project.after[path])
        pack = {"old": content, "new": project.after[path]}
        files.append(
            {"path": path, "target": str(target), "staged": str(staged)}
            | {key: base64.b64encode(value).decode() for key, value in pack.items()}
        )
    project.journal.parent.mkdir(exist_ok=True)
    save(project.journal, {"state": state, "files": files})


def test_recover_throws_an_uncommitted_write_away(project: Project) -> None:
    journaled(project, "staging")
    assert recover(project.journal) == WriteResult()
    assert project.now() == project.before
    assert project.leftovers() == []


@pytest.mark.parametrize("placed", [0, 1, 3])
@pytest.mark.parametrize("staged", [True, False])
def test_recover_completes_a_committed_write(project: Project, placed: int, staged: bool) -> None:
    journaled(project, "committed")
    for path in list(project.after)[:placed]:
        (project.root / path).write_bytes(project.after[path])
    if not staged:
        for leftover in project.leftovers():
            leftover.unlink()
    result = recover(project.journal, project.root)
    assert result == WriteResult(written=list(project.after))
    assert project.now() == project.after
    assert project.leftovers() == []
    assert recover(project.journal) == result


def test_recover_takes_a_half_written_patch_back_when_a_file_was_changed(project: Project) -> None:
    journaled(project, "committed")
    (project.root / "a.md").write_bytes(project.after["a.md"])
    (project.root / "p/b.md").write_bytes(b"mine")
    result = recover(project.journal)
    assert result == WriteResult(conflicts={"p/b.md": "changed meanwhile"})
    assert project.now() == {**project.before, "p/b.md": b"mine"}
    assert project.leftovers() == []


def test_a_rename_that_fails_takes_the_others_back(project: Project) -> None:
    journaled(project, "committed")
    record = json.loads(project.journal.read_text())
    blocked = Path(record["files"][1]["staged"])
    blocked.unlink()
    blocked.mkdir()
    result = recover(project.journal)
    assert result is not None
    assert list(result.conflicts) == ["p/b.md"]
    assert "cannot be written" in result.conflicts["p/b.md"]
    assert project.now() == project.before


def test_recover_without_a_journal_and_with_a_strange_one(project: Project, tmp_path: Path) -> None:
    assert recover(project.journal) is None
    journaled(project, "committed")
    with pytest.raises(ArtifactError, match="outside of"):
        recover(project.journal, tmp_path / "elsewhere")
    assert project.now() == project.before
    project.journal.write_text("{")
    with pytest.raises(ArtifactError, match="not the journal of a write-back"):
        recover(project.journal)


def test_an_interrupted_write_is_finished_before_the_next(project: Project) -> None:
    journaled(project, "committed")
    project.before = dict(project.after)
    project.after = {"a.md": b"third"}
    assert project.write().written == ["a.md"]
    assert (project.root / "p/b.md").read_bytes() == b"b\r\n" * 3
