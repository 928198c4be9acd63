"""Records as a run would hand them to the report, and ways to read what it wrote."""

from __future__ import annotations

import io
from typing import Any

from pytest_fapo.core.candidate import Attempt, Candidate, Edit, Review, ReviewProblem, SplitChange, Verdict
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.record import Split

CANDIDATE = Candidate(
    id="c3",
    edits=[Edit(address="app/prompts/triage.md", before="a", after="b")],
    hypothesis="The prompt never says what [red]billing[/red] means.",
    proposer="playbook",
    technique="label-definitions",
    step="triage",
    cluster="triage/label",
    targets=["t.py::test[a]", "t.py::test[b]"],
)


def attempt(*, accepted: bool = False, problems: tuple[ReviewProblem, ...] = (), **verdict: Any) -> Attempt:
    verdict.setdefault("reason", "")
    return Attempt(
        candidate=CANDIDATE,
        review=Review(problems=list(problems)),
        verdict=Verdict(accepted=accepted, **verdict),
    )


def accepted() -> Attempt:
    return attempt(
        accepted=True,
        splits={
            "train": SplitChange(before=0.61, after=0.88),
            "val": SplitChange(before=0.58, after=0.85),
            "holdout": SplitChange(before=0.5, after=0.9),
        },
        fixed=["t.py::test[a]", "t.py::test[v]"],
    )


def rejected() -> Attempt:
    return attempt(
        stage="val",
        reason="2 cases that passed before fail now",
        broken=["t.py::test[b]", "t.py::test[v]"],
        broken_hidden=1,
    )


def item(nodeid: str, split: Split | None = "train", *, passed: bool = True) -> ItemResult:
    return ItemResult(nodeid=nodeid, outcome="passed" if passed else "failed", split=split)


def evaluation(*, failing: int, passing: int) -> Evaluation:
    results = [item(f"t.py::test[{n}]", passed=n >= failing) for n in range(failing + passing)]
    return Evaluation(items={result.nodeid: result for result in results})


class Output(io.StringIO):
    """A text stream that claims an encoding and keeps to it."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a plain attribute in typeshed
        return self._encoding

    def write(self, text: str) -> int:
        text.encode(self._encoding)
        return super().write(text)

    @property
    def lines(self) -> list[str]:
        return self.getvalue().splitlines()
