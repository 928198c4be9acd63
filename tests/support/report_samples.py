"""Records as a run would hand them to the report, and ways to read what it wrote."""

from __future__ import annotations

import io
from typing import Any

from pytest_fapo.core.candidate import Attempt, Candidate, Edit, Review, ReviewProblem, SplitChange, Verdict
from pytest_fapo.core.diagnosis import Cluster, Finding
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.record import Split
from pytest_fapo.core.spending import Spending
from pytest_fapo.core.trace import Usage
from pytest_fapo.loop.run_summary import SplitResult, Summary

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


def finding(number: int, **changes: Any) -> Finding:
    values: dict[str, Any] = {
        "nodeid": f"tests/test_desk.py::test_team[t-{number:03}]",
        "case_id": f"t-{number:03}",
        "pipeline": "pipeline",
        "step": "triage",
        "category": "label",
        "level": "prompt",
        "confidence": 0.9,
        "evidence": "triage answered 'billing' where 'refund' was expected",
        "explanation": "assert 'billing' == 'refund'\n  \n  - refund\n  + billing",
    }
    return Finding(**{**values, **changes})


def cluster(**changes: Any) -> Cluster:
    values: dict[str, Any] = {
        "id": "k1",
        "label": "triage: 'billing' given for 'refund'",
        "pipeline": "pipeline",
        "step": "triage",
        "category": "label",
        "level": "prompt",
        "confidence": 0.9,
        "findings": [finding(number) for number in range(14)],
        "suggested_fix": "Define when a ticket is a refund, in contrast to billing.",
        "ceiling": 0.77,
        "artifacts": ["app/prompts/triage.md"],
    }
    return Cluster(**{**values, **changes})


def evaluation(*, failing: int, passing: int) -> Evaluation:
    results = [item(f"t.py::test[{n}]", passed=n >= failing) for n in range(failing + passing)]
    return Evaluation(items={result.nodeid: result for result in results})


def summary(**changes: Any) -> Summary:
    values: dict[str, Any] = {
        "stop": "nothing-left",
        "tests": 150,
        "failing": 3,
        "splits": [
            SplitResult(split="train", tests=90, before=0.61, after=0.98, fixed=33),
            SplitResult(split="holdout", tests=30, before=0.55, after=0.93, fixed=11),
        ],
        "fixed": 44,
        "writing": "written",
        "files": ["app/prompts/triage.md", "app/texts.py"],
        "artifacts": ["app/prompts/triage.md", "app/texts.py::FINAL_PROMPT"],
        "accepted": 3,
        "rejected": 5,
        "spending": Spending(
            calls=212, cache_hits=1034, cost=0.42, usage=Usage(input_tokens=120_304, output_tokens=20_113)
        ),
        "duration": 43.0,
        "run_directory": ".fapo/runs/1",
        "holdout_looks": 2,
    }
    return Summary(**{**values, **changes})


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
