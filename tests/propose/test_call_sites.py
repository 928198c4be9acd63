"""A step that may not be edited is helped where it is called."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.operated import Operated

from pytest_fapo.core.case import Case
from pytest_fapo.propose.operators.project_functions import OperatorError
from pytest_fapo.propose.operators.step_operators import apply_operator

STORE = """
ASKED = []
NOTES = ["The Harbour is by Ada Lind", "Ada Lind comes from Bergen", "Porto lies far away"]


def retrieve(question, limit=1):
    ASKED.append(question)
    words = {word for word in question.lower().replace("?", "").split() if len(word) > 2}
    ranked = sorted(NOTES, key=lambda note: -len(words & set(note.lower().split())))
    return ranked[:limit]
"""
ANSWER = """
from PACKAGE.llm import complete
from PACKAGE.store import retrieve

LIMIT = 1


def answer(question: str) -> str:
    \"\"\"The answer.\"\"\"
    notes = retrieve(question, limit=LIMIT)
    return complete("Notes: " + " / ".join(notes) + " Question: " + question)
"""
ASYNC = """
from PACKAGE.store import retrieve


async def find(question, limit):
    return retrieve(question, limit)


class Desk:
    async def answer(self, question):
        return await self.found(question)

    async def found(self, question):
        notes = await find(question, 1)
        return notes
"""


def _searched(project: Operated) -> list[str]:
    """What was searched for in the last run."""
    asked: list[str] = sys.modules[f"{project.package}.store"].ASKED
    return asked


@pytest.mark.parametrize("by_model", [True, False])
def test_a_second_hop_around_a_search_that_may_not_be_edited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_model: bool
) -> None:
    project = Operated(tmp_path, monkeypatch, ANSWER, {"store.py": STORE})
    runs = [({"question": "Whose is the Harbour?", "limit": 1}, ["The Harbour is by Ada Lind"])]
    evidence = project.evidence("retrieve", runs, category="retrieval", asks=False)
    edits = apply_operator({"operator": "second-hop", "by_model": by_model}, evidence)
    assert edits[0].address == f"{project.package}/pipeline.py::answer"
    cases = [Case(id="c1", inputs={"question": "Who painted the Bay?"}, expected="x", split="train")]
    assert project.review(edits, cases).problems == []
    project.write(edits)
    asked: list[str] = []

    def model(prompt: str) -> str:
        asked.append(prompt)
        return "Where does Ada Lind comes from?" if "looked up next" in prompt else "Bergen"

    assert project.run(model, "answer", "Whose is the Harbour?") == "Bergen"
    if by_model:
        assert "Notes: The Harbour is by Ada Lind / Ada Lind comes from Bergen" in asked[-1]
    assert _searched(project) == [
        "Whose is the Harbour?",
        "Where does Ada Lind comes from?" if by_model else "Whose is the Harbour? The Harbour is by Ada Lind",
    ]
    text = project.read("pipeline.py")
    assert text.count('"""The answer."""') == 1
    assert "def retrieve_again(question, *, limit)" in text
    with pytest.raises(OperatorError, match="has second-hop already"):
        apply_operator({"operator": "second-hop"}, project.evidence("retrieve", runs, asks=False))


def test_an_awaited_call_of_a_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Operated(tmp_path, monkeypatch, ASYNC, {"store.py": STORE})
    runs = [({"question": "Whose is the Harbour?"}, ["The Harbour is by Ada Lind"])]
    whole = project.evidence("Desk.found", runs, category="retrieval", asks=False)
    kept = [each for each in whole.artifacts if each.name != "Desk.found"]
    evidence = whole.model_copy(update={"artifacts": kept})
    project.apply({"operator": "second-hop", "by_model": False}, evidence)
    project.run(str, "Desk.answer", "Whose is the Harbour?")
    assert _searched(project)[1:] == ["Whose is the Harbour? The Harbour is by Ada Lind"]


def test_nothing_calls_the_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Operated(tmp_path, monkeypatch, ANSWER, {"store.py": STORE})
    with pytest.raises(OperatorError, match="calls it"):
        apply_operator({"operator": "second-hop"}, project.evidence("rank", [({}, ["x"])], asks=False))
