"""Guarded metrics: those that `guarded` or `objective` names may not fall by more than they may."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from pytest_fapo.gate import GatePolicy
from pytest_fapo.gate.statistics import sign_flip_test
from pytest_fapo.merge_gate.pairs import Comparison, Pair
from pytest_fapo.merge_gate.policies import levels
from pytest_fapo.models import SPLITS, GateProblem

_EQUAL = 1e-6
"""Scores stand rounded in the baseline."""


def metric_problems(found: Comparison, policy: GatePolicy) -> list[GateProblem]:
    """Named metrics whose mean fell on a split; under `paired` only where chance does not explain it."""
    names = sorted({*policy.guarded, *([policy.objective] if policy.objective else [])})
    problems = []
    for pipeline in found.pipelines:
        for name in names:
            for split in SPLITS:
                pairs = [
                    pair for pair in found.pairs if (pair.pipeline, pair.unit.split) == (pipeline, split)
                ]
                differences = _differences(name, pairs)
                change = fmean(differences) if differences else 0.0
                allowed = policy.guarded.get(name, 0.0)
                if change >= -allowed - _EQUAL or _chance(differences, policy):
                    continue
                message = (
                    f"pipeline {pipeline!r}: the metric {name!r} fell by {-change:.3g} on {split} "
                    f"({allowed:g} allowed)"
                )
                problems.append(GateProblem(kind="metric", message=message))
    return problems


def _chance(differences: Sequence[float], policy: GatePolicy) -> bool:
    if policy.name != "paired":
        return False
    return sign_flip_test([-difference for difference in differences]) > levels(policy).any_loss


def _differences(name: str, pairs: Sequence[Pair]) -> list[float]:
    """After minus before per case; a case that has lost the metric counts as the worst that was seen."""
    before = {pair.unit.case: pair.case.scores[name] for pair in pairs if name in pair.case.scores}
    after: dict[str, list[float]] = {}
    for pair in pairs:
        values = [item.scores[name] for item in pair.group.items if name in item.scores]
        after.setdefault(pair.unit.case, []).extend(values)
    seen = [*before.values(), *(value for values in after.values() for value in values)]
    worst = min([0.0, *seen])
    return [(fmean(after[case]) if after[case] else worst) - value for case, value in before.items()]
