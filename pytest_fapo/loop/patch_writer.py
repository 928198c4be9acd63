"""Handle a proven patch (`--fapo-write`): write it, ask about it, save it, or leave it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pytest_fapo.core.candidate import Attempt, Candidate, Edit, MetricChange, SplitChange
from pytest_fapo.core.errors import ArtifactError, BudgetExceeded, NoAnswer
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.record import SPLITS, Split
from pytest_fapo.core.settings import WriteMode
from pytest_fapo.core.text import one_line
from pytest_fapo.loop.evaluator import Evaluator
from pytest_fapo.loop.events import ChoiceRefused
from pytest_fapo.loop.optimize_request import OptimizeRequest
from pytest_fapo.loop.resume import change_sentence
from pytest_fapo.loop.reviewed_change import WriteChoice
from pytest_fapo.loop.run_folder import typed_path
from pytest_fapo.loop.run_result import mark_written, save_result
from pytest_fapo.loop.run_summary import Writing
from pytest_fapo.loop.search_state import BestTree
from pytest_fapo.source.patch import edits_between, unified_diff
from pytest_fapo.source.write_back import recover, write_back
from pytest_fapo.verdict import reasons
from pytest_fapo.verdict.candidate_gate import judge_suite
from pytest_fapo.verdict.comparison import newly_failing

PATCH = "changes.patch"

PROOF = "final-proof"
"""The files about a final proof that failed: the evaluation (`.json`), each test and its reason (`.txt`)."""


@dataclass(frozen=True)
class Unproven:
    """The reason why the final proof failed."""

    reason: str
    tests: list[str] = field(default_factory=list)
    """One line for each test that passed before and did not pass then: node id and reason."""


@dataclass
class WritingResult:
    """The result of writing the patch."""

    writing: Writing
    best: BestTree
    """The tree that was written or saved: all accepted candidates, or the part that the user chose."""
    patch: str = ""
    conflicts: list[str] = field(default_factory=list)
    note: str = ""
    interrupted: bool = False
    """Ctrl-C while it was asked or written."""


class Writer:
    """Carries out `--fapo-write` for what the loop accepted.

    Args:
        request: the run's.
        evaluator: proves the part that the user chose, where it is not all.
        reference: the user's own tree, evaluated.
    """

    def __init__(self, request: OptimizeRequest, evaluator: Evaluator, reference: Evaluation) -> None:
        self._request = request
        self._evaluator = evaluator
        self._reference = reference
        self._accepted: list[Attempt] = []
        self._chosen: BestTree | None = None
        self._note = ""
        self._plan: Callable[[BestTree], None] = lambda best: None

    def confirm(self, best: BestTree) -> Unproven | None:
        """The final proof of what is about to be written: in a new interpreter, from recorded answers alone.

        Returns:
            why it failed, which is kept in the run's folder too; None where it passed.
        """
        if not best.files or self._request.cache_mode == "off":
            return None
        evaluation = self._evaluator.final_proof(best.files, self._reference, best.lost_by_luck())
        policy = self._request.policy
        verdict = judge_suite(self._reference, evaluation, policy=policy, chance=best.chance)
        lost = newly_failing(best.evaluation, evaluation, best.evaluation.items)
        if verdict.accepted and not lost:
            return None
        unproven = _why_unproven(evaluation, lost, verdict.reason)
        run = self._request.run
        run.save_evaluation(f"{PROOF}.json", evaluation)
        run.save_text(f"{PROOF}.txt", "\n".join([unproven.reason, "", *unproven.tests]) + "\n")
        return unproven

    def carry_out(
        self,
        best: BestTree,
        accepted: list[Attempt],
        *,
        interrupted: bool,
        unproven: Unproven | None = None,
        plan: Callable[[BestTree], None] = lambda best: None,
    ) -> WritingResult:
        """Write or save `best`. An interrupted run only saves: the user did not wait for its end.

        Args:
            best: the best tree.
            accepted: the attempts that led to it.
            interrupted: whether the user pressed Ctrl-C.
            unproven: why the final proof failed, where it did: then nothing is written or offered.
            plan: called with the tree that is going to be written, before the first file is touched.
        """
        self._plan = plan
        if not best.files:
            return WritingResult("nothing", best)
        if unproven:
            self._save_patch(best.files)
            return WritingResult("nothing", BestTree(self._reference))
        self._accepted = accepted
        try:
            return self._carry_out(best, interrupted)
        except KeyboardInterrupt:
            return self._broken_off(best)

    def _broken_off(self, best: BestTree) -> WritingResult:
        """Ctrl-C: what is committed is written all the same, anything else only saved."""
        journal = self._request.run.write_journal
        result = recover(journal) if journal.is_file() else None
        if self._chosen is not None and result is not None and result.written:
            return WritingResult("written", self._chosen, typed_path(self._request.run.path / PATCH))
        return WritingResult("patch", best, self._save(best), interrupted=True)

    def _carry_out(self, best: BestTree, interrupted: bool) -> WritingResult:
        mode: WriteMode = (
            "patch" if interrupted and self._request.write in ("auto", "ask") else self._request.write
        )
        if mode == "ask":
            try:
                chosen = self._ask(best)
            except EOFError:
                note = "no one answered --fapo-write=ask"
                return WritingResult("patch", best, self._save(best), note=note)
            if chosen is None:
                writing: Writing = "patch" if self._note else "declined"
                return WritingResult(writing, best, self._save(best), note=self._note)
            best = chosen
        patch = self._save(best)
        changed = self._evaluator.changed_files()
        if changed:
            # What was proven was another project than the one that the patch would go into.
            conflicts = [change_sentence(path, what) for path, what in changed.items()]
            return WritingResult("conflict", best, patch, conflicts=conflicts)
        if mode in ("never", "patch"):
            return WritingResult(mode, best, patch)
        return self._write(best, patch)

    def _write(self, best: BestTree, patch: str) -> WritingResult:
        request = self._request
        self._chosen = best
        # A file that the patch creates is expected not to be there.
        expected = {path: request.snapshot.hashes.get(path, "") for path in best.files}
        self._plan(best)
        mark_written(request.run, best.files)
        try:
            result = write_back(
                request.root, best.files, expected=expected, journal=request.run.write_journal
            )
        except ArtifactError as error:
            mark_written(request.run, {})
            return WritingResult("conflict", best, patch, note=str(error))
        if result.conflicts:
            mark_written(request.run, {})
            conflicts = [f"{path}: {reason}" for path, reason in result.conflicts.items()]
            return WritingResult("conflict", best, patch, conflicts=conflicts)
        return WritingResult("written", best, patch)

    def _save(self, best: BestTree) -> str:
        """Save the result for `fapo apply` and `--fapo-review`, and the same as a patch."""
        request = self._request
        save_result(
            request.run, request.snapshot, best.files, self._accepted, sorted(best.quoted), best.chance
        )
        return self._save_patch(best.files)

    def _save_patch(self, files: Mapping[str, bytes]) -> str:
        request = self._request
        return typed_path(
            request.run.save_text(PATCH, unified_diff(request.root, files, request.snapshot.files))
        )

    # --- ask ------------------------------------------------------------------------------------------

    def _ask(self, best: BestTree) -> BestTree | None:
        """Return the part of the patch that the user wants, proven; None where nothing is left of it.

        Raises:
            EOFError: the input ended before the user wanted anything.
        """
        request = self._request
        edits = edits_between(request.snapshot.store, best.files)
        changes = [self._change(edit) for edit in edits]
        wanted = {change.title for change in request.choose(changes)}
        if not wanted:
            return None
        if len(wanted) == len(edits):
            return best
        chosen = self._prove_part(best, [edit for edit in edits if edit.address in wanted])
        if self._note:
            request.run.journal.tell(ChoiceRefused(self._note))
        return chosen

    def _prove_part(self, best: BestTree, edits: list[Edit]) -> BestTree | None:
        """A part of what was accepted, proven like the whole; None where it is not, `_note` says why."""
        request = self._request
        try:
            files = request.snapshot.render(edits)
            evaluation = self._evaluator.proof(files, self._reference, best.lost_by_luck())
        except ArtifactError as error:
            self._note = reasons.part_does_not_fit(str(error))
            return None
        except (BudgetExceeded, NoAnswer) as error:
            self._note = reasons.part_not_run(one_line(str(error)))
            return None
        verdict = judge_suite(self._reference, evaluation, policy=request.policy, chance=best.chance)
        if not verdict.accepted:
            self._note = reasons.part_rejected(verdict.reason)
            return None
        part = Candidate(
            id="chosen",
            edits=edits,
            hypothesis="chosen by a person",
            proposer="person",
            technique="a part of what was accepted",
        )
        verdict = request.hooks.gate(part, self._reference, evaluation, verdict)
        if not verdict.accepted:
            self._note = reasons.part_refused(verdict.reason)
            return None
        judged = evaluation.not_counting(best.quoted)
        chosen = BestTree(judged, best.candidate, files, best.quoted, chance=best.chance)
        unproven = self.confirm(chosen)
        if unproven is not None:
            self._note = reasons.part_failed_proof(unproven.reason, unproven.tests)
        return None if unproven is not None else chosen

    def _change(self, edit: Edit) -> WriteChoice:
        attempts = [
            attempt
            for attempt in self._accepted
            if any(other.address == edit.address for other in attempt.candidate.edits)
        ]
        files = self._request.snapshot.render([edit])
        return WriteChoice(
            title=edit.address,
            hypothesis=attempts[-1].candidate.hypothesis,
            diff=unified_diff(self._request.root, files, self._request.snapshot.files),
            splits=_split_changes(attempts),
            objectives=_objective_changes(attempts),
            fixed=len({nodeid for attempt in attempts for nodeid in attempt.verdict.fixed}),
            broken=0,
        )


def _why_unproven(evaluation: Evaluation, lost: list[str], reason: str) -> Unproven:
    """Return the tests that were lost with their reasons; of held-out cases only how many."""
    named, hidden = [], 0
    for nodeid in lost:
        item = evaluation.items.get(nodeid)
        if item is not None and item.split == "holdout":
            hidden += 1
        elif item is None:
            named.append(f"{nodeid}: did not run")
        else:
            said = one_line(item.explanation or item.error_type or f"it was {item.outcome}", most=300)
            named.append(f"{nodeid}: {said}")
    if not lost:
        return Unproven(reason)
    if not evaluation.complete and not evaluation.dropped_at:
        return Unproven(reasons.proof_stopped(evaluation.stopped), named)
    return Unproven(reasons.proof_lost(len(lost), hidden), named)


def _split_changes(attempts: list[Attempt]) -> dict[Split, SplitChange]:
    first, last = attempts[0].verdict.splits, attempts[-1].verdict.splits
    return {
        split: SplitChange(before=first[split].before, after=last[split].after)
        for split in SPLITS
        if split in first and split in last
    }


def _objective_changes(attempts: list[Attempt]) -> list[MetricChange]:
    """Return the objectives over all of these candidates, as each was when the first one began."""
    first = {(each.metric, each.split): each.before for each in attempts[0].verdict.metrics}
    return [
        each.model_copy(update={"before": first[each.metric, each.split]})
        for each in attempts[-1].verdict.metrics
        if (each.metric, each.split) in first
    ]
