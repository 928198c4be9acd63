"""What is done with a proven patch: written, asked about, saved, or left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_fapo.artifacts import edits_between, recover, unified_diff, write_back
from pytest_fapo.errors import ArtifactError
from pytest_fapo.gate import judge_suite, newly_failing
from pytest_fapo.models import SPLITS, Attempt, Edit, Evaluation, Split, SplitChange
from pytest_fapo.optimize.evaluator import Evaluator
from pytest_fapo.optimize.request import OptimizeRequest
from pytest_fapo.optimize.run_directory import shown
from pytest_fapo.optimize.run_result import mark_written, save_result
from pytest_fapo.optimize.standing import Best
from pytest_fapo.report import Change, Writing, choose

PATCH = "changes.patch"


@dataclass
class WriteOutcome:
    """What became of the patch."""

    writing: Writing
    best: Best
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
        self._chosen: Best | None = None
        self._unanswered = False

    def confirm(self, best: Best) -> str:
        """The final proof of what is about to be written; why it failed, else empty."""
        if not best.files or self._request.cache_mode == "off":
            return ""
        evaluation = self._evaluator.final_proof(best.files, self._reference)
        verdict = judge_suite(self._reference, evaluation, policy=self._request.policy)
        lost = newly_failing(best.evaluation, evaluation, best.evaluation.items)
        if verdict.accepted and not lost:
            return ""
        return f"{len(lost)} tests that passed before did not pass then" if lost else verdict.reason

    def carry_out(
        self, best: Best, accepted: list[Attempt], *, interrupted: bool, unproven: str = ""
    ) -> WriteOutcome:
        """Write or save `best`. An interrupted run only saves: the user did not wait for its end.

        Args:
            best: the best tree.
            accepted: the attempts that led to it.
            interrupted: whether the user pressed Ctrl-C.
            unproven: why the final proof failed, where it did: then nothing is written or offered.
        """
        if not best.files:
            return WriteOutcome("nothing", best)
        if unproven:
            self._save_patch(best.files)
            return WriteOutcome("nothing", Best(self._reference))
        self._accepted = accepted
        try:
            return self._carry_out(best, interrupted)
        except KeyboardInterrupt:
            return self._broken_off(best)

    def _broken_off(self, best: Best) -> WriteOutcome:
        """Ctrl-C: what is committed is written all the same, anything else only saved."""
        journal = self._request.run.write_journal
        result = recover(journal) if journal.is_file() else None
        if self._chosen is not None and result is not None and result.written:
            return WriteOutcome("written", self._chosen, shown(self._request.run.path / PATCH))
        return WriteOutcome("patch", best, self._save(best), interrupted=True)

    def _carry_out(self, best: Best, interrupted: bool) -> WriteOutcome:
        mode = "patch" if interrupted and self._request.write in ("auto", "ask") else self._request.write
        if mode == "ask":
            try:
                chosen = self._ask(best)
            except EOFError:
                note = "nobody was there to answer --fapo-write=ask"
                return WriteOutcome("patch", best, self._save(best), note=note)
            if chosen is None:
                return WriteOutcome("declined", best, self._save(best))
            best = chosen
        patch = self._save(best)
        if mode == "never":
            return WriteOutcome("never", best, patch)
        if mode == "patch":
            return WriteOutcome("patch", best, patch)
        return self._write(best, patch)

    def _write(self, best: Best, patch: str) -> WriteOutcome:
        request = self._request
        self._chosen = best
        # A file that the patch creates is expected not to be there.
        expected = {path: request.snapshot.hashes.get(path, "") for path in best.files}
        mark_written(request.run, best.files)
        try:
            result = write_back(
                request.root, best.files, expected=expected, journal=request.run.write_journal
            )
        except ArtifactError as error:
            mark_written(request.run, {})
            return WriteOutcome("conflict", best, patch, note=str(error))
        if result.conflicts:
            mark_written(request.run, {})
            conflicts = [f"{path}: {reason}" for path, reason in result.conflicts.items()]
            return WriteOutcome("conflict", best, patch, conflicts=conflicts)
        return WriteOutcome("written", best, patch)

    def _save(self, best: Best) -> str:
        """What `fapo apply` and `--fapo-review` go by, and the same as a patch."""
        request = self._request
        save_result(request.run, request.snapshot, best.files, self._accepted, sorted(best.quoted))
        return self._save_patch(best.files)

    def _save_patch(self, files: Mapping[str, bytes]) -> str:
        request = self._request
        return shown(request.run.save_text(PATCH, unified_diff(request.root, files)))

    # --- ask ------------------------------------------------------------------------------------------

    def _ask(self, best: Best) -> Best | None:
        """The part of the patch that the user wants, proven; None where nothing is left of it.

        Raises:
            EOFError: the input ended before the user wanted anything.
        """
        request = self._request
        edits = edits_between(request.snapshot.store, best.files)
        changes = [self._change(edit) for edit in edits]
        wanted = {
            change.title
            for change in choose(changes, self._read_line, request.file, tty=request.tty, color=request.color)
        }
        if not wanted:
            if self._unanswered:
                raise EOFError
            return None
        if len(wanted) == len(edits):
            return best
        files = request.snapshot.render([edit for edit in edits if edit.address in wanted])
        evaluation = self._evaluator.proof(files, self._reference)
        if not judge_suite(self._reference, evaluation, policy=self._request.policy).accepted:
            request.file.write("What you chose does not pass without the rest: nothing is written.\n")
            return None
        return Best(evaluation.not_counting(best.quoted), best.candidate, files, best.quoted)

    def _read_line(self, question: str) -> str:
        try:
            return self._request.read_line(question)
        except EOFError:
            self._unanswered = True
            raise

    def _change(self, edit: Edit) -> Change:
        attempts = [
            attempt
            for attempt in self._accepted
            if any(other.address == edit.address for other in attempt.candidate.edits)
        ]
        files = self._request.snapshot.render([edit])
        return Change(
            title=edit.address,
            hypothesis=attempts[-1].candidate.hypothesis,
            diff=unified_diff(self._request.root, files),
            splits=_numbers(attempts),
            fixed=len({nodeid for attempt in attempts for nodeid in attempt.verdict.fixed}),
            broken=0,
        )


def _numbers(attempts: list[Attempt]) -> dict[Split, SplitChange]:
    first, last = attempts[0].verdict.splits, attempts[-1].verdict.splits
    return {
        split: SplitChange(before=first[split].before, after=last[split].after)
        for split in SPLITS
        if split in first and split in last
    }
