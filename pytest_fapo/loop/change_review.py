"""Review a run's changes one by one: the open changes, the answers so far, and the proof of the accepted
ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from pytest_fapo.core.candidate import Candidate, Edit, ReviewProblem, Verdict
from pytest_fapo.core.case import Case
from pytest_fapo.core.errors import ArtifactError, BudgetExceeded, FapoError, NoAnswer
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.record import Level
from pytest_fapo.core.scope import Scope
from pytest_fapo.core.text import count, listing
from pytest_fapo.loop.apply_undo import current_content, finished_result
from pytest_fapo.loop.evaluator import Evaluator
from pytest_fapo.loop.optimize_request import OptimizeRequest, unrecorded
from pytest_fapo.loop.reviewed_change import Idea, ReviewedChange, TextChange
from pytest_fapo.loop.run_folder import RunFolder, find_run, runs_of
from pytest_fapo.loop.run_history import RunHistory
from pytest_fapo.loop.run_result import Decision, EditMade, RunResult, ScopeSnapshot
from pytest_fapo.review.static_review import review
from pytest_fapo.shadow.reproduction import reproduced
from pytest_fapo.source.artifact_store import ArtifactStore
from pytest_fapo.source.patch import merge
from pytest_fapo.verdict.candidate_gate import judge_suite
from pytest_fapo.verdict.case_effect import Effect
from pytest_fapo.verdict.comparison import Chance, newly_passing


@dataclass(frozen=True)
class Reviewable:
    """A run with changes that wait for a decision."""

    run: RunFolder
    result: RunResult
    snapshot: ScopeSnapshot
    """The files as they are now; the changes build on them."""
    edits: list[EditMade]
    """The edits to review, in the order of the scope."""
    left_out: list[str] = field(default_factory=list)
    """Files that were changed since by somebody else, in the same lines: the changes do not fit any more."""

    merged: bool = False
    """True if a person has edited any of the run's files since."""

    @property
    def whole(self) -> bool:
        """True if all that the run has proven is asked about, on the files that the run began with."""
        return len(self.edits) == len(self.result.edits) and not self.result.written and not self.merged


def find_reviewable(
    root: Path, scope: Scope, name: str | None = None, *, folder: Path | None = None
) -> Reviewable:
    """Return the run to review.

    Args:
        root: the project's folder.
        scope: what may be edited.
        name: the run's id or an unambiguous beginning of it; None for the newest run with open changes.
        folder: where `.fapo` is; default: the project's folder.

    Raises:
        FapoError: there is no such run, none of its changes is open, or its files have changed since.
    """
    run, result = _run(root, folder or root, name)
    if not result.open:
        raise FapoError(
            f"run {run.path.name}: nothing waits for a decision, its changes are written or decided "
            f"(`fapo undo {run.path.name}` reverts what was written)"
        )
    changed = [
        path for path, change in result.files.items() if not change.stands(current_content(root, path))
    ]
    snapshot = ScopeSnapshot.take(root, scope)
    edits = [
        fitting
        for edit in result.open
        if (fitting := edit if _path(edit) not in changed else _merged(edit, result, snapshot)) is not None
    ]
    kept = {edit.address for edit in edits}
    touched = sorted({_path(edit) for edit in result.open if edit.address not in kept})
    if not edits:
        raise FapoError(
            f"run {run.path.name}: {listing(touched)} changed since the run, so its changes no longer fit; "
            f"put the files back, or start a new run with --fapo-optimize"
        )
    for edit in edits:
        _check(edit, snapshot, run)
    return Reviewable(run, result, snapshot, edits, touched, merged=bool(changed))


def _merged(edit: EditMade, result: RunResult, snapshot: ScopeSnapshot) -> EditMade | None:
    """Return the same change of a text that a person has edited since; None where both changed the same
    lines.
    """
    change = result.files[_path(edit)]
    if change.old is None or change.written or _path(edit) not in snapshot.files:
        return None
    try:
        now = snapshot.store.get(edit.address).text
    except ArtifactError:
        return None
    text = merge(edit.before.encode(), now.encode(), edit.after.encode())
    return None if text is None else edit.model_copy(update={"before": now, "after": text.decode()})


def _run(root: Path, folder: Path, name: str | None) -> tuple[RunFolder, RunResult]:
    if name is not None:
        run = find_run(folder, name)
        return run, finished_result(root, run)
    for run in reversed(runs_of(folder)):
        try:
            result = finished_result(root, run)
        except FapoError:
            continue
        if result.open:
            return run, result
    raise FapoError(
        "--fapo-review: no run has left changes that wait for a decision; make one with "
        "`pytest --fapo-optimize --fapo-write=patch`"
    )


