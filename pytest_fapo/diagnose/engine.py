"""`diagnose`: the rules over every failing case, then a reader, then interventions, then clusters."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_fapo.diagnose.attribution import AttributeHook, Attribution
from pytest_fapo.diagnose.clusters import FieldMaps, ceilings, make_clusters
from pytest_fapo.diagnose.consulting import Reader, consult
from pytest_fapo.diagnose.failure import Failure
from pytest_fapo.diagnose.investigate import Intervene, investigate
from pytest_fapo.diagnose.links import artifacts_of_step
from pytest_fapo.diagnose.noise import find_noise
from pytest_fapo.diagnose.rules import RULES
from pytest_fapo.diagnose.rules.infrastructure import no_answer
from pytest_fapo.models import Artifact, Case, Diagnosis, Evaluation, Finding, ItemResult, Split, Trace
from pytest_fapo.reading import FieldMap, Reading, TraceView


def diagnose(
    evaluation: Evaluation,
    *,
    artifacts: Sequence[Artifact],
    split: Split | None = "train",
    reader: Reader | None = None,
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
    attributions = [_attribution(evaluation, item, maps, extra) for item in items if not item.passed]
    # Without a whole answer nothing can be learned of a step, whatever the test made of it.
    outages = [no_answer(_failure(evaluation, item, {})) for item in chosen if item.unanswered]
    find_noise(attributions, evaluation)
    if reader is not None:
        consult(attributions, reader)
    spent = investigate(attributions, intervene, limit) if intervene is not None and limit > 0 else 0
    findings = [*outages, *(attribution.finding for attribution in attributions)]
    clusters = make_clusters(
        [finding for finding in findings if finding.category != "infrastructure"],
        items=items,
        maps=maps,
        artifacts=artifacts,
    )
    return Diagnosis(
        findings=findings,
        clusters=clusters,
        infrastructure=[finding for finding in findings if finding.category == "infrastructure"],
        ceilings=ceilings(clusters, items),
        interventions=spent,
    )


def artifacts_of(
    step: str, pipeline: str, evaluation: Evaluation, artifacts: Sequence[Artifact]
) -> list[str]:
    """Addresses of the artifacts that a step of a pipeline was seen to use on train.

    Args:
        step: the step's key.
        pipeline: name of the pipeline fixture.
        evaluation: whose traces are looked at.
        artifacts: of all levels.
    """
    items = [
        item
        for item in evaluation.items.values()
        if item.pipeline == pipeline and item.split == "train" and item.nodeid in evaluation.cases
    ]
    maps = _field_maps(evaluation, items).values()
    views = [reading.view for fields in maps for reading in fields.readings]
    return artifacts_of_step(step, views, artifacts)


def _field_maps(evaluation: Evaluation, items: list[ItemResult]) -> FieldMaps:
    """One map per pipeline and label set, each run once; a run passed when all its items of the set did."""
    runs: dict[tuple[str, str], dict[tuple[str, int], tuple[Case, Trace, bool]]] = {}
    for item in items:
        trace = evaluation.trace_of(item)
        if trace is None:
            continue
        case = evaluation.cases[item.nodeid]
        mine = runs.setdefault((item.pipeline or "", case.label_set), {})
        before = mine.get((case.id, item.repeat))
        passed = item.passed and (before is None or before[2])
        mine[case.id, item.repeat] = (case, trace, passed)
    return {place: FieldMap.of(found.values()) for place, found in runs.items()}


def _attribution(
    evaluation: Evaluation, item: ItemResult, maps: FieldMaps, extra: Sequence[AttributeHook]
) -> Attribution:
    failure = _failure(evaluation, item, maps)
    for hook in extra:
        finding = hook(evaluation, item)
        if finding is not None:
            own = {"source": "hook", "label_set": failure.case.label_set}
            return Attribution(failure, finding.model_copy(update=own))
    return Attribution(failure, _by_rules(failure))


def _failure(evaluation: Evaluation, item: ItemResult, maps: FieldMaps) -> Failure:
    case = evaluation.cases[item.nodeid]
    fields = maps.get((item.pipeline or "", case.label_set)) or FieldMap([])
    trace = evaluation.trace_of(item)
    reading = None if trace is None else Reading(case, TraceView(trace, fields.helpers), passed=False)
    return Failure(item, case, reading, fields)


def _by_rules(failure: Failure) -> Finding:
    for rule in RULES:
        finding = rule(failure)
        if finding is not None:
            return finding
    raise AssertionError("the last rule always gives a finding")  # pragma: no cover
