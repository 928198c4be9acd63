"""`run.score`, `run.judge` and the costs of a run, as a session records and prints them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_fapo.session.run_fixture import read_score

PROJECT = """
import itertools
import httpx, pytest
import pytest_fapo as fapo

@pytest.fixture
def pipeline():
    return lambda text: ask("task", text)

def ask(model, text):
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    answer = httpx.Client().post("http://model.invalid/v1/chat/completions", json=body)
    return answer.json()["choices"][0]["message"]["content"]

@fapo.cases([{"id": name, "inputs": name} for name in ("one", "two")], split="train")
def test_it(case, run):
    said = run.judge("fair", lambda: (float(ask("judge", f"grade {run.output}")), "rather curt"))
    run.score("length", len(run.output))
    assert said > 0

_numbers = itertools.count()

def reply(request):
    return f"0.{2 + 2 * (next(_numbers) % 3)}" if request.model == "judge" else request.text
"""
SETTINGS = """
[tool.pytest.ini_options]
pythonpath = ["."]
[tool.fapo]
judge_repeats = 3
objective = ["fair", "tokens"]
lower_is_better = ["length"]
[tool.fapo.offline]
model = "test_it:reply"
unless_env = []
"""


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("-n", "2")])
def test_a_judge_is_asked_several_times_and_kept_apart(
    pytester: pytest.Pytester, options: tuple[str, ...]
) -> None:
    Path(pytester.path, "test_it.py").write_text(PROJECT)
    pytester.makepyprojecttoml(SETTINGS)
    pytester.makeconftest(
        """
        import json
        def pytest_fapo_item(record):
            with open("items.jsonl", "a") as file:
                file.write(json.dumps(record["item"]) + chr(10))
        """
    )
    result = pytester.runpytest_subprocess("-q", *options)
    result.assert_outcomes(passed=2)
    out = result.stdout.str()
    assert "fapo: 8 calls (6 judge calls), 0 from the cache" in out
    noise = "fapo: fair: train 0.4 (its judge, asked 3 times, varies over 2 of 2 outputs, one answer by ±0.2)"
    assert noise in out.splitlines() or options  # each worker counts its own answers
    assert "fapo: length: train 3" in out.splitlines()
    assert any(line.startswith("fapo: tokens: train ") for line in out.splitlines())
    items = [json.loads(line) for line in Path(pytester.path, "items.jsonl").read_text().splitlines()]
    (item,) = [each for each in items if "one" in each["nodeid"]][:1]
    assert len(item["judge_scores"]["fair"]) == 3
    assert item["feedback"] == ["fair: rather curt"]
    assert sorted(item["lower_is_better"]) == ["length", "tokens"]
    again = pytester.runpytest_subprocess("-q", "--fapo-cache=only")
    assert "fapo: 0 calls, 8 from the cache (6 judge calls)" in again.stdout.str()
    assert "fapo: fair: train 0.4 (its judge" in again.stdout.str()


class Scored:
    """As the metrics of libraries give it."""

    def __init__(self, score: Any, reason: Any = None, metadata: Any = None) -> None:
        self.score, self.reason, self.metadata = score, reason, metadata


class Number:
    """As ragas gives it: it can be converted, and has no `score`."""

    reason = "half of it"

    def __float__(self) -> float:
        return 0.5


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (1, (1.0, "")),
        (True, (1.0, "")),
        ((0.5, "why"), (0.5, "why")),
        (Scored(0.25, "vague"), (0.25, "vague")),
        (Scored(0.25), (0.25, "")),
        (Scored(0.25, metadata={"choice": "D", "rationale": "they differ"}), (0.25, "they differ")),
        (Number(), (0.5, "half of it")),
    ],
)
def test_scores_in_every_form(value: Any, read: tuple[float, str]) -> None:
    assert read_score(value, "run.score('x', ...)") == read


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), "good", Scored(None), (None, "why")])
def test_what_is_no_score_is_named(value: Any) -> None:
    with pytest.raises(ValueError, match=r"run\.score\('x', \.\.\.\): expected a (finite )?number, got "):
        read_score(value, "run.score('x', ...)")
