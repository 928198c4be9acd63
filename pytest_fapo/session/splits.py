"""The split of a case: as its row says, else by a hash that is stable when cases are added."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from pytest_fapo.core.case import Case
from pytest_fapo.core.record import SPLITS, Split, canonical_json

_BOUNDS: tuple[tuple[Split, float, float], ...] = (
    ("train", 0.0, 0.6),
    ("val", 0.6, 0.8),
    ("holdout", 0.8, 1.0),
)

_CALLED: dict[str, Split] = {
    **{split: split for split in SPLITS},
    "training": "train",
    **dict.fromkeys(("valid", "validation", "dev", "development", "eval", "evaluation"), "val"),
    **dict.fromkeys(("test", "testing", "heldout"), "holdout"),
}


def split_called(name: Any) -> Split | None:
    """Return the split that people mean by a name: `validation`, `dev` and `eval` are val, `test` is holdout.

    None for any other name.
    """
    if not isinstance(name, str):
        return None
    return _CALLED.get("".join(character for character in name.casefold() if character.isalnum()))


def assign_splits(cases: Sequence[Case], given: Sequence[bool]) -> list[Case]:
    """Give each case without a split the one that a hash decides: 60 % train, 20 % val, 20 % holdout.

    The hash is that of the id, or that of the inputs where several cases have the same: equal inputs are in
    one split. A case keeps its split when others are added. Only where a label with at least three different
    inputs (or the whole set) would miss a split altogether, those whose hash lies nearest move there.

    Args:
        cases: all of a source.
        given: whether the case's own row says its split.
    """
    inputs = [canonical_json(case.inputs) for case in cases]
    known: dict[str, Split] = {}
    for case, text, has in zip(cases, inputs, given, strict=True):
        if has:
            known.setdefault(text, case.split)
    groups: dict[str, list[Case]] = defaultdict(list)
    for case, text, has in zip(cases, inputs, given, strict=True):
        if not has and text not in known:
            groups[text].append(case)
    names = {text: group[0].id if len(group) == 1 else text for text, group in groups.items()}
    splits = {name: _by_hash(name) for name in names.values()}
    for kind in _kinds({names[text]: group[0] for text, group in groups.items()}):
        _fill_gaps(kind, splits)
    known.update({text: splits[name] for text, name in names.items()})
    return [
        case if has else case.model_copy(update={"split": known[text]})
        for case, text, has in zip(cases, inputs, given, strict=True)
    ]


def _hash_position(name: str) -> float:
    """Return a number in [0, 1) that depends on the name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64


def _by_hash(name: str) -> Split:
    position = _hash_position(name)
    return next(split for split, low, high in _BOUNDS if low <= position < high)


def _kinds(cases: dict[str, Case]) -> list[list[str]]:
    """Return names by label where labels repeat; all names where they do not."""
    by_label: dict[str, list[str]] = {}
    for name, case in cases.items():
        by_label.setdefault(canonical_json(case.expected), []).append(name)
    kinds = [names for names in by_label.values() if len(names) >= 3]
    return kinds or ([list(cases)] if len(cases) >= 3 else [])


def _fill_gaps(names: list[str], splits: dict[str, Split]) -> None:
    for split, low, high in _BOUNDS:
        if any(splits[name] == split for name in names):
            continue
        donors = [name for name in names if sum(splits[other] == splits[name] for other in names) > 1]
        if donors:
            nearest = min(donors, key=lambda name: _distance(_hash_position(name), low, high))
            splits[nearest] = split


def _distance(position: float, low: float, high: float) -> float:
    return max(low - position, position - high, 0.0)
