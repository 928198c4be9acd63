"""Retrieval judged by overlap, where no label says what should have been found."""

from __future__ import annotations

import re
from typing import Any

from pytest_fapo.diagnose.failure import Failure, shown
from pytest_fapo.models import Finding
from pytest_fapo.percents import percent
from pytest_fapo.reading import StepView
from pytest_fapo.reading.values import whole_text

HIT, PARTIAL = 0.4, 0.2
"""Share of the question's words found in the passages (thresholds of the FAPO paper)."""
_NAMES = re.compile(r"retriev|search|lookup|look_up|fetch|passage|rank|recall|find_doc|knowledge", re.I)


def overlap(failure: Failure) -> Finding | None:
    """A retrieval step that found nothing, or passages that share few words with the question."""
    if failure.view is None:
        return None
    for step in failure.view.steps:
        if step.calls or not _retrieves(step):
            continue
        if not step.output:
            return failure.finding(
                "retrieval", step, f"{step.key} found nothing", confidence=0.7, level="param"
            )
        share = _share(whole_text(failure.case.inputs), whole_text(step.output))
        if share is not None and share < PARTIAL:
            return failure.finding(
                "retrieval",
                step,
                f"only {percent(share)} of the question's words occur in what {step.key} found: "
                f"{shown(whole_text(step.output), 80)}",
                confidence=0.45,
                level="param",
            )
    return None


def _retrieves(step: StepView) -> bool:
    output: Any = step.output
    return bool(_NAMES.search(step.name)) and (isinstance(output, list) or output in (None, "", {}))


def _share(question: str, passages: str) -> float | None:
    words = set(re.findall(r"[a-z]{4,}", question.lower()))
    if len(words) < 3:
        return None
    found = set(re.findall(r"[a-z]{4,}", passages.lower()))
    return len(words & found) / len(words)
