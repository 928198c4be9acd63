"""Operators' code passes the independent review, sync and async."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.operated import Operated, made_async

from pytest_fapo.core.case import Case
from pytest_fapo.propose.operators.step_operators import OPERATORS, apply_operator

SOURCE = """
import json

from PACKAGE.llm import complete
from PACKAGE.prompts import load

NOTES = ["one", "two"]


def sort(message: str) -> str:
    return complete(load("sort").format(message=message))


def extract(message):
    return json.loads(complete("Extract: " + message))


def search(message: str, section: str | None = None) -> list[str]:
    return [note for note in NOTES if note in message]


def reply(message):
    return complete(message)


def stock(article: str) -> str:
    return article
"""
TEAMS = ["billing", "shipping", "other"]
OUTPUTS: dict[str, Any] = {"sort": "billing", "extract": {"team": "x"}, "search": ["one"], "reply": "hello"}
APPLIED: list[tuple[str, dict[str, Any]]] = [
    ("sort", {"operator": "retry-on-invalid", "choices": TEAMS, "hint": "Answer with one word."}),
    ("extract", {"operator": "retry-on-invalid", "json_fields": ["team"]}),
    ("sort", {"operator": "verify-and-revise", "checks": ["It is one of billing, shipping or other."]}),
    ("extract", {"operator": "verify-and-revise"}),
    ("search", {"operator": "second-hop"}),
    ("search", {"operator": "second-hop", "by_model": False}),
]
CASES = [
    Case(
        id=f"c{number}",
        inputs={"message": f"where is my parcel {number}"},
        expected={"team": team},
        split=split,
    )
    for number, team in enumerate(TEAMS * 4)
    for split in (("train", "val", "holdout")[number % 3],)
]


@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
@pytest.mark.parametrize(("step", "operator"), APPLIED, ids=lambda value: str(value)[:60])
def test_what_an_operator_writes_passes_the_review(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, operator: dict[str, Any], sync: bool
) -> None:
    source = SOURCE if sync else made_async(SOURCE, "sort", "extract", "search", "reply")
    project = Operated(tmp_path, monkeypatch, source, {"prompts/sort.md": "Sort: {message}"})
    creatable = project.store.creatable()
    evidence = project.evidence(step, [({"message": "a message"}, OUTPUTS[step])], creatable=creatable)
    edits = apply_operator(operator, evidence)
    result = project.review(edits, CASES)
    assert [(problem.check, problem.message) for problem in result.problems] == []
    assert len(edits) == (2 if any(edit.before == "" for edit in edits) else 1)
    project.write(edits)
    for edit in edits:
        assert (tmp_path / edit.address.partition("::")[0]).is_file()


def test_all_operators_are_reviewed() -> None:
    elsewhere = {"demonstrations-as-turns"}  # in tests/propose/test_turn_demonstrations.py
    assert {operator["operator"] for _, operator in APPLIED} == set(OPERATORS) - elsewhere
