"""What a check looks at: the candidate, the texts it changes, and everything that is known beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from pytest_fapo.artifacts import ArtifactStore
from pytest_fapo.config import Settings
from pytest_fapo.errors import ArtifactError
from pytest_fapo.models import LEVELS, Artifact, ArtifactKind, Candidate, Case, Edit, Level, ReviewProblem
from pytest_fapo.review.leakage import Corpus, corpus_of


class Change(NamedTuple):
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


@dataclass(frozen=True)
class Subject:
    """One candidate under review.

    `changes` holds its edits once the first checks (scope, stale texts) have let them through.
    """

    candidate: Candidate
    store: ArtifactStore
    cases: Sequence[Case]
    settings: Settings
    levels: Sequence[Level]
    changes: Sequence[Change] = ()

    @property
    def levels_below(self) -> Sequence[Level]:
        """The candidate's level and the cheaper ones: of all these it may hold edits."""
        return LEVELS[: LEVELS.index(self.candidate.level) + 1]

    @cached_property
    def known_texts(self) -> list[str]:
        """Every artifact's text as of the parent: what stands there already is no leak."""
        return [artifact.text for level in self.levels_below for artifact in self.artifacts(level)]

    @cached_property
    def corpus(self) -> Corpus:
        """The words of all cases."""
        return corpus_of(self.cases)

    def artifacts(self, level: Level) -> list[Artifact]:
        """The artifacts of a level; none where the scope's entries for it cannot be read."""
        try:
            return self.store.all(level)
        except ArtifactError:
            return []

    def level_of(self, address: str) -> Level | None:
        """The lowest level at which the scope allows edits of `address`."""
        return next((level for level in LEVELS if self.store.in_scope(address, level)), None)


def change_of(edit: Edit, subject: Subject) -> Change:
    """The edit with its artifact; one that is to be created has an empty text.

    Raises:
        ArtifactError: there is no such artifact, and it cannot be created.
    """
    if not subject.store.creates(edit):
        return Change(subject.store.get(edit.address), edit.after)
    level = subject.level_of(edit.address) or "prompt"
    path, _, name = edit.address.partition("::")
    kind: ArtifactKind = "file" if not name else "function" if level == "structure" else "constant"
    artifact = Artifact(address=edit.address, kind=kind, level=level, path=path, name=name, text="")
    return Change(artifact, edit.after, created=True)


Check = Callable[[Subject], Iterator[ReviewProblem]]
