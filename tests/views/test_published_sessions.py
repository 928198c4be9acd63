"""The files that plain, diagnosing and optimizing sessions leave for others, and their locations."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from support.branch_project import ADDRESS, CHATTY_PROMPT, FILES, BranchProject, case_lines
from support.teams import Server, make_project, serving

from pytest_fapo.core.errors import FapoError
from pytest_fapo.views.publishing import append_output, room_in, write_output

GITHUB = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": "step.md"}


@pytest.fixture
def project(tmp_path: Path) -> BranchProject:
    project = BranchProject(tmp_path)
    project.write({ADDRESS: CHATTY_PROMPT})
    return project


@pytest.mark.slow
def test_a_plain_session_leaves_what_it_is_asked_for(project: BranchProject, tmp_path: Path) -> None:
    code, text = project.pytest("-q", **GITHUB)
    assert code == 1, text
    assert "::error" not in text
    assert not (tmp_path / "step.md").exists()
    code, text = project.pytest(
        "-q",
        "--fapo-summary=out/page.md",
        "--fapo-code-quality=out/cq.json",
        "--fapo-report=out/r.html",
        **GITHUB,
    )
    assert code == 1, text
    page = (tmp_path / "out" / "page.md").read_text(encoding="utf-8")
    assert page.startswith("## 6 of 9 tests on cases fail\n")
    assert (tmp_path / "step.md").read_text(encoding="utf-8") == page
    assert len(json.loads((tmp_path / "out" / "cq.json").read_text())) == 6
    assert (tmp_path / "out" / "r.html").read_text(encoding="utf-8").lower().startswith("<!doctype html>")
    assert text.count("\n::error file=cases.jsonl,line=") == 6
    assert f"fapo: summary for a pull request: {tmp_path / 'out' / 'page.md'}\n" in text


@pytest.mark.slow
def test_a_diagnosis_tells_its_causes(project: BranchProject, tmp_path: Path) -> None:
    code, text = project.pytest("-q", "--fapo-diagnose", "--fapo-annotations=off", **GITHUB)
    assert code == 1, text
    assert "::error" not in text
    page = (tmp_path / "step.md").read_text(encoding="utf-8")
    assert page.startswith("## Diagnosis: 6 of 9 tests on cases fail, for 1 cause\n")
    assert "| sort: the right answer in the wrong form for team | `sort` | format | prompt | 2 |" in page


@pytest.mark.slow
def test_a_baseline_is_told_with_what_it_changes(project: BranchProject, tmp_path: Path) -> None:
    project.write({ADDRESS: FILES[ADDRESS]})
    code, text = project.pytest("-q", "--fapo-update-baseline", "--fapo-summary=first.md")
    assert code == 0, text
    first = (tmp_path / "first.md").read_text(encoding="utf-8")
    assert first.startswith("## Baseline updated: all 9 tests on cases pass\n")
    assert "Effect" not in first
    project.begin()
    project.write({ADDRESS: CHATTY_PROMPT, "cases.jsonl": case_lines(10)})
    code, text = project.pytest("-q", "--fapo-gate", "--fapo-summary=gate.md", **GITHUB)
    assert code == 10, text
    page = (tmp_path / "gate.md").read_text(encoding="utf-8")
    assert page.startswith("## ❌ Accuracy fell against fapo-baseline.json: 6 tests")
    assert page.index("test_team[t01]") < page.index("test_team[t02]") < page.index("test_team[t04]")
    assert "**6 tests, one cause: sort wraps its answer in more text since this change of `app/" in page
    told = f"\n::error file={ADDRESS},line=2,title=Passed before%2C fails now::6 tests, one cause: sort wraps"
    assert text.count(told) == 1
    assert "\n::error file=fapo-snapshots/pipeline.md,title=Merge gate%3A stale snapshot::" in text
    assert "\n::notice file=cases.jsonl,line=10,title=New case::t10 " in text
    code, text = project.pytest("-q", "--fapo-update-baseline", "--fapo-summary=next.md")
    assert code == 0, text
    page = (tmp_path / "next.md").read_text(encoding="utf-8")
    assert page.startswith("## Baseline updated: 7 of 10 tests on cases fail\n")
    assert "| train | 4 | 100 % | 25 % | -75.0 |" in page
    assert "**6 tests, one cause: sort " in page
    project.write({"test_first.py": "def test_first(): assert 0\n", ADDRESS: FILES[ADDRESS]})
    code, text = project.pytest(
        "-q", "--fapo-update-baseline", "-x", "--fapo-summary=not.md", "test_first.py", "."
    )
    page = (tmp_path / "not.md").read_text(encoding="utf-8")
    assert page.startswith("## ⚠️ The baseline was not updated\n"), text


def test_a_file_that_cannot_be_written_fails_the_session_and_no_other_file(
    project: BranchProject, tmp_path: Path
) -> None:
    project.write({ADDRESS: FILES[ADDRESS], "blocked": "a file, no folder"})
    code, text = project.pytest("-q", "--fapo-summary=blocked/page.md", "--fapo-code-quality=cq.json")
    assert code == 1, text
    assert "--fapo-summary: " in text
    assert "page.md cannot be written: " in text
    assert "Traceback" not in text
    assert json.loads((tmp_path / "cq.json").read_text()) == []


def test_githubs_own_file_fails_nothing(project: BranchProject, tmp_path: Path) -> None:
    project.write({ADDRESS: FILES[ADDRESS]})
    code, text = project.pytest("-q", "--fapo-diagnose", GITHUB_STEP_SUMMARY="no/step.md")
    assert code == 0, text
    assert "fapo: GITHUB_STEP_SUMMARY: no/step.md cannot be written: No such file" in text


def test_annotations_can_be_had_anywhere(project: BranchProject) -> None:
    code, text = project.pytest("-q", "--fapo-annotations=github")
    assert code == 1, text
    assert text.count("\n::error file=cases.jsonl,line=") == 6


def test_a_file_is_written_whole_and_a_link_is_written_through(tmp_path: Path) -> None:
    target, link = tmp_path / "target.md", tmp_path / "link.md"
    target.write_text("old")
    link.symlink_to(target)
    write_output(link, "through the link", option="--fapo-summary")
    assert link.is_symlink()
    assert target.read_text() == "through the link"
    write_output(target, "new", option="--fapo-summary")
    assert target.read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.md", "target.md"]


def test_a_step_that_is_full_already_gets_only_what_fits(tmp_path: Path) -> None:
    step = tmp_path / "step.md"
    assert room_in(step) == 1024 * 1024
    step.write_text("x" * (1024 * 1024 - 300))
    append_output(step, "é" * (room_in(step) // 2))
    assert step.stat().st_size == 1024 * 1024
    assert room_in(step) == 0
    with pytest.raises(FapoError, match=r"GITHUB_STEP_SUMMARY: .* cannot be written"):
        append_output(tmp_path / "no" / "step.md", "page")


@pytest.mark.slow
def test_a_run_tells_what_it_has_proven(tmp_path: Path) -> None:
    with serving(Server()) as server:
        project = make_project(tmp_path, server)
        project.env = {**GITHUB, "GITHUB_WORKSPACE": os.fspath(tmp_path)}
        result = project.optimize("-q", "--fapo-write=patch", "--fapo-summary=page.md")
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert page.startswith("## ✅ 1 change proven: 30 tests fixed\n"), result.text
    assert "| train | 18 | 0 % | 100 % | 18 | 0 |" in page
    assert "**`app/prompts/sort.md`** (+1 −1)" in page
    assert "Why: it must answer plainly (c1)" in page
    assert "+Which team? Reply with one lower-case word" in page
    assert "Effect: fixed: 24" in page  # held-out cases are in no effect
    assert "Fixed: 24 tests" in page
    assert 'team: "' in page
    assert (project.run_directory / "report.html").is_file()
    assert (
        "::notice file=app/prompts/sort.md,line=1,title=Proven change of app/prompts/sort.md::" in result.text
    )
    assert (tmp_path / "step.md").read_text(encoding="utf-8") == page
