"""The files that a shadow tree takes over from the project."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from support.shadow_project import Project

from pytest_fapo.core.errors import EvaluationError
from pytest_fapo.shadow import tree_survey
from pytest_fapo.shadow.shadow_tree import ShadowTree


def copied(project: Project) -> set[str]:
    with ShadowTree.create(project.root) as shadow:
        return {
            str(Path(folder, name).relative_to(shadow.path))
            for folder, _, names in os.walk(shadow.path)
            for name in names
        }


def test_copies_the_working_tree_of_a_dirty_repository(repository: Project) -> None:
    repository.write({"app.py": "A = 1\n", "old.py": "", ".gitignore": ".env\n*.log\n"})
    repository.git("add", "-A")
    repository.git("commit", "-qm", "first")
    repository.write({"app.py": "A = 2\n", "new file ü.py": "", ".env": "KEY=1\n", "x.log": "log"})
    (repository.root / "old.py").unlink()

    with ShadowTree.create(repository.root) as shadow:
        assert (shadow.path / "app.py").read_text() == "A = 2\n"
        assert (shadow.path / "new file ü.py").exists()
        assert (shadow.path / ".env").read_text() == "KEY=1\n"
        assert (shadow.path / "x.log").exists()
        assert not (shadow.path / "old.py").exists()
        assert shadow.path.name == repository.root.name


def test_leaves_out_version_control_caches_and_its_own_folder(repository: Project) -> None:
    repository.write(
        {
            "app.py": "",
            ".fapo/cache/cache.db": "x",
            "__pycache__/app.cpython-311.pyc": "x",
            "sub/__pycache__/a.pyc": "x",
            ".pytest_cache/v/lastfailed": "{}",
            ".mypy_cache/x.json": "{}",
        }
    )
    assert copied(repository) == {"app.py"}
    with ShadowTree.create(repository.root) as shadow:
        assert list((shadow.path / ".git").iterdir()) == []


def test_excludes_what_it_is_told(project: Project) -> None:
    project.write({"app.py": "", "runs/1/log.txt": ""})
    with ShadowTree.create(project.root, exclude=[project.root / "runs"]) as shadow:
        assert sorted(path.name for path in shadow.path.iterdir()) == ["app.py"]


def test_links_environments_and_node_modules(project: Project) -> None:
    project.write(
        {".venv/pyvenv.cfg": "", ".venv/lib/x.py": "", "web/node_modules/m/i.js": "", "web/a.js": ""}
    )
    with ShadowTree.create(project.root) as shadow:
        assert os.readlink(shadow.path / ".venv") == str(project.root / ".venv")
        assert (shadow.path / "web" / "node_modules").is_symlink()
        assert not (shadow.path / "web").is_symlink()
        assert not (shadow.path / "web" / "a.js").is_symlink()


def test_links_large_ignored_folders_and_large_files_and_copies_small_ones(
    repository: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree_survey, "LARGE_BYTES", 1_000)
    monkeypatch.setattr(tree_survey, "LARGE_COUNT", 10)
    repository.write({".gitignore": "large/\nmany/\nsmall/\n", "large/a.bin": b"x" * 2_000, "small/a": "a"})
    repository.write({f"many/{number}": "" for number in range(20)})
    repository.write({"tracked/big.bin": b"x" * 2_000, "tracked/a": "a"})
    repository.write({f"tracked/{number}": "" for number in range(20)})

    with ShadowTree.create(repository.root) as shadow:
        linked = {path for path in ("large", "many", "small", "tracked") if (shadow.path / path).is_symlink()}
        assert linked == {"large", "many"}
        assert (shadow.path / "tracked" / "big.bin").is_symlink()
        assert (shadow.path / "large" / "a.bin").read_bytes() == b"x" * 2_000


def test_all_ignored_files_together_are_bounded(repository: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_survey, "IGNORED_BYTES", 1_000)
    repository.write({".gitignore": "data-*\n", "data-a/x": b"x" * 600, "data-b/x": b"x" * 600})
    with ShadowTree.create(repository.root) as shadow:
        assert sorted((shadow.path / f"data-{name}").is_symlink() for name in "ab") == [False, True]


def test_data_that_git_does_not_ignore_is_bounded(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_survey, "SMALL_BYTES", 100)
    monkeypatch.setattr(tree_survey, "COPIED_BYTES", 1_000)
    project.write({f"data/{number}.bin": b"x" * 400 for number in range(4)})
    project.write({f"app/{number}.py": b"#" * 90 for number in range(20)})
    with ShadowTree.create(project.root) as shadow:
        linked = [path.name for path in (shadow.path / "data").iterdir() if path.is_symlink()]
        assert len(linked) >= 2
        assert shadow.survey.large == {f"data/{name}": 400 for name in linked}
        assert not any(path.is_symlink() for path in (shadow.path / "app").iterdir())


def test_keeps_modes_empty_folders_and_links(project: Project, tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere.txt"
    outside.write_text("out")
    project.write({"run.sh": "#!/bin/sh\n", "locked.txt": "x", "prompts/a.md": "a"})
    (project.root / "run.sh").chmod(0o755)
    (project.root / "locked.txt").chmod(0o444)
    (project.root / "empty").mkdir(mode=0o750)
    (project.root / "relative.md").symlink_to("prompts/a.md")
    (project.root / "absolute.md").symlink_to(project.root / "prompts" / "a.md")
    (project.root / "folder").symlink_to("prompts")
    (project.root / "outward").symlink_to("../../elsewhere.txt")
    (project.root / "dangling").symlink_to("nowhere")
    (project.root / "loop").symlink_to("loop")
    os.mkfifo(project.root / "pipe")

    with ShadowTree.create(project.root) as shadow:
        path = shadow.path
        assert (path / "run.sh").stat().st_mode & 0o777 == 0o755
        assert (path / "locked.txt").stat().st_mode & 0o777 == 0o444
        assert (path / "empty").stat().st_mode & 0o777 == 0o750
        assert os.readlink(path / "relative.md") == "prompts/a.md"
        assert (path / "absolute.md").resolve() == path / "prompts" / "a.md"
        assert (path / "folder" / "a.md").resolve() == path / "prompts" / "a.md"
        assert (path / "outward").read_text() == "out"
        assert os.readlink(path / "outward") == str(outside)
        assert (path / "dangling").is_symlink()
        assert (path / "loop").is_symlink()
        assert not (path / "pipe").exists()


def test_takes_submodules_and_nested_repositories(repository: Project, tmp_path: Path) -> None:
    library = Project(tmp_path / "library").write({"lib.py": "L = 1\n", ".gitignore": "local.txt\n"})
    library.git("init", "-q")
    library.git("add", "-A")
    library.git("commit", "-qm", "library")
    repository.write({"app.py": "", ".gitignore": "*.secret\n"})
    repository.git("submodule", "add", "-q", str(library.root), "vendor/library")
    repository.write({"nested/inner.py": "", "vendor/library/local.txt": "ignored in there"})
    repository.git("init", "-q", cwd="nested")

    files = copied(repository)
    assert {"app.py", "vendor/library/lib.py", "vendor/library/local.txt", "nested/inner.py"} <= files


def test_a_project_inside_a_repository_keeps_its_neighbors(tmp_path: Path) -> None:
    whole = Project(tmp_path / "mono").write(
        {"services/desk/app.py": "", "services/desk/x.tmp": "t", "services/other.txt": "o", "data/d.csv": "1"}
    )
    whole.write({".gitignore": "*.tmp\n"})
    whole.git("init", "-q")
    with ShadowTree.create(whole.root / "services" / "desk") as shadow:
        assert shadow.path.parts[-3:] == ("mono", "services", "desk")
        assert (shadow.path / ".." / ".." / "data" / "d.csv").read_text() == "1"
        assert (shadow.path.parent / "other.txt").read_text() == "o"
        assert (shadow.path / "x.tmp").exists()


@pytest.mark.parametrize("reason", ["no git", "broken repository"])
def test_reads_gitignore_itself_where_git_cannot_be_asked(
    project: Project, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    monkeypatch.setattr(tree_survey, "LARGE_COUNT", 2)
    project.write(
        {".gitignore": "cache/\n!keep\n", "sub/.gitignore": "/generated\n", "a.py": "", ".git/x": ""}
    )
    project.write({f"cache/{number}": "" for number in range(5)})
    project.write({f"sub/generated/{number}": "" for number in range(5)})
    project.write({f"generated/{number}": "" for number in range(5)})
    if reason == "no git":
        monkeypatch.setenv("PATH", "")
    with ShadowTree.create(project.root) as shadow:
        assert (shadow.path / "cache").is_symlink()
        assert (shadow.path / "sub" / "generated").is_symlink()
        assert not (shadow.path / "generated").is_symlink()


def test_a_temporary_folder_inside_the_project_is_no_endless_copy(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write({"app.py": "", "tmp/x": ""})
    monkeypatch.setattr("tempfile.tempdir", str(project.root / "tmp"))
    with ShadowTree.create(project.root) as shadow:
        assert shadow.path.is_relative_to(project.root)
        assert sorted(path.name for path in (shadow.path / "tmp").iterdir()) == ["x"]


def test_no_room_for_a_copy_is_told(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write({"app.py": ""})
    monkeypatch.setattr("tempfile.tempdir", str(project.root / "nowhere"))
    with pytest.raises(EvaluationError, match=r"could not be copied to .*nowhere: .*set TMPDIR"):
        ShadowTree.create(project.root)


def test_unreadable_files_are_left_out_and_told(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write({"app.py": "", "secret.txt": ""})
    (project.root / "secret.txt").chmod(0)
    if os.access(project.root / "secret.txt", os.R_OK):  # root may read everything
        original = open

        def no_secret(path: Any, *given: Any, **named: Any) -> Any:
            if str(path).endswith("secret.txt"):
                raise PermissionError(13, "Permission denied")
            return original(path, *given, **named)

        monkeypatch.setattr("builtins.open", no_secret)
    with ShadowTree.create(project.root) as shadow:
        assert shadow.unreadable == ["secret.txt"]
        assert sorted(path.name for path in shadow.path.iterdir()) == ["app.py"]


def test_is_private_and_gone_after_closing(project: Project) -> None:
    project.write({"app.py": "", "sub/deep/a.py": ""})
    with ShadowTree.create(project.root) as shadow:
        base = shadow.base
        assert base.stat().st_mode & 0o777 == 0o700
        (shadow.path / "sub" / "deep").chmod(0o500)
    assert not base.exists()


def test_sweeps_away_what_a_killed_owner_left(project: Project) -> None:
    project.write({"app.py": ""})
    left = ShadowTree.create(project.root)
    alive = ShadowTree.create(project.root)
    left._folder._lock.close()  # as the end of its process does
    with ShadowTree.create(project.root):
        assert not left.base.exists()
        assert alive.base.exists()
    alive.close()


def test_copies_seven_hundred_files_quickly(repository: Project) -> None:
    repository.write({f"pkg{number % 20}/m{number}.py": b"x = 1\n" * 300 for number in range(700)})
    repository.git("add", "-A")
    begin = time.process_time()
    with ShadowTree.create(repository.root) as shadow:
        duration = time.process_time() - begin
        begin = time.process_time()
        shadow.apply({"pkg1/m1.py": b"x = 2\n"})
        applied = time.process_time() - begin
    assert len(shadow.survey.files) == 700
    assert duration < 1.0, f"{duration:.3f} s of processor time; below 0.1 s on an idle machine"
    assert applied < 0.5, f"{applied:.3f} s of processor time; 0.01 s on an idle machine"
