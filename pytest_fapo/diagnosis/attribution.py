"""`diagnose`: apply the rules to every failing case, then repeats, a model's reading, interventions,
clusters.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Protocol

from pytest_fapo.core.candidate import Artifact
from pytest_fapo.core.case import Case
from pytest_fapo.core.diagnosis import Diagnosis, Finding
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.record import Split
from pytest_fapo.core.trace import Trace
from pytest_fapo.diagnosis.asserted_step import answering_step
from pytest_fapo.diagnosis.assertions import Assertion, read_assertion
from pytest_fapo.diagnosis.clusters import FieldMaps, ceilings, make_clusters
from pytest_fapo.diagnosis.contrast import Contrast, Rule
from pytest_fapo.diagnosis.failure import AttributeHook, Failure, FailureAttribution, Opinion
from pytest_fapo.diagnosis.field_map import CaseRun, FieldMap
from pytest_fapo.diagnosis.interventions import Intervene, investigate
from pytest_fapo.diagnosis.label_forms import LabelForms
from pytest_fapo.diagnosis.rules.extra_keys import extra_keys
from pytest_fapo.diagnosis.rules.failed_calls import (
    exception,
    failed_tools,
    no_answer,
    refusal,
    truncated,
    unfinished,
)
from pytest_fapo.diagnosis.rules.field_values import field_values
from pytest_fapo.diagnosis.rules.grounding import not_given
from pytest_fapo.diagnosis.rules.labeled_outputs import labeled_steps
from pytest_fapo.diagnosis.rules.lost_facts import lost_facts
from pytest_fapo.diagnosis.rules.malformed_output import cascade, cut_short, schema, too_few
from pytest_fapo.diagnosis.rules.text_requirements import requirement
from pytest_fapo.diagnosis.sibling_runs import find_noise, learn_from_labels
from pytest_fapo.diagnosis.suspect_labels import doubt
from pytest_fapo.diagnosis.trace_view import TraceView

READ_OF_A_GROUP = 6
"""Items that look alike are read up to this number; where these agree, it holds for the others too."""

AGREED = 0.8

_MOST_SURE = 0.85
"""Confidence that a reader's word alone can give a finding."""


class FailureReader(Protocol):
    """Reads what the rules are unsure of."""

    def read(self, attributions: Sequence[FailureAttribution]) -> Mapping[str, Opinion]:
        """Opinions by node id, for as many of the items as there is one; never raises."""
        ...


def consult_reader(attributions: Sequence[FailureAttribution], reader: FailureReader) -> None:
    """Let the reader look at the unsure items and correct their findings by what it says."""
    groups: dict[tuple[str, ...], list[FailureAttribution]] = defaultdict(list)
    for attribution in attributions:
        if attribution.unsure and attribution.failure.view is not None:
            groups[attribution.group].append(attribution)
    chosen = [one for group in groups.values() for one in group[:READ_OF_A_GROUP]]
    opinions = reader.read(chosen) if chosen else {}
    for group in groups.values():
        _weigh_group(group, opinions)


def _weigh_group(group: Sequence[FailureAttribution], opinions: Mapping[str, Opinion]) -> None:
    given = [opinion for one in group if (opinion := opinions.get(one.finding.nodeid)) is not None]
    counts = Counter((opinion.step, opinion.category) for opinion in given)
    common = None
    if len(given) >= 2 and counts.most_common(1)[0][1] >= AGREED * len(given):
        wanted = counts.most_common(1)[0][0]
        common = next(opinion for opinion in given if (opinion.step, opinion.category) == wanted)
    for one in group:
        opinion = opinions.get(one.finding.nodeid) or common
        if opinion is not None:
            _weigh(one, opinion)


def _weigh(attribution: FailureAttribution, opinion: Opinion) -> None:
    finding = attribution.finding
    sure = min(opinion.confidence, _MOST_SURE)
    if opinion.step != finding.step:
        attribution.other = opinion
        if sure <= finding.confidence:
            return
        attribution.change(field="", expected=None, actual=None)
    else:
        sure = max(sure, finding.confidence)
    table = _level_of(attribution, opinion)
    attribution.change(
        step=opinion.step,
        category=opinion.category,
        level=opinion.level or table,
        confidence=round(sure, 2),
        evidence=opinion.evidence or finding.evidence,
        source="llm",
    )


