"""Verdicts in words: what all policies share."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_fapo.gate.compare import change
from pytest_fapo.gate.units import Unit
from pytest_fapo.models import Evaluation, Split, Verdict


def verdict(
    before: Evaluation,
    after: Evaluation,
    found: Sequence[Unit],
    *,
    splits: Sequence[Split],
    stage: str,
    policy: str,
    reason: str = "",
) -> Verdict:
    """A verdict that accepts, or with a reason one that rejects.

    Args:
        before: the parent's evaluation.
        after: the candidate's.
        found: the units of both.
        splits: those that were looked at.
        stage: which one decides.
        policy: its name.
        reason: why it is rejected; empty where it is not.
    """
    seen = [unit for unit in found if unit.split in ("train", "val")]
    fixed = [unit.name for unit in seen if unit.fixed]
    # What was dropped before its turn did not break; what is missing from a whole evaluation did.
    broken = [unit.name for unit in seen if unit.broken and (not after.dropped_at or _ran(unit, after))]
    return Verdict(
        accepted=not reason,
        reason=reason or _gain(fixed, broken),
        stage=stage,
        splits={split: change(before, after, split) for split in splits},
        fixed=fixed,
        broken=broken,
        policy=policy,
        flaky=[unit.name for unit in seen if (unit.flaky and unit.difference) or "" in unit.chance],
    )


def _ran(unit: Unit, after: Evaluation) -> bool:
    return any(nodeid in after.items for nodeid in unit.nodeids)


def _gain(fixed: Sequence[str], broken: Sequence[str]) -> str:
    lost = "nothing broken" if not broken else f"{len(broken)} broken"
    return f"{count(len(fixed), 'test')} fixed, {lost}"


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def fail(number: int) -> str:
    return "fails" if number == 1 else "fail"


def listed(names: Sequence[str]) -> str:
    """The first two of some names, the others counted."""
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
