"""The lines that a plain `pytest` run prints about its cases."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from statistics import fmean, variance

from pytest_fapo.core.errors import ModelUnavailable
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.printable import shown
from pytest_fapo.core.record import SPLITS, Split
from pytest_fapo.core.spending import cost_text
from pytest_fapo.core.text import count, percent, score_text
from pytest_fapo.views.progress import RunState


def session_lines(
    evaluation: Evaluation, *, stand_in: str = "", hint: bool = True, warnings: Sequence[str] = ()
) -> list[str]:
    """Return the scores per split, the calls, and what to type next; empty where no item has a case.

    Args:
        evaluation: the session's items with their traces and spending.
        stand_in: name of the offline model, where the caller knows it.
        hint: whether to say what to type when train cases fail; not when that is under way already.
        warnings: what else a person should know, a sentence each.
    """
    items = {name: item for name, item in evaluation.items.items() if not (item.not_run or item.refused)}
    judged = evaluation.model_copy(update={"items": items})
    scores = [_score(judged, split) for split in SPLITS if judged.in_split(split)]
    outage = evaluation.outage
    lacking = [f"fapo: {shown(outage.sentence)}"] if outage else []
    lacking += _without_verdict(evaluation)
    told = [f"fapo: {shown(warning)}" for warning in warnings]
    if not scores:
        return [*lacking, *told] if lacking else []
    spending = evaluation.spending
    lines = [
        f"fapo: passing: {', '.join(scores)}",
        *(f"fapo: {shown(name)}: {means}" for name, means in metric_means(judged)),
        *_varying(judged),
        *lacking,
    ]
    if spending.calls or spending.cache_hits:
        lines.append(f"fapo: {RunState(spending=spending).spent().replace(' · ', ', ')}")
    if spending.calls and spending.unpriced_models:
        lines.append(f"fapo: {shown(cost_text(spending))}")
    if stand_in or _stand_in_answered(evaluation):
        name = f" {shown(stand_in)}" if stand_in else ""
        lines.append(f"fapo: the offline stand-in{name} answered, not a real model")
    lines += told
    if hint and any(not item.passed for item in judged.in_split("train")):
        lines.append("fapo: pytest --fapo-diagnose shows where and why cases fail")
    return lines


def folded(line: str, width: int) -> list[str]:
    """Return a line in pieces that fit into a terminal, no word broken; all but the first are indented."""
    kept = line.replace(" %", "\ue000%")  # a number and its unit stay together
    pieces = textwrap.wrap(
        kept, width, subsequent_indent=" " * 6, break_long_words=False, break_on_hyphens=False
    )
    return [piece.replace("\ue000%", " %") for piece in pieces]


def _score(evaluation: Evaluation, split: Split) -> str:
    """`train 75 % of 40`, and that cases weigh differently where they do."""
    items = evaluation.in_split(split)
    weighed = " by weight" if len({item.weight for item in items}) > 1 else ""
    return f"{split} {percent(evaluation.score(split))} of {len(items):,}{weighed}"


def metric_means(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Return each graded metric with its mean per split, and how much its judge varies."""
    metrics = sorted({name for item in evaluation.items.values() for name in item.scores})
    found = []
    for name in metrics:
        means = {split: evaluation.metric_mean(name, split) for split in SPLITS}
        said = [f"{split} {score_text(mean)}" for split, mean in means.items() if mean is not None]
        found.append((name, f"{', '.join(said)}{_judge_noise(evaluation, name)}"))
    return found


def _judge_noise(evaluation: Evaluation, metric: str) -> str:
    """Return how far a judge's answers about one output lie apart, where it was asked several times."""
    asked = [item.judge_scores[metric] for item in evaluation.items.values() if metric in item.judge_scores]
    if not asked:
        return ""
    varying = sum(len(set(answers)) > 1 for answers in asked)
    spread = fmean(variance(answers) for answers in asked) ** 0.5
    return (
        f" (its judge, asked {len(asked[0])} times, varies over {varying:,} of "
        f"{count(len(asked), 'output')}, one answer by ±{score_text(spread)})"
    )


def _without_verdict(evaluation: Evaluation) -> list[str]:
    """Return how many tests on cases say nothing of their pipeline's answers, and why."""
    on_cases = [item for item in evaluation.items.values() if item.split is not None]
    stopped = sum(item.error_type == ModelUnavailable.__name__ for item in on_cases)
    refused = sum(item.refused for item in on_cases) - stopped
    not_run = sum(item.not_run for item in on_cases)
    lines = []
    if stopped:
        lines.append(
            f"fapo: {count(stopped, 'test')} not run: no call of the first cases was answered; fix that and "
            "run pytest again"
        )
    if refused:
        lines.append(f"fapo: {count(refused, 'test')} without a verdict: not allowed to ask a model")
    if not_run:
        lines.append(f"fapo: {count(not_run, 'test')} without a verdict: ended before the pipeline could run")
    return lines


def _varying(evaluation: Evaluation) -> list[str]:
    """Return the number of tests on a case whose verdict varies between repeats; nothing without repeats."""
    verdicts: dict[str, list[bool]] = {}
    for split in SPLITS:
        for item in evaluation.in_split(split):
            verdicts.setdefault(item.first_nodeid, []).append(item.passed)
    repeats = max(len(found) for found in verdicts.values())
    if repeats == 1:
        return []
    varying = sum(len(set(found)) > 1 for found in verdicts.values())
    return [f"fapo: varying between {repeats} runs: {varying:,} of {count(len(verdicts), 'test')}"]


def _stand_in_answered(evaluation: Evaluation) -> bool:
    runs = getattr(evaluation.traces, "summaries", None)
    if runs:
        return any(run.offline for run in runs.values())
    return any(call.offline for trace in evaluation.traces.values() for call in trace.llm_calls)
