"""What a check looks at: the candidate, the texts it changes, and everything that is known beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from pytest_fapo.artifacts import ArtifactStore
from pytest_fapo.config import Settings
from pytest_fapo.models import Artifact, Candidate, Case, Level, ReviewProblem


class Change(NamedTuple):
    """One edit with the artifact that it changes."""

    artifact: Artifact
    after: str

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

    @cached_property
    def known_texts(self) -> list[str]:
        """Every artifact's text as of the parent: what stands there already is no leak."""
        return [artifact.text for artifact in self.store.all(self.candidate.level)]


Check = Callable[[Subject], Iterator[ReviewProblem]]
