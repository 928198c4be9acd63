"""Near copies and contradicting labels are found, and what only looks like them is not."""

from __future__ import annotations

import random

import pytest

from pytest_fapo.core.case import Case
from pytest_fapo.core.label_votes import BY_LABELS, label_conflicts
from pytest_fapo.core.similar_cases import similar_cases

TEXTS = [
    ("My parcel {n} has not arrived yet, where is it?", "delivery"),
    ("I was charged twice for order {n}, please look into it", "billing"),
    ("How do I change the address of order {n} in my account?", "account"),
    ("The handle of the mug from order {n} broke on the first day", "complaint"),
]


def cases(*rows: tuple[str, str]) -> list[Case]:
    return [
        Case(id=f"c{number}", inputs={"text": text}, expected=label)
        for number, (text, label) in enumerate(rows)
    ]


def ids(*found: Case) -> set[str]:
    return {case.id for case in found}


def test_case_punctuation_and_spaces_make_no_other_input() -> None:
    pair, *more = similar_cases(
        cases(("Where is my card?", "a"), ("where is  my card", "a"), ("Top up", "b"))
    )
    assert not more
    assert pair.same_words
    assert pair.near_copy
    assert ids(pair.first, pair.second) == {"c0", "c1"}


def test_another_order_of_words_is_another_input() -> None:
    found = similar_cases(cases(("send it from Rome to Bonn", "a"), ("send it from Bonn to Rome", "a")), 0.1)
    assert len(found) == 1
    assert not found[0].same_words


def test_another_number_is_no_copy() -> None:
    first, second = (
        ("What did invoice 701 of the green grocer in town come to?", "9"),
        (
            "What did invoice 702 of the green grocer in town come to?",
            "9",
        ),
    )
    found = similar_cases(cases(first, second), BY_LABELS.near)
    assert [pair.near_copy for pair in found] == [False]
    assert not label_conflicts(cases(first, (second[0], "12")))


def test_what_all_cases_share_is_no_similarity() -> None:
    manual = "The manual says a great many things about this and that, and more of it. " * 5
    listed = [
        Case(id=text, inputs={"manual": manual, "question": text}, expected="x")
        for text in ("How long is it?", "Who wrote the manual?", "What may I do?")
    ]
    assert not similar_cases(listed)


def test_one_input_with_two_labels_is_a_conflict_whatever_the_labels_are() -> None:
    (conflict,) = label_conflicts(cases(("Say hello", "Hello there!"), ("say hello!", "Good day to you.")))
    assert conflict.same_words
    assert not conflict.one_sided


def test_another_spelling_of_a_label_is_no_conflict() -> None:
    assert not label_conflicts(cases(("Say hello", "Greeting"), ("say hello!", "greeting ")))


def test_a_label_that_all_near_cases_contradict_is_the_odd_one() -> None:
    rows = [(text.format(n=number), label) for number in range(100, 110) for text, label in TEXTS]
    rows[12] = (rows[12][0], "billing")
    (conflict,) = label_conflicts(cases(*rows))
    assert conflict.case.id == "c12"
    assert conflict.other.expected == "delivery"
    assert conflict.one_sided


def test_a_number_that_decides_accuses_nobody() -> None:
    rows = [
        (f"An essay on rivers, worth {points} points of a hundred", "pass" if points >= 60 else "fail")
        for points in range(10, 70)
    ]
    assert not label_conflicts(cases(*rows))


def test_a_word_that_goes_with_the_label_elsewhere_explains_it() -> None:
    rows = [
        *[(f"please add {amount} euros to my account by card today", "card") for amount in "abcdef"],
        ("please add g euros to my account by transfer today", "transfer"),
        ("does a transfer cost anything?", "transfer"),
        ("how long may a transfer take to you?", "transfer"),
    ]
    assert not label_conflicts(cases(*rows))


def test_a_negation_explains_another_label() -> None:
    long = "I have checked with my bank and the payment for the summer course has {}arrived in your account"
    assert not label_conflicts(
        cases((long.format(""), "paid"), (long.format("not "), "unpaid"), ("Hi", "paid"), ("Ho", "unpaid"))
    )


@pytest.mark.parametrize("seed", range(3))
def test_planted_wrong_labels_are_found_and_few_others_are_accused(seed: int) -> None:
    draw = random.Random(seed)
    rows = [(text.format(n=draw.randrange(1000, 9999)), label) for _ in range(20) for text, label in TEXTS]
    wrong = set(draw.sample(range(len(rows)), len(rows) // 10))
    labels = [label for _, label in TEXTS]
    planted = [
        (text, draw.choice([each for each in labels if each != label]) if number in wrong else label)
        for number, (text, label) in enumerate(rows)
    ]
    accused = {int(conflict.case.id[1:]) for conflict in label_conflicts(cases(*planted))}
    assert len(accused & wrong) >= 0.6 * len(wrong)
    assert len(accused - wrong) <= 0.05 * len(rows)


def test_many_cases_of_one_form_are_compared_with_few_each() -> None:
    listed = cases(*[(TEXTS[number % 4][0].format(n=number), TEXTS[number % 4][1]) for number in range(800)])
    assert not label_conflicts(listed)
