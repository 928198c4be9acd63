"""The policy with its limits, and the floors that scores may not fall below."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pytest_fapo.core.errors import ConfigError
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.settings import Policy, Settings


@dataclass(frozen=True)
class GatePolicy:
    """The rules for judging candidates; the default is `strict`."""

    name: Policy = "strict"
    margin: float = 0.05
    """`paired`: a loss of this size must be excluded."""
    confidence: float = 0.95
    """`paired`: how sure gains must be, and excluded losses."""
    target: float | None = None
    """`target`: the share that every split must reach, or come nearer to."""
    objectives: tuple[str, ...] = ()
    """The graded metrics of which one must rise and none may fall; none: the share of passing tests."""
    guarded: Mapping[str, float] = field(default_factory=dict)
    """Metric to the amount by which its mean may fall; 0 for those not named."""
    unjudged: frozenset[str] = frozenset()
    """Metrics that differ between two runs on the same answers, as a clock does: they reject nothing."""

    @property
    def one_case_decides(self) -> bool:
        """True if a single case that breaks rejects, whatever all others do."""
        return self.name == "strict"

    def protected(self, evaluation: Evaluation, nodeids: Iterable[str]) -> list[str]:
        """Items of which none may fail: an evaluation is dropped where one does.

        With repeats, or where the policy weighs gains against losses, that holds for tests without a case.
        """
        single = self.one_case_decides and all(item.repeat == 1 for item in evaluation.items.values())
        items = [evaluation.items[nodeid] for nodeid in nodeids]
        return [item.nodeid for item in items if item.passed and (single or item.split is None)]

    def min_passed(self) -> int:
        """Return the number of targets that a candidate must turn green to be evaluated any further."""
        return 0 if self.objectives else 1


def policy_of(settings: Settings, *, name: Policy | None = None, target: float | None = None) -> GatePolicy:
    """Return the policy that settings and options name.

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
        objectives=tuple(settings.objective),
        guarded=settings.guarded,
    )


EVERY_PIPELINE = "*"

_FLOOR_KINDS = ("pipeline", "split", "tag", "metric")


@dataclass(frozen=True)
class Floor:
    """One floor. It holds in each pipeline that has what it names."""

    name: str
    """`*` (every pipeline), a pipeline, a split, `pipeline:<name>`, `split:<name>`, `tag:<name>` or
    `metric:<name>`."""
    share: float
    """0 to 1; for a metric in its own unit."""

    @property
    def kind(self) -> str:
        """`pipeline`, `split`, `tag` or `metric` where the name says it; else empty."""
        kind, mark, _ = self.name.partition(":")
        return kind if mark and kind in _FLOOR_KINDS else ""

    @property
    def subject(self) -> str:
        return self.name.partition(":")[2] if self.kind else self.name


def floors_of(settings: Mapping[str, float], options: Sequence[str] | None = None) -> list[Floor]:
    """Return the floors of `[tool.fapo] min_score` and of `--fapo-min-score`; an option replaces the setting
    of its name.

    Args:
        settings: name to floor.
        options: each `SHARE` or `NAME=SHARE`.

    Raises:
        ConfigError: one is no number, or no share; names it.
    """
    found = {}
    for name, value in settings.items():
        found[name] = _floor(name, value, f"tool.fapo.min_score: {name!r}")
    for text in options or ():
        name, mark, number = text.rpartition("=")
        key = f"--fapo-min-score={text}"
        if mark and not name.strip():
            raise ConfigError(f"{key}: there is no name before '='")
        found[name.strip() or EVERY_PIPELINE] = _floor(
            name.strip() or EVERY_PIPELINE, _number(number, key), key
        )
    return list(found.values())


def _number(text: str, key: str) -> float:
    match = re.fullmatch(r"\s*([-+]?(?:\d+(?:\.\d*)?|\.\d+))\s*(%?)\s*", text)
    if not match:
        raise ConfigError(f"{key}: expected a share such as 0.9 or 90%, got {text!r}")
    return float(match[1]) / (100 if match[2] else 1)


def _floor(name: str, value: float, key: str) -> Floor:
    floor = Floor(name, float(value))
    if not floor.subject:
        raise ConfigError(f"{key}: there is no name behind ':'")
    if floor.kind == "metric":
        if not math.isfinite(floor.share):
            raise ConfigError(f"{key}: expected a number, got {value!r}")
    elif not 0 <= floor.share <= 1:
        raise ConfigError(f"{key}: expected a share from 0 to 1 (or 0% to 100%), got {value!r}")
    return floor
