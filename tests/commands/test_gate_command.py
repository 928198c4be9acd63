"""`pytest --fapo-gate`, run as a user runs it."""

from __future__ import annotations

import json
import re

import pytest
from support.gated_project import PYPROJECT, TEST, GatedProject, gated_cases

WORSE = "paid=billing\nbroken=repairs\nlate=delivery\n"


def test_nothing_changed(project: GatedProject) -> None:
    done = project.gate("-rxX")
    assert done.code == 0
    assert "no regressions against fapo-baseline.json" in done.text
    assert "10 passed, 3 xfailed" in done.text
    assert "fails in the baseline too" in done.text
    assert "3 failing as in the baseline" in done.text


def test_a_fall_is_a_cause_with_a_line_per_regression(project: GatedProject) -> None:
    project.write({"rules.md": WORSE})
    done = project.gate()
    assert done.code == 10
    assert "accuracy fell against fapo-baseline.json: 3 tests that passed no longer pass" in done.text
    line = next(line for line in done.text.splitlines() if "test_team[c01]" in line)
    assert 'team: "warranty" → "repairs"' in line
    assert "3 tests, one cause: look_up gives another answer\n" in done.text
    assert re.search(r"all +12 +75 % +50 %", done.text)
    assert "rules.md changed since the baseline was written, and the baseline was not updated" in done.text
    assert "pytest --fapo-update-baseline" in done.text
    assert "Traceback" not in done.text


def test_a_changed_prompt_that_costs_nothing_is_said(project: GatedProject) -> None:
    project.write({"rules.md": "paid=billing\nbroken=warranty\nlate=delivery\nlost=delivery\n"})
    done = project.gate()
    assert done.code == 0
    assert "3 tests fixed" in done.text
    assert "the baseline was not updated" in done.text


def test_first_failure_stops_at_real_news_only(project: GatedProject) -> None:
    assert project.gate("-x").code == 0
    project.write({"rules.md": WORSE})
    done = project.gate("-x")
    assert done.code == 10
    assert "1 test that passed no longer passes" in done.text
    assert "tests left no result: stopping after 1 failures" in done.text
    assert "baseline   now" not in done.text  # no scores of a part


@pytest.mark.slow
def test_with_workers(project: GatedProject) -> None:
    project.write({"rules.md": WORSE})
    done = project.gate("-n4")
    assert done.code == 10
    assert "3 tests that passed no longer pass" in done.text
    assert "3 failed, 7 passed, 3 xfailed" in done.text


@pytest.mark.slow
def test_a_lost_worker_lets_nothing_through(project: GatedProject) -> None:
    before = project.baseline.read_bytes()
    crash = "import os\ndef test_crash():\n    os.kill(os.getpid(), 9)\n"
    project.write({"test_crash.py": crash})
    done = project.gate("-n1")
    assert done.code == 11
    assert "the xdist worker gw" in done.text
    assert "was lost" in done.text
    done = project.update("-n1")
    assert done.code == 11
    assert "fapo-baseline.json was not written" in done.text
    assert project.baseline.read_bytes() == before


@pytest.mark.slow
def test_reruns_run_the_pipeline_again(project: GatedProject) -> None:
    flaky = """
    from pathlib import Path
    import app

    def handle(text):
        with open("runs.txt", "a") as file:
            file.write(text + chr(10))
        seen = Path("runs.txt").read_text().splitlines().count(text)
        if text.startswith("broken") and seen == 1:
            return {"team": "unknown", "text": text}
        return app.handle(text)
    """
    conftest = """
    import pytest
    import flaky

    @pytest.fixture(scope="session")
    def pipeline():
        return flaky.handle
    """
    project.write({"flaky.py": flaky, "conftest.py": conftest})
    done = project.gate("--reruns=1")
    assert done.code == 0, done.text
    assert "3 rerun" in done.text
    runs = (project.root / "runs.txt").read_text().splitlines()
    assert runs.count("broken order 1") == 2
    assert runs.count("lost order 3") == 1, "what fails in the baseline is not run again"
    (project.root / "runs.txt").unlink()
    assert project.gate().code == 10


def test_missing_baseline_runs_no_test(project: GatedProject) -> None:
    project.baseline.unlink()
    project.write({"test_side.py": "def test_side():\n    open('ran.txt', 'w').close()\n"})
    done = project.gate()
    assert done.code == 11
    assert "fapo-baseline.json does not exist" in done.text
    assert "pytest --fapo-update-baseline" in done.text
    assert not (project.root / "ran.txt").exists()