def _level_of(attribution: FailureAttribution, opinion: Opinion) -> str:
    """Return the level that the table gives to a category and step."""
    failure = attribution.failure
    step = failure.view.by_key(opinion.step) if failure.view is not None else None
    table: Finding = failure.finding(opinion.category, step, opinion.evidence, confidence=opinion.confidence)
    return table.level


def fallback(failure: Failure) -> Finding:
    """The last step that asked a model, or the pipeline as a whole."""
    if failure.view is None:
        return failure.finding(
            "unknown", None, "the test left no trace: its pipeline never ran", confidence=0.1
        )
    step = answering_step(failure)
    if step is None:
        return failure.finding(
            "unknown", None, "the trace holds no step and no LLM call", confidence=0.1, level="structure"
        )
    first = next((line for line in failure.item.explanation.splitlines() if line.strip()), "")
    about = f" ({first.strip()[:120]})" if first else ""
    return failure.finding(
        "content" if step.calls else "unknown",
        step,
        f"no step is known to be wrong{about}; assumed to be the one that answered",
        confidence=0.3,
    )


RULES: tuple[Rule, ...] = (
    refusal,
    truncated,
    labeled_steps,
    extra_keys,
    failed_tools,
    unfinished,
    schema,
    exception,
    cut_short,
    cascade,
    not_given,
    lost_facts,
    too_few,
    field_values,
    requirement,
    fallback,
)


def diagnose(
    evaluation: Evaluation,
    *,
    artifacts: Sequence[Artifact],
    split: Split | None = "train",
    reader: FailureReader | None = None,
    intervene: Intervene | None = None,
    limit: int = 0,
    extra: Sequence[AttributeHook] = (),
) -> Diagnosis:
    """Attribute every failing case to a step and group the findings by cause.

    Args:
        evaluation: a run of the cases; items without a case are left out.
        artifacts: the editable pieces of all levels; clusters name those that their step was seen to use.
        split: look at the cases of this split only; None looks at all.
        reader: a model that reads what the rules leave unsure.
        intervene: runs cases again with a step's output replaced, where rules and reader are unsure or
            disagree, or several steps are wrong.
        limit: how many runs of a case the interventions may cost.
        extra: rules of the user's own, asked before all others.

    Never raises on odd traces: a case that no rule understands becomes a finding of low confidence.
    """
    chosen = [
        item
        for item in evaluation.items.values()
        if item.nodeid in evaluation.cases and (split is None or item.split == split)
    ]
    items = [item for item in chosen if item.counts]
    maps = _field_maps(evaluation, items)
    attributions = _attributions(evaluation, items, maps, extra)
    if reader is not None:
        consult_reader(attributions, reader)
    spent = investigate(attributions, intervene, limit) if intervene is not None and limit > 0 else 0
    # Without a whole answer nothing can be learned of a step, whatever the test made of it.
    silent = [_failure(evaluation, item, {}) for item in chosen if item.unanswered]
    outages = [finding for finding in map(no_answer, silent) if finding is not None]
    findings = [*outages, *(attribution.finding for attribution in attributions)]
    causes = [finding for finding in findings if finding.category not in _APART]
    clusters = make_clusters(causes, items=items, maps=maps, artifacts=artifacts)
    return Diagnosis(
        findings=findings,
        clusters=clusters,
        infrastructure=[finding for finding in findings if finding.category == "infrastructure"],
        suspects=[finding for finding in findings if finding.category == "mislabeled"],
        ceilings=ceilings(clusters, items),
        interventions=spent,
    )


def _attributions(
    evaluation: Evaluation, items: Sequence[ItemResult], maps: FieldMaps, extra: Sequence[AttributeHook]
) -> list[FailureAttribution]:
    """Return what rules, repeats, labeled steps and the signs of wrong labels say of the failing items."""
    contrasts = _contrasts(evaluation, items, maps)
    attributions = [
        _attribution(failure, evaluation, contrasts[_test_of(failure)], extra)
        for item in items
        if not item.passed
        for failure in [_failure(evaluation, item, maps)]
    ]
    learn_from_labels(attributions)
    find_noise(attributions, evaluation)
    for attribution in attributions:
        found = contrasts[_test_of(attribution.failure)].doubts.get(attribution.finding.nodeid)
        if found is not None:
            doubt(attribution, found)
    return attributions


