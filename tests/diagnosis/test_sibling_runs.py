"""Cases whose steps are labeled tell of failing cases that look the same and have no labels of steps."""

from __future__ import annotations

import pytest
from support.handmade import Bench, span, unequal

from pytest_fapo.core.diagnosis import Finding
from pytest_fapo.diagnosis.attribution import diagnose


def tickets(labels: list[str]) -> list[Finding]:
    """Half of the guests are children, which `read` misses; some of these have a label of that step.

    Args:
        labels: what `read` should have said, of as many of the failing cases.
    """
    bench = Bench()
    for number in range(16):
        child = number % 2 == 1
        steps = {"read": labels[number // 2]} if child and number // 2 < len(labels) else {}
        said, right = f"Guest {number} looks grown up.", "free" if child else "pays"
        spans = [
            span("read", prompt=f"read {number}", answer=said, inputs=[number]),
            span("charge", prompt=f"charge: {said}", answer="pays", inputs=[said]),
        ]
        words = unequal("pays", right) if child else ""
        bench.run({"n": number}, right, spans, "pays", explanation=words, expected_steps=steps)
    return diagnose(bench.evaluation, artifacts=[]).findings


@pytest.mark.parametrize(
    ("labels", "step", "sure"),
    [
        ([], "charge", 0.7),
        (["child"], "read", 0.67),
        (["child"] * 3, "read", 0.8),
        (["child", *(f"Guest {number} looks grown up." for number in (3, 5, 7))], "charge", 0.7),
    ],
)
def test_cases_without_labels_are_laid_where_those_with_labels_are_wrong(
    labels: list[str], step: str, sure: float
) -> None:
    others = tickets(labels)[len(labels) :]
    assert {(each.step, each.confidence) for each in others} == {(step, sure)}
    assert all(("as in case" in each.evidence) == (step == "read") for each in others)
