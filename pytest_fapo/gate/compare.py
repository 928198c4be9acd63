"""Two evaluations of the same items, side by side."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_fapo.models import Evaluation, ItemResult, Split, SplitChange, weighted_mean


def newly_failing(before: Evaluation, after: Evaluation, nodeids: Iterable[str]) -> list[str]:
    """Items that passed before and do not pass now: failed, skipped, or not there any more."""
    return [nodeid for nodeid in nodeids if _passed(before, nodeid) and not _passed(after, nodeid)]


def newly_passing(before: Evaluation, after: Evaluation, nodeids: Iterable[str]) -> list[str]:
    """Items that counted and failed before, and pass now."""
    return [
        nodeid
        for nodeid in nodeids
        if nodeid in before.items
        and before.items[nodeid].counts
        and not before.items[nodeid].passed
        and _passed(after, nodeid)
    ]


def of_split(evaluation: Evaluation, split: Split) -> list[str]:
    """Node ids of the items of a split."""
    return [nodeid for nodeid, item in evaluation.items.items() if item.split == split]


def change(before: Evaluation, after: Evaluation, split: Split) -> SplitChange:
    """The split's score on the items of `before`, in both; a missing item counts as failing."""
    items = before.in_split(split)
    return SplitChange(before=_share(items, before), after=_share(items, after))


def _share(items: list[ItemResult], evaluation: Evaluation) -> float | None:
    return weighted_mean((item.weight, _passed(evaluation, item.nodeid)) for item in items)


def _passed(evaluation: Evaluation, nodeid: str) -> bool:
    item = evaluation.items.get(nodeid)
    return item is not None and item.passed
