"""Placeholders are neither dropped nor invented, and the template still renders."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_fapo.models import ReviewProblem
from pytest_fapo.review.subject import Subject
from pytest_fapo.review.templates import template_problems


def placeholders(subject: Subject) -> Iterator[ReviewProblem]:
    """The new text can be filled in by the code that fills in the old one."""
    for change in subject.changes:
        for message in template_problems(change.artifact.path, change.before, change.after):
            yield ReviewProblem(
                check="placeholders", message=f"{change.address}: {message}", address=change.address
            )
