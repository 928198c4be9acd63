"""How far a judge agrees with people: agreement, Cohen's kappa, and the outputs on which they differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import TypeAlias

Label: TypeAlias = float | str
"""A number of a scale, or a word."""

PASSES = 0.5
"""From this score on a judge's answer counts as a yes, where people say 0 or 1."""


@dataclass(frozen=True)
class Agreement:
    """Two raters' labels of the same outputs."""

    human: list[Label]
    judge: list[Label]
    """On the people's own scale, see `on_scale`."""

    @property
    def differing(self) -> list[int]:
        """Places of the outputs that they label differently."""
        return [
            place for place, pair in enumerate(zip(self.human, self.judge, strict=True)) if pair[0] != pair[1]
        ]

    @property
    def share(self) -> float:
        return 1 - len(self.differing) / len(self.human)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the share (Wilson)."""
        number, share, z = len(self.human), self.share, NormalDist().inv_cdf(0.975)
        middle = share + z * z / (2 * number)
        spread = z * sqrt(share * (1 - share) / number + z * z / (4 * number * number))
        scale = 1 + z * z / number
        return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)

    @property
    def ordinal(self) -> bool:
        """True if there are more than two levels of numbers: then a near miss is half a miss."""
        return len(_levels(self.human)) > 2

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa, on a scale of several levels weighted by the squared distance.

        None where both always say the same one label: there is nothing that chance could not explain.
        """
        pairs = list(zip(self.human, self.judge, strict=True))
        mine, theirs = Counter(self.human), Counter(self.judge)
        seen = sum(self._distance(*pair) for pair in pairs) / len(pairs)
        by_chance = (
            sum(mine[one] * theirs[other] * self._distance(one, other) for one in mine for other in theirs)
            / len(pairs) ** 2
        )
        return None if by_chance == 0 else 1 - seen / by_chance

    def _distance(self, one: Label, other: Label) -> float:
        if self.ordinal and not isinstance(one, str) and not isinstance(other, str):
            return (one - other) ** 2
        return float(one != other)


def on_scale(answer: Label, human: Sequence[Label], threshold: float = PASSES) -> Label:
    """Return a judge's answer as people would have written it: the nearest of the levels that they use.

    Args:
        answer: what the judge gave.
        human: all labels of people.
        threshold: where they say 0 or 1, the score from which on the answer counts as 1.
    """
    levels = _levels(human)
    if isinstance(answer, str) or not levels:
        return answer.strip().casefold() if isinstance(answer, str) else answer
    if set(levels) <= {0.0, 1.0}:
        return float(answer >= threshold)
    return min(levels, key=lambda level: (abs(level - answer), level))


def _levels(labels: Sequence[Hashable]) -> list[float]:
    return sorted({float(label) for label in labels if isinstance(label, int | float)})
