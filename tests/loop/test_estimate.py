"""What a run is said to cost before it begins, and what each stage has cost after it."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from support.teams import PYPROJECT, MakeProject, Server

from pytest_fapo.core.case import Case
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.settings import Settings
from pytest_fapo.core.spending import Spending
from pytest_fapo.core.trace import LLMCall, Trace, Usage
from pytest_fapo.loop.estimate import Known, make_estimate
from pytest_fapo.loop.optimize_request import Budget
from pytest_fapo.loop.run_summary import Summary
from pytest_fapo.views.estimate_table import render_estimate

MODEL = "gpt-4o-mini"


def call(*, answered: bool = True) -> LLMCall:
    return LLMCall(
        key="k",
        api="chat.completions",
        url="https://api.openai.com/v1/chat/completions",
        model=MODEL,
        messages=[{"role": "user", "content": "x" * 400}],
        usage=Usage(input_tokens=90, output_tokens=10) if answered else Usage(),
        status=200 if answered else None,
        error=None if answered else "CacheMiss: no recorded answer",
        cache_hit=answered,
    )


def known(*, failing: int = 6, recorded: int = 20, calls: int = 2, causes: int | None = 1) -> Known:
    """Twenty cases, twelve of them train; the first ones fail, the last ones are not on record."""
    splits = ["train"] * 12 + ["val"] * 4 + ["holdout"] * 4
    evaluation = Evaluation()
    for number, split in enumerate(splits):
        name, there = f"test.py::test[{number}]", number < recorded
        evaluation.cases[name] = Case(id=str(number), inputs={"text": "y" * 40})
        evaluation.traces[name] = Trace(
            pipeline="p", case_id=str(number), llm_calls=[call(answered=there)] * (calls if there else 1)
        )
        evaluation.items[name] = ItemResult.model_validate(
            {
                "nodeid": name,
                "test": "test.py::test",
                "outcome": "failed" if number < failing or not there else "passed",
                "error_type": "" if there else "CacheMiss",
                "split": split,
                "trace_id": name,
            }
        )
    return Known(evaluation, causes, Settings(), ["Sort the ticket.", "Reply."])


def table(of: Known, *, budget: Budget | None = None) -> str:
    out = io.StringIO()
    limits = budget or Budget(Path("none"))
    render_estimate(make_estimate(of), out, width=200, command="pytest --fapo-optimize", budget=limits)
    return out.getvalue()


def test_recorded_runs_give_calls_tokens_and_usd() -> None:
    estimate = make_estimate(known())
    assert estimate.stages["baseline"].high.calls == 0
    tried = estimate.stages["candidates"]
    assert tried.low.calls == 16  # one candidate, one call of each train and val case
    assert tried.high.calls == 2 * (3 * 16 + 5 * 6)  # three of eight on all cases, five on what they target
    assert tried.low.tokens == 16 * 100
    assert tried.low.usd == pytest.approx(16 * (90 * 0.15 + 10 * 0.6) / 1e6)
    said = table(known())
    assert "20 of 20 runs are on record: 2 calls and 200 tokens each" in said
    assert "6 of 12 train tests on record fail, 1 cause: 1 to 8 candidates" in said
    assert "pytest --fapo-optimize --fapo-budget=" in said


@pytest.mark.parametrize(
    ("of", "sentence"),
    [
        (known(recorded=0, causes=None), "no run is on record: 1 to 2 calls each"),
        (known(recorded=0, causes=None), "failures are not known, 1 to 3 causes (a guess)"),
        (known(recorded=0, causes=None), "Next        pytest; with a first run on record"),
        (known(recorded=5), "5 of 20 runs are on record"),
        (known(failing=0, causes=None), "none of the 12 train tests on record fails: nothing is tried"),
        (replace(known(), max_candidates=2), "1 to 2 candidates"),
        (
            replace(known(), settings=Settings(optimizer=["command:agent --go"])),
            "not counted: what command:agent",
        ),
        (
            replace(known(), settings=Settings(optimizer=["openai:nobody-knows-it"])),
            "no price known for openai:",
        ),
    ],
)
def test_how_it_was_computed_is_said(of: Known, sentence: str) -> None:
    assert sentence in table(of)


def test_earlier_runs_of_the_project_say_how_many_candidates_there_are() -> None:
    earlier = [Summary(stop="target", accepted=1, rejected=tried, candidates=["c"]) for tried in (4, 11)]
    estimate = make_estimate(replace(known(), earlier=earlier))
    assert any("1 to 12 candidates (by 2 earlier runs)" in line for line in estimate.how)


def test_models_that_propose_and_review_are_priced() -> None:
    settings = Settings(optimizer=["openai:gpt-4o"])
    stages = make_estimate(replace(known(), settings=settings)).stages
    assert (stages["proposing"].low.calls, stages["proposing"].high.calls) == (1, 8)
    assert stages["reviewing"].high.calls == 8
    assert 0 < (stages["proposing"].low.usd or 0) < (stages["proposing"].high.usd or 0)


def test_tokens_of_the_optimizer_are_those_of_earlier_runs() -> None:
    spent = Spending(calls=4, usage=Usage(input_tokens=40_000, output_tokens=4_000))
    earlier = [Summary(stop="target", accepted=1, candidates=["c"], stages={"proposing": spent})]
    settings = Settings(optimizer=["anthropic:claude-sonnet-4-5"])
    stages = make_estimate(replace(known(), settings=settings, earlier=earlier)).stages
    assert stages["proposing"].low.tokens == 11_000


def test_a_limit_that_was_given_is_what_the_run_stops_at() -> None:
    said = table(known(), budget=Budget(Path("none"), max_calls=50, max_cost=0.5))
    assert "the run stops at --fapo-max-calls=50 and --fapo-budget=0.5" in said
    assert "Next" not in said


def total_calls(text: str) -> Sequence[int]:
    line = next(line for line in text.splitlines() if line.startswith("total"))
    return [int(number.replace(",", "")) for number in re.split(r" {3,}", line)[1].split(" to ")]


@pytest.mark.slow
def test_a_real_run_stays_within_the_estimate_which_sends_nothing(
    project: MakeProject, server: Server
) -> None:
    made = project({"pyproject.toml": PYPROJECT})
    before = made.snapshot()
    unknown = made.pytest("--fapo-estimate")
    assert (unknown.code, server.task_requests, server.optimizer_requests) == (0, [], [])
    assert "30 skipped" in unknown.text
    assert "no run is on record" in unknown.text
    made.pytest()
    asked = len(server.task_requests)
    told = made.pytest("--fapo-estimate", "--fapo-optimize", "-q")
    assert (told.code, len(server.task_requests), made.snapshot()) == (0, asked, before)
    low, high = total_calls(told.text)
    result = made.optimize()
    assert result.code == 0, result.text
    sent = len(server.task_requests) - asked + len(server.optimizer_requests) + len(server.review_requests)
    assert low <= sent <= high
    spent = next(line for line in result.text.splitlines() if line.startswith("By stage"))
    numbers = {name: int(calls) for name, calls in re.findall(r"([\w-]+) (\d+) call", spent)}
    assert numbers["proposing"] == len(server.optimizer_requests)
    assert numbers["reviewing"] == len(server.review_requests)
    assert sum(numbers.values()) == sent + len(server.reader_requests)
    assert {"candidates", "held-out"} <= numbers.keys()