def _path(edit: EditMade) -> str:
    return edit.address.partition("::")[0]


def _check(edit: EditMade, snapshot: ScopeSnapshot, run: RunFolder) -> None:
    try:
        snapshot.render([edit.as_edit()])
    except ArtifactError as error:
        raise FapoError(
            f"run {run.path.name}: its change cannot be made with the present settings: {error}"
        ) from None


REVIEWER_NAME = "person"


class ReviewDraft:
    """Every open change, with the text that it has now.

    Args:
        reviewable: the run and its open changes.
        request: settings, levels and hooks.
        cases: of all splits, for the review of edited texts.
    """

    def __init__(self, reviewable: Reviewable, request: OptimizeRequest, cases: Sequence[Case]) -> None:
        self._reviewable = reviewable
        self._request = request
        self._cases = cases
        self._history = RunHistory(reviewable.run)
        self._texts = {edit.address: edit.after for edit in reviewable.edits}
        self._measured: dict[str, tuple[list[Idea], Effect]] = {}
        self.changes = [self._change(edit) for edit in reviewable.edits]

    # --- texts ----------------------------------------------------------------------------------------

    def text(self, number: int) -> str:
        """Return the new text of the artifact in the change at this position."""
        return self._texts[self._reviewable.edits[number].address]

    def revise(self, number: int, text: str) -> list[ReviewProblem]:
        """Take another text, if the static review lets it pass.

        Returns:
            what the review says; where any of it blocks, the change is as it was.
        """
        made = self._reviewable.edits[number]
        problems = self._problems(made, text)
        if not any(problem.blocks for problem in problems):
            self._texts[made.address] = text
            self.changes[number] = self._change(made)
        return problems

    def _problems(self, made: EditMade, text: str) -> list[ReviewProblem]:
        # What was proposed together is read together: a new placeholder that another change fills is fine.
        beside = set(self._measure(made)[1].together)
        edits = [made.as_edit(text)]
        edits += [self._edit(other) for other in self._reviewable.edits if other.address in beside]
        candidate = Candidate(
            id=REVIEWER_NAME,
            edits=edits,
            hypothesis="edited by a person",
            proposer=REVIEWER_NAME,
            technique="edited by a person",
            level=self._level(edits),
            demonstrations=self._reviewable.result.quoted,
            merges=made.candidates,
        )
        problems = review(
            candidate,
            store=self._store,
            cases=self._cases,
            settings=self._request.settings,
            levels=self._request.levels,
        ).problems
        problems = [*problems, *self._request.hooks.review(candidate)]
        problems = [problem for problem in problems if problem.address in ("", made.address)]
        if problems or text == made.before:
            return problems
        try:
            self._reviewable.snapshot.render([edits[0]])
        except ArtifactError as error:
            return [ReviewProblem(check="scope", message=str(error), address=made.address)]
        return []

    def _level(self, edits: Sequence[Edit]) -> Level:
        """Return the lowest level that all the edits fit into."""
        levels = self._request.levels
        for number in range(1, len(levels)):
            if all(
                any(self._store.in_scope(edit.address, level) for level in levels[:number]) for edit in edits
            ):
                return levels[number - 1]
        return levels[-1]

    @property
    def _store(self) -> ArtifactStore:
        return self._reviewable.snapshot.store

    # --- what was accepted ----------------------------------------------------------------------------

    def accepted(self) -> list[Edit]:
        """Return the edits that the person wants."""
        return [
            self._edit(made)
            for made, change in zip(self._reviewable.edits, self.changes, strict=True)
            if change.answer == "accept"
        ]

    def files(self) -> dict[str, bytes]:
        """Return the files that accepting gives: the very bytes that the run has proven, where all is
        accepted.
        """
        accepted = self.accepted()
        untouched = not any(change.edited for change in self.changes)
        if self._reviewable.whole and untouched and len(accepted) == len(self.changes):
            return {path: change.new for path, change in self._reviewable.result.files.items()}
        return self._reviewable.snapshot.render(accepted)

    def decisions(self) -> dict[str, Decision]:
        """Return the decisions of this review and of earlier ones; skipped changes stay open."""
        decisions = dict(self._reviewable.result.decided)
        for change in self.changes:
            if change.answer == "reject":
                decisions[change.address] = "rejected"
            elif change.answer == "accept":
                decisions[change.address] = "edited" if change.edited else "accepted"
        return decisions

    # --- as it is shown -------------------------------------------------------------------------------

    def _change(self, made: EditMade) -> ReviewedChange:
        ideas, effect = self._measure(made)
        return ReviewedChange(
            address=made.address,
            files=self._text_changes(self._edit(made)),
            ideas=ideas,
            effect=effect,
            edited=self._texts[made.address] != made.after,
        )

    def _measure(self, made: EditMade) -> tuple[list[Idea], Effect]:
        if made.address not in self._measured:
            self._measured[made.address] = self._history.ideas(made), self._history.effect(made)
        return self._measured[made.address]

    def _edit(self, made: EditMade) -> Edit:
        return made.as_edit(self._texts[made.address])

    def _text_changes(self, edit: Edit) -> list[TextChange]:
        snapshot = self._reviewable.snapshot
        return [
            TextChange(
                path=path,
                before=snapshot.files[path].decode(errors="replace") if path in snapshot.files else None,
                after=content.decode(errors="replace"),
            )
            for path, content in snapshot.render([edit]).items()
        ]


