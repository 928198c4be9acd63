"""Runs the checks: first whether the edits may be looked at at all, then everything else about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pytest_fapo.artifacts import ArtifactStore
from pytest_fapo.config import Settings
from pytest_fapo.models import Candidate, Case, Level, Review
from pytest_fapo.review.checks import CHECKS, ENTRY_CHECKS, FIRST_CHECKS
from pytest_fapo.review.subject import Subject, change_of


def review(
    candidate: Candidate,
    *,
    store: ArtifactStore,
    cases: Sequence[Case],
    settings: Settings,
    levels: Sequence[Level] = ("prompt",),
) -> Review:
    """Check one candidate. Nothing is run and no model is asked.

    Args:
        candidate: what a proposer gave.
        store: the artifacts with the parent's texts.
        cases: the cases of all splits; problems found in val or holdout cases never quote or name them.
        settings: for limits, allowed imports and demonstrations.
        levels: the levels that may be edited now.
    """
    subject = Subject(candidate, store, cases, settings, levels)
    problems = [problem for check in ENTRY_CHECKS for problem in check(subject)]
    if not problems:
        changes = [change_of(edit, subject) for edit in candidate.edits]
        subject = replace(subject, changes=changes)
        problems = [problem for check in FIRST_CHECKS for problem in check(subject)]
        if not any(problem.check in ("size", "syntax") for problem in problems):
            problems += [problem for check in CHECKS for problem in check(subject)]
    return Review(problems=problems)
