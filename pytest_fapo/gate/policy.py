"""Which policy decides, and with which limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pytest_fapo.config import Policy, Settings
from pytest_fapo.errors import ConfigError
from pytest_fapo.models import Evaluation


@dataclass(frozen=True)
class GatePolicy:
    """How candidates are judged; the default is `strict`."""

    name: Policy = "strict"
    margin: float = 0.05
    """`paired`: a loss of this size must be excluded."""
    confidence: float = 0.95
    """`paired`: how sure gains must be, and excluded losses."""
    target: float | None = None
    """`target`: the share that every split must reach, or come nearer to."""
    objective: str | None = None
    """The graded metric that must rise; None: the share of passing tests."""
    guarded: Mapping[str, float] = field(default_factory=dict)
    """Metric to the amount by which its mean may fall; 0 for those not named."""
    unjudged: frozenset[str] = frozenset()
    """Metrics that differ between two runs on the same answers, as a clock does: they reject nothing."""

    def protected(self, evaluation: Evaluation, nodeids: Iterable[str]) -> list[str]:
        """Items of which none may fail: an evaluation is dropped where one does.

        With repeats, or where the policy weighs gains against losses, that holds for tests without a case.
        """
        single = self.name == "strict" and all(item.repeat == 1 for item in evaluation.items.values())
        items = [evaluation.items[nodeid] for nodeid in nodeids]
        return [item.nodeid for item in items if item.passed and (single or item.split is None)]

    def min_passed(self) -> int:
        """How many of its targets a candidate must turn green to be evaluated any further."""
        return 0 if self.objective is not None else 1


def policy_of(settings: Settings, *, name: Policy | None = None, target: float | None = None) -> GatePolicy:
    """The policy that settings and options name.

    Args:
        settings: `[tool.fapo]`.
        name: `--fapo-policy`, where given.
        target: `--fapo-target` or the setting.

    Raises:
        ConfigError: the policy lacks what it needs.
    """
    chosen = name or settings.policy
    if chosen == "target" and target is None:
        raise ConfigError(
            "the policy 'target' needs a target: give --fapo-target=0.9, or target = 0.9 in [tool.fapo]"
        )
    return GatePolicy(
        name=chosen,
        margin=settings.margin,
        confidence=settings.confidence,
        target=target,
        objective=settings.objective,
        guarded=settings.guarded,
    )
