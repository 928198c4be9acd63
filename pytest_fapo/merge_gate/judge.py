"""The question of the merge gate: has accuracy fallen against the baseline?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pytest_fapo.gate import GatePolicy
from pytest_fapo.merge_gate.floors import Floor
from pytest_fapo.merge_gate.metrics import metric_problems
from pytest_fapo.merge_gate.pairs import Comparison, as_named_now, compare
from pytest_fapo.merge_gate.policies import Fall, paired_problems, target_problems
from pytest_fapo.merge_gate.problems import floor_problems, remarks, unjudged
from pytest_fapo.merge_gate.regressions import output_changed, regression
from pytest_fapo.merge_gate.scores import score_rows
from pytest_fapo.models import Baseline, Evaluation, GateProblem, GateResult, SplitScore

_LOSSES = {"regression", "worse", "floor", "metric"}


def judge(
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
        policy: how to decide; see `merge_gate.policies`.
        floors: the least that scores may be, whatever they were.
        current_artifacts: what `baseline.artifact_digests` gives for the tree as it is; None: not compared.

    Returns:
        the answer; `undecided` where something is missing, since what was not compared is not let through.
    """
    baseline = as_named_now(baseline, evaluation)
    found = compare(evaluation, baseline)
    rows = score_rows(evaluation, baseline, floors)
    problems = unjudged(evaluation, found)
    figures: Fall | None = None
    if not problems:
        losses, figures = _losses(found, rows, policy, floors)
        problems += losses
    problems += remarks(evaluation, baseline, found, current_artifacts)
    # What was not asked, or not answered, is no regression: the gate says that it could not judge.
    regressed = [pair for pair in found.pairs if pair.unit.broken and pair.judged]
    result = GateResult(
        policy=policy.name,
        verdict="passed",
        regressions=[regression(pair, evaluation, fails=policy.name == "strict") for pair in regressed],
        fixed=[pair.group.name for pair in found.pairs if pair.unit.fixed and pair.judged],
        still_failing=_still_failing(found),
        new_cases=found.new_cases,
        changed_outputs=[
            pair.group.name
            for pair in found.pairs
            if pair.unit.difference == 0 and pair.judged and output_changed(pair, evaluation)
        ],
        scores=rows,
        effect=figures.effect if figures else None,
        interval=figures.interval if figures else None,
        p_value=figures.chance if figures else None,
    )
    return with_problems(result, problems)


def _losses(
    found: Comparison, rows: Sequence[SplitScore], policy: GatePolicy, floors: Sequence[Floor]
) -> tuple[list[GateProblem], Fall | None]:
    """What tells of a loss beside single regressions; asked of whole runs only."""
    losses: list[GateProblem] = []
    figures = None
    if policy.name == "paired":
        losses, figures = paired_problems(found, policy)
    elif policy.name == "target":
        losses = target_problems(rows, policy)
    return [*losses, *metric_problems(found, policy), *floor_problems(rows, floors)], figures


def with_problems(result: GateResult, problems: Iterable[GateProblem]) -> GateResult:
    """The result with further problems, and the verdict that follows from all of them."""
    made = result.model_copy(update={"problems": [*result.problems, *problems]})
    kinds = {problem.kind for problem in made.failures}
    certain = any(each.fails for each in made.regressions)
    verdict = "passed"
    if certain or (kinds & _LOSSES and not made.partial):
        verdict = "fell"
    elif kinds - {"test"}:
        verdict = "undecided"
    return made.model_copy(update={"verdict": verdict})


def _still_failing(found: Comparison) -> list[str]:
    return [
        pair.group.name
        for pair in found.pairs
        if pair.unit.before == 0.0 and not pair.unit.fixed and pair.judged
    ]
