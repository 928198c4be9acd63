"""Evaluations in short: `{"t0": "--", "v0": "++"}`: a train case that fails twice, a val case that passes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from pytest_fapo.core.candidate import Candidate
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.record import Split
from pytest_fapo.core.trace import LLMCall, Trace
from pytest_fapo.verdict.policy import GatePolicy

SPLITS: dict[str, Split | None] = {"t": "train", "v": "val", "h": "holdout", "u": None}
PAIRED = GatePolicy(name="paired")
CALL = LLMCall(key="k", api="chat.completions", url="http://x")


def evaluation(
    results: Mapping[str, str], scores: Mapping[str, Mapping[str, float]] | None = None
) -> Evaluation:
    """Unit to the results of its repeats, `+` passed, `-` failed; t… train, v… val, h… holdout, u… none."""
    found = [
        result(name, repeat, mark, tuple((scores or {}).get(name, {}).items()))
        for name, marks in results.items()
        for repeat, mark in enumerate(marks, start=1)
    ]
    return Evaluation.model_construct(
        items={item.nodeid: item for item, _ in found},
        traces={item.nodeid: trace for item, trace in found},
    )


@cache
def result(
    name: str, repeat: int, mark: str, scores: tuple[tuple[str, float], ...]
) -> tuple[ItemResult, Trace]:
    """One item and its trace; equal ones are the same, since the simulations need very many."""
    nodeid = f"test[{name}]" if repeat == 1 else f"test[{name}~r{repeat}]"
    item = ItemResult.model_construct(
        nodeid=nodeid,
        outcome="passed" if mark == "+" else "failed",
        split=SPLITS[name[0]],
        case_id=name if SPLITS[name[0]] else None,
        repeat=repeat,
        scores=dict(scores),
        trace_id=nodeid,
    )
    return item, Trace.model_construct(pipeline="p", case_id=name, llm_calls=[CALL])


def candidate(*names: str) -> Candidate:
    """One that targets these cases."""
    targets = [f"test[{name}]" for name in names]
    return Candidate(edits=[], hypothesis="", proposer="playbook", technique="x", targets=targets)


def cases(letter: str, marks: str) -> dict[str, str]:
    """One mark per case: `v0`, `v1` …"""
    return {f"{letter}{number}": mark for number, mark in enumerate(marks)}


def graded(**means: float) -> dict[str, dict[str, float]]:
    """The score that each case has in the metric `brevity`."""
    return {name: {"brevity": value} for name, value in means.items()}
