"""Repeats of a case that differ: the same step, asked the same, answered once right and once wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from pytest_fapo.diagnose.attribution import Attribution
from pytest_fapo.diagnose.failure import shown
from pytest_fapo.models import Evaluation, ItemResult, LLMCall, canonical_json
from pytest_fapo.reading import StepView, TraceView

_SURE = 0.8


def find_noise(attributions: Sequence[Attribution], evaluation: Evaluation) -> None:
    """Correct the findings of items of which another repeat passes: what differs first is the cause."""
    repeats: dict[str, list[ItemResult]] = defaultdict(list)
    for item in evaluation.items.values():
        if item.counts:
            repeats[item.first_nodeid].append(item)
    for attribution in attributions:
        item = attribution.failure.item
        runs = repeats[item.first_nodeid]
        good = [other for other in runs if other.passed]
        for other in good:
            judged = evaluation.judged_otherwise(item, evaluation, other)
            if judged is not None:
                _blame_judge(attribution, *judged)
                break
        trace = evaluation.trace_of(good[0]) if good else None
        view = attribution.failure.view
        if trace is None or view is None or attribution.finding.category == "infrastructure":
            continue
        found = _first_difference(view, TraceView(trace, attribution.failure.fields.helpers))
        if found is not None:
            _correct(attribution, *found, passed=len(good), runs=len(runs))


def _blame_judge(attribution: Attribution, bad: LLMCall, good: LLMCall) -> None:
    """The pipeline gave the same output both times: it has no part in the failure."""
    evidence = (
        f"the judge varies over the same output: asked the same, {bad.model or 'it'} said "
        f"{shown(bad.answer, 60)} here and {shown(good.answer, 60)} there"
    )
    attribution.change(step="", category="infrastructure", confidence=1.0, evidence=evidence, also=[])


def _first_difference(bad: TraceView, good: TraceView) -> tuple[StepView, StepView] | None:
    for step in bad.steps:
        other = good.by_key(step.key)
        if other is None:
            return None
        asked_alike = canonical_json(step.step.inputs) == canonical_json(other.step.inputs)
        if step.calls and asked_alike and canonical_json(step.output) != canonical_json(other.output):
            return step, other
    return None


def _correct(attribution: Attribution, bad: StepView, good: StepView, *, passed: int, runs: int) -> None:
    finding = attribution.finding
    warm = any(call.parameters.get("temperature", 1) != 0 for call in bad.calls)
    same = finding.step == bad.key
    evidence = (
        f"{passed} of {runs} runs of this case pass: asked the same, {bad.key} gave {shown(bad.output, 80)} "
        f"here and {shown(good.output, 80)} there"
    )
    attribution.change(
        step=bad.key,
        category=finding.category if same else "content",
        level="param" if warm else "prompt",
        confidence=max(finding.confidence if same else 0.0, _SURE),
        evidence=evidence,
        expected=finding.expected if same else good.output,
        actual=bad.output,
        field=finding.field if same else "",
    )
