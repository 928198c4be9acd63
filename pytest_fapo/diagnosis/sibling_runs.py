"""What the repeats of a case, and the labeled steps of other cases, tell of a failing case."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.record import canonical_json
from pytest_fapo.core.trace import LLMCall
from pytest_fapo.diagnosis.failure import FailureAttribution, shown
from pytest_fapo.diagnosis.label_signs import succession
from pytest_fapo.diagnosis.trace_view import StepView, TraceView

_CONFIDENT = 0.8


def find_noise(attributions: Sequence[FailureAttribution], evaluation: Evaluation) -> None:
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
        difference = _first_difference(view, TraceView(trace, attribution.failure.fields.helpers))
        if difference is not None:
            _correct(attribution, *difference, passed=len(good), runs=len(runs))


def _blame_judge(attribution: FailureAttribution, bad: LLMCall, good: LLMCall) -> None:
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


def _correct(
    attribution: FailureAttribution, bad: StepView, good: StepView, *, passed: int, runs: int
) -> None:
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
        confidence=max(finding.confidence if same else 0.0, _CONFIDENT),
        evidence=evidence,
        expected=finding.expected if same else good.output,
        actual=bad.output,
        field=finding.field if same else "",
    )


_SAME_STEP = 2 / 3
"""The share of the labeled cases that must be wrong at one step."""


def learn_from_labels(attributions: Sequence[FailureAttribution]) -> None:
    """Correct the findings of cases without labels of their steps, where cases that have them are wrong at
    another step than the rules would say without, and the rules say the same of both.
    """
    labeled: dict[tuple[str, ...], list[FailureAttribution]] = defaultdict(list)
    for each in attributions:
        if each.without_labels is not None:
            labeled[_kind(each)].append(each)
    for each in attributions:
        witnesses = labeled.get(_kind(each), []) if each.without_labels is None else []
        if not witnesses:
            continue
        step, times = Counter(one.finding.step for one in witnesses).most_common(1)[0]
        view = each.failure.view.by_key(step) if each.failure.view is not None else None
        if view is None or step == each.finding.step or times < _SAME_STEP * len(witnesses):
            continue
        example = next(one.finding for one in witnesses if one.finding.step == step)
        evidence = f"as in case {example.case_id}, where {example.evidence}"
        each.change(
            step=step,
            category=example.category,
            level=example.level,
            confidence=min(succession(times), example.confidence),
            evidence=f"{each.finding.evidence}; {evidence}",
            field="",
            expected=None,
            actual=view.output,
        )


def _kind(attribution: FailureAttribution) -> tuple[str, ...]:
    """Equal for failing cases of which the rules say the same without labels."""
    finding = attribution.without_labels or attribution.finding
    test = attribution.failure.item.test
    return (finding.pipeline, finding.label_set, test, finding.step, finding.category, finding.field)
