"""The files of the snapshots: their names, and which of them are written."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.snapshot_samples import SORT, Made, artifacts, asking, baseline_of, desk

from pytest_fapo.core.errors import ConfigError
from pytest_fapo.views.snapshots.snapshot_files import Snapshots, snapshot_names
from pytest_fapo.views.snapshots.snapshot_state import read_state


def put(folder: Path, made: Made) -> list[str]:
    baseline = baseline_of(made.evaluation)
    return [path.name for path in Snapshots(folder, made.evaluation, baseline, artifacts()).write()]


def test_names_are_safe_and_unlike_each_other() -> None:
    names = [
        "pipeline",
        "Pipe",
        "pipe",
        "con",
        "README",
        "../up",
        "a/b",
        "a b",
        "a-b",
        "",
        ".x",
        "ü",
        "x" * 300,
    ]
    found = snapshot_names(names)
    assert found["pipeline"] == "pipeline.md"
    assert found["a-b"] == "a-b.md"
    assert len({name.casefold() for name in found.values()}) == len(names)
    for name in found.values():
        assert name.isascii()
        assert len(name) < 100
        assert not set(name) & set('/\\ :*?"<>|')
        assert not name.startswith((".", "-"))
        assert name.lower() not in ("con.md", "readme.md")


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    assert put(tmp_path, desk()) == ["desk.md"]
    before = (tmp_path / "desk.md").stat().st_mtime_ns
    assert put(tmp_path, desk()) == []
    assert (tmp_path / "desk.md").stat().st_mtime_ns == before
    assert put(tmp_path, desk(sort=SORT + "Be brief.\n")) == ["desk.md"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["desk.md"]


def test_a_renamed_pipeline_leaves_no_snapshot_and_other_files_stay(tmp_path: Path) -> None:
    put(tmp_path, desk())
    quoting = f"It ends so:\n{(tmp_path / 'desk.md').read_text(encoding='utf-8')}\nand that is all.\n"
    (tmp_path / "notes.md").write_text(quoting, encoding="utf-8")
    renamed = Made().run("T-1", [asking("sort", "Sort it", "x")], pipeline="post")
    assert put(tmp_path, renamed) == ["post.md", "desk.md"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.md", "post.md"]


def test_the_sample_case_stays_when_cases_are_added(tmp_path: Path) -> None:
    put(tmp_path, desk(cases=["T-5"]))
    put(tmp_path, desk(cases=["T-1", "T-5"]))
    assert read_state((tmp_path / "desk.md").read_text(encoding="utf-8")).sample == "T-5"
    put(tmp_path, desk(cases=["T-7", "T-6"]))
    assert read_state((tmp_path / "desk.md").read_text(encoding="utf-8")).sample == "T-6"


def test_the_sample_is_a_case_whose_pipeline_came_to_its_end(tmp_path: Path) -> None:
    broken = [asking("sort", "Sort it", "?")]
    put(tmp_path, Made().run("T-1", broken, pipeline="desk", error="ValueError: no").run("T-2", broken))
    assert read_state((tmp_path / "desk.md").read_text(encoding="utf-8")).sample == "T-2"


def test_the_file_keeps_its_permissions(tmp_path: Path) -> None:
    put(tmp_path, desk())
    (tmp_path / "desk.md").chmod(0o640)
    put(tmp_path, desk(sort=SORT + "Be brief.\n"))
    assert (tmp_path / "desk.md").stat().st_mode & 0o777 == 0o640


def test_a_folder_that_is_none_is_said(tmp_path: Path) -> None:
    place = tmp_path / "fapo-snapshots"
    place.write_text("a file", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"fapo-snapshots.*cannot be"):
        put(place, desk())


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    made = desk()
    (tmp_path / "desk.md").mkdir()
    with pytest.raises(ConfigError, match=r"desk\.md cannot be read"):
        Snapshots(tmp_path, made.evaluation, baseline_of(made.evaluation), artifacts()).check()
