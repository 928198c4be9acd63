"""A small evidence to propose on: a triage step that confuses two queues."""

from __future__ import annotations

from pytest_fapo.core.candidate import (
    Artifact,
    Attempt,
    Candidate,
    Edit,
    Review,
    ReviewProblem,
    SplitChange,
    Verdict,
)
from pytest_fapo.core.case import Case
from pytest_fapo.core.diagnosis import Cluster, Finding
from pytest_fapo.core.evidence import Evidence, EvidenceCase
from pytest_fapo.core.record import Split
from pytest_fapo.core.trace import LLMCall, Step, Trace

TRIAGE = "prompts/triage.md"
TRIAGE_TEXT = "Sort the message into a queue.\n\nMessage: {message}\n"


def a_trace(message: str, queue: str) -> Trace:
    call = LLMCall(
        key="k", api="chat.completions", url="http://x", answer=f"Queue: {queue}", finish_reason="stop"
    )
    step = Step(name="triage", index=0, inputs={"message": message}, output={"queue": queue}, llm_calls=[0])
    return Trace(
        pipeline="desk", case_id="", inputs={"message": message}, output=queue, steps=[step], llm_calls=[call]
    )


def an_item(
    number: int, *, expected: str, actual: str, split: Split = "train", message: str = "", test: str = "queue"
) -> EvidenceCase:
    message = message or f"message number {number}"
    case = Case(id=f"case-{number}", inputs={"message": message}, expected={"queue": expected}, split=split)
    passed = expected == actual
    return EvidenceCase(
        case=case,
        nodeid=f"tests/test_desk.py::test_{test}[case-{number}]",
        passed=passed,
        explanation="" if passed else f"assert {actual!r} == {expected!r}",
        trace=a_trace(message, actual),
    )


def a_finding(item: EvidenceCase, actual: str) -> Finding:
    expected = item.case.expected["queue"] if isinstance(item.case.expected, dict) else None
    return Finding(
        nodeid=item.nodeid,
        case_id=item.case.id,
        pipeline="desk",
        step="triage",
        category="label",
        level="prompt",
        confidence=0.9,
        evidence="triage gave another label than expected",
        expected=expected,
        actual=actual,
        field="queue",
    )


def an_evidence(items: list[tuple[EvidenceCase, str]] | None = None, **more: object) -> Evidence:
    """Evidence over items given with what the step answered; by default two failing and two passing."""
    pairs = items or [
        (an_item(1, expected="refund", actual="billing"), "billing"),
        (an_item(2, expected="refund", actual="billing"), "billing"),
        (an_item(3, expected="refund", actual="refund"), "refund"),
        (an_item(4, expected="billing", actual="billing"), "billing"),
    ]
    cluster = Cluster(
        id="k1",
        label="triage: refund taken for billing",
        pipeline="desk",
        step="triage",
        category="label",
        level="prompt",
        field="queue",
        confidence=0.9,
        findings=[a_finding(item, actual) for item, actual in pairs if not item.passed],
        suggested_fix="say what tells refund from billing",
        artifacts=[TRIAGE],
    )
    artifacts = [
        Artifact(
            address="app.py::DRAFT", kind="constant", level="prompt", path="app.py", text="Draft a reply."
        ),
        Artifact(address=TRIAGE, kind="file", level="prompt", path=TRIAGE, text=TRIAGE_TEXT),
    ]
    fields: dict[str, object] = {
        "cluster": cluster,
        "cases": [item for item, _ in pairs],
        "artifacts": artifacts,
        "parent": "c0",
    }
    return Evidence.model_validate({**fields, **more})


def an_attempt(after: str, *, reason: str = "nothing changed", blocked: str = "", **more: object) -> Attempt:
    """A rejected edit of the triage prompt."""
    candidate = Candidate(
        id="c1",
        parent="c0",
        edits=[Edit(address=TRIAGE, before=TRIAGE_TEXT, after=after)],
        hypothesis="The queues are not defined.",
        proposer="playbook",
        technique="define-labels",
    )
    problems = [ReviewProblem(check="leakage", message=blocked)] if blocked else []
    verdict: dict[str, object] = {
        "accepted": False,
        "reason": reason,
        "splits": {"train": SplitChange(before=0.5, after=0.5)},
    }
    return Attempt(
        candidate=candidate,
        review=Review(problems=problems),
        verdict=Verdict.model_validate({**verdict, **more}),
    )
