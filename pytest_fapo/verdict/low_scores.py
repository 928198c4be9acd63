"""The train cases whose graded score is low: what a run with an objective works on, beside failing tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.spending import RUN_COSTS
from pytest_fapo.core.text import listing, score_text
from pytest_fapo.verdict.comparison import scale_end
from pytest_fapo.verdict.policy import GatePolicy

LOW_SCORE = "LowScore"
"""Error type of an item that passes, and counts as failing for its low score."""


def with_low_scores(evaluation: Evaluation, policy: GatePolicy) -> Evaluation:
    """Return the evaluation as diagnosis and proposers see it: train items with a low score count as failing.

    A score is low in the worse half of the way from the worst of train to the best that its scale allows;
    the words of `run.feedback` stand in for what pytest would say of a failure.
    """
    limits = _limits(evaluation, policy)
    if not limits:
        return evaluation
    items = {nodeid: _seen(item, evaluation, limits) for nodeid, item in evaluation.items.items()}
    return evaluation.model_copy(update={"items": items})


def lowest_items(evaluation: Evaluation, policy: GatePolicy) -> list[ItemResult]:
    """Return the train items that a run works on: those that fail and those whose score is low."""
    return [item for item in with_low_scores(evaluation, policy).in_split("train") if not item.passed]


def unscored(evaluation: Evaluation, policy: GatePolicy) -> list[str]:
    """Return the objectives that no train item records."""
    known = {name for item in evaluation.in_split("train") for name in item.scores}
    return [name for name in policy.objectives if name not in known]


def scored(evaluation: Evaluation) -> list[str]:
    """Return the metrics that train items record."""
    return sorted({name for item in evaluation.in_split("train") for name in item.scores})


def _limits(evaluation: Evaluation, policy: GatePolicy) -> dict[str, float]:
    """Objective to the merit up to which it is low; costs matter where nothing else is an objective."""
    quality = [name for name in policy.objectives if name not in RUN_COSTS]
    found = {name: _limit(name, evaluation) for name in quality or policy.objectives}
    return {name: limit for name, limit in found.items() if limit is not None}


def _limit(metric: str, evaluation: Evaluation) -> float | None:
    items = [item for item in evaluation.in_split("train") if metric in item.scores]
    merits = [merit for item in items if (merit := item.merit(metric)) is not None]
    if not merits:
        return None
    lower = any(metric in item.lower_is_better for item in items)
    goal = max(0.0, max(merits)) if lower else scale_end(max(merits), lower=False)
    return None if min(merits) >= goal else (min(merits) + goal) / 2


def _seen(item: ItemResult, evaluation: Evaluation, limits: Mapping[str, float]) -> ItemResult:
    if item.split != "train" or not item.counts:
        return item
    short = {
        name: limit
        for name, limit in limits.items()
        if (merit := item.merit(name)) is not None and merit <= limit
    }
    if not short:
        return item
    if not item.passed:
        return item.model_copy(update={"short_of": short})
    return item.model_copy(
        update={
            "outcome": "failed",
            "error_type": LOW_SCORE,
            "explanation": _explanation(item, evaluation, list(short)),
            "short_of": short,
        }
    )


def _explanation(item: ItemResult, evaluation: Evaluation, names: Sequence[str]) -> str:
    """`rouge is 0.25 (0.41 on average)`, and the score's own words."""
    said = [
        f"{name} is {score_text(item.scores[name])} "
        f"({score_text(evaluation.metric_mean(name, 'train'))} on average"
        f"{', less is better' if name in item.lower_is_better else ''})"
        for name in names
    ]
    return "\n".join([listing(said), *item.feedback])
