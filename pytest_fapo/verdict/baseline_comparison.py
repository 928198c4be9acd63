"""An evaluation laid beside the baseline: pairs of results, and the record of each regression."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from pytest_fapo.core.baseline import Baseline, CaseBaseline, PipelineBaseline, passed_share
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.gate_result import Regression
from pytest_fapo.core.record import Split
from pytest_fapo.core.trace import Trace
from pytest_fapo.verdict.baseline_contents import (
    ItemGroup,
    first_difference,
    item_groups,
    output_digest,
    output_of,
    short_json,
    step_digests,
)
from pytest_fapo.verdict.comparison import Metrics, Unit, merits_of

_REPEATED = re.compile(r"(\d+) of (\d+)")


@dataclass(frozen=True)
class BaselinePair:
    """One test on one case that has a verdict in the baseline."""

    group: ItemGroup
    """As it ran now."""
    case: CaseBaseline
    result_before: str
    unit: Unit
    """The compared unit: skipped now counts as not passed; a case's metrics belong to its first test."""

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
        """True if the test's pipeline ran, and every call of the test was made and answered."""
        return not (self.group.refused or self.group.unanswered or self.group.not_run)


@dataclass
class BaselineComparison:
    """An evaluation laid beside a baseline."""

    pairs: list[BaselinePair]
    new: list[ItemGroup]
    """Tests on cases without a verdict in the baseline."""
    marked: list[ItemGroup]
    """Tests that a mark of their own skips or expects to fail, as when the baseline was written."""
    new_cases: list[str]
    """`pipeline::case id` of cases that the baseline does not know."""
    missing: list[str]
    """Node ids that have a verdict in the baseline and were not run."""

    @property
    def units(self) -> list[Unit]:
        return [pair.unit for pair in self.pairs]


def compare_with_baseline(evaluation: Evaluation, baseline: Baseline) -> BaselineComparison:
    """Find the baseline's verdict of every test on a case; a case may have changed its split."""
    known = {
        nodeid: (case, result)
        for _, _, _, case in baseline_cases(baseline)
        for nodeid, result in case.items.items()
    }
    cases = {(pipeline, case_id) for pipeline, _, case_id, _ in baseline_cases(baseline)}
    comparison = BaselineComparison([], [], [], [], [])
    ran = set()
    for group in item_groups(evaluation):
        ran.add(group.name)
        before = known.get(group.name)
        if before is not None and passed_share(before[1]) is not None:
            comparison.pairs.append(_pair_of(group, *before))
        elif before is None or group.counting or group.refused:
            comparison.new.append(group)
        else:
            comparison.marked.append(group)
        if before is None and (group.pipeline, group.case_id) not in cases:
            comparison.new_cases.append(f"{group.pipeline}::{group.case_id}")
    comparison.pairs = _with_metrics(comparison.pairs)
    comparison.new_cases = sorted(set(comparison.new_cases))
    comparison.missing = sorted(nodeid for nodeid in known if nodeid not in ran)
    return comparison


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


def _pair_of(group: ItemGroup, case: CaseBaseline, result: str) -> BaselinePair:
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
        passes=(min(passed, counted), passes),
        repeats=(counted, len(counting)),
        case=f"{group.pipeline}::{group.case_id}",
        pipeline=group.pipeline,
        lower=frozenset(name for item in group.items for name in item.lower_is_better),
    )
    return BaselinePair(group, case, result, unit)


def _with_metrics(pairs: list[BaselinePair]) -> list[BaselinePair]:
    """Return the pairs with the metrics of their cases, each case's once: the baseline keeps one mean of all
    its tests.
    """
    parts: dict[tuple[str, Split | None], list[BaselinePair]] = {}
    for pair in pairs:
        parts.setdefault((pair.pipeline, pair.unit.split), []).append(pair)
    metrics = {key: _metrics_of(mine) for key, mine in parts.items()}
    found = []
    for pair in pairs:
        mine = metrics[pair.pipeline, pair.unit.split].pop(pair.unit.case, {})
        found.append(replace(pair, unit=pair.unit._replace(metrics=mine)) if mine else pair)
    return found


def _metrics_of(pairs: Sequence[BaselinePair]) -> dict[str, Metrics]:
    """By case; a case that has lost a metric counts as the worst that was seen before or now."""
    less = {name for pair in pairs for item in pair.group.items for name in item.lower_is_better}
    before = {
        pair.unit.case: {name: -was if name in less else was for name, was in pair.case.scores.items()}
        for pair in pairs
    }
    after: dict[str, dict[str, list[float]]] = {}
    for pair in pairs:
        mine = after.setdefault(pair.unit.case, {})
        for item in pair.group.items:
            for name, value in merits_of(item).items():
                mine.setdefault(name, []).append(value)
    worst: dict[str, float] = {}
    for scores in before.values():
        for name, value in scores.items():
            worst[name] = min(worst.get(name, 0.0), value)
    for found in after.values():
        for name, values in found.items():
            worst[name] = min(worst.get(name, 0.0), *values)
    return {
        case: {
            name: (was, fmean(after[case][name]) if name in after[case] else worst[name])
            for name, was in scores.items()
        }
        for case, scores in before.items()
    }


def regression(pair: BaselinePair, evaluation: Evaluation, *, fails: bool) -> Regression:
    """Return the record of one regression.

    Args:
        pair: passed in the baseline, does not pass now.
        evaluation: has its trace.
        fails: whether it counts against the merge by itself.
    """
    item = _telling(pair)
    trace = evaluation.trace_of(item)
    case = evaluation.cases.get(item.nodeid)
    step = first_difference(pair.case.steps, step_digests(trace)) if trace is not None else ""
    return Regression(
        nodeid=pair.group.name,
        pipeline=pair.pipeline,
        case_id=pair.group.case_id,
        split=pair.group.first.split,
        result_before=pair.result_before,
        result_after=pair.result_after,
        output_before=pair.case.output,
        output_after=output_of(trace) if trace is not None else "",
        explanation=item.explanation,
        step=step,
        step_output=_step_output(trace, step),
        origin=case.origin if case is not None else "",
        fails=fails,
    )


def output_changed(pair: BaselinePair, evaluation: Evaluation) -> bool:
    """True if the case's output differs from the one in the baseline."""
    trace = evaluation.trace_of(pair.group.first)
    if trace is None or not pair.case.output:
        return False
    return (output_of(trace), output_digest(trace)) != (pair.case.output, pair.case.output_digest)


def _telling(pair: BaselinePair) -> ItemResult:
    """Return the repeat that shows best what is wrong: the first that does not pass."""
    return next((item for item in pair.group.items if not item.passed), pair.group.first)


def _step_output(trace: Trace | None, key: str) -> str:
    for step in trace.steps if trace is not None and key else ():
        if step.key == key:
            return short_json(step.output) if step.error is None else step.error
    return ""
