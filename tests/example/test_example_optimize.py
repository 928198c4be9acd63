"""The main job on the example, with the free playbook and the stand-in: guarded, proven, done in one run."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.desk_example import (
    REPOSITORY,
    SPLITS,
    Outcome,
    copy_example,
    run_pytest,
    unit_tests_pass,
)
from support.documents import Scenario, absent, blocks

pytestmark = pytest.mark.slow
EDITABLE = ["desk/prompts/triage.md", "desk/prompts/draft.md", "desk/prompts/finalize.md", "desk/texts.py"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_example(tmp_path_factory.mktemp("example") / "desk_project")


@pytest.fixture(scope="module")
def before(project: Path) -> Outcome:
    return run_pytest(project)


@pytest.fixture(scope="module")
def optimized(project: Path, before: Outcome) -> Outcome:
    return run_pytest(project, "--fapo-optimize", "--tb=no")


@pytest.fixture(scope="module")
def after(project: Path, optimized: Outcome) -> Outcome:
    return run_pytest(project, "--tb=no")


def _files(project: Path) -> dict[str, bytes]:
    return {
        path.relative_to(project).as_posix(): path.read_bytes()
        for path in sorted(project.rglob("*"))
        if path.is_file() and not {".fapo", "__pycache__"} & set(path.parts)
    }


def _attempts(project: Path) -> list[dict[str, Any]]:
    (journal,) = project.glob(".fapo/runs/*/journal.jsonl")
    events = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    return [event["attempt"] for event in events if event["event"] == "judged"]


@pytest.mark.parametrize("split", SPLITS)
def test_as_shipped_about_half_of_it_fails(before: Outcome, split: str) -> None:
    assert 0.35 <= before.rate(split) <= 0.55, before.output[-2000:]


def test_as_shipped_the_unit_tests_pass(before: Outcome) -> None:
    unit_tests_pass(before)


@pytest.mark.parametrize("split", SPLITS)
def test_nine_of_ten_pass_in_every_split(after: Outcome, optimized: Outcome, split: str) -> None:
    assert after.rate(split) >= 0.9, optimized.output[-4000:]


def test_nothing_that_passed_fails_now(before: Outcome, after: Outcome) -> None:
    assert after.broken_since(before) == set()


def test_only_the_prompts_were_changed(project: Path, after: Outcome, tmp_path: Path) -> None:
    old, new = _files(copy_example(tmp_path / "untouched")), _files(project)
    assert set(new) == set(old)
    changed = [name for name in old if new[name] != old[name]]
    assert changed
    assert set(changed) <= set(EDITABLE)


def test_the_guard_rejected_a_tempting_edit(project: Path, optimized: Outcome) -> None:
    """An edit that helps the train cases and breaks a unit test, a val case or a held-out case."""
    caught = [
        attempt
        for attempt in _attempts(project)
        if not attempt["verdict"]["accepted"]
        and (train := attempt["verdict"]["splits"].get("train"))
        and train["after"] > train["before"]
    ]
    assert caught
    assert any(attempt["verdict"]["reason"] in optimized.output for attempt in caught)


def test_it_is_said_that_no_model_answered(optimized: Outcome) -> None:
    assert "stand-in" in optimized.output


def test_once_more_it_changes_nothing(project: Path, after: Outcome, tmp_path: Path) -> None:
    again = Path(shutil.copytree(project, tmp_path / "again"))
    ran = run_pytest(again, "--fapo-optimize", "--fapo-write=auto", "--fapo-target=0.9", "--tb=no")
    assert _files(again) == _files(project), ran.output[-4000:]


def test_the_readme_shows_this_run(optimized: Outcome) -> None:
    tours = [block for block in blocks(REPOSITORY / "README.md") if block.kind == "tour"]
    (shown,) = [tour.text for tour in tours if tour.text.startswith("$ pytest --fapo-optimize\n")]
    missing = absent(shown.partition("\n")[2], optimized.output)
    assert missing is None, f"README.md shows\n{missing}\nbut the run said\n{optimized.output[-6000:]}"


def test_the_readme_shows_the_gate_on_it(project: Path, after: Outcome, tmp_path: Path) -> None:
    tours = [block for block in blocks(REPOSITORY / "README.md") if block.kind == "tour"]
    (shown,) = [tour for tour in tours if tour.text.startswith("$ pytest --fapo-update-baseline\n")]
    scenario = Scenario(Path(shutil.copytree(project, tmp_path / "kept")))
    scenario.play(replace(shown, kind="run", argument="exit 10"))
