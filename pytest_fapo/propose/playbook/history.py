"""What was tried before, and what the next proposals learn from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_fapo.models import Artifact, Attempt, Candidate, Evidence
from pytest_fapo.propose.playbook.advice import Advice


class History:
    """The attempts on the tree that the evidence was gathered on."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._texts = {artifact.address: artifact.text for artifact in evidence.artifacts}
        self._attempts = [
            attempt
            for attempt in evidence.memory
            if attempt.candidate.edits and attempt.candidate.parent == evidence.parent
        ]

    def digests(self) -> set[str]:
        """Digests of everything that was tried."""
        return {attempt.candidate.digest for attempt in self._evidence.memory}

    def inert(self, address: str) -> bool:
        """Whether an edit of this artifact was found to reach no test."""
        return any(
            attempt.verdict.inert and {edit.address for edit in attempt.candidate.edits} == {address}
            for attempt in self._attempts
        )

    def adapted(self, advice: Sequence[Advice], artifact: Artifact) -> list[Advice]:
        """Without what surely fails again: variants as long as one that was too much for another test."""
        limit = self._too_long(artifact)
        if limit is None:
            return list(advice)
        fitting = [each for each in advice if sum(map(len, each.lines)) < limit]
        return sorted(fitting, key=lambda each: (each.grade != 0, -sum(map(len, each.lines))))

    def _too_long(self, artifact: Artifact) -> int | None:
        """Characters added by the shortest edit of this artifact that broke a test which has no case."""
        added = [
            len(edit.after) - len(edit.before)
            for attempt in self._attempts
            for edit in attempt.candidate.edits
            if edit.address == artifact.address and _broke_others(attempt, self._evidence)
        ]
        return min(added, default=None)

    def together(self) -> Iterator[Candidate]:
        """The last harmless but useless edits of different prompts in one candidate.

        Where a case needs two steps mended, neither edit alone makes it pass.
        """
        harmless: dict[str, Candidate] = {}
        for attempt in self._attempts:
            candidate = attempt.candidate
            if attempt.verdict.accepted or attempt.verdict.broken or attempt.verdict.inert:
                continue
            if attempt.review.verdict == "block" or len(candidate.edits) != 1:
                continue
            edit = candidate.edits[0]
            if candidate.proposer == "playbook" and self._texts.get(edit.address) == edit.before:
                harmless.setdefault(edit.address, candidate)
        own = [candidate for candidate in harmless.values() if candidate.step == self._evidence.cluster.step]
        others = [
            candidate for candidate in harmless.values() if candidate.step != self._evidence.cluster.step
        ]
        for first in own:
            for second in others:
                yield first.model_copy(
                    update={
                        "edits": [*first.edits, *second.edits],
                        "technique": f"{first.technique} with {second.technique} in {second.step}",
                        "hypothesis": f"Some cases need both: {first.hypothesis} {second.hypothesis}",
                        "targets": sorted({*first.targets, *second.targets}),
                        "id": "",
                    }
                )


def _broke_others(attempt: Attempt, evidence: Evidence) -> bool:
    """Whether tests without a case (unit tests of the prompts, say) failed with an attempt."""
    with_case = {case.nodeid for case in evidence.cases}
    return any(nodeid not in with_case and "[" not in nodeid for nodeid in attempt.verdict.broken)
