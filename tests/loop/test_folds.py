"""Folds: of few cases each is val in one turn of the search and train in the others."""

from __future__ import annotations

from typing import Any

from support.handmade import Bench, span

from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.loop.folds import in_turn, train_of_all_turns, turned
from pytest_fapo.loop.search_state import BestTree


def evaluation() -> Evaluation:
    bench = Bench()
    for number in range(20):
        label = "ab"[number % 2]
        split: Any = "holdout" if number % 5 == 4 else "val" if number % 5 == 3 else "train"
        bench.run(f"text {number}", label, [span("s", prompt="p", answer=label)], label, split=split)
    bench.run("text 0", "a", [span("s", prompt="p", answer="a")], "a")
    return bench.evaluation


def test_each_case_is_val_in_one_turn_and_train_in_the_others() -> None:
    first = evaluation()
    turns = [in_turn(first, turn, 4) for turn in range(4)]
    for nodeid, item in first.items.items():
        splits = sorted(str(turn.items[nodeid].split) for turn in turns)
        assert splits == (["holdout"] * 4 if item.split == "holdout" else ["train"] * 3 + ["val"])
        assert all(turn.cases[nodeid].split == turn.items[nodeid].split for turn in turns)
    for turn in turns:
        labels = [turn.cases[item.nodeid].expected for item in turn.in_split("val")]
        assert set(labels) == {"a", "b"}
        assert turn.items["test_it.py::test_case[c1]"].split == turn.items["test_it.py::test_case[c21]"].split


def test_a_turn_depends_on_nothing_that_came_before() -> None:
    first = evaluation()
    assert in_turn(in_turn(first, 3, 4), 1, 4) == in_turn(first, 1, 4) == in_turn(first, 5, 4)
    best = turned(turned(BestTree(first), 2, 4), 0, 4)
    assert (best.turn, best.evaluation, best.compared) == (0, in_turn(first, 0, 4), in_turn(first, 0, 4))


def test_one_fold_leaves_the_splits_as_they_are() -> None:
    best = BestTree(evaluation())
    assert turned(best, 3, 1) is best
    cases = list(best.evaluation.cases.values())
    assert train_of_all_turns(cases, 1) == cases
    assert {case.split for case in train_of_all_turns(cases, 5)} == {"train", "holdout"}
