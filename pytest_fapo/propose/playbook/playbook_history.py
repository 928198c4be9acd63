"""The earlier attempts on a step, and what the next proposals learn from them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_fapo.core.candidate import Artifact, Attempt, Candidate
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.propose.playbook.prompt_document import PromptDocument
from pytest_fapo.propose.playbook.prompt_evidence import Advice

_NODE = re.compile(r"[^\s,]+\.py::[^\s,]+")

PATIENCE = 2
"""After so many rejections of a technique on earlier trees it gets one try on each further tree."""


class AttemptHistory:
    """The attempts of the run, read for one cluster's proposals."""

    def __init__(self, evidence: Evidence) -> None:
        self._all = [attempt for attempt in evidence.memory if attempt.candidate.edits]
        self._here = [attempt for attempt in self._all if attempt.candidate.parent == evidence.parent]

    def digests(self) -> set[str]:
        """Digests of everything that was tried."""
        return {attempt.candidate.digest for attempt in self._all}

    def inert(self, address: str) -> bool:
        """True if an edit of this artifact was found to reach no test."""
        return any(
            attempt.verdict.inert and {edit.address for edit in attempt.candidate.edits} == {address}
            for attempt in self._here
        )

    def adapted(self, advice: Sequence[Advice], artifact: Artifact) -> list[Advice]:
        """Advice in view of what was rejected, and why.

        Left out are rules that broke something before, rules as long as those that were too much for a test
        of the prompt itself, and techniques that failed again and again: all but their first variant where
        they were useless, all of them where they were harmful.
        """
        limit = self._too_long(artifact)
        given: set[str] = set()
        found: list[Advice] = []
        for each in advice:
            tried = each.technique in given or self._tried_here(each.technique, artifact)
            repeated = tried and self._failed(each.technique, artifact) >= PATIENCE
            too_long = limit is not None and _length(each, artifact) >= limit
            harmful = self._failed(each.technique, artifact, harmful=True) >= PATIENCE
            if repeated or harmful or too_long or self._broke(each, artifact):
                continue
            given.add(each.technique)
            found.append(each)
        return found

    def _tried_here(self, technique: str, artifact: Artifact) -> bool:
        return any(_is_of(attempt.candidate, technique, artifact.address) for attempt in self._here)

    def _failed(self, technique: str, artifact: Artifact, *, harmful: bool = False) -> int:
        """Rejections of a technique on earlier trees since it was last accepted for this artifact.

        Those alone that broke a case, if asked: the other steps' edits will not make them harmless.
        """
        count = 0
        for attempt in self._all:
            if not _is_of(attempt.candidate, technique, artifact.address):
                continue
            harm = _broke_something(attempt) and not _unit_tests(attempt)
            counts = attempt not in self._here and (harm or not harmful)
            count = 0 if attempt.verdict.accepted else count + counts
        return count

    def _broke(self, advice: Advice, artifact: Artifact) -> bool:
        """True if exactly these rules in this artifact broke a test before."""
        section = PromptDocument(artifact.text).with_section(advice.title, advice.lines)
        rules = [line for line in section.splitlines() if any(rule in line for rule in advice.lines)]
        return any(
            _broke_something(attempt)
            and any(
                edit.address == artifact.address and all(rule in edit.after for rule in rules)
                for edit in attempt.candidate.edits
            )
            for attempt in self._all
            if not attempt.verdict.accepted
        )

    def _too_long(self, artifact: Artifact) -> int | None:
        """Length of the shortest text of this artifact that failed a test without a case."""
        lengths = [
            len(edit.after)
            for attempt in self._all
            for edit in attempt.candidate.edits
            if edit.address == artifact.address and _unit_tests(attempt)
        ]
        return min(lengths, default=None)


def _broke_something(attempt: Attempt) -> bool:
    """True if it was rejected because tests that passed before failed; which ones is not always told."""
    verdict = attempt.verdict
    if verdict.accepted or verdict.inert:
        return False
    return bool(verdict.broken or verdict.broken_hidden) or verdict.stage in ("val", "suite")


def _unit_tests(attempt: Attempt) -> list[str]:
    """The broken tests without parameters, so without a case: those of the prompts themselves, say."""
    named = [*attempt.verdict.broken, *_NODE.findall(attempt.verdict.reason)]
    return [nodeid for nodeid in named if "[" not in nodeid]


def _length(advice: Advice, artifact: Artifact) -> int:
    return len(PromptDocument(artifact.text).with_section(advice.title, advice.lines))


def _is_of(candidate: Candidate, technique: str, address: str) -> bool:
    return candidate.technique.startswith(technique) and any(
        edit.address == address for edit in candidate.edits
    )
