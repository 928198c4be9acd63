"""Runs a project's tests in a copy of the project, with or without a candidate's patch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_fapo.lazy import lazy_names

if TYPE_CHECKING:
    from pytest_fapo.evaluate.arguments import child_args
    from pytest_fapo.evaluate.intervene import run_interventions
    from pytest_fapo.evaluate.reproduce import Mismatch, reproduced
    from pytest_fapo.evaluate.request import Allotment, EvaluationRequest, Stage
    from pytest_fapo.evaluate.run import check_loaded, evaluate
    from pytest_fapo.evaluate.shadow import ShadowTree
    from pytest_fapo.evaluate.tree_state import TreeState

__all__ = [
    "Allotment",
    "EvaluationRequest",
    "Mismatch",
    "ShadowTree",
    "Stage",
    "TreeState",
    "check_loaded",
    "child_args",
    "evaluate",
    "reproduced",
    "run_interventions",
]

# Lazy: `pytest_fapo.evaluate.inside` is loaded in every process that the tests start.
__getattr__ = lazy_names(
    __name__,
    {
        "Allotment": "request",
        "EvaluationRequest": "request",
        "Mismatch": "reproduce",
        "ShadowTree": "shadow",
        "Stage": "request",
        "TreeState": "tree_state",
        "check_loaded": "run",
        "child_args": "arguments",
        "evaluate": "run",
        "reproduced": "reproduce",
        "run_interventions": "intervene",
    },
)
