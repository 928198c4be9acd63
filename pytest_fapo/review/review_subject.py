"""The input of a check: the candidate, the texts it changes, and everything that is known beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from pytest_fapo.core.candidate import Artifact, ArtifactKind, Candidate, Edit, ReviewProblem
from pytest_fapo.core.case import Case
from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.core.record import LEVELS, Level
from pytest_fapo.core.settings import Settings
from pytest_fapo.review.leakage.case_corpus import CaseCorpus, corpus_of
from pytest_fapo.source.artifact_store import ArtifactStore


class EditedText(NamedTuple):
    """One edit with the artifact that it changes, or creates."""

    artifact: Artifact
    after: str
    created: bool = False

    @property
    def address(self) -> str:
        return self.artifact.address

    @property
    def before(self) -> str:
        return self.artifact.text

    @property
    def holds_examples(self) -> bool:
        """True if it is a file of examples, which functions show as turns."""
        return self.artifact.kind == "file" and self.artifact.level == "structure"


@dataclass(frozen=True)
class ReviewSubject:
    """One candidate under review.

    `changes` holds its edits once the first checks (scope, stale texts) have let them through.
    """

    candidate: Candidate
    store: ArtifactStore
    cases: Sequence[Case]
    settings: Settings
    levels: Sequence[Level]
    changes: Sequence[EditedText] = ()

    @property
    def levels_below(self) -> Sequence[Level]:
        """The candidate's level and the cheaper ones: of all these it may hold edits."""
        return LEVELS[: LEVELS.index(self.candidate.level) + 1]

    @cached_property
    def known_texts(self) -> list[str]:
        """Every artifact's text as of the parent: what is there already is no leak."""
        return [artifact.text for level in self.levels_below for artifact in self.artifacts(level)]

    @cached_property
    def corpus(self) -> CaseCorpus:
        """The words of all cases."""
        return corpus_of(self.cases)

    def artifacts(self, level: Level) -> list[Artifact]:
        """Return the artifacts of a level; none where the scope's entries for it cannot be read."""
        try:
            return self.store.all(level)
        except ArtifactError:
            return []

    def level_of(self, address: str) -> Level | None:
        """Return the lowest level at which the scope allows edits of `address`."""
        return next((level for level in LEVELS if self.store.in_scope(address, level)), None)


def change_of(edit: Edit, subject: ReviewSubject) -> EditedText:
    """Return the edit with its artifact; one that is to be created has an empty text.

    Raises:
        ArtifactError: there is no such artifact, and it cannot be created.
    """
    if not subject.store.creates(edit):
        return EditedText(subject.store.get(edit.address), edit.after)
    level = subject.level_of(edit.address) or "prompt"
    path, _, name = edit.address.partition("::")
    kind: ArtifactKind = "file" if not name else "function" if level == "structure" else "constant"
    artifact = Artifact(address=edit.address, kind=kind, level=level, path=path, name=name, text="")
    return EditedText(artifact, edit.after, created=True)


ReviewCheck = Callable[[ReviewSubject], Iterator[ReviewProblem]]
