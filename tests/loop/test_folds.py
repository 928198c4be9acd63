"""Folds: of few cases each is val in one turn of the search and train in the others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.handmade import Bench, span
from support.teams import GOOD_PROMPT, PYPROJECT, MakeProject, Server, obedient, proposal, right_team

from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.loop.folds import in_turn, train_of_all_turns, turned
from pytest_fapo.loop.search_state import BestTree

SPLITS = ("train", "val", "holdout")


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


@pytest.mark.slow
def test_failures_of_val_are_worked_on_in_a_later_turn(project: MakeProject, server: Server) -> None:
    """Only what is about parcels fails, and all of that is val: without folds nobody ever looks at it."""
    server.task = lambda prompt: obedient(prompt) if "parcel" in prompt else obedient(prompt + "nothing else")
    server.optimizer = lambda body: proposal(GOOD_PROMPT)
    texts = ["my money is gone", "wrong invoice", "the courier was rude", "hello"]
    cases: list[dict[str, Any]] = [
        {
            "id": f"T-{number}",
            "inputs": {
                "ticket": f"{texts[number % 4] if split != 'val' else 'where is the parcel'} ({number})"
            },
            "expected": {"team": right_team(texts[number % 4] if split != "val" else "parcel")},
            "split": split,
        }
        for number, split in enumerate(["train"] * 12 + ["val"] * 6 + ["holdout"] * 4)
    ]
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    made = project({"cases.jsonl": lines})
    assert "no train case fails" in " ".join(made.optimize("-q").text.split())
    made.write({"pyproject.toml": PYPROJECT.replace("[tool.fapo]\n", "[tool.fapo]\nfolds = 3\n")})
    result = made.optimize("-q")
    assert (result.code, made.prompt) == (0, GOOD_PROMPT), result.text
    shown = json.dumps(server.optimizer_requests[0]["messages"])
    texts_of = {
        split: [case["inputs"]["ticket"] for case in cases if case["split"] == split] for split in SPLITS
    }
    assert any(text in shown for text in texts_of["val"])
    assert not any(text in shown for text in texts_of["holdout"])
