"""What is said of a test that passed in the baseline and does not pass now."""

from __future__ import annotations

from pytest_fapo.baseline import first_difference, output_digest, output_of, shown
from pytest_fapo.merge_gate.pairs import Pair
from pytest_fapo.models import Evaluation, ItemResult, Regression, Trace


def regression(pair: Pair, evaluation: Evaluation, *, fails: bool) -> Regression:
    """The record of one regression.

    Args:
        pair: passed in the baseline, does not pass now.
        evaluation: has its trace.
        fails: whether it counts against the merge by itself.
    """
    item = _telling(pair)
    trace = evaluation.trace_of(item)
    case = evaluation.cases.get(item.nodeid)
    step = first_difference(pair.case.steps, trace) if trace is not None else ""
    return Regression(
        nodeid=pair.group.name,
        pipeline=pair.pipeline,
        case_id=pair.group.case_id,
        split=pair.group.first.split,
        result_before=pair.result_before,
        result_after=pair.result_after,
        output_before=pair.case.output,
        output_after=output_of(trace) if trace is not None else "",
        explanation=item.explanation,
        step=step,
        step_output=_step_output(trace, step),
        origin=case.origin if case is not None else "",
        fails=fails,
    )


def output_changed(pair: Pair, evaluation: Evaluation) -> bool:
    """Whether the case's output is another one than in the baseline."""
    trace = evaluation.trace_of(pair.group.first)
    if trace is None or not pair.case.output:
        return False
    return (output_of(trace), output_digest(trace)) != (pair.case.output, pair.case.output_digest)


def _telling(pair: Pair) -> ItemResult:
    """The repeat that shows best what is wrong: the first that does not pass."""
    return next((item for item in pair.group.items if not item.passed), pair.group.first)


def _step_output(trace: Trace | None, key: str) -> str:
    for step in trace.steps if trace is not None and key else ():
        if step.key == key:
            return shown(step.output) if step.error is None else step.error
    return ""
