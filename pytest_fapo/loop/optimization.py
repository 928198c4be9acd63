"""One run from its baseline to its summary: reproduce, search, prove, write, close."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from pytest_fapo.answers.spend_file import read_spending
from pytest_fapo.core.diagnosis import Cluster, Diagnosis
from pytest_fapo.core.errors import BudgetExceeded, EvaluationError, NoAnswer
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.record import LEVELS, SPLITS, Level, Split
from pytest_fapo.core.spending import RUN_COSTS
from pytest_fapo.core.text import count, listing, one_line, percent
from pytest_fapo.loop.batch import Round
from pytest_fapo.loop.evaluator import Evaluator
from pytest_fapo.loop.events import MetricsUnjudged, Note, ReferenceReproduced, RunFinished, WritingBegan
from pytest_fapo.loop.folds import in_turn, train_of_all_turns, turned
from pytest_fapo.loop.objective_results import cost_changes, front_of, objective_changes
from pytest_fapo.loop.optimize_request import OptimizeRequest
from pytest_fapo.loop.patch_writer import PATCH, Unproven, Writer, WritingResult
from pytest_fapo.loop.pruning import Pruner
from pytest_fapo.loop.resume import RunTree, check_same_cases, versions
from pytest_fapo.loop.run_folder import typed_path
from pytest_fapo.loop.run_summary import SplitResult, Summary, candidate_line
from pytest_fapo.loop.search import Loop, Stop
from pytest_fapo.loop.search_state import BestTree, Memory, every_case
from pytest_fapo.loop.stage_spending import stage_spending
from pytest_fapo.loop.train_evidence import TreeDiagnoser
from pytest_fapo.loop.trial import CandidateReviewing, Trial
from pytest_fapo.shadow.reproduction import Mismatch, reproduced
from pytest_fapo.source.patch import edits_between
from pytest_fapo.verdict.comparison import newly_failing, newly_passing, nodeids_of, unsteady_metrics
from pytest_fapo.verdict.low_scores import lowest_items, scored, unscored
from pytest_fapo.verdict.policy import GatePolicy

EXIT_OK, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 2


class Closing:
    """Makes the summary of a run, however it ended.

    Args:
        request: the run's.
        started: seconds of the monotonic clock.
    """

    def __init__(self, request: OptimizeRequest, *, started: float) -> None:
        self._request = request
        self._started = started

    def without_loop(self, stop: Stop) -> Summary:
        """The loop never began: nothing to fix, no budget, or a baseline that could not be reproduced."""
        best = BestTree(self._request.baseline)
        summary = self._summary(stop, best, self._request.baseline)
        if stop.reason == "not-reproduced":
            mismatch = Mismatch.model_validate_json(stop.detail)
            summary.unreproduced, summary.stop_detail = mismatch.nodeids, mismatch.reason
        return self._finish(summary)

    def after_loop(
        self, stop: Stop, loop: Loop, reference: Evaluation, writer: Writer, unproven: Unproven | None = None
    ) -> Summary:
        """Write what was accepted and sum the run up.

        The summary is on disk before a file is touched, so that a run killed in between can still say it.
        """
        accepted = loop.memory.accepted

        def plan(best: BestTree) -> None:
            planned = self._summary(stop, best, reference.not_counting(best.quoted))
            planned.quoted = sorted(best.quoted)
            self._describe(planned, loop, reference)
            self._apply(planned, WritingResult("written", best, typed_path(self._request.run.path / PATCH)))
            self._request.run.save_text("planned-summary.json", planned.model_dump_json())

        self._request.run.journal.write(WritingBegan(files=sorted(loop.best.files), mode=self._request.write))
        finished = writer.carry_out(loop.best, accepted, interrupted=stop.open, unproven=unproven, plan=plan)
        if finished.interrupted:
            stop = Stop("interrupted")
        summary = self._summary(stop, finished.best, reference.not_counting(finished.best.quoted))
        summary.quoted = sorted(finished.best.quoted)
        if finished.writing != "written":
            summary.exit_code = self._exit_code(stop, BestTree(reference))
        self._describe(summary, loop, reference)
        self._apply(summary, finished)
        if unproven:
            summary.stop, summary.stop_detail = "unproven", unproven.reason
            summary.unproven = unproven.tests
        return self._finish(summary)

    def _summary(self, stop: Stop, best: BestTree, before: Evaluation) -> Summary:
        request = self._request
        after = best.evaluation
        splits = [_split_result(before, after, split) for split in SPLITS if before.in_split(split)]
        spending = read_spending(request.budget.spend_file)
        return Summary.model_validate(
            {
                "stop": stop.reason,
                "stop_detail": stop.detail if stop.reason != "not-reproduced" else "",
                "exit_code": self._exit_code(stop, best),
                "target": request.target,
                "tests": sum(item.counts for item in after.items.values()),
                "failing": len(best.failing()),
                "splits": splits,
                "objectives": objective_changes(before, after, request.policy),
                "costs": cost_changes(before, after) if best.candidate else [],
                "fixed": len(newly_passing(before, after, before.items)),
                "broken": len(newly_failing(before, after, before.items)),
                "spending": spending,
                "optimizer_spending": read_spending(request.budget.spend_file, who="optimizer"),
                "stages": stage_spending(request.budget.spend_file),
                "duration": round(time.monotonic() - self._started, 1),
                "run_directory": typed_path(request.run.path),
                "settings_file": request.settings_file,
                "stand_in": request.stand_in,
                "review_off": request.settings.review == "off",
                "next_command": "pytest --fapo-resume" if stop.open else "",
            }
        )

    def _exit_code(self, stop: Stop, left: BestTree) -> int:
        """Says how the tests fare on the tree as it is left: a patch that only lies there fixes nothing."""
        if stop.reason == "interrupted":
            return EXIT_INTERRUPTED
        if stop.open or stop.reason == "error":
            return EXIT_FAILED
        return EXIT_OK if left.passes(self._request.target) else EXIT_FAILED

    def _describe(self, summary: Summary, loop: Loop, reference: Evaluation) -> None:
        summary.candidates = [candidate_line(attempt) for attempt in loop.memory.attempts]
        summary.accepted = len(loop.memory.accepted)
        summary.merged = sum(bool(attempt.verdict.kept) for attempt in loop.memory.attempts)
        summary.rejected = len(loop.memory.attempts) - summary.accepted - summary.merged
        summary.holdout_looks = loop.memory.looks
        summary.pruned = loop.pruned
        summary.front = front_of(reference, loop.memory.attempts, self._request.policy)
        if not loop.best.failing() and not lowest_items(loop.best.evaluation, self._request.policy):
            return
        diagnosis = loop.closing_diagnosis()
        if summary.stop == "nothing-left":
            summary.stop_detail = _beyond_edits(loop.best, diagnosis, self._request.policy)
        summary.levels = [str(left) for left in loop.ladder.left.values()]
        if not self._request.policy.objectives:
            summary.ceiling = _ceiling_text(diagnosis, self._request.levels)
        if all(name == "playbook" for name in self._request.settings.optimizer):
            levels = self._request.levels
            summary.llm_could_try = [_open_cause(each) for each in diagnosis.clusters if each.level in levels]
            summary.examples_unasked = self._request.settings.demonstrations != "train"

    def _apply(self, summary: Summary, finished: WritingResult) -> None:
        summary.writing = finished.writing
        summary.files = sorted(finished.best.files)
        summary.patch = finished.patch
        summary.conflicts = finished.conflicts
        if finished.note:
            summary.stop_detail = " ".join(filter(None, [summary.stop_detail, finished.note]))
        if finished.best.files:
            edits = edits_between(self._request.snapshot.store, finished.best.files)
            summary.artifacts = [edit.address for edit in edits]

    def _finish(self, summary: Summary) -> Summary:
        run = self._request.run
        summary.sections = self._request.hooks.sections(summary)
        run.save_text("summary.json", summary.model_dump_json(indent=1))
        if summary.stop not in ("interrupted", "no-answer"):
            run.journal.write(RunFinished(stop=summary.stop, writing=summary.writing))
        return summary


def _split_result(before: Evaluation, after: Evaluation, split: Split) -> SplitResult:
    items = nodeids_of(before, split)
    return SplitResult.model_validate(
        {
            "split": split,
            "tests": sum(before.items[nodeid].counts for nodeid in items),
            "before": before.score(split),
            "after": after.score(split),
            "fixed": len(newly_passing(before, after, items)),
            "broken": len(newly_failing(before, after, items)),
        }
    )


def _open_cause(cluster: Cluster) -> str:
    """Return the cause, with what is left of its sureness where techniques brought no gain."""
    if not cluster.tried:
        return cluster.label
    tried = count(cluster.tried, "technique")
    return f"{cluster.label} ({percent(cluster.confidence)} sure after {tried} without gain)"


def _ceiling_text(diagnosis: Diagnosis, levels: Sequence[Level]) -> str:
    """Return the causes that only a forbidden level could fix; empty if there are none."""
    beyond = [cluster for cluster in diagnosis.clusters if cluster.level not in levels]
    if not beyond:
        return ""
    cases = len({case for cluster in beyond for case in cluster.case_ids})
    named = listing(sorted({cluster.level for cluster in beyond}, key=LEVELS.index))
    allowed = listing(levels) or "nothing"
    highest = max(levels, key=LEVELS.index) if levels else "prompt"
    most = diagnosis.ceilings.get(highest)
    bound = f"; train can reach {percent(most)} at most" if most is not None else ""
    need = "needs" if cases == 1 else "need"
    return f"{count(cases, 'case')} {need} edits of level {named}, and only {allowed} may be edited{bound}"


def _beyond_edits(best: BestTree, diagnosis: Diagnosis, policy: GatePolicy) -> str:
    """Return the failures without any proposal; empty if proposals were made and did not help."""
    if diagnosis.infrastructure:
        cases = len({finding.case_id for finding in diagnosis.infrastructure})
        reasons = Counter(one_line(finding.evidence, most=160) for finding in diagnosis.infrastructure)
        reason = reasons.most_common(1)[0][0]
        return f"{count(cases, 'case')} failed for a reason that no edit can fix: {reason}"
    if not lowest_items(best.evaluation, policy):
        return "every train case passes, and edits are made from train cases only"
    return ""


def optimize(request: OptimizeRequest) -> Summary:
    """Tune the project's prompts, parameters and code against its failing train cases.

    The user's files are read only, until the last step writes what was proven (or saves it as a patch).

    Args:
        request: baseline, limits and what may be done with the result; listeners of its run's journal hear
            what happens.

    Returns:
        What the closing summary says; also saved in the run directory.
    """
    request.run.journal.go_over()
    closing = Closing(request, started=time.monotonic())
    folds = request.settings.folds
    nothing = _nothing_to_do(in_turn(request.baseline, 0, folds), request.policy)
    if nothing is not None:
        return closing.without_loop(nothing)
    with Evaluator(request) as evaluator:
        try:
            reference = _reference_evaluation(request, evaluator)
            if isinstance(reference, Stop):
                return closing.without_loop(reference)
        except KeyboardInterrupt:
            return closing.without_loop(Stop("interrupted"))
        except NoAnswer as error:
            return closing.without_loop(Stop("no-answer", str(error)))
        except (BudgetExceeded, EvaluationError) as error:
            reason = "budget" if isinstance(error, BudgetExceeded) else "error"
            return closing.without_loop(Stop(reason, str(error)))
        reference = in_turn(reference, 0, folds)
        request = replace(_without_unsteady(request, reference), baseline=in_turn(request.baseline, 0, folds))
        unsteady = [name for name in request.policy.objectives if name in request.policy.unjudged]
        if unsteady:
            return closing.without_loop(Stop("error", _unsteady_text(unsteady)))
        cases = train_of_all_turns(every_case([request.baseline, reference]), folds)
        for proposer in request.proposers:
            begin = getattr(proposer, "begin", None)
            if begin is not None:
                begin(cases)
        reviewing = CandidateReviewing(request, cases)
        round = Round(request, reviewing, Trial(request, evaluator))
        attribution = TreeDiagnoser(request, evaluator)
        loop = Loop(request, BestTree(reference), Memory(), round, attribution)
        stop = _run_search(loop)
        loop.best = turned(loop.best, 0, folds)
        writer = Writer(request, evaluator, reference)
        unproven = None
        if not stop.open:
            try:
                pruner = Pruner(request, evaluator, reference)
                unproven = _final_proof(loop, pruner, writer)
            except KeyboardInterrupt:
                stop = Stop("interrupted")
            except (BudgetExceeded, EvaluationError, NoAnswer) as error:
                unproven = Unproven(f"it could not be carried out: {error}")
        return closing.after_loop(stop, loop, reference, writer, unproven)


def _final_proof(loop: Loop, pruner: Pruner, writer: Writer) -> Unproven | None:
    """Return the final proof, of as little as is needed; where that fails, of all that was accepted."""
    pruned = pruner.prune(loop.best, loop.memory.looks)
    loop.memory.pruning_looks += pruned.looks
    unproven = writer.confirm(pruned.best)
    if unproven is not None and pruned.gone:
        return writer.confirm(loop.best)
    loop.best, loop.pruned = pruned.best, pruned.gone
    return unproven


def _run_search(loop: Loop) -> Stop:
    try:
        return loop.run()
    except KeyboardInterrupt:
        return Stop("interrupted")
    except EvaluationError as error:
        return Stop("error", str(error))


def _reference_evaluation(request: OptimizeRequest, evaluator: Evaluator) -> Evaluation | Stop:
    """Return the unpatched shadow tree, which must give what the user's own tree gave."""
    evaluation = request.run.load_evaluation("reference.json")
    fresh = evaluation is None
    if evaluation is not None:
        check_same_cases(evaluation, request.baseline)
        evaluator.watched(evaluation)
    else:
        request.run.journal.tell(
            Note("checking that an unpatched copy of the project gives the same results")
        )
        evaluation = evaluator.reference()
    mismatch = reproduced(request.baseline.answered, evaluation, request.root)
    if mismatch is not None:
        return Stop("not-reproduced", mismatch.model_dump_json())
    if fresh:
        state = evaluator.state()
        written = list(request.begun.changes(state)) if request.begun is not None else []
        RunTree(state=state, written=written, versions=versions()).save(request.run)
    request.run.save_evaluation("reference.json", evaluation)
    request.run.journal.write(ReferenceReproduced(items=len(evaluation.items)))
    return _nothing_to_do(in_turn(evaluation, 0, request.settings.folds), request.policy) or evaluation


