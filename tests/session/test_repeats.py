"""`--fapo-repeats`: a case that runs several times, each time with answers of its own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from support.shadow_project import Project
from support.teams import Server, serving

from pytest_fapo.core.evaluation import Evaluation

CONFTEST = """
    import os
    import httpx, pytest

    client = httpx.Client(base_url=os.environ["OPENAI_BASE_URL"], timeout=30)

    @pytest.fixture(scope="session")
    def pipeline():
        def ask(text):
            body = {"model": "task", "messages": [{"role": "user", "content": text}]}
            return client.post("/chat/completions", json=body).json()["choices"][0]["message"]["content"]
        return ask
"""
TEST = """
    import pytest_fapo as fapo

    CASES = [{"id": name, "inputs": name} for name in ("one", "two")]

    @fapo.cases(CASES, split="train")
    def test_answers(case, run):
        assert run.output != "answer 1"

    @fapo.cases(CASES, split="train")
    def test_the_same_run(case, run):
        assert run.llm_calls[0].answer == run.output
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Answers every request in another way."""
    numbers = count(1)
    with serving(Server(task=lambda prompt: f"answer {next(numbers)}")) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        yield server


@pytest.fixture
def project(pytester: pytest.Pytester, server: Server) -> pytest.Pytester:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_it=TEST)
    return pytester


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest_subprocess("-p", "pytest_fapo.plugin", *arguments)


@pytest.mark.slow
def test_every_repeat_is_an_item_with_a_run_and_answers_of_its_own(
    project: pytest.Pytester, server: Server
) -> None:
    run(project, "--fapo-concurrency=1").assert_outcomes(passed=3, failed=1)
    assert len(server.task_requests) == 2

    result = run(project, "--fapo-repeats=3", "-v")
    result.assert_outcomes(passed=11, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*test_answers[[]one[]] FAILED*",
            "*[[]one~r2[]] PASSED*",
            "*[[]one~r3[]] PASSED*",
            "*[[]two[]] PASSED*",
        ]
    )
    assert len(server.task_requests) == 2 + 4, "the first repeat has the answers that any run has"

    kept = ["--fapo-repeats=2", "--fapo-cache=only"]
    run(project, *kept, "-k", "one").assert_outcomes(passed=3, failed=1, deselected=4)
    run(project, *kept, "--lf", "test_it.py").assert_outcomes(failed=1)
    assert len(server.task_requests) == 6, "what is recorded is not asked again"


@pytest.mark.slow
def test_the_setting_holds_for_every_worker(project: pytest.Pytester, server: Server) -> None:
    project.makepyprojecttoml("[tool.pytest.ini_options]\n[tool.fapo]\nrepeats = 2")
    run(project, "-p", "xdist.plugin", "-n", "2", "--dist=loadscope").assert_outcomes(passed=7, failed=1)
    assert len(server.task_requests) == 4


def test_a_case_that_is_called_as_a_repeat_is_an_error(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=TEST.replace('"two"', '"one~r2"'))
    result = run(project, "--fapo-repeats=2")
    result.stdout.fnmatch_lines(
        ["*test_answers: the case id 'one~r2' is also that of a repeat*rename the case*"]
    )


@pytest.mark.parametrize("value", ["0", "101", "x"])
def test_a_number_out_of_range_is_refused(pytester: pytest.Pytester, value: str) -> None:
    result = pytester.runpytest_inprocess(f"--fapo-repeats={value}")
    result.stderr.fnmatch_lines([f"*--fapo-repeats: expected a *number*{value}*"])


@pytest.mark.slow
def test_an_evaluation_can_draw_a_sample_of_its_own(server: Server, tmp_path: Path) -> None:
    project = Project(tmp_path / "app").write({"conftest.py": CONFTEST, "test_it.py": TEST})
    cache = str(tmp_path / "fapo" / "cache")

    def answers(**options: int) -> list[str]:
        arguments = ["-p", "pytest_fapo.plugin", "--fapo-repeats=2"]
        evaluation = project.evaluate(args=arguments, cache_folder=cache, options=options)
        return outputs(evaluation)

    recorded = answers()
    first, second = answers(sample=1), answers(sample=2)
    assert len({*recorded, *first, *second}) == 12
    assert answers(sample=1) == first
    assert answers() == recorded
    assert len(server.task_requests) == 12


def outputs(evaluation: Evaluation) -> list[str]:
    """Of each run; every repeat has one."""
    assert evaluation.complete, evaluation.stopped
    items = [item for item in evaluation.items.values() if item.test.endswith("test_answers")]
    assert [(item.case_id, item.repeat) for item in items] == [("one", 1), ("one", 2), ("two", 1), ("two", 2)]
    traces = [evaluation.trace_of(item) for item in items]
    return [str(trace.output) for trace in traces if trace is not None]
