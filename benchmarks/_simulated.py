"""Runs of a suite whose model is wrong now and then, without running any: cases, noise, a true drop."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.gate_result import GateResult
from pytest_fapo.core.record import Split
from pytest_fapo.verdict.baseline_contents import make_baseline
from pytest_fapo.verdict.merge_gate import judge_merge
from pytest_fapo.verdict.policy import GatePolicy

_SPLITS: tuple[Split, ...] = ("train", "val", "train", "holdout")
ABLE = 0.85
"""Share of the cases that the pipeline can do; the others fail whatever the model says."""


@dataclass(frozen=True)
class Suite:
    """A pipeline, its cases (half of them train), and how often each is run.

    Args:
        baseline: runs of each case when the baseline was recorded, as of `--fapo-repeats`.
        gate: runs of each case when the gate is asked.
        noise: share of the runs that go wrong by chance.
    """

    baseline: int
    gate: int
    cases: int = 200
    noise: float = 0.05

    def run(self, draw: random.Random, repeats: int, *, drop: float = 0.0) -> Evaluation:
        """A pytest run, `drop` (a share of all cases) of those that can be done being done no more."""
        able = round(self.cases * ABLE)
        lost = set(draw.sample(range(able), round(self.cases * drop)))
        items = (
            _item(number, repeat, number < able and number not in lost and draw.random() >= self.noise)
            for number in range(self.cases)
            for repeat in range(1, repeats + 1)
        )
        return Evaluation.model_construct(items={item.nodeid: item for item in items})


def _item(number: int, repeat: int, passed: bool) -> ItemResult:
    name = f"S-{number}" if repeat == 1 else f"S-{number}~r{repeat}"
    return _ITEM.model_copy(
        update={
            "nodeid": f"test_it.py::test_it[{name}]",
            "outcome": "passed" if passed else "failed",
            "case_id": f"S-{number}",
            "split": _SPLITS[number % 4],
            "repeat": repeat,
        }
    )


_ITEM = ItemResult.model_construct(
    nodeid="",
    outcome="passed",
    case_id="",
    pipeline="pipeline",
    split=None,
    test="test_it.py::test_it",
    repeat=1,
)
"""Copied, since pydantic looks at each default again where it constructs."""


def verdicts(suite: Suite, policy: GatePolicy, runs: int, *, drop: float = 0.0) -> Iterator[GateResult]:
    """The gate's answers, each to a baseline and a later run of its own; the same in every invocation."""
    for number in range(runs):
        draw = random.Random(f"{suite}{drop}{number}")
        baseline = make_baseline(suite.run(draw, suite.baseline), artifacts={})
        yield judge_merge(suite.run(draw, suite.gate, drop=drop), baseline, policy=policy)
