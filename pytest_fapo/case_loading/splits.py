"""Which split a case belongs to where its file does not say: a hash of its id, stable as cases are added."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from pytest_fapo.models import Case, Split, canonical_json

_BOUNDS: tuple[tuple[Split, float, float], ...] = (
    ("train", 0.0, 0.6),
    ("val", 0.6, 0.8),
    ("holdout", 0.8, 1.0),
)


def assign_splits(cases: Sequence[Case]) -> list[Case]:
    """Give each case the split that the hash of its id decides: 60 % train, 20 % val, 20 % holdout.

    A case keeps its split when others are added. Only where a label with at least three cases (or the
    whole set) would miss a split altogether, the case whose hash lies nearest to it moves there.
    """
    splits = {case.id: _by_hash(case.id) for case in cases}
    for group in _groups(cases):
        _fill_gaps(group, splits)
    return [case.model_copy(update={"split": splits[case.id]}) for case in cases]


def _place(case_id: str) -> float:
    """A number in [0, 1) that depends on the id alone."""
    return int.from_bytes(hashlib.sha256(case_id.encode()).digest()[:8], "big") / 2**64


def _by_hash(case_id: str) -> Split:
    place = _place(case_id)
    return next(split for split, low, high in _BOUNDS if low <= place < high)


def _groups(cases: Sequence[Case]) -> list[list[str]]:
    """Ids by label where labels repeat; all ids where they do not."""
    by_label: dict[str, list[str]] = {}
    for case in cases:
        by_label.setdefault(canonical_json(case.expected), []).append(case.id)
    groups = [ids for ids in by_label.values() if len(ids) >= 3]
    return groups or ([[case.id for case in cases]] if len(cases) >= 3 else [])


def _fill_gaps(ids: list[str], splits: dict[str, Split]) -> None:
    for split, low, high in _BOUNDS:
        members = [case_id for case_id in ids if splits[case_id] == split]
        if members:
            continue
        donors = [case_id for case_id in ids if sum(splits[other] == splits[case_id] for other in ids) > 1]
        if donors:
            nearest = min(donors, key=lambda case_id: _distance(_place(case_id), low, high))
            splits[nearest] = split


def _distance(place: float, low: float, high: float) -> float:
    return max(low - place, place - high, 0.0)
