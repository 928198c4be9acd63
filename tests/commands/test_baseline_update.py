"""`pytest --fapo-update-baseline`, run as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.gated_project import APP, PYPROJECT, RULES, TEST, GatedProject, gated_cases, gated_project


@pytest.fixture
def project(tmp_path: Path) -> GatedProject:
    return gated_project(tmp_path)


@pytest.mark.slow
def test_failing_cases_are_recorded_as_failing(project: GatedProject) -> None:
    done = project.update("-x")
    assert done.code == 0, done.text
    assert "fapo-baseline.json written: 12 cases, train 75 %, val 75 %, holdout 75 %" in done.text
    results = project.results()
    assert list(results.values()).count("failed") == 3
    assert results["c03"] == "failed"
    before = project.baseline.read_text()
    project.write({"rules.md": RULES + "lost=nowhere\n"})
    done = project.update()
    assert "says the same" not in done.text
    after = project.baseline.read_text()
    changed = [
        line for line, other in zip(after.splitlines(), before.splitlines(), strict=True) if line != other
    ]
    assert len(changed) == 4, "the three cases whose output changed, and the prompt"
    assert project.update().text.count("is up to date") == 1


@pytest.mark.parametrize(
    "selection",
    [
        ["-k", "c01"],
        ["-m", "slow"],
        ["--lf"],
        ["test_team.py::test_team"],
        ["--deselect=test_team.py::test_plain"],
    ],
)
def test_a_selection_is_refused_before_a_test_runs(project: GatedProject, selection: list[str]) -> None:
    done = project.update(*selection)
    assert done.code == 4
    assert "selects some of the tests: leave it out" in done.text
    assert not project.baseline.exists()
    assert "passed" not in done.text


@pytest.mark.slow
def test_a_selection_that_the_project_always_makes_is_none(project: GatedProject) -> None:
    always = '[tool.pytest.ini_options]\naddopts = ["-m", "not slow"]\nmarkers = ["slow"]\n'
    project.write({"pyproject.toml": PYPROJECT.replace("[tool.pytest.ini_options]\n", always)})
    assert project.update("test_team.py").code == 0
    assert project.baseline.exists()


@pytest.mark.slow
def test_a_stopped_run_leaves_the_file_as_it_is(project: GatedProject) -> None:
    project.write(
        {"test_team.py": TEST.replace("assert True", "assert False"), "test_z.py": "def test_z(): pass\n"}
    )
    done = project.update("-x")
    assert done.code == 11
    assert "fapo-baseline.json was not written, since this was not a full run" in done.text
    assert "1 of 14 tests left no result: stopping after 1 failures" in done.text
    assert not project.baseline.exists()
    done = project.update()
    assert done.code == 1
    assert "1 test without a case fails; the baseline does not cover them" in done.text
    assert project.baseline.exists()


@pytest.mark.slow
def test_what_other_paths_hold_is_not_forgotten(project: GatedProject) -> None:
    other = TEST.replace("test_team", "test_other").replace('"cases.jsonl"', '"other.jsonl", split="train"')
    case = {"id": "o1", "inputs": {"text": "paid order"}, "expected": "billing", "split": "train"}
    project.write({"test_other.py": other, "other.jsonl": json.dumps(case)})
    assert project.update().code == 0
    before = project.baseline.read_bytes()
    done = project.update("test_team.py")
    assert done.code == 11
    assert "1 tests of the earlier baseline were left out, test_other.py::test_other[o1] first" in done.text
    assert project.baseline.read_bytes() == before
    (project.root / "test_other.py").unlink()
    done = project.update("test_team.py")
    assert done.code == 0, "what is gone is no part that was left out"
    assert "1 test gone: test_other.py::test_other[o1]" in done.text


@pytest.mark.slow
def test_what_a_hook_of_the_project_deselects_is_not_forgotten(project: GatedProject) -> None:
    assert project.update().code == 0
    before = project.baseline.read_bytes()
    hook = """
    import pytest
    import app

    @pytest.fixture(scope="session")
    def pipeline():
        return app.handle

    def pytest_collection_modifyitems(config, items):
        config.hook.pytest_deselected(items=[items[1]])
        del items[1]
    """
    project.write({"conftest.py": hook})
    done = project.update()
    assert done.code == 11
    assert "test_team.py::test_team[c01] first" in done.text
    assert project.baseline.read_bytes() == before
    assert project.gate().code == 11


@pytest.mark.slow
def test_changes_are_told(project: GatedProject) -> None:
    assert project.update().code == 0
    cases = gated_cases(11)
    project.write({"rules.md": "broken=warranty\nlate=delivery\nlost=delivery\n"})
    project.write({"cases.jsonl": "\n".join(json.dumps(case) for case in cases)})
    done = project.update()
    assert done.code == 0
    assert "3 tests now recorded as failing" in done.text
    assert "2 tests now recorded as passing" in done.text
    assert "1 test gone: test_team.py::test_team[c11]" in done.text
    assert "c11" not in project.results()


@pytest.mark.slow
def test_snapshots_are_written_with_it_and_fail_the_gate_when_stale(project: GatedProject) -> None:
    project.write({"pyproject.toml": PYPROJECT.replace('snapshots = ""\n', ""), "app.py": APP})
    done = project.update()
    assert done.code == 0
    assert "snapshots: fapo-snapshots/pipeline.md" in done.text
    assert project.gate().code == 0
    project.write({"rules.md": RULES + "\n"})
    done = project.gate()
    assert done.code == 11
    assert "no regressions against fapo-baseline.json, but committed files are out of date" in done.text
    assert "fapo-snapshots/pipeline.md: the snapshot of pipeline 'pipeline' is out of date" in done.text
    assert "\n    pytest --fapo-update-baseline" in done.text


@pytest.mark.slow
def test_a_broken_file_is_written_anew(project: GatedProject) -> None:
    project.baseline.write_text("<<<<<<< HEAD\n")
    assert project.update().code == 0
    assert len(project.results()) == 12


def test_a_run_without_cases_writes_nothing(project: GatedProject) -> None:
    project.write({"test_team.py": "def test_plain():\n    pass\n"})
    done = project.update()
    assert done.code == 11
    assert "no test on a case was run" in done.text
    assert not project.baseline.exists()


NOT_RUN = {
    "a fixture that fails": (
        "conftest.py",
        "import pytest\n@pytest.fixture(scope='session')\ndef pipeline():\n    raise OSError('no index')\n",
        "12 tests ended before the pipeline could run, test_team.py::test_team[c00] first: OSError: no index",
    ),
    "no fixture": ("conftest.py", "", "test_team.py::test_team[c00] first: no fixture named 'pipeline'"),
    "other parameters": (
        "app.py",
        "def handle(question):\n    return {}\n",
        "first: the pipeline handle(question) does not take the inputs of case 'c00'",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", NOT_RUN)
def test_a_pipeline_that_could_not_run_is_no_accuracy(project: GatedProject, kind: str) -> None:
    name, text, said = NOT_RUN[kind]
    assert project.update().code == 0
    before = project.baseline.read_bytes()
    project.write({name: text})
    done = project.update()
    assert done.code == 11
    assert "fapo-baseline.json was not written" in done.text
    assert said in done.text
    assert project.baseline.read_bytes() == before
    done = project.gate()
    assert done.code == 11
    assert "accuracy could not be judged" in done.text
    assert said in done.text
    assert "During handling" not in done.text


@pytest.mark.slow
def test_a_fixture_that_fails_over_the_pipelines_output_is_a_verdict(project: GatedProject) -> None:
    reads = """
    import pytest
    import pytest_fapo as fapo

    @pytest.fixture
    def team(run):
        return run.output["team"]

    @fapo.cases("cases.jsonl")
    def test_team(case, team):
        assert team == case.expected
    """
    project.write({"test_team.py": reads})
    assert project.update().code == 0
    project.write({"app.py": APP.replace('{"team"', '{"crew"')})
    done = project.gate()
    assert done.code == 10
    assert "9 tests that passed no longer pass" in done.text
