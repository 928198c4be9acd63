"""What is compared: a test on a case, with all its repeats as one observation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pytest_fapo.models import Evaluation, ItemResult, Split


@dataclass(frozen=True)
class Unit:
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
        return self.before == 1.0 and self.after <= 0.5

    @property
    def fixed(self) -> bool:
        """It never passed before, and passes in more than half of its repeats now."""
        return self.before == 0.0 and self.after > 0.5

    @property
    def difference(self) -> float:
        """-1 to 1."""
        return self.after - self.before


def units(before: Evaluation, after: Evaluation, nodeids: Iterable[str] | None = None) -> list[Unit]:
    """The units of `before`, with their results in both evaluations.

    Args:
        before: says which units there are: those of which an item counts.
        after: the other evaluation.
        nodeids: look at these items only.
    """
    groups: dict[str, list[ItemResult]] = {}
    for nodeid in before.items if nodeids is None else nodeids:
        item = before.items.get(nodeid)
        if item is not None:
            groups.setdefault(item.first_nodeid, []).append(item)
    return [
        _unit(sorted(items, key=lambda item: item.repeat), after)
        for items in groups.values()
        if any(item.counts for item in items)
    ]


def _unit(items: list[ItemResult], after: Evaluation) -> Unit:
    later = [after.items.get(item.nodeid) for item in items]
    first = items[0]
    return Unit(
        nodeids=tuple(item.nodeid for item in items),
        case=first.nodeid if first.case_id is None else f"{first.pipeline}::{first.case_id}",
        split=first.split,
        weight=first.weight,
        before=sum(item.passed for item in items) / len(items),
        after=sum(item is not None and item.passed for item in later) / len(items),
    )


def of(found: Iterable[Unit], split: Split | None) -> list[Unit]:
    """The units of one split; None gives the tests without a case."""
    return [unit for unit in found if unit.split == split]