def test_a_merge_conflict_is_named_with_its_line(project: GatedProject) -> None:
    lines = project.baseline.read_text().splitlines(keepends=True)
    lines[6:6] = ["<<<<<<< HEAD\n"]
    project.baseline.write_text("".join(lines))
    done = project.gate()
    assert done.code == 11
    assert "fapo-baseline.json:7: an unresolved merge conflict" in done.text


@pytest.mark.slow
def test_missing_cases_are_not_let_through(project: GatedProject) -> None:
    done = project.gate("-k", "c01")
    assert done.code == 11
    assert "11 tests of the baseline were not run" in done.text
    done = project.gate("-k", "plain")
    assert done.code == 11
    assert "no test on a case was run" in done.text
    assert project.gate("-k", "nothing_at_all").code == 11


def test_new_cases_are_reported(project: GatedProject) -> None:
    new = {"id": "n1", "inputs": {"text": "lost thing"}, "expected": "delivery", "split": "train"}
    project.write({"cases.jsonl": "\n".join(json.dumps(case) for case in [*gated_cases(), new])})
    done = project.gate("-x")
    assert done.code == 0
    assert (
        "1 case has no verdict in the baseline yet (pipeline::n1); 1 of the tests on them fail" in done.text
    )


@pytest.mark.slow
def test_floors(project: GatedProject) -> None:
    done = project.gate("--fapo-min-score=0.9", "--fapo-min-score=tag:paid=100%")
    assert done.code == 10
    assert "pipeline 'pipeline': its score is 75.0 %, its floor is 90.0 %" in done.text
    assert "tag:paid is" not in done.text
    done = project.gate("--fapo-min-score=pipelin=0.5")
    assert done.code == 11
    assert "the floor 'pipelin' is for nothing that was scored; there are: " in done.text
    done = project.gate("--fapo-min-score=val=much")
    assert done.code == 4
    assert "--fapo-min-score=val=much: expected a share such as 0.9 or 90%" in done.text


def test_a_failing_plain_test_is_pytests_own_failure(project: GatedProject) -> None:
    project.write({"test_team.py": TEST.replace("assert True", "assert False")})
    done = project.gate()
    assert done.code == 1
    assert "no regressions against fapo-baseline.json, but other tests fail" in done.text
    assert "test_team.py::test_plain fails, a test without a case" in done.text


@pytest.mark.slow
def test_collection_errors_and_interrupts(project: GatedProject) -> None:
    project.write({"test_bad.py": "import nothing_of_this_name\n"})
    done = project.gate()
    assert done.code == 11
    assert "test_bad.py could not be collected" in done.text
    interrupt = "def test_a():\n    raise KeyboardInterrupt\n"
    project.write({"test_bad.py": interrupt})
    done = project.gate()
    assert done.code == 11
    assert "tests left no result" in done.text


def test_single_cases_do_not_decide_under_paired(project: GatedProject) -> None:
    project.write({"rules.md": WORSE})
    done = project.gate("--fapo-policy=paired", "-x")
    assert done.code == 0, done.text
    assert "Passed before, fails now (no single case decides)" in done.text
    assert "paired difference -25.0 points, p = 0.12" in done.text
    project.write({"rules.md": "nothing=known\n"})
    assert project.gate("--fapo-policy=paired").code == 10


@pytest.mark.slow
def test_the_target_of_each_split(project: GatedProject) -> None:
    assert project.gate("--fapo-policy=target", "--fapo-target=0.7").code == 0
    done = project.gate("--fapo-policy=target", "--fapo-target=0.8")
    assert done.code == 10
    assert "train is at 75.0 %, below the target of 80.0 %" in done.text


def test_repeats_decide_together(project: GatedProject) -> None:
    project.write({"rules.md": WORSE})
    done = project.gate("--fapo-repeats=2", "-x")
    assert done.code == 10
    assert "3 tests that passed no longer pass" in done.text


@pytest.mark.slow
def test_a_named_metric_may_not_fall(project: GatedProject) -> None:
    longer = TEST.replace("1.0 / len", "0.5 / len")
    project.write({"test_team.py": longer})
    assert project.gate().code == 0
    project.write({"pyproject.toml": PYPROJECT + "[tool.fapo.guarded]\nbrevity = 0.001\n"})
    done = project.gate()
    assert done.code == 10
    assert "the metric 'brevity' fell by" in done.text


def test_two_commands_are_refused(project: GatedProject) -> None:
    done = project.gate("--fapo-update-baseline")
    assert done.code == 4
    assert "are two commands" in done.text
