"""What `-v` adds to a candidate's line. Cases of val and holdout are counted, never named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pytest_fapo.models import Attempt, Split
from pytest_fapo.report.words import count, one_line

_NAMED = ("train", None)
"""Splits whose node ids may be named; None is for the suite's other tests, which belong to no split."""


def attempt_details(attempt: Attempt, splits: Mapping[str, Split | None]) -> list[str]:
    """The hypothesis, the findings aimed at, the review's other remarks, what was fixed and broken.

    Args:
        attempt: the candidate with its review and verdict.
        splits: split of each node id seen so far; a node id that is not in it is counted, not named.
    """
    candidate, verdict = attempt.candidate, attempt.verdict
    aim = f"aims at {count(len(candidate.targets), 'failing case')}"
    cluster = f" of {candidate.cluster}" if candidate.cluster else ""
    lines = [
        f"{one_line(candidate.hypothesis)}",
        f"{aim}{cluster}; {candidate.level} level, by {candidate.proposer}",
    ]
    lines += [
        f"review {'objects' if problem.blocks else 'remarks'}: {problem.check}: {one_line(problem.message)}"
        for problem in attempt.review.problems
    ]
    lines += _listed("fixed", verdict.fixed, 0, splits)
    lines += _listed("broken", verdict.broken, verdict.broken_hidden, splits)
    return [line for line in lines if line]


def _listed(word: str, nodeids: Iterable[str], hidden: int, splits: Mapping[str, Split | None]) -> list[str]:
    everything = sorted(nodeids)
    named = [nodeid for nodeid in everything if nodeid in splits and splits[nodeid] in _NAMED]
    lines = [f"{word}: {nodeid}" for nodeid in named]
    rest = len(everything) - len(named) + hidden
    if rest:
        lines.append(f"{word}: {count(rest, 'case')} in val or holdout")
    return lines