_UNPROVEN = "what you accepted could not be proven"


@dataclass(frozen=True)
class ProvenChanges:
    """The accepted changes' verdict with the evaluations that it compares."""

    before: Evaluation
    after: Evaluation
    verdict: Verdict

    @property
    def gains(self) -> bool:
        """True if a test passes that failed before, or an objective is better on train."""
        better = any(each.gain > 0 for each in self.verdict.metrics if each.split == "train")
        return better or bool(newly_passing(self.before, self.after, self.before.items))


class ReviewProof:
    """Judges what a person accepted; a context manager.

    Args:
        request: what this session's tests gave, policy, limits.
        chance: changes that the run's fresh samples have shown to be luck; they decide nothing here either.
    """

    def __init__(self, request: OptimizeRequest, chance: Iterable[tuple[str, str]] = ()) -> None:
        self._request = request
        self._chance: Chance = frozenset(chance)
        self._evaluator = Evaluator(request)
        self._reference: Evaluation | None = None

    def __enter__(self) -> ReviewProof:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._evaluator.__exit__(kind, error, trace)

    def judge(self, files: Mapping[str, bytes], edits: Sequence[Edit]) -> ProvenChanges:
        """Evaluate the files on everything that has to be proven, and ask the gate.

        What passes beside this session's own results is proven. Where something does not, or where tests ran
        that this session did not select, an unpatched copy of the project is evaluated too, and decides.

        Raises:
            FapoError: a copy of the project does not give this session's results, or a budget is used up.
        """
        try:
            return self._judge(files, edits)
        except (BudgetExceeded, NoAnswer) as error:
            raise FapoError(f"{_UNPROVEN}: {error}") from None

    def _judge(self, files: Mapping[str, bytes], edits: Sequence[Edit]) -> ProvenChanges:
        if self._reference is None and self._request.baseline.outage:
            self._reference = self._unpatched()  # this session's own results are no results
        proven = self._against(self._reference or self._request.baseline, files, edits)
        if self._reference is None and not (proven.verdict.accepted and self._covers(proven.after)):
            self._reference = self._unpatched()
            proven = self._against(self._reference, files, edits)
        return proven

    def _against(
        self, before: Evaluation, files: Mapping[str, bytes], edits: Sequence[Edit]
    ) -> ProvenChanges:
        excused = {name for metric, name in self._chance if not metric}
        after = self._evaluator.proof(files, before, excused, fresh=True)
        _check_answered(after)
        verdict = judge_suite(before, after, policy=self._request.policy, chance=self._chance)
        if verdict.accepted:
            candidate = Candidate(
                id="review",
                edits=list(edits),
                hypothesis="accepted by a person",
                proposer="person",
                technique="review",
            )
            verdict = self._request.hooks.gate(candidate, before, after, verdict)
        return ProvenChanges(before, after, verdict)

    def _covers(self, after: Evaluation) -> bool:
        """True if this session ran every test that has to be proven."""
        return after.items.keys() <= self._request.baseline.items.keys()

    def _unpatched(self) -> Evaluation:
        evaluation = self._evaluator.reference()
        _check_answered(evaluation)
        mismatch = reproduced(self._request.baseline.answered, evaluation, self._request.root)
        if mismatch is not None:
            raise FapoError(
                f"a copy of the project does not give the results of this run, so nothing can be proven: "
                f"{mismatch.reason}"
            )
        return evaluation


def _check_answered(evaluation: Evaluation) -> None:
    """Raise an error if answers were missing from the cache: such an evaluation proves nothing."""
    missing = unrecorded(evaluation)
    if missing:
        tests = count(len(missing), "test")
        raise FapoError(f"{_UNPROVEN}: {tests} had no recorded answer; run it without --fapo-cache=only")
