"""The labels of a step of its own (`expected_steps`), where the case's answer says nothing about the step."""

from __future__ import annotations

from typing import Any

from pytest_fapo.models import Artifact, Case, Evidence
from pytest_fapo.propose.playbook.view import View

_SHARE = 0.5
"""Of the cluster's cases at least this part must have the label."""


def view_of(evidence: Evidence, artifact: Artifact) -> View:
    """The evidence around one artifact; the step's own labels stand for the answers' where only they help."""
    view = View(evidence, artifact)
    step = evidence.cluster.step
    failing = [item.case for item in evidence.failing()]
    labelled = [case for case in failing if _label(case, step) is not None]
    if not labelled or len(labelled) < _SHARE * len(failing) or view.own_fields or evidence.cluster.field:
        return view
    cases = [
        item.model_copy(update={"case": item.case.model_copy(update={"expected": _label(item.case, step)})})
        for item in evidence.cases
    ]
    return View(evidence.model_copy(update={"cases": cases}), artifact)


def _label(case: Case, step: str) -> Any:
    """What the step should give; None where that is not known in full."""
    label = case.expected_steps.get(step, case.expected_steps.get(step.partition("#")[0]))
    if isinstance(label, list) and "#" in step:
        return None
    if isinstance(label, dict) and set(label) == {"any_of"}:
        options = label["any_of"]
        return options[0] if isinstance(options, list) and options else None
    return None if isinstance(label, dict) and set(label) == {"contains"} else label
