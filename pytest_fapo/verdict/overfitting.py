"""Code that fits train only: its gains there are held against those on cases that its author has not seen.

A table of answers or a condition on the words of failing cases is no break-in, and no reader can tell it for
sure from a rule. But it fixes the cases that it was made from, and not their neighbors in the other splits.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_fapo.core.candidate import Candidate
from pytest_fapo.core.record import Split
from pytest_fapo.verdict import reasons
from pytest_fapo.verdict.comparison import Comparison
from pytest_fapo.verdict.statistics import fewer_than_chance

_ERROR = 0.05
"""An edit that fixes the same share everywhere is rejected with at most this probability."""


def overfitting(candidate: Candidate, comparison: Comparison, hidden: Sequence[Split]) -> str:
    """Return why an edit of code does not hold beyond train; empty where chance explains the difference.

    Args:
        candidate: what is judged; only code is, a prompt cannot act on single cases by itself.
        comparison: its evaluation and its parent's.
        hidden: the splits that its author has not seen and that were run.
    """
    if candidate.level != "structure":
        return ""
    seen, others = _fixed(comparison, ["train"]), _fixed(comparison, hidden)
    p = fewer_than_chance((seen[0], others[0]), (seen[1], others[1]))
    if not seen[0] or p > _ERROR:
        return ""
    return reasons.overfitted(seen, others if "holdout" not in hidden else None, p)


def _fixed(comparison: Comparison, splits: Sequence[Split]) -> tuple[int, int]:
    """Return how many of the units that never passed pass now, and of how many."""
    failing = [unit for split in splits for unit in comparison.of_split(split) if unit.before == 0.0]
    return sum(unit.fixed for unit in failing), len(failing)
