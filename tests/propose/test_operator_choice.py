"""Structure: the operators that the playbook chooses, by what fails and how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.operated import Operated

from pytest_fapo.core.candidate import Candidate
from pytest_fapo.core.case import Case
from pytest_fapo.core.diagnosis import Cluster, Finding
from pytest_fapo.core.evidence import Evidence, EvidenceCase
from pytest_fapo.core.record import Category
from pytest_fapo.core.trace import LLMCall, Step, Trace
from pytest_fapo.propose.playbook.playbook import Playbook

TEAMS = ("refund", "delivery", "other")
SORT = """
from PACKAGE.llm import complete


def sort(message):
    return complete("Sort: " + message)
"""
SEARCH = """
from PACKAGE.llm import complete

NOTES = ["the harbour is by ada lind", "ada lind comes from bergen"]


def search(question, section=None):
    words = set(question.lower().split()) - {"is", "from"}
    return [note for note in NOTES if words & set(note.split())][:1] if section != "none" else []


def answer(question):
    return complete(question)
"""
FETCH = """
def fetch(mail):
    return mail
"""


class Room:
    """Evidence of one step's runs, and the candidates for it."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch, source: str) -> None:
        self.project = Operated(root, patch, source)

    def evidence(self, step: str, category: Category, rows: list[dict[str, Any]]) -> Evidence:
        """Rows give `inputs`, `answer`, `output`, `expected`, `passed`, `error`."""
        cases, findings = [], []
        for number, row in enumerate(rows, start=1):
            nodeid, passed = f"t.py::test_it[c{number}]", row.get("passed", False)
            calls = [self._call(row)] if "answer" in row else []
            made = Step(
                name=step,
                index=0,
                inputs=row["inputs"],
                output=row.get("output", row.get("answer")),
                error=row.get("error"),
                llm_calls=[0] if calls else [],
            )
            trace = Trace(
                pipeline="p", case_id=f"c{number}", output=made.output, steps=[made], llm_calls=calls
            )
            case = Case(id=f"c{number}", inputs=row["inputs"], expected=row.get("expected"), split="train")
            cases.append(EvidenceCase(case=case, nodeid=nodeid, passed=passed, trace=trace, explanation=""))
            if not passed:
                findings.append(
                    Finding(
                        nodeid=nodeid,
                        case_id=case.id,
                        pipeline="p",
                        step=step,
                        category=category,
                        level="structure",
                        confidence=0.9,
                        evidence="",
                    )
                )
        cluster = Cluster(
            id="k1",
            label="",
            pipeline="p",
            step=step,
            category=category,
            level="structure",
            confidence=0.9,
            findings=findings,
        )
        base = self.project.evidence(step)
        return base.model_copy(update={"cluster": cluster, "cases": cases})

    def _call(self, row: dict[str, Any]) -> LLMCall:
        messages: Any = [{"role": "user", "content": str(row["inputs"])}]
        return LLMCall(
            key="k",
            api="chat.completions",
            url="http://x",
            messages=messages,
            answer=row["answer"],
        )


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda source: Room(tmp_path, monkeypatch, source)


def _candidates(evidence: Evidence) -> list[Candidate]:
    found = list(Playbook().propose(evidence))
    assert all(candidate.level == "structure" and candidate.targets for candidate in found)
    return found


def _sorted(count: int = 9, **more: Any) -> list[dict[str, Any]]:
    rows = []
    for number in range(count):
        team = TEAMS[number % 3]
        passed = number >= 4
        answer = team if passed else f"I would say it is for {team.title()}!"
        rows.append(
            {
                "inputs": {"message": f"message {number}"},
                "expected": team,
                "answer": answer,
                "passed": passed,
                **more,
            }
        )
    return rows


def _searched(found: list[Any], **more: Any) -> list[dict[str, Any]]:
    return [{"inputs": {"question": f"whose town {n}", **more}, "output": found} for n in range(3)]


def test_what_is_not_found_is_looked_for_in_a_second_hop(room: Any) -> None:
    made = room(SEARCH)
    found = _candidates(made.evidence("search", "retrieval", _searched(["a note"])))
    assert [each.technique for each in found] == ["second-hop", "second-hop"]
    made.project.write(found[0].edits)
    assert (
        made.project.run(lambda _: "lind comes bergen", "search", "the harbour")
        == ["the harbour is by ada lind"]
        or made.project.asked
    )


def test_a_failure_told_in_words_is_tried_again(room: Any) -> None:
    made = room(FETCH)
    rows: list[dict[str, Any]] = [
        {"inputs": {"mail": f"m{n}"}, "output": "Error: timed out"} for n in range(3)
    ]
    rows += [{"inputs": {"mail": "m"}, "output": "12", "passed": True}]
    found = _candidates(made.evidence("fetch", "tool", rows))
    assert found[0].technique == "retry-on-invalid"
    assert 'startswith(("Error",))' in found[0].edits[0].after


@pytest.mark.parametrize(
    ("category", "technique"),
    [
        ("content", "verify-and-revise"),
        ("empty", "retry-on-invalid"),
        ("refusal", "retry-on-invalid"),
        ("requirement", "verify-and-revise"),
        ("truncated", "retry-on-invalid"),
    ],
)
def test_the_likeliest_operator_comes_first(room: Any, category: Category, technique: str) -> None:
    rows = [
        {
            "inputs": {"message": f"m {n}"},
            "expected": {"text": f"w{n}"},
            "answer": "something else",
        }
        for n in range(4)
    ]
    found = _candidates(room(SORT).evidence("sort", category, rows))
    assert found[0].technique == technique
    assert len({each.digest for each in found}) == len(found)


def test_a_step_without_an_editable_function_gets_nothing(room: Any) -> None:
    assert _candidates(room(SORT).evidence("elsewhere", "content", _sorted())) == []
