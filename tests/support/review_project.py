"""A small project with prompts and cases, and reviews of edits in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_fapo.core.candidate import Candidate, Edit, Review
from pytest_fapo.core.case import Case
from pytest_fapo.core.record import Split
from pytest_fapo.core.scope import Scope
from pytest_fapo.core.settings import Settings
from pytest_fapo.review.static_review import review
from pytest_fapo.source.artifact_store import ArtifactStore

SPLITS: tuple[Split, ...] = ("train", "val", "holdout")


class Reviewed:
    """A project folder; `edit` reviews a new text for one of its prompts."""

    def __init__(self, root: Path, files: Mapping[str, str], cases: Sequence[Case] = (), limit: int = 20_000):
        self.root = root
        self.cases = cases
        self.settings = Settings(max_prompt_chars=limit)
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        self.store = ArtifactStore(root, Scope(prompts=list(files)))

    def candidate(self, *edits: Edit, technique: str = "test", step: str = "") -> Candidate:
        return Candidate(edits=list(edits), hypothesis="", proposer="test", technique=technique, step=step)

    def review(self, candidate: Candidate) -> Review:
        return review(candidate, store=self.store, cases=self.cases, settings=self.settings)

    def edit(self, address: str, after: str) -> Review:
        before = self.store.get(address).text
        return self.review(self.candidate(Edit(address=address, before=before, after=after)))

    def add(self, text: str) -> Review:
        """Review of `text` added at the end of the first prompt."""
        artifact = self.store.all("prompt")[0]
        return self.edit(artifact.address, artifact.text + text + "\n")


def checks(result: Review) -> list[str]:
    """Names of the checks that block, in order."""
    return [problem.check for problem in result.problems if problem.blocks]


def words(result: Review) -> str:
    """All messages."""
    return "\n".join(problem.message for problem in result.problems)
