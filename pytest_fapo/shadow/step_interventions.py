"""Run cases again with one step's output replaced: the step that lets a case pass was the cause."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pytest_fapo.core.diagnosis import Intervention
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.record import Outcome, canonical_json
from pytest_fapo.shadow.evaluation_request import EvaluationRequest, EvaluationStage
from pytest_fapo.shadow.shadow_run import evaluate
from pytest_fapo.shadow.shadow_tree import ShadowTree

_NO_ANSWER = frozenset({"CacheMiss", "BudgetExceeded", "NetworkRefused", "RunEnded"})
"""Error types of an item that was not let through to its end: its outcome says nothing of a step."""

Round = dict[int, Intervention]


def run_interventions(
    shadow: ShadowTree,
    request: EvaluationRequest,
    interventions: Sequence[Intervention],
    *,
    cancelled: Callable[[], bool] | None = None,
) -> dict[int, Outcome | None]:
    """Run each intervention's item on the tree as it stands; what is before the replaced step comes from
    the cache, so only what follows costs calls.

    Args:
        shadow: the tree that was diagnosed, with its patch applied.
        request: arguments, cache, limits; its stages are not used.
        interventions: any number, also several of one case: as many processes run as the case with the most
            of them has.
        cancelled: see `evaluate`.

    Returns:
        index of the intervention to the item's outcome; None where it could not be done: the step does not
        take the output, never ran, is a generator, or the item was not let through to its end.

    Raises:
        EvaluationError: the run was cancelled.
    """
    outcomes: dict[int, Outcome | None] = dict.fromkeys(range(len(interventions)))
    for batch in rounds(interventions):
        evaluation = evaluate(shadow, _request(request, batch), cancelled=cancelled)
        outcomes |= {index: _outcome(evaluation, one) for index, one in batch.items()}
    return outcomes


def rounds(interventions: Sequence[Intervention]) -> list[Round]:
    """Return the fewest batches in which no case is run in two ways at once."""
    batches: list[Round] = []
    ways: list[dict[tuple[str, str], str]] = []
    for index, one in enumerate(interventions):
        run, way = (one.pipeline, one.case_id), canonical_json([one.outputs, one.resample])
        free = (number for number, taken in enumerate(ways) if taken.get(run, way) == way)
        number = next(free, len(batches))
        if number == len(batches):
            batches.append({})
            ways.append({})
        batches[number][index], ways[number][run] = one, way
    return batches


def _request(request: EvaluationRequest, batch: Round) -> EvaluationRequest:
    nodeids = list(dict.fromkeys(one.nodeid for one in batch.values()))
    changes = {
        "stages": [EvaluationStage(name="interventions", nodeids=nodeids)],
        "interventions": list(batch.values()),
        "watch": [],
    }
    return request.model_copy(update=changes)


def _outcome(evaluation: Evaluation, one: Intervention) -> Outcome | None:
    item = evaluation.items.get(one.nodeid)
    if item is None or item.error_type.rpartition(".")[2] in _NO_ANSWER or not item.counts:
        return None
    trace = evaluation.trace_of(item)
    steps = trace.steps if trace is not None else []
    replaced = {step.key for step in steps if step.replaced}
    ran = {step.key for step in steps}
    done = replaced >= one.outputs.keys() and ran >= set(one.resample)
    if not done:
        return None
    merits = {name: item.merit(name) for name in one.short_of}
    low = any(merit is None or merit <= one.short_of[name] for name, merit in merits.items())
    return "failed" if item.passed and low else item.outcome
