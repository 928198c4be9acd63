"""Conducts one run: reproduce the baseline, loop, write, summarize."""

from __future__ import annotations

import time
from dataclasses import replace

from pytest_fapo.errors import BudgetExceeded, EvaluationError, NoAnswer
from pytest_fapo.evaluate import reproduced
from pytest_fapo.gate import unsteady_metrics
from pytest_fapo.models import Evaluation
from pytest_fapo.optimize.attribution import Attribution
from pytest_fapo.optimize.closing import Closing
from pytest_fapo.optimize.evaluator import Evaluator
from pytest_fapo.optimize.loop import Loop, Stop
from pytest_fapo.optimize.pruning import Pruner
from pytest_fapo.optimize.request import OptimizeRequest
from pytest_fapo.optimize.resume import RunTree, check_same_cases, versions
from pytest_fapo.optimize.reviewing import Reviewing
from pytest_fapo.optimize.round import Round
from pytest_fapo.optimize.standing import Best, Memory, every_case
from pytest_fapo.optimize.trial import Trial
from pytest_fapo.optimize.writing import Unproven, Writer
from pytest_fapo.report import Progress, Summary
from pytest_fapo.report.words import listing


def optimize(request: OptimizeRequest, progress: Progress) -> Summary:
    """Tune the project's prompts, parameters and code against its failing train cases.

    The user's files are read only, until the last step writes what was proven (or saves it as a patch).

    Args:
        request: baseline, limits and what may be done with the result.
        progress: is told what happens.

    Returns:
        What the closing summary says; also saved in the run directory.
    """
    request.run.go_over()
    closing = Closing(request, started=time.time())
    nothing = _nothing_to_do(request.baseline)
    if nothing is not None:
        return closing.without_loop(nothing)
    with Evaluator(request, progress) as evaluator:
        try:
            reference = _reference(request, evaluator, progress)
            if isinstance(reference, Stop):
                return closing.without_loop(reference)
        except KeyboardInterrupt:
            return closing.without_loop(Stop("interrupted"))
        except NoAnswer as error:
            return closing.without_loop(Stop("no-answer", str(error)))
        except (BudgetExceeded, EvaluationError) as error:
            reason = "budget" if isinstance(error, BudgetExceeded) else "error"
            return closing.without_loop(Stop(reason, str(error)))
        request = _without_unsteady(request, reference, progress)
        cases = every_case([request.baseline, reference])
        for proposer in request.proposers:
            begin = getattr(proposer, "begin", None)
            if begin is not None:
                begin(cases)
        reviewing = Reviewing(request, cases)
        round = Round(request, reviewing, Trial(request, evaluator), progress)
        attribution = Attribution(request, evaluator)
        loop = Loop(request, Best(reference), Memory(), round, attribution, progress)
        stop = _run(loop)
        writer = Writer(request, evaluator, reference)
        unproven = None
        if not stop.open:
            try:
                pruner = Pruner(request, evaluator, reference, progress)
                unproven = _confirmed(loop, pruner, writer)
            except KeyboardInterrupt:
                stop = Stop("interrupted")
            except (BudgetExceeded, EvaluationError, NoAnswer) as error:
                unproven = Unproven(f"it could not be carried out: {error}")
        progress.pause()
        return closing.after_loop(stop, loop, reference, writer, unproven)


def _confirmed(loop: Loop, pruner: Pruner, writer: Writer) -> Unproven | None:
    """The final proof, of as little as is needed; where that fails, of all that was accepted."""
    pruned = pruner.prune(loop.best, loop.memory.looks)
    loop.memory.pruning_looks += pruned.looks
    unproven = writer.confirm(pruned.best)
    if unproven is not None and pruned.gone:
        return writer.confirm(loop.best)
    loop.best, loop.pruned = pruned.best, pruned.gone
    return unproven


def _run(loop: Loop) -> Stop:
    try:
        return loop.run()
    except KeyboardInterrupt:
        return Stop("interrupted")
    except EvaluationError as error:
        return Stop("error", str(error))


def _reference(request: OptimizeRequest, evaluator: Evaluator, progress: Progress) -> Evaluation | Stop:
    """The unpatched shadow tree, which must give what the user's own tree gave."""
    evaluation = request.run.load_evaluation("reference.json")
    fresh = evaluation is None
    if evaluation is not None:
        check_same_cases(evaluation, request.baseline)
    else:
        progress.note("checking that an unpatched copy of the project gives the same results")
        evaluation = evaluator.reference()
    mismatch = reproduced(request.baseline.answered, evaluation, request.root)
    if mismatch is not None:
        return Stop("not-reproduced", mismatch.model_dump_json())
    if fresh:
        state = evaluator.state()
        written = list(request.begun.changes(state)) if request.begun is not None else []
        RunTree(state=state, written=written, versions=versions()).save(request.run)
    request.run.save_evaluation("reference.json", evaluation)
    request.run.log("reference", items=len(evaluation.items))
    return _nothing_to_do(evaluation) or evaluation


def _nothing_to_do(baseline: Evaluation) -> Stop | None:
    """Why the session's own results end the run before it began; None where they do not."""
    outage = baseline.outage
    if outage.rejected:
        return Stop("no-answer", f"{outage.sentence}; {outage.advice}")
    if outage or any(not item.passed for item in baseline.in_split("train")):
        return None  # what got no answer is asked again in the copy
    return _no_train_failure(baseline)


def _without_unsteady(request: OptimizeRequest, reference: Evaluation, progress: Progress) -> OptimizeRequest:
    """The request whose policy leaves out the metrics that differ between two runs on the same answers."""
    found = unsteady_metrics(request.baseline, reference)
    if not found:
        return request
    names = listing([f"'{name}'" for name in found])
    measures = "measures" if len(found) == 1 else "measure"
    progress.note(
        f"not judged: {names}, since two runs on the same recorded answers differ; what {measures} time "
        f"belongs on llm_calls[i].duration, which a replay keeps"
    )
    request.run.log("unjudged", metrics=found)
    return replace(request, policy=replace(request.policy, unjudged=frozenset(found)))


def _no_train_failure(baseline: Evaluation) -> Stop:
    failing = [item for item in baseline.items.values() if item.counts and not item.passed]
    if not failing:
        return Stop("no-failures")
    return Stop("no-failures", "what fails is outside the train split")
