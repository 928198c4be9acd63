"""What a verdict says of the size of a gain, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_fapo.gate.metrics import case_differences
from pytest_fapo.gate.policy import GatePolicy
from pytest_fapo.gate.statistics import mean_interval, sign_flip_test
from pytest_fapo.gate.units import Unit, of
from pytest_fapo.models import Evaluation, Verdict

_INTERVAL = 0.95


@dataclass(frozen=True)
class Figures:
    """The paired difference on train, one observation per case."""

    effect: float
    interval: tuple[float, float]
    chance: float
    """One-sided p-value: how likely so large a gain is where nothing has changed."""

    def __str__(self) -> str:
        return f"train {points(self.effect)}, p = {self.chance:.2g}"


def figures_of(
    policy: GatePolicy, before: Evaluation, after: Evaluation, found: list[Unit]
) -> Figures | None:
    """The figures; None where train has nothing that could be compared."""
    differences = case_differences(policy, before, after, of(found, "train"))
    if not differences:
        return None
    low, high = mean_interval(differences, _INTERVAL)
    if policy.objective is None:
        low, high = max(low, -1.0), min(high, 1.0)
    effect = sum(differences) / len(differences)
    return Figures(effect, (low, high), sign_flip_test(differences))


def with_figures(
    verdict: Verdict, policy: GatePolicy, before: Evaluation, after: Evaluation, found: list[Unit]
) -> Verdict:
    """The verdict with effect, interval and p-value where policy, metric or repeats speak of chance.

    Left out where not all of train was run.
    """
    repeated = any(len(unit.nodeids) > 1 for unit in found)
    estimated = repeated or policy.name == "paired" or policy.objective is not None
    whole = all(nodeid in after.items for unit in of(found, "train") for nodeid in unit.nodeids)
    figures = figures_of(policy, before, after, found) if estimated and whole else None
    if figures is None:
        return verdict
    update: dict[str, object] = {"effect": figures.effect, "interval": figures.interval}
    if verdict.accepted:
        update["reason"] = f"{verdict.reason}; {figures}"
    return verdict.model_copy(update={**update, "p_value": figures.chance})


def points(share: float, *, sign: bool = True) -> str:
    """A share as percentage points."""
    number = 100 * share
    return f"{number:+.1f} points" if sign else f"{number:.3g} points"
