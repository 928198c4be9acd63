"""Partial credit orders edits where no case passes yet, and rejected edits are tried together."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from support.teams import SIDE_BY_SIDE, Server, make_project, proposal, right_team, serving, teams_cases

from pytest_fapo.core.candidate import Attempt, Candidate, Edit, Review, Verdict
from pytest_fapo.core.case import Case
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.record import Outcome
from pytest_fapo.core.trace import Trace
from pytest_fapo.loop.candidate_merge import rejected_together
from pytest_fapo.loop.partial_credit import gained_credit, nearness


@pytest.mark.parametrize(
    ("expected", "worse", "better"),
    [
        ("refund", "I cannot say.", "This is a refund, I think."),
        ("the box came late", "I like dogs", "a box was late"),
        ({"team": "a", "tone": "calm"}, {"team": "b", "tone": "angry"}, {"team": "a", "tone": "angry"}),
        ({"team": "a", "tone": "calm"}, "team is a", 'Sure! ```json\n{"team": "a", "tone": "calm"}\n```'),
        ({"team": "a"}, '{"team": "b"}', '{"team": "a"}'),
        (["x", "y", "z"], ["x"], ["y", "x"]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 0, "c": 0}}, {"a": {"b": 1, "c": 0}}),
    ],
)
def test_what_has_more_of_the_label_is_nearer(expected: Any, worse: Any, better: Any) -> None:
    assert 0 <= nearness(expected, worse) < nearness(expected, better) < 1


def test_nothing_is_near_to_nothing() -> None:
    assert nearness(None, "x") == nearness("x", None) == nearness({"a": 1}, "") == 0


def _evaluation(outputs: dict[str, str], *, passed: frozenset[str] = frozenset()) -> Evaluation:
    items, traces, cases = {}, {}, {}
    for name, output in outputs.items():
        outcome: Outcome = "passed" if name in passed else "failed"
        items[name] = ItemResult(nodeid=name, outcome=outcome, case_id=name, split="train", trace_id=name)
        traces[name] = Trace(pipeline="p", case_id=name, output=output)
        cases[name] = Case(id=name, inputs={}, expected="refund", split="train")
    return Evaluation(items=items, traces=traces, cases=cases)


def _candidate(number: int, step: str, text: str, **more: Any) -> Candidate:
    edit = Edit(address=f"{step}.md", before="a\n", after=text)
    values = {"id": f"c{number}", "hypothesis": "", "proposer": "playbook", "technique": "rule", "step": step}
    return Candidate.model_validate({**values, "edits": [edit], "targets": ["t1", "t2"], **more})


def test_the_gain_is_that_of_the_targets_alone() -> None:
    before = _evaluation({"t1": "x", "t2": "y", "other": "z"})
    after = _evaluation({"t1": "a refund", "t2": "y", "other": "refund"}, passed=frozenset({"other"}))
    candidate = _candidate(1, "sort", "b")
    assert gained_credit(candidate, before, after) == 0.25
    assert gained_credit(candidate, before, before) == 0
    assert gained_credit(candidate, before, _evaluation({"other": "x"})) is None


def _attempt(candidate: Candidate, credit: float | None, **more: Any) -> Attempt:
    verdict = Verdict(accepted=False, reason="", stage="targeted", credit=credit).model_copy(update=more)
    return Attempt(candidate=candidate, review=Review(), verdict=verdict)


def test_the_nearest_edit_of_each_step_goes_into_one_candidate() -> None:
    attempts = [
        _attempt(_candidate(1, "sort", "far"), 0.0),
        _attempt(_candidate(2, "sort", "near"), 0.3),
        _attempt(_candidate(3, "tone", "only"), 0.0),
        _attempt(_candidate(4, "tone", "blocked"), None, stage="review"),
        _attempt(_candidate(5, "tone", "harmful"), 0.9, broken=["t9"]),
        _attempt(_candidate(6, "tone", "elsewhere", parent="c9"), 0.9),
        _attempt(_candidate(7, "tone", "dearer", level="param"), 0.9),
    ]
    together = rejected_together(attempts, "", "prompt")
    assert together is not None
    assert [edit.after for edit in together.edits] == ["near", "only"]
    assert together.merges == ["c2", "c3"]
    assert rejected_together(attempts[:2], "", "prompt") is None


APP = """
import os
from pathlib import Path
import httpx

PROMPTS = Path(__file__).parent / "prompts"
client = httpx.Client(base_url=os.environ["OPENAI_BASE_URL"], timeout=60)

def ask(name, ticket):
    prompt = (PROMPTS / f"{name}.md").read_text().format(ticket=ticket)
    message = {"role": "user", "content": prompt}
    answer = client.post("/chat/completions", json={"model": "task", "messages": [message]})
    return answer.raise_for_status().json()["choices"][0]["message"]["content"]

def handle(ticket):
    return ask("form", ask("sort", ticket))
"""
TEST = """
import pytest_fapo as fapo

@fapo.cases("cases.jsonl")
def test_team(case, run):
    assert run.output == case.expected["team"]
"""


def _two_in_a_row(prompt: str) -> str:
    """The first names a team only where it is told to; the second copies it only where it is told to."""
    if "CASE" in prompt:
        return right_team(prompt) if "one team" in prompt else "somebody"
    said = re.search(r"NAME: (.*)", prompt)
    word = said[1] if said else ""
    return word if "alone" in prompt else f"The team may be {word.title()}."


@pytest.mark.slow
def test_two_edits_that_only_help_together_are_found(tmp_path: Path) -> None:
    texts = {
        "app/prompts/sort.md": ("CASE: {ticket}\nWho?\n", "CASE: {ticket}\nName one team.\n"),
        "app/prompts/form.md": ("NAME: {ticket}\nSay it.\n", "NAME: {ticket}\nSay the name alone.\n"),
    }
    given = [proposal(new, address) for address, (_, new) in texts.items()]
    nothing = {"hypothesis": "no more ideas", "edits": []}
    files = {
        "app/pipeline.py": APP,
        "test_teams.py": TEST,
        "cases.jsonl": "\n".join(map(json.dumps, teams_cases(20))),
        "pyproject.toml": SIDE_BY_SIDE,
        **{address: old for address, (old, _) in texts.items()},
    }
    (tmp_path / "project").mkdir()
    with serving(
        Server(task=_two_in_a_row, optimizer=lambda _: given.pop(0) if given else nothing)
    ) as server:
        project = make_project(tmp_path / "project", server, files)
        result = project.optimize()
    assert "merge of c1 and c2" in result.text, result.text
    assert result.code == 0, result.text
    for address, (_, new) in texts.items():
        assert (project.root / address).read_text(encoding="utf-8") == new
