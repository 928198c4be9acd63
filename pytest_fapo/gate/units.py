"""What is compared: a test on a case, with all its repeats as one observation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

from pytest_fapo.models import Evaluation, ItemResult, Split

Chance: TypeAlias = frozenset[tuple[str, str]]
"""Changes that fresh samples have shown to be chance: metric (empty for pass and fail) and unit."""


_NONE: frozenset[str] = frozenset()


class Unit(NamedTuple):
    """One test on one case (or one test without a case); its repeats are no independent observations."""

    nodeids: tuple[str, ...]
    """Of its repeats, the first one first."""
    split: Split | None
    weight: float
    before: float
    """Share of its repeats that pass, 0 to 1; an item that is missing or was skipped does not pass."""
    after: float
    case: str = ""
    """Equal for tests that look at the same run of a pipeline; a test without a case has its own."""
    chance: frozenset[str] = _NONE
    """What of its changes is chance: the empty name for pass and fail, and names of metrics."""

    @property
    def name(self) -> str:
        return self.nodeids[0]

    @property
    def flaky(self) -> bool:
        """Its own repeats differ on the tree before: its changes say nothing."""
        return 0.0 < self.before < 1.0

    @property
    def broken(self) -> bool:
        """It passed every time before, and passes in at most half of its repeats now."""
        return self.before == 1.0 and self.after <= 0.5 and "" not in self.chance

    @property
    def fixed(self) -> bool:
        """It never passed before, and passes in more than half of its repeats now."""
        return self.before == 0.0 and self.after > 0.5 and "" not in self.chance

    @property
    def difference(self) -> float:
        """-1 to 1; 0 where it is chance."""
        return 0.0 if "" in self.chance else self.after - self.before


def units(
    before: Evaluation,
    after: Evaluation,
    nodeids: Iterable[str] | None = None,
    *,
    chance: Chance = frozenset(),
) -> list[Unit]:
    """The units of `before`, with their results in both evaluations.

    Args:
        before: says which units there are: those of which an item counts.
        after: the other evaluation.
        nodeids: look at these items only.
        chance: changes that are known to be chance.
    """
    known: dict[str, frozenset[str]] = {}
    for metric, name in chance:
        known[name] = known.get(name, _NONE) | {metric}
    groups: dict[str, list[ItemResult]] = {}
    for nodeid in before.items if nodeids is None else nodeids:
        item = before.items.get(nodeid)
        if item is not None:
            groups.setdefault(item.first_nodeid, []).append(item)
    return [_unit(items, after, known) for items in groups.values() if any(item.counts for item in items)]


def _unit(items: list[ItemResult], after: Evaluation, chance: Mapping[str, frozenset[str]]) -> Unit:
    if len(items) > 1:
        items = sorted(items, key=lambda item: item.repeat)
    first, later = items[0], after.items
    passed = sum(item.passed for item in items)
    passes = sum(item.nodeid in later and later[item.nodeid].passed for item in items)
    return Unit(
        nodeids=tuple([item.nodeid for item in items]),
        case=first.nodeid if first.case_id is None else f"{first.pipeline}::{first.case_id}",
        split=first.split,
        weight=first.weight,
        before=passed / len(items),
        after=passes / len(items),
        chance=chance.get(first.nodeid, _NONE),
    )


def of(found: Iterable[Unit], split: Split | None) -> list[Unit]:
    """The units of one split; None gives the tests without a case."""
    return [unit for unit in found if unit.split == split]