def _field_maps(evaluation: Evaluation, items: list[ItemResult]) -> FieldMaps:
    """One map per pipeline and label set, each run once; a run passed when all its items of the set did."""
    runs: dict[tuple[str, str], dict[tuple[str, int], tuple[Case, Trace, bool]]] = {}
    said: dict[tuple[str, str], list[tuple[Case, Assertion]]] = defaultdict(list)
    for item in items:
        trace = evaluation.trace_of(item)
        if trace is None:
            continue
        case = evaluation.cases[item.nodeid]
        mine = runs.setdefault((item.pipeline or "", case.label_set), {})
        before = mine.get((case.id, item.repeat))
        passed = item.passed and (before is None or before[2])
        mine[case.id, item.repeat] = (case, trace, passed)
        if not item.passed:
            said[item.pipeline or "", case.label_set].append((case, _assertion(item)))
    return {
        key: FieldMap.of(mine.values(), LabelForms.of(said[key], mine.values())) for key, mine in runs.items()
    }


def _assertion(item: ItemResult) -> Assertion:
    return read_assertion(item.explanation, item.error_type)


def _contrasts(
    evaluation: Evaluation, items: Sequence[ItemResult], maps: FieldMaps
) -> dict[tuple[str, str, str], Contrast]:
    """One per test, pipeline and label set: each test asserts something of its own."""
    failing: dict[tuple[str, str, str], list[Failure]] = defaultdict(list)
    passing: dict[tuple[str, str, str], list[Failure]] = defaultdict(list)
    for item in items:
        failure = _failure(evaluation, item, maps)
        kind = passing if item.passed else failing
        kind[_test_of(failure)].append(failure)
    return {key: Contrast(group, passing[key]) for key, group in failing.items()}


def _test_of(failure: Failure) -> tuple[str, str, str]:
    return (failure.item.pipeline or "", failure.case.label_set, failure.item.test)


def _attribution(
    failure: Failure, evaluation: Evaluation, contrast: Contrast, extra: Sequence[AttributeHook]
) -> FailureAttribution:
    for hook in extra:
        finding = hook(evaluation, failure.item)
        if finding is not None:
            own = {"source": "hook", "label_set": failure.case.label_set}
            return FailureAttribution(failure, finding.model_copy(update=own))
    without_labels = None
    if failure.case.expected_steps:
        without_labels = _by_rules(failure, contrast, [rule for rule in RULES if rule is not labeled_steps])
    return FailureAttribution(failure, _by_rules(failure, contrast, RULES), without_labels=without_labels)


def _failure(evaluation: Evaluation, item: ItemResult, maps: FieldMaps) -> Failure:
    case = evaluation.cases[item.nodeid]
    fields = maps.get((item.pipeline or "", case.label_set)) or FieldMap([])
    trace = evaluation.trace_of(item)
    reading = None if trace is None else CaseRun(case, TraceView(trace, fields.helpers), passed=False)
    return Failure(item, case, reading, fields)


_APART = ("infrastructure", "mislabeled")
"""Categories that no edit can do anything about."""

_DIRECT: tuple[Rule, ...] = (labeled_steps, extra_keys)
"""Rules whose word needs no comparison: what they look at is no symptom, but the fault itself."""

EXPLAINS = 0.5
"""The part of the failures that a symptom must explain to be taken before those of later rules."""


def _by_rules(failure: Failure, contrast: Contrast, rules: Sequence[Rule]) -> Finding:
    """The first finding that explains the difference to passing cases; the surest where none does."""
    apart = no_answer(failure)
    if apart is not None:
        return apart
    weak: list[Finding] = []
    for rule in rules:
        finding = rule(failure)
        if finding is None:
            continue
        if rule in _DIRECT:
            return finding
        if rule is rules[-1]:
            weak.append(finding)
            break
        weighed, explained = contrast.weighed(rule, failure, finding)
        if explained > EXPLAINS:
            return weighed
        weak.append(weighed)
    return max(weak, key=lambda finding: finding.confidence)
