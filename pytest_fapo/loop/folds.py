"""Folds in place of one val split: of few cases each is train in most turns of the search, and val in one.

`train` and `val` are put together and parted into folds, alike in labels. In each turn another fold is `val`:
proposers do not see it, and a candidate may lose nothing there. A turn ends with an accepted candidate, or
when nothing is left to try. `holdout` stays what it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

from pytest_fapo.core.case import Case
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.record import Split, canonical_json
from pytest_fapo.loop.search_state import BestTree


def turned(best: BestTree, turn: int, folds: int) -> BestTree:
    """Return the tree with the fold of a turn (0, 1 …) as `val`; as it is where there is one fold."""
    if folds < 2:
        return best
    evaluation = in_turn(best.evaluation, turn, folds)
    same = best.compared is best.evaluation
    compared = evaluation if same else in_turn(best.compared, turn, folds)
    return replace(best, evaluation=evaluation, compared=compared, turn=turn % folds)


def in_turn(evaluation: Evaluation, turn: int, folds: int) -> Evaluation:
    """Return the evaluation with the fold of a turn as `val` and all others as `train`."""
    if folds < 2:
        return evaluation
    fold_of = _folds(evaluation, folds)
    splits: dict[str, Split] = {
        nodeid: "val" if fold_of[canonical_json(case.inputs)] == turn % folds else "train"
        for nodeid, case in evaluation.cases.items()
        if case.split != "holdout"
    }
    items = {
        nodeid: item.model_copy(update={"split": splits[nodeid]})
        if nodeid in splits and item.split not in (None, "holdout")
        else item
        for nodeid, item in evaluation.items.items()
    }
    cases = {
        nodeid: case.model_copy(update={"split": splits[nodeid]}) if nodeid in splits else case
        for nodeid, case in evaluation.cases.items()
    }
    return evaluation.model_copy(update={"items": items, "cases": cases})


def train_of_all_turns(cases: Sequence[Case], folds: int) -> list[Case]:
    """Return the cases, those that are train in some turn as such."""
    if folds < 2:
        return list(cases)
    return [case if case.split == "holdout" else case.model_copy(update={"split": "train"}) for case in cases]


def _folds(evaluation: Evaluation, folds: int) -> dict[str, int]:
    """Inputs to their fold: by label and hash in turn, so that folds are alike, and equal inputs in one."""
    labels: dict[str, str] = {}
    for case in evaluation.cases.values():
        if case.split != "holdout":
            labels.setdefault(canonical_json(case.inputs), canonical_json(case.expected))
    ordered = sorted(labels, key=lambda inputs: (labels[inputs], sha256(inputs.encode()).digest()))
    return {inputs: number % folds for number, inputs in enumerate(ordered)}
