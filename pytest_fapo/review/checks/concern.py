"""One concern per candidate, so that a verdict is about one thing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from pytest_fapo.models import ReviewProblem
from pytest_fapo.review.subject import Change, Subject

JOINT = "joint"
"""A technique that begins with this word declares that its edits belong together."""


def single_concern(subject: Subject) -> Iterator[ReviewProblem]:
    """One artifact, or several of which each names another (a function with its prompt or its helper),
    unless the edits are declared to be joint, or are a merge of candidates that were reviewed one by one."""
    candidate = subject.candidate
    if len(subject.changes) < 2 or candidate.merges:
        return
    if JOINT in candidate.technique.lower() and (candidate.step or candidate.cluster):
        return
    groups = _groups(subject.changes)
    if len(groups) == 1:
        return
    addresses = ", ".join(change.address for change in subject.changes)
    yield ReviewProblem(
        check="single-concern",
        message=(
            f"The candidate edits {len(subject.changes)} artifacts ({addresses}); "
            f"edit the one that matters most for this cause and leave the others."
        ),
    )


def _groups(changes: Sequence[Change]) -> list[list[Change]]:
    """The changes in groups that hang together by naming one another."""
    groups: list[list[Change]] = []
    for change in changes:
        linked = [group for group in groups if any(_linked(change, other) for other in group)]
        groups = [group for group in groups if group not in linked]
        groups.append([change, *(other for group in linked for other in group)])
    return groups


def _linked(one: Change, other: Change) -> bool:
    """Whether the code of one speaks of the other."""
    return _speaks_of(one, other) or _speaks_of(other, one)


def _speaks_of(one: Change, other: Change) -> bool:
    if one.artifact.kind != "function":
        return False
    if other.artifact.name:
        name = other.artifact.name.rpartition(".")[2]
    else:
        name = PurePosixPath(other.artifact.path).name.partition(".")[0]
    return bool(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", one.after))
