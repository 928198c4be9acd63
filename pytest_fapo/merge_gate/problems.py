"""What keeps the gate from judging, missed floors, and what it only says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_fapo.baseline import ItemGroup, calls_digest, item_groups, pipeline_traces
from pytest_fapo.merge_gate.floors import Floor
from pytest_fapo.merge_gate.pairs import Comparison
from pytest_fapo.merge_gate.scores import concerns
from pytest_fapo.models import (
    Baseline,
    Evaluation,
    GateProblem,
    GateProblemKind,
    PipelineBaseline,
    SplitScore,
)
from pytest_fapo.percents import percent

UPDATE = "pytest --fapo-update-baseline"
_EQUAL = 1e-9


def unjudged(evaluation: Evaluation, found: Comparison) -> list[GateProblem]:
    """Why no judgement is possible; empty where it is."""
    problems = []
    refused, unplugged = _refused(found, "CacheMiss"), _refused(found, "NetworkRefused")
    limited = [pair.group.name for pair in found.pairs if pair.refused == "BudgetExceeded"]
    if not evaluation.complete:
        reason = evaluation.stopped or "not every test has a result"
        problems.append(
            GateProblem(kind="interrupted", message=f"the tests did not run to their end: {reason}")
        )
    if not found.pairs and not found.new and not found.marked:
        problems.append(
            GateProblem(kind="empty", message="no test on a case was run: there is nothing to judge")
        )
    elif not found.pairs and not found.missing:
        message = "the baseline has no verdict on any case: there is nothing to compare with"
        problems.append(GateProblem(kind="empty", message=message, command=UPDATE))
    if found.missing and (found.pairs or found.new):
        problems.append(_missing(found.missing))
    if refused:
        message = (
            f"{_count(len(refused), 'test')} asked a model something that no recorded answer is for "
            f"({_some(refused)}); record the answers once and commit or pass on the exported cache"
        )
        command = "pytest --fapo-update-baseline && fapo cache export"
        problems.append(GateProblem(kind="cache-miss", message=message, command=command))
    outage = evaluation.outage
    if outage:
        message = f"{outage.sentence}; nothing is said of accuracy: {outage.advice}"
        problems.append(GateProblem(kind="no-answer", message=message, command="pytest --fapo-gate"))
    if unplugged:
        message = (
            f"{_count(len(unplugged), 'test')} connected to a host although only recorded answers "
            f"may be used ({_some(unplugged)}); [tool.fapo] allow_hosts names hosts that may be reached"
        )
        problems.append(GateProblem(kind="cache-miss", message=message))
    if silent := _silent(evaluation, found):
        message = (
            f"{_count(len(silent), 'case')} made LLM calls when the baseline was written and none now "
            f"({_some(silent)}): does a cache of a library answer, or a client that is not captured? Where "
            f"the calls were taken out on purpose, update the baseline"
        )
        problems.append(GateProblem(kind="no-calls", message=message, command=UPDATE))
    if limited:
        message = f"{_count(len(limited), 'test')} went past a limit of calls or cost ({_some(limited)})"
        problems.append(GateProblem(kind="interrupted", message=message))
    return problems


def _silent(evaluation: Evaluation, found: Comparison) -> list[str]:
    """Cases whose run came to its end without a call, although it made some when the baseline was written."""
    silent = set()
    for pair in found.pairs:
        traces = [trace for item in pair.group.items if (trace := evaluation.trace_of(item)) is not None]
        ended = traces and all(trace.error is None and not trace.llm_calls for trace in traces)
        if pair.case.calls and ended:
            silent.add(f"{pair.pipeline}::{pair.group.case_id}")
    return sorted(silent)


def _refused(found: Comparison, kind: str) -> list[str]:
    """Names of the tests that this refusal ended."""
    names = [pair.group.name for pair in found.pairs if pair.refused == kind]
    return names + [group.name for group in found.new if group.refused == kind]


def _missing(nodeids: Sequence[str]) -> GateProblem:
    verb = "was" if len(nodeids) == 1 else "were"
    return GateProblem(
        kind="missing-cases",
        message=f"{_count(len(nodeids), 'test')} of the baseline {verb} not run "
        f"({_some(nodeids)}); run all of them, or, where they were removed or renamed on purpose, update "
        f"the baseline",
        command=UPDATE,
    )


def floor_problems(rows: Sequence[SplitScore], floors: Sequence[Floor]) -> list[GateProblem]:
    """Floors that are missed, and those that nothing is measured against."""
    problems = []
    for floor in floors:
        mine = [row for row in rows if concerns(floor, row.pipeline, row.group)]
        if not any(row.after is not None for row in mine):
            problems.append(_unknown(floor, rows))
        problems += [
            GateProblem(kind="floor", message=_missed(row, floor))
            for row in mine
            if row.after is not None and row.after < floor.share - _EQUAL
        ]
    return problems


def _missed(row: SplitScore, floor: Floor) -> str:
    assert row.after is not None
    if floor.kind == "metric":
        return f"pipeline {row.pipeline!r}: {row.group} is {row.after:.4g}, its floor is {floor.share:.4g}"
    what = "its score" if row.group == "all" else row.group
    reached, least = (percent(share, decimals=1) for share in (row.after, floor.share))
    return f"pipeline {row.pipeline!r}: {what} is {reached}, its floor is {least}"


def _unknown(floor: Floor, rows: Sequence[SplitScore]) -> GateProblem:
    scored = [row for row in rows if row.after is not None]
    known = sorted({row.pipeline for row in scored} | {row.group for row in scored} - {"all"})
    return GateProblem(
        kind="empty",
        message=f"the floor {floor.name!r} is for nothing that was scored; there are: "
        + (", ".join(known) or "no scores"),
    )


def remarks(
    evaluation: Evaluation, baseline: Baseline, found: Comparison, artifacts: Mapping[str, str] | None
) -> list[GateProblem]:
    """What is said and does not fail: prompts that changed, cases without a baseline."""
    problems = []
    outage = bool(evaluation.outage)  # then no prompt is named
    changed = changed_artifacts(baseline, artifacts) if artifacts is not None and not outage else []
    if changed:
        message = f"{_some(changed)} changed since the baseline was written, and the baseline was not updated"
        problems.append(_said("stale-baseline", message))
    elif not outage and (other := _other_questions(evaluation, baseline)):
        message = (
            f"pipeline {_some(other)} asked its models something else than when the baseline was written, "
            f"and the baseline was not updated"
        )
        problems.append(_said("stale-baseline", message))
    if found.new:
        failing = sum(any(item.counts and not item.passed for item in group.items) for group in found.new)
        names = found.new_cases or [group.name for group in found.new]
        what = _count(len(names), "case" if found.new_cases else "test")
        verb = "has" if len(names) == 1 else "have"
        message = f"{what} {verb} no verdict in the baseline yet ({_some(names)})"
        message += f"; {failing} of the tests on them fail" if failing else ""
        problems.append(_said("new-cases", message))
    return problems


def changed_artifacts(baseline: Baseline, artifacts: Mapping[str, str]) -> list[str]:
    """Addresses whose text differs from the evaluated one, is new, or is gone."""
    both = {*baseline.artifacts, *artifacts}
    return sorted(name for name in both if baseline.artifacts.get(name) != artifacts.get(name))


def _other_questions(evaluation: Evaluation, baseline: Baseline) -> list[str]:
    """Pipelines whose LLM calls are not those of the baseline, where as many repeats were run."""
    groups: dict[str, list[ItemGroup]] = {}
    for group in item_groups(evaluation):
        groups.setdefault(group.pipeline, []).append(group)
    found = []
    for name, mine in groups.items():
        before = baseline.pipelines.get(name)
        if before is None or not before.calls or before.repeats != max(len(each.items) for each in mine):
            continue
        if _cases(before) == {each.case_id for each in mine}:
            now = calls_digest(pipeline_traces(evaluation, mine))
            if now != before.calls:
                found.append(repr(name))
    return found


def _cases(pipeline: PipelineBaseline) -> set[str]:
    return {case_id for cases in pipeline.cases.values() for case_id in cases}


def _said(kind: GateProblemKind, message: str) -> GateProblem:
    return GateProblem(kind=kind, message=message, command=UPDATE, fails=False)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _some(names: Sequence[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")
