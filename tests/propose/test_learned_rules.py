"""Simple rules learned from cases."""

from __future__ import annotations

import pytest

from pytest_fapo.propose.playbook.learned_rules import (
    Feature,
    explained,
    find_condition,
    learn_rules,
    round_between,
    with_exceptions,
)


def test_a_table() -> None:
    feature = Feature("choice", "the category", tuple("aabbcc"))
    rules = learn_rules([feature], ["x", "x", "y", "y", "x", "x"])
    assert [(rule.conditions, rule.value) for rule in rules] == [
        (("the category is a",), "x"),
        (("the category is b",), "y"),
        (("the category is c",), "x"),
    ]
    assert explained(rules, 6) == 1.0


def test_a_threshold_is_a_round_number() -> None:
    amounts = (20.0, 50.0, 80.0, 99.5, 110.0, 130.0, 400.0)
    rules = learn_rules([Feature("number", "the amount", amounts)], ["no"] * 4 + ["yes"] * 3)
    assert [rule.conditions for rule in rules] == [
        ("the amount is more than 100",),
        ("the amount is 100 or less",),
    ]


@pytest.mark.parametrize(
    ("low", "high", "limit"),
    [(99.5, 110.0, "100"), (7, 9, "8"), (480, 520, "500"), (0.2, 0.6, "0.5"), (13, 14, "13")],
)
def test_round_limits(low: float, high: float, limit: str) -> None:
    assert round_between(low, high) == limit
    assert low <= float(limit) < high


def test_what_is_missing_comes_before_the_table() -> None:
    given = Feature("presence", "the date", (True, True, False, False, True, True, False))
    kind = Feature("choice", "the kind", tuple("ababaab"))
    targets = ["x", "y", "ask", "ask", "x", "x", "ask"]
    rules = learn_rules([given, kind], targets)
    assert (("the date is missing",), "ask") in [(rule.conditions, rule.value) for rule in rules]


def test_chance_is_no_rule() -> None:
    feature = Feature("choice", "the kind", tuple("abcdefgh"))
    assert learn_rules([feature], ["x", "y", "x", "y", "x", "y", "y", "x"]) == []


def test_one_condition_for_a_demand() -> None:
    given = Feature("presence", "the order number", (True, False, False, True, False, True))
    targets = ["not", "due", "due", "not", "not", "not"]
    assert find_condition([given], targets, "due") == "the order number is missing"


def test_many_branches_are_said_as_exceptions() -> None:
    given = Feature("presence", "the order number", tuple([False] * 10 + [True] * 10))
    kind = Feature("choice", "the category", tuple("aabbccddee" * 2))
    targets = ["due"] * 6 + ["not"] * 14
    rules = learn_rules([given, kind], targets)
    assert with_exceptions(rules, "due") == [
        "the order number is missing, unless the category is d or the category is e"
    ]
