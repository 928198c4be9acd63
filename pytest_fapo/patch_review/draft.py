"""The changes while a person goes through them: texts, answers, and what they were measured to do."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_fapo.artifacts import ArtifactStore
from pytest_fapo.errors import ArtifactError
from pytest_fapo.models import Candidate, Case, Edit, Level, ReviewProblem
from pytest_fapo.optimize import OptimizeRequest
from pytest_fapo.optimize.effects import History
from pytest_fapo.optimize.run_result import Decision, EditMade
from pytest_fapo.patch_review.reviewable import Reviewable
from pytest_fapo.report.changes import Effect, Idea, ReviewedChange
from pytest_fapo.report.diffs import TextChange
from pytest_fapo.review import review

PERSON = "person"


class Draft:
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
        self._history = History(reviewable.run)
        self._texts = {edit.address: edit.after for edit in reviewable.edits}
        self._measured: dict[str, tuple[list[Idea], Effect]] = {}
        self.changes = [self._change(edit) for edit in reviewable.edits]

    # --- texts ----------------------------------------------------------------------------------------

    def text(self, number: int) -> str:
        """What the change with this place gives its artifact."""
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
            id=PERSON,
            edits=edits,
            hypothesis="edited by a person",
            proposer=PERSON,
            technique="edited by a person",
            level=self._level(edits),
            demonstrations=self._reviewable.result.quoted,
            merges=made.candidates,
        )
        found = review(
            candidate,
            store=self._store,
            cases=self._cases,
            settings=self._request.settings,
            levels=self._request.levels,
        ).problems
        found = [*found, *self._request.hooks.review(candidate)]
        found = [problem for problem in found if problem.address in ("", made.address)]
        if found or text == made.before:
            return found
        try:
            self._reviewable.snapshot.render([edits[0]])
        except ArtifactError as error:
            return [ReviewProblem(check="scope", message=str(error), address=made.address)]
        return []

    def _level(self, edits: Sequence[Edit]) -> Level:
        """The lowest level that all the edits fit into."""
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
        """The edits that the person wants."""
        return [
            self._edit(made)
            for made, change in zip(self._reviewable.edits, self.changes, strict=True)
            if change.answer == "accept"
        ]

    def files(self) -> dict[str, bytes]:
        """The files that accepting gives: the very bytes that the run has proven, where all is accepted."""
        accepted = self.accepted()
        untouched = not any(change.edited for change in self.changes)
        if self._reviewable.whole and untouched and len(accepted) == len(self.changes):
            return {path: change.new for path, change in self._reviewable.result.files.items()}
        return self._reviewable.snapshot.render(accepted)

    def decisions(self) -> dict[str, Decision]:
        """What is settled, with what earlier reviews have settled; what was skipped stays open."""
        found = dict(self._reviewable.result.decided)
        for change in self.changes:
            if change.answer == "reject":
                found[change.address] = "rejected"
            elif change.answer == "accept":
                found[change.address] = "edited" if change.edited else "accepted"
        return found

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
