"""Whole runs with a graded objective: no test fails, and the worst-scored cases are what is worked on."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.teams import ADDRESS, PYPROJECT, MakeProject, Server, proposal

from pytest_fapo.loop.run_summary import Summary

TEST = """
import pytest_fapo as fapo

@fapo.cases("cases.jsonl")
def test_reply(case, run):
    words = run.output["team"].split()
    run.score("brevity", 1 / len(words))
    if len(words) > 1:
        run.feedback(f"{len(words)} words where one is wanted")
    assert words
"""
GRADED = PYPROJECT.replace("[tool.fapo]\n", '[tool.fapo]\nobjective = "brevity"\n')
SHORTER = "You sort tickets.\nTicket: {ticket}\nWhich team? Reply with one word and nothing else.\n"


def summary_of(run: Path) -> Summary:
    return Summary.model_validate_json((run / "summary.json").read_bytes())


@pytest.mark.slow
def test_the_worst_scored_cases_are_the_targets(project: MakeProject, server: Server) -> None:
    seen: list[str] = []

    def optimizer(body: dict[str, Any]) -> Any:
        seen.append(json.dumps(body["messages"]))
        return proposal(SHORTER)

    server.optimizer = optimizer
    made = project({"test_teams.py": TEST, "pyproject.toml": GRADED})
    diagnosed = made.pytest("-q", "--fapo-diagnose")
    assert "train tests score low, for" in diagnosed.text
    result = made.optimize("-q", "--fapo-summary=page.md")
    assert (result.code, made.prompt) == (0, SHORTER)
    assert "The graded score brevity" in seen[0].replace("the graded score", "The graded score")
    assert "brevity is 0.167 (0.167 on average)" in seen[0]
    assert "6 words where one is wanted" in seen[0]
    lines = result.text.splitlines()
    assert "fapo: brevity: train 0.167, val 0.167, holdout 0.167" in lines
    (line,) = [line for line in lines if line.startswith("c1 ")]
    assert "accepted: brevity train 0.167 → 1, brevity val 0.167 → 1, 0 fixed, 0 broken" in line
    assert "brevity: train 0.167 → 1, val 0.167 → 1, holdout 0.167 → 1; all 30 tests pass." in lines
    rows = [line.split() for line in lines if line.startswith("brevity ")]
    assert [row[3:5] for row in rows] == [["0.167", "1"]] * 3
    page = (made.root / "page.md").read_text(encoding="utf-8")
    assert "1 change proven: brevity 0.167 → 1" in page
    summary = summary_of(made.run_directory)
    assert [each.metric for each in summary.objectives] == ["brevity"] * 3
    assert made.pytest("-q", "--fapo-update-baseline").code == 0
    made.write({ADDRESS: "You sort tickets for a shop.\nTicket: {ticket}\nWhich team?\n"})
    gate = made.pytest("-q", "--fapo-gate")
    assert gate.code == 10
    assert "the metric 'brevity' fell by 0.833 on train (0 allowed)" in gate.text


@pytest.mark.slow
def test_an_objective_that_nothing_records_is_named(project: MakeProject) -> None:
    made = project({"test_teams.py": TEST, "pyproject.toml": GRADED.replace('"brevity"', '"brevitty"')})
    result = made.optimize("-q")
    assert result.code != 0
    assert "no train case records 'brevitty'; they record 'brevity'" in " ".join(result.text.split())
    assert not made.server.optimizer_requests


@pytest.mark.slow
def test_what_is_shorter_but_costs_more_tokens_is_rejected_with_two_objectives(
    project: MakeProject, server: Server
) -> None:
    server.optimizer = lambda body: proposal(SHORTER)
    made = project(
        {"test_teams.py": TEST, "pyproject.toml": GRADED.replace('"brevity"', '["brevity", "tokens"]')}
    )
    result = made.optimize("-q")
    assert "brevity train 0.167 → 1" in result.text
    summary = summary_of(made.run_directory)
    assert {each.metric for each in summary.objectives} == {"brevity", "tokens"}
    assert summary.front[-1].candidate == "c1"


POLITE_TEST = TEST.replace(
    "    assert words",
    '    run.score("polite", 1.0 if "Dear" in run.output["team"] else 0.5)\n    assert words',
)
CURT = "You sort tickets.\nTicket: {ticket}\nWhich team? Reply with one word and nothing else.\n"
POLITE = CURT.replace("Reply", "Say Dear. Reply")


def polite(prompt: str) -> str:
    """Long and polite at first; short by request, and then polite by request alone."""
    if "nothing else" not in prompt:
        return "Dear customer, I think this is for billing."
    return "Dear" if "Say Dear" in prompt else "billing"


@pytest.mark.slow
def test_a_guarded_metric_is_no_aim_and_may_not_get_worse(project: MakeProject, server: Server) -> None:
    """What is shorter at the cost of politeness is rejected; what is shorter and as polite is taken."""
    server.task = polite
    server.optimizer = lambda body: proposal(CURT if len(server.optimizer_requests) == 1 else POLITE)
    made = project({"test_teams.py": POLITE_TEST, "pyproject.toml": GRADED})
    result = made.optimize("-q")
    first, second = (line for line in result.text.splitlines() if line.startswith(("c1 ", "c2 ")))
    assert "rejected" in first
    assert "polite" in first
    assert "accepted: brevity" in second
    assert made.prompt == POLITE
    assert [each.metric for each in summary_of(made.run_directory).objectives] == ["brevity"] * 3


@pytest.mark.slow
def test_a_guarded_metric_may_fall_by_what_is_allowed(project: MakeProject, server: Server) -> None:
    server.task = polite
    server.optimizer = lambda body: proposal(CURT)
    allowing = GRADED.replace("[tool.fapo]\n", "[tool.fapo]\nguarded = { polite = 0.6 }\n", 1)
    made = project({"test_teams.py": POLITE_TEST, "pyproject.toml": allowing})
    result = made.optimize("-q")
    assert (result.code, made.prompt) == (0, CURT), result.text


@pytest.mark.slow
def test_an_objective_is_compared_over_repeats(project: MakeProject, server: Server) -> None:
    """Answers vary by themselves: what leaves their mean as it is, is no gain."""
    null = "You sort tickets for our shop.\nTicket: {ticket}\nWhich team?\n"
    asked: Counter[str] = Counter()

    def varying(prompt: str) -> str:
        if "nothing else" in prompt:
            return "billing"
        asked[prompt] += 1
        return "I think that this is for billing" if asked[prompt] % 2 else "this is for billing"

    server.task = varying
    server.optimizer = lambda body: proposal(null if len(server.optimizer_requests) == 1 else SHORTER)
    made = project({"test_teams.py": TEST, "pyproject.toml": GRADED})
    result = made.optimize("-q", "--fapo-repeats=3")
    lines = [line for line in result.text.splitlines() if line.startswith(("c1 ", "c2 "))]
    assert "rejected" in lines[0]
    assert "accepted: brevity" in lines[1]
    assert made.prompt == SHORTER
    summary = summary_of(made.run_directory)
    assert {round(each.after, 3) for each in summary.objectives} == {1.0}
