"""Evaluations for the merge gate's judgement, in short: `{"t0": "++-"}` is a train case's three repeats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_fapo.core.case import Case
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.record import Split
from pytest_fapo.core.trace import Step, Trace

SPLITS: dict[str, Split] = {"t": "train", "v": "val", "h": "holdout"}
OUTCOMES = {"+": "passed", "-": "failed", "s": "skipped", "e": "error", "x": "xfailed"}


def evaluation(
    results: Mapping[str, str],
    *,
    pipeline: str = "answer",
    outputs: Mapping[str, Any] | None = None,
    scores: Mapping[str, float] | None = None,
    tags: Mapping[str, list[str]] | None = None,
    error_types: Mapping[str, str] | None = None,
    test: str = "test_a.py::test",
) -> Evaluation:
    """An evaluation with one test per case; `outputs` are what the step `look` of each case gave."""
    made = Evaluation()
    for name, marks in results.items():
        for repeat, mark in enumerate(marks, 1):
            nodeid = f"{test}[{name}]" if repeat == 1 else f"{test}[{name}~r{repeat}]"
            made.items[nodeid] = ItemResult.model_validate(
                {
                    "nodeid": nodeid,
                    "outcome": OUTCOMES[mark],
                    "case_id": name,
                    "pipeline": pipeline,
                    "split": SPLITS[name[0]],
                    "repeat": repeat,
                    "trace_id": nodeid,
                    "scores": {"brevity": scores[name]} if scores and name in scores else {},
                    "error_type": (error_types or {}).get(name, ""),
                    "explanation": "assert 1 == 2" if mark == "-" else "",
                }
            )
            output = (outputs or {}).get(name, "fine")
            made.cases[nodeid] = Case(
                id=name,
                inputs=name,
                split=SPLITS[name[0]],
                tags=(tags or {}).get(name, []),
                origin=f"cases.jsonl:{len(made.cases) + 1}",
            )
            made.traces[nodeid] = trace(pipeline, name, {"look": output})
    return made


def trace(pipeline: str, case_id: str, steps: Mapping[str, Any]) -> Trace:
    """A run whose outer step `handle` calls the others, one after the other."""
    last = list(steps.values())[-1]
    inner = [
        Step(name=name, index=number, parent=0, output=output)
        for number, (name, output) in enumerate(steps.items(), 1)
    ]
    outer = Step(name="handle", index=0, output={"answer": last})
    return Trace(pipeline=pipeline, case_id=case_id, output={"answer": last}, steps=[outer, *inner])


def many(letter: str, marks: str, count: int) -> dict[str, str]:
    """`count` cases with equal results."""
    return {f"{letter}{number:03}": marks for number in range(count)}
