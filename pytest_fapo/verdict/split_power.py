"""How likely a gate is to see a fall, given how many cases a split has."""

from __future__ import annotations

from collections.abc import Callable
from math import comb

from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.record import Split
from pytest_fapo.verdict.comparison import Comparison, Unit
from pytest_fapo.verdict.policies import fall, rules_of
from pytest_fapo.verdict.policy import GatePolicy


def chance_seen(policy: GatePolicy, split: Split, cases: int, *, before: float, after: float) -> float:
    """Return the probability that a split rejects a candidate that makes its score fall.

    Every case that passed breaks with the same chance, and none is fixed. A graded objective is left out.

    Args:
        policy: its own rules decide.
        split: `val` or `holdout`.
        cases: of the split.
        before: share of its cases that pass.
        after: the share that would pass in the long run.
    """
    if policy.name == "target":
        floor = min(before, policy.target if policy.target is not None else 1.0)
        return _tail(cases, before, after, lambda lost: _passing(cases, before) - lost < floor * cases - 1e-9)
    rules = rules_of(policy)

    def seen(lost: int) -> bool:
        units = _units(split, cases, before, lost)
        return bool(rules.loss(Comparison(Evaluation(), Evaluation(), units), split))

    return _tail(cases, before, after, seen)


def chance_merge_fails(policy: GatePolicy, cases: int, *, before: float, after: float) -> float:
    """Return the probability that `--fapo-gate` fails where a pipeline's score over all cases falls so far.

    Args:
        policy: its own rules decide; `strict` and `target` decide as for a candidate.
        cases: of all splits.
        before: share of the cases that passed in the baseline.
        after: the share that would pass in the long run.
    """
    if policy.name != "paired":
        return chance_seen(policy, "val", cases, before=before, after=after)
    rules = rules_of(policy)
    if fall(_units("val", cases, before, 0), policy).hopeless:
        return 0.0
    return _tail(
        cases,
        before,
        after,
        lambda lost: bool(rules.merge_problems(_units("val", cases, before, lost), [])[0]) and lost > 0,
    )


def _tail(cases: int, before: float, after: float, seen: Callable[[int], bool]) -> float:
    """Probability of so great a loss that it is seen; whoever sees one sees a greater one too."""
    passing = _passing(cases, before)
    low, high = 1, passing + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if seen(middle) else (middle + 1, high)
    breaks = (before - after) / before
    return sum(
        comb(passing, lost) * breaks**lost * (1 - breaks) ** (passing - lost)
        for lost in range(low, passing + 1)
    )


def _passing(cases: int, before: float) -> int:
    return round(before * cases)


def _units(split: Split, cases: int, before: float, lost: int) -> list[Unit]:
    passing = _passing(cases, before)
    return [
        Unit(
            (f"case {number}",),
            split,
            1.0,
            (int(number < passing), int(lost <= number < passing)),
            (1, 1),
            case=f"case {number}",
            pipeline="pipeline",
        )
        for number in range(cases)
    ]
