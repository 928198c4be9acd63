"""The merge gate: has accuracy fallen against the committed baseline, or can that not be told?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from pytest_fapo.core.baseline import Baseline, PipelineBaseline, passed_share
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.gate_result import GateProblem, GateResult, SplitScore
from pytest_fapo.verdict import gate_problems
from pytest_fapo.verdict.baseline_comparison import (
    BaselineComparison,
    as_named_now,
    compare_with_baseline,
    output_changed,
    regression,
)
from pytest_fapo.verdict.baseline_contents import (
    ItemGroup,
    calls_digest,
    group_name,
    item_groups,
    pipeline_traces,
)
from pytest_fapo.verdict.policies import Fall, merge_metric_problems, rules_of
from pytest_fapo.verdict.policy import Floor, GatePolicy
from pytest_fapo.verdict.score_table import floor_problems, score_rows

_LOSSES = {"regression", "worse", "floor", "metric"}


def judge_merge(
    evaluation: Evaluation,
    baseline: Baseline,
    *,
    policy: GatePolicy,
    floors: Sequence[Floor] = (),
    current_artifacts: Mapping[str, str] | None = None,
) -> GateResult:
    """Compare an evaluation of all cases with the baseline.

    Args:
        evaluation: of the tree as it is.
        baseline: the committed one.
        policy: how to decide; see `policies.py`.
        floors: the least that scores may be, whatever they were.
        current_artifacts: what `baseline.artifact_digests` gives for the tree as it is; None: not compared.

    Returns:
        the answer; `undecided` where something is missing, since what was not compared is not let through.
    """
    baseline = as_named_now(baseline, evaluation)
    comparison = compare_with_baseline(evaluation, baseline)
    rows = score_rows(evaluation, baseline, floors)
    problems = unjudged(evaluation, comparison)
    figures: Fall | None = None
    if not problems:
        losses, figures = _losses(comparison, rows, policy, floors)
        problems += losses
    problems += remarks(evaluation, baseline, comparison, current_artifacts)
    # What was not asked, or not answered, is no regression: the gate says that it could not judge.
    regressed = [pair for pair in comparison.pairs if pair.unit.broken and pair.judged]
    result = GateResult(
        policy=policy.name,
        verdict="passed",
        regressions=[regression(pair, evaluation, fails=policy.one_case_decides) for pair in regressed],
        fixed=[pair.group.name for pair in comparison.pairs if pair.unit.fixed and pair.judged],
        still_failing=_still_failing(comparison),
        new_cases=comparison.new_cases,
        changed_outputs=[
            pair.group.name
            for pair in comparison.pairs
            if pair.unit.difference == 0 and pair.judged and output_changed(pair, evaluation)
        ],
        scores=rows,
        effect=figures.effect if figures else None,
        interval=figures.interval if figures else None,
        p_value=figures.chance if figures else None,
    )
    return with_problems(result, problems)


def _losses(
    comparison: BaselineComparison, rows: Sequence[SplitScore], policy: GatePolicy, floors: Sequence[Floor]
) -> tuple[list[GateProblem], Fall | None]:
    """Return the signs of a loss beside single regressions; computed for whole runs only."""
    units = comparison.units
    losses, figures = rules_of(policy).merge_problems(units, rows)
    return [*losses, *merge_metric_problems(units, policy), *floor_problems(rows, floors)], figures


def with_problems(result: GateResult, problems: Iterable[GateProblem]) -> GateResult:
    """Return the result with further problems, and the verdict that follows from all of them."""
    made = result.model_copy(update={"problems": [*result.problems, *problems]})
    kinds = {problem.kind for problem in made.failures}
    certain = any(each.fails for each in made.regressions)
    verdict = "passed"
    if certain or (kinds & _LOSSES and not made.partial):
        verdict = "fell"
    elif kinds - {"test"}:
        verdict = "undecided"
    return made.model_copy(update={"verdict": verdict})


def _still_failing(comparison: BaselineComparison) -> list[str]:
    return [
        pair.group.name
        for pair in comparison.pairs
        if pair.unit.before == 0.0 and not pair.unit.fixed and pair.judged
    ]


def unjudged(evaluation: Evaluation, comparison: BaselineComparison) -> list[GateProblem]:
    """Return the reasons why no judgment is possible; empty if it is."""
    problems = []
    if not evaluation.complete:
        problems.append(gate_problems.session_stopped(evaluation.stopped))
    if not comparison.pairs and not comparison.new and not comparison.marked:
        problems.append(gate_problems.nothing_ran())
    elif not comparison.pairs and not comparison.missing:
        problems.append(gate_problems.nothing_to_compare())
    if comparison.missing and (comparison.pairs or comparison.new):
        problems.append(gate_problems.baseline_tests_not_run(comparison.missing))
    if refused := _refused(comparison, "CacheMiss"):
        problems.append(gate_problems.answers_not_recorded(refused))
    if outage := evaluation.outage:
        problems.append(gate_problems.model_did_not_answer(outage.sentence, outage.advice))
    if not_run := [group for group in item_groups(evaluation) if group.not_run]:
        names = [group.name for group in not_run]
        problems.append(gate_problems.pipeline_not_run(names, not_run[0].not_run))
    if connected := _refused(comparison, "NetworkRefused"):
        problems.append(gate_problems.connected_to_a_host(connected))
    if silent := _silent(evaluation, comparison):
        problems.append(gate_problems.made_no_calls(silent))
    if limited := [pair.group.name for pair in comparison.pairs if pair.refused == "BudgetExceeded"]:
        problems.append(gate_problems.went_past_a_limit(limited))
    return problems


def _silent(evaluation: Evaluation, comparison: BaselineComparison) -> list[str]:
    """Return the cases whose run finished without a call, although it made some when the baseline was
    written.
    """
    silent = set()
    for pair in comparison.pairs:
        traces = [trace for item in pair.group.items if (trace := evaluation.trace_of(item)) is not None]
        ended = traces and all(trace.error is None and not trace.llm_calls for trace in traces)
        if pair.case.calls and ended:
            silent.add(f"{pair.pipeline}::{pair.group.case_id}")
    return sorted(silent)


def _refused(comparison: BaselineComparison, kind: str) -> list[str]:
    """Return names of the tests that this refusal ended."""
    names = [pair.group.name for pair in comparison.pairs if pair.refused == kind]
    return names + [group.name for group in comparison.new if group.refused == kind]


def remarks(
    evaluation: Evaluation,
    baseline: Baseline,
    comparison: BaselineComparison,
    artifacts: Mapping[str, str] | None,
) -> list[GateProblem]:
    """Return the remarks that do not fail the gate: prompts that changed, cases without a baseline."""
    problems = []
    outage = bool(evaluation.outage)  # then no prompt is named
    changed = changed_artifacts(baseline, artifacts) if artifacts is not None and not outage else []
    if changed:
        problems.append(gate_problems.prompts_changed(changed))
    elif not outage and (other := _other_questions(evaluation, baseline)):
        problems.append(gate_problems.questions_changed(other))
    if comparison.new:
        failing = sum(
            any(item.counts and not item.passed for item in group.items) for group in comparison.new
        )
        names = comparison.new_cases or [group.name for group in comparison.new]
        noun = "case" if comparison.new_cases else "test"
        problems.append(gate_problems.not_in_the_baseline(names, noun, failing))
    return problems


def changed_artifacts(baseline: Baseline, artifacts: Mapping[str, str]) -> list[str]:
    """Return the addresses whose text differs from the evaluated one, is new, or is gone."""
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
                found.append(name)
    return found


def _cases(pipeline: PipelineBaseline) -> set[str]:
    return {case_id for cases in pipeline.cases.values() for case_id in cases}


def old_failure(baseline: Baseline | None, policy: GatePolicy, repeats: int) -> Callable[[str, int], str]:
    """Tells why the failure of one test on a case does not decide by itself; empty where it does.

    Args:
        baseline: the committed one; None: nothing is known.
        policy: only under `strict` a single case decides.
        repeats: of this session; with several, all of them decide together.

    Returns:
        a function of node id and repeat.
    """
    known = {
        nodeid: result
        for each in (baseline.pipelines if baseline is not None else {}).values()
        for cases in each.cases.values()
        for case in cases.values()
        for nodeid, result in case.items.items()
    }

    def excuse(nodeid: str, repeat: int) -> str:
        result = known.get(group_name(nodeid, repeat))
        if result is None:
            return "no verdict in the baseline yet"
        share = passed_share(result)
        if share is None:
            return f"{result} in the baseline by its mark"
        if share < 1:
            return "fails in the baseline too" if not share else f"{result} passed in the baseline"
        if not policy.one_case_decides:
            return f"no single case decides under policy {policy.name!r}"
        return "its repeats decide together" if repeats > 1 else ""

    return excuse
