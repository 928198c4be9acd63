"""What two states of the cases differ in: verdicts, outputs, the step at which they part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pytest_fapo.models import Baseline, CaseBaseline, Split, passed_share
from pytest_fapo.report.pull_request import Difference


class Effects(NamedTuple):
    """Items by what became of them, each list in the order of splits and cases."""

    broken: list[Difference]
    fixed: list[Difference]
    changed: list[Difference]
    """The same verdict and another output."""


def effects(before: Baseline, after: Baseline) -> Effects:
    """Compare the cases that are in both.

    Args:
        before: the earlier state.
        after: the later one.
    """
    found = Effects([], [], [])
    for name, pipeline in sorted(after.pipelines.items()):
        earlier = before.pipelines.get(name)
        known = {
            case_id: case
            for cases in (earlier.cases if earlier else {}).values()
            for case_id, case in cases.items()
        }
        for split, cases in pipeline.cases.items():
            for case_id, case in cases.items():
                if case_id in known:
                    _sort_in(found, known[case_id], case, split)
    return found


def gone(before: Baseline, after: Baseline) -> list[str]:
    """Node ids of tests on cases that only the earlier state has."""
    left = set(_nodeids(after))
    return [nodeid for nodeid in _nodeids(before) if nodeid not in left]


def _nodeids(baseline: Baseline) -> Iterator[str]:
    for pipeline in baseline.pipelines.values():
        for cases in pipeline.cases.values():
            for case in cases.values():
                yield from case.items


def _sort_in(found: Effects, before: CaseBaseline, after: CaseBaseline, split: Split) -> None:
    for effect in _of_case(before, after, split):
        share_before, share_after = passed_share(effect.before), passed_share(effect.after)
        if share_before is None or share_after is None:
            continue
        if share_after < share_before:
            found.broken.append(effect)
        elif share_after > share_before:
            found.fixed.append(effect)
        elif (before.output, before.output_digest) != (after.output, after.output_digest):
            found.changed.append(effect)


def _of_case(before: CaseBaseline, after: CaseBaseline, split: Split) -> Iterator[Difference]:
    step = _parting(before.steps, after.steps)
    for nodeid, result in after.items.items():
        if nodeid in before.items:
            yield Difference(
                nodeid=nodeid,
                split=split,
                before=before.items[nodeid],
                after=result,
                output_before=before.output,
                output_after=after.output,
                step=step,
            )


def _parting(before: list[list[str]], after: list[list[str]]) -> str:
    """Key of the first step that gave another output, that is new, or that is gone.

    Steps are found by their keys: those that run side by side may begin in any order.
    """
    recorded, now = dict(before), dict(after)
    changed = next((key for key, digest in now.items() if recorded.get(key) != digest), "")
    return changed or next((key for key in recorded if key not in now), "")
