"""Budgets that hold, and what is kept when one is used up."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from support.teams import BAD_PROMPT, GOOD_PROMPT, LIGHT_APP, MakeProject, Server, proposal

from pytest_fapo.loop.evaluator import Evaluator
from pytest_fapo.loop.optimize_request import Budget, OptimizeRequest


@pytest.mark.slow
@pytest.mark.parametrize("limit", [0, 35])
def test_never_more_calls_than_allowed(project: MakeProject, server: Server, limit: int) -> None:
    made = project()
    before = made.snapshot()
    result = made.optimize(f"--fapo-max-calls={limit}")
    assert len(server.task_requests) + len(server.optimizer_requests) <= limit
    assert made.snapshot() == before
    assert result.code == 1
    assert "--fapo-max-calls" in result.text
    assert "Traceback" not in result.text


@pytest.mark.slow
@pytest.mark.parametrize("workers", [[], ["-n2"]])
def test_limits_hold_in_a_plain_run_and_leave_nothing_behind(
    project: MakeProject, server: Server, workers: list[str]
) -> None:
    made = project()
    temporary = made.root.parent / "tmp"
    temporary.mkdir()
    made.env["TMPDIR"] = str(temporary)
    result = made.pytest("--fapo-max-calls=5", *workers)
    assert len(server.task_requests) <= 5
    assert result.code == 1
    assert "all 5 calls allowed by --fapo-max-calls are made" in result.text
    assert list(temporary.glob("*fapo*")) == []


@pytest.mark.slow
def test_the_time_limit_ends_a_slow_run(project: MakeProject, server: Server) -> None:
    made = project()
    assert made.pytest().code == 1
    server.delay = 3.0
    result = made.optimize("--fapo-time-limit=4s", "--fapo-concurrency=1")
    assert "--fapo-time-limit" in result.text
    assert made.prompt == BAD_PROMPT


@pytest.mark.slow
def test_a_refusal_that_the_pipeline_hides_decides_nothing(project: MakeProject, server: Server) -> None:
    """A task group, a worker thread or a bare `except` makes another error of it, or another answer."""
    hiding = LIGHT_APP.replace("def sort(ticket):", "def asked(ticket):") + (
        "def sort(ticket):\n    try:\n        return asked(ticket)\n"
        "    except BaseException:\n        return 'other'\n"
    )
    made = project({"app/pipeline.py": hiding})
    result = made.optimize("--fapo-max-calls=35")
    assert made.prompt == BAD_PROMPT
    assert result.code == 1
    assert "all 35 calls allowed by --fapo-max-calls are made" in result.text
    assert not [event for event in made.journal() if event["event"] == "judged"]


@pytest.mark.slow
def test_what_was_accepted_before_the_budget_ended_is_kept(project: MakeProject, server: Server) -> None:
    """Two teams' tickets need two edits; the budget allows the first only."""
    half = BAD_PROMPT.replace("Which team?", "Which team? Reply with the team in lower case.")

    def task(prompt: str) -> str:
        team = "billing" if "money" in prompt else "shipping" if "parcel" in prompt else "other"
        if "nothing else" in prompt or ("lower case" in prompt and team == "billing"):
            return team
        return f"Team {team.title()}."

    server.task = task
    answers = iter([half, GOOD_PROMPT])
    server.optimizer = lambda body: proposal(next(answers))
    made = project()
    result = made.optimize("--fapo-max-candidates=1")
    assert made.prompt == half, result.text
    assert "--fapo-max-candidates=1" in result.text
    assert sum(event["event"] == "judged" for event in made.journal()) == 1
    assert result.code == 1


def test_what_a_candidate_takes_out_of_the_spend_file_is_put_back(tmp_path: Path) -> None:
    path = tmp_path / "spending.jsonl"
    request = SimpleNamespace(
        run=SimpleNamespace(journal=SimpleNamespace(tell=print)),
        settings=SimpleNamespace(cage="on"),
        budget=Budget(path, max_calls=5),
    )
    evaluator = Evaluator(cast(OptimizeRequest, request))
    for sent, wanted in (("one\n", "one\n"), ("", "one\n"), ("two\n", "one\ntwo\n"), ("x", "one\ntwo\nx")):
        path.write_text(sent)
        evaluator._keep_spending()
        assert path.read_text() == wanted
