"""What is compared: a test on a case, in the baseline and now."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pytest_fapo.baseline import ItemGroup, item_groups
from pytest_fapo.gate.units import Unit
from pytest_fapo.models import Baseline, CaseBaseline, Evaluation, PipelineBaseline, Split, passed_share

_REPEATED = re.compile(r"(\d+) of (\d+)")


@dataclass(frozen=True)
class Pair:
    """One test on one case that has a verdict in the baseline."""

    group: ItemGroup
    """As it ran now."""
    case: CaseBaseline
    result_before: str
    unit: Unit
    passes: tuple[int, int]
    """Repeats that passed, before and now."""
    repeats: tuple[int, int]
    """Repeats that counted, before and now; what was skipped now counts as not passed."""

    @property
    def pipeline(self) -> str:
        return self.group.pipeline

    @property
    def result_after(self) -> str:
        return self.group.result

    @property
    def refused(self) -> str:
        """As of `ItemGroup`: a test that could not ask its model says nothing of accuracy."""
        return self.group.refused

    @property
    def judged(self) -> bool:
        """True if every call of the test was made and answered."""
        return not (self.group.refused or self.group.unanswered)


@dataclass
class Comparison:
    """An evaluation laid beside a baseline."""

    pairs: list[Pair]
    new: list[ItemGroup]
    """Tests on cases without a verdict in the baseline."""
    marked: list[ItemGroup]
    """Tests that a mark of their own skips or expects to fail, as when the baseline was written."""
    new_cases: list[str]
    """`pipeline::case id` of cases that the baseline does not know."""
    missing: list[str]
    """Node ids that have a verdict in the baseline and were not run."""

    @property
    def pipelines(self) -> list[str]:
        return sorted({pair.pipeline for pair in self.pairs})


def compare(evaluation: Evaluation, baseline: Baseline) -> Comparison:
    """Find the baseline's verdict of every test on a case; a case may have changed its split."""
    known = {
        nodeid: (case, result)
        for _, _, _, case in baseline_cases(baseline)
        for nodeid, result in case.items.items()
    }
    cases = {(pipeline, case_id) for pipeline, _, case_id, _ in baseline_cases(baseline)}
    found = Comparison([], [], [], [], [])
    ran = set()
    for group in item_groups(evaluation):
        ran.add(group.name)
        before = known.get(group.name)
        if before is not None and passed_share(before[1]) is not None:
            found.pairs.append(_pair(group, *before))
        elif before is None or group.counting or group.refused:
            found.new.append(group)
        else:
            found.marked.append(group)
        if before is None and (group.pipeline, group.case_id) not in cases:
            found.new_cases.append(f"{group.pipeline}::{group.case_id}")
    found.new_cases = sorted(set(found.new_cases))
    found.missing = sorted(nodeid for nodeid in known if nodeid not in ran)
    return found


def as_named_now(baseline: Baseline, evaluation: Evaluation) -> Baseline:
    """The baseline with its cases under the names that their pipelines have now.

    A pipeline's name says more than that of its fixture once there is a second pipeline of that name.
    """
    now = {group.name: group.pipeline for group in item_groups(evaluation)}
    pipelines: dict[str, PipelineBaseline] = {}
    for name, pipeline in baseline.pipelines.items():
        for split, cases in pipeline.cases.items():
            for case_id, case in cases.items():
                for current, items in _by_name(case, now, name).items():
                    into = pipelines.setdefault(current, pipeline.model_copy(update={"cases": {}}))
                    mine = into.cases.setdefault(split, {})
                    known = mine[case_id].items if case_id in mine else {}
                    mine[case_id] = case.model_copy(update={"items": {**known, **items}})
    return baseline.model_copy(update={"pipelines": pipelines})


def _by_name(case: CaseBaseline, now: Mapping[str, str], name: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for nodeid, result in case.items.items():
        found.setdefault(now.get(nodeid, name), {})[nodeid] = result
    return found


def baseline_cases(baseline: Baseline) -> Iterator[tuple[str, Split, str, CaseBaseline]]:
    """Pipeline, split, case id and record of every case."""
    for name, pipeline in baseline.pipelines.items():
        for split, cases in pipeline.cases.items():
            for case_id, case in cases.items():
                yield name, split, case_id, case


def _pair(group: ItemGroup, case: CaseBaseline, result: str) -> Pair:
    repeated = _REPEATED.fullmatch(result)
    passed, counted = (
        (int(repeated[1]), int(repeated[2])) if repeated else (int(passed_share(result) or 0), 1)
    )
    counting = group.counting or group.items
    passes = sum(item.passed for item in group.counting)
    unit = Unit(
        nodeids=tuple(item.nodeid for item in group.items),
        split=group.first.split,
        weight=group.first.weight,
        before=min(passed, counted) / counted,
        after=passes / len(counting),
        case=f"{group.pipeline}::{group.case_id}",
    )
    return Pair(group, case, result, unit, (min(passed, counted), passes), (counted, len(counting)))
