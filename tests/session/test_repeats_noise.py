"""Repeats over a model whose answers vary: what a session and its diagnosis make of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from support.teams import ADDRESS, GOOD_PROMPT, Server, make_project, right_team, serving

CASES = """\
{"id": "a", "inputs": {"ticket": "my money is gone"}, "expected": {"team": "billing"}, "split": "train"}
{"id": "b", "inputs": {"ticket": "where is the parcel"}, "expected": {"team": "shipping"}, "split": "train"}
{"id": "c", "inputs": {"ticket": "wrong invoice"}, "expected": {"team": "billing"}, "split": "val"}
{"id": "d", "inputs": {"ticket": "hello"}, "expected": {"team": "other"}, "split": "holdout"}
"""


class Wavering:
    """Right about every ticket, but wrong the second time that it is asked about a parcel."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    def __call__(self, prompt: str) -> str:
        self.asked[prompt] += 1
        team = right_team(prompt.split("Reply with")[0])
        return "other" if team == "shipping" and self.asked[prompt] == 2 else team


@pytest.mark.slow
def test_chance_is_named_as_the_cause(tmp_path: Path) -> None:
    with serving(Server(task=Wavering())) as server:
        project = make_project(tmp_path, server, {ADDRESS: GOOD_PROMPT, "cases.jsonl": CASES})
        options = ["--fapo-repeats=3", "--fapo-concurrency=1"]
        result = project.pytest("--fapo-diagnose", *options)
        lines = result.text.splitlines()
        assert "fapo: passing: train 83 % of 6, val 100 % of 3, holdout 100 % of 3" in lines
        assert "fapo: varying between 3 runs: 1 of 4 tests" in lines
        assert "   example    test_teams.py::test_team[b~r2]" in lines
        words = "2 of 3 runs of this case pass: asked the same, sort gave 'other' here and 'shipping' there"
        assert words in " ".join(result.text.split())
        assert len(server.task_requests) == 12

        result = project.optimize("--fapo-level=prompt", "--fapo-write=never", *options)
        assert "unpatched copy: 13 tests" in result.text, (
            "its children run as many repeats, with these verdicts"
        )
        assert len(server.task_requests) == 12, "and they ask nothing again"
