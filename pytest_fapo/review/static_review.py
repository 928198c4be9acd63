"""The static checks of a candidate in order; nothing is run and no model is called.

A check is a function from the subject to its problems; a new check is one more entry in the lists here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pytest_fapo.core.candidate import Candidate, Review
from pytest_fapo.core.case import Case
from pytest_fapo.core.record import Level
from pytest_fapo.core.settings import Settings
from pytest_fapo.review.code_checks import readable, rewriting
from pytest_fapo.review.invisible_characters import invisible
from pytest_fapo.review.leakage.leak_checks import demonstrations, leakage
from pytest_fapo.review.placeholders import placeholders
from pytest_fapo.review.review_subject import ReviewCheck, ReviewSubject, change_of
from pytest_fapo.review.scope_checks import fresh, no_op, params, protected, scope, single_concern, size
from pytest_fapo.review.structured_prompts import syntax
from pytest_fapo.source.artifact_store import ArtifactStore

ENTRY_CHECKS: tuple[ReviewCheck, ...] = (protected, scope, fresh)
"""Checks that the edits can be related to the project at all."""

FIRST_CHECKS: tuple[ReviewCheck, ...] = (no_op, single_concern, size, params, readable)
"""Checks that there is a change of a reviewable size."""

CHECKS: tuple[ReviewCheck, ...] = (invisible, placeholders, syntax, rewriting, demonstrations, leakage)


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
    subject = ReviewSubject(candidate, store, cases, settings, levels)
    problems = [problem for check in ENTRY_CHECKS for problem in check(subject)]
    if not problems:
        changes = [change_of(edit, subject) for edit in candidate.edits]
        subject = replace(subject, changes=changes)
        first = FIRST_CHECKS if settings.review == "on" else (no_op,)
        problems = [problem for check in first for problem in check(subject)]
        if settings.review == "on" and not any(each.check in ("size", "syntax") for each in problems):
            problems += [problem for check in CHECKS for problem in check(subject)]
    return Review(problems=problems)
