"""Values as models write them."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_fapo.diagnosis.loose_values import alike, is_blank, mentions, read_json, same, to_dates, to_number


@pytest.mark.parametrize(
    ("text", "value", "clean"),
    [
        ('{"a": 1}', {"a": 1}, True),
        ('```json\n{"a": 1}\n```', {"a": 1}, False),
        ('Sure! {"a": {"b": [1]}} Anything else?', {"a": {"b": [1]}}, False),
        ("[1, 2]", [1, 2], True),
    ],
)
def test_json_in_texts(text: str, value: Any, clean: bool) -> None:
    found = read_json(text)
    assert found is not None
    assert (found.value, found.clean) == (value, clean)


@pytest.mark.parametrize("text", ["", "no json", "{broken", "[", "{" * 5000, '{"a": }', "see [1] and {x}"])
def test_texts_without_json(text: str) -> None:
    found = read_json(text)
    assert found is None or found.value == [1]


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ("refund", "**Refund.**"),
        ("account_access", "Account access"),
        (1200.5, "1,200.50 EUR"),
        ("2031-03-09", "9 March 2031"),
        ("2031-03-09", "09/03/2031"),
        (None, "N/A"),
        (["b", "a"], ["A", "B"]),
        (12, "12"),
        ("12 kg", 12),
        ("€5", "5 EUR"),
        (-4, "-4"),
        (True, "Yes."),
        ("no", False),
        (1200, "1\u202f200 €"),
        ("3/5/2031", "03/05/2031"),
    ],
)
def test_right_but_for_the_form(expected: Any, actual: Any) -> None:
    assert alike(expected, actual)
    assert not same(expected, actual)


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ("refund", "no refund"),
        (True, "1"),
        (12, "12 of 13"),
        ("2031-03-09", "10 March 2031"),
        ("", "x"),
        ("a", None),
        ("B2", "C2"),
        ("12 kg", "12 g"),
        ("$5", "€5"),
        (-4, "4"),
        (-4, 4),
        (True, "no"),
        (False, "nothing"),
        ("03/05/2031", "05/03/2031"),
    ],
)
def test_really_different(expected: Any, actual: Any) -> None:
    assert not alike(expected, actual)


def test_equality_keeps_booleans_apart_from_numbers() -> None:
    assert same(1, 1.0)
    assert not same(True, 1)
    assert same({"a": " x "}, {"a": "x"})


def test_whole_words_only() -> None:
    assert mentions("The category is: Refund!", "refund")
    assert not mentions("nonrefundable", "refund")


def test_numbers_dates_and_blanks() -> None:
    assert to_number("1.234,50") == 1234.5
    assert to_number("3 or 4") is None
    assert len(to_dates("03/04/2031")) == 2
    assert is_blank(" n/a ")
    assert not is_blank(0)


def test_a_negative_number_is_found_with_its_sign() -> None:
    assert mentions("it is -4 now", -4)
    assert not mentions("it is 4 now", -4)
    assert not mentions("from 2-4", -4)