def _nothing_to_do(baseline: Evaluation, policy: GatePolicy) -> Stop | None:
    """Return why the session's own results end the run before it began; None if they do not."""
    outage = baseline.outage
    if outage.rejected:
        return Stop("no-answer", f"{outage.sentence}; {outage.advice}")
    if outage:
        return None  # what got no answer is asked again in the copy
    missing = unscored(baseline, policy) if baseline.in_split("train") else []
    if missing and len(missing) == len(policy.objectives):
        return Stop("error", _unscored_text(missing, baseline))
    if lowest_items(baseline, policy):
        return None
    return _no_train_failure(baseline, policy)


def _unsteady_text(unsteady: Sequence[str]) -> str:
    """Return a clock of one's own measures the replay, and no gain in it is one."""
    return (
        f"objective: {listing(map(repr, unsteady))} differs between two runs on the same recorded answers, "
        f"so that a gain cannot be told from noise; the metric 'seconds' has the time of model calls"
    )


def _unscored_text(missing: Sequence[str], baseline: Evaluation) -> str:
    names, known = listing(map(repr, missing)), scored(baseline)
    there = f"they record {listing(map(repr, known))}" if known else "they record no score at all"
    if set(missing) <= set(RUN_COSTS):
        return f"objective: {names} is not known of this pipeline's calls (no price, or no tokens reported)"
    return (
        f"objective: no train case records {names}; {there}. "
        f"Record it in the test: run.score({missing[0]!r}, value)"
    )


def _without_unsteady(request: OptimizeRequest, reference: Evaluation) -> OptimizeRequest:
    """Return the request whose policy leaves out the metrics that differ between two runs on the same
    answers.
    """
    unsteady = unsteady_metrics(request.baseline, reference)
    if not unsteady:
        return request
    request.run.journal.write(MetricsUnjudged(metrics=unsteady))
    return replace(request, policy=replace(request.policy, unjudged=frozenset(unsteady)))


def _no_train_failure(baseline: Evaluation, policy: GatePolicy) -> Stop:
    failing = [item for item in baseline.items.values() if item.counts and not item.passed]
    if failing:
        return Stop("no-failures", "what fails is outside the train split")
    names = listing(map(repr, policy.objectives))
    return Stop("no-failures", f"every train case has the best score of {names}" if names else "")
