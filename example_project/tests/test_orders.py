"""Order numbers as customers write them."""

from __future__ import annotations

import pytest
from desk.orders import find_order_number


@pytest.mark.parametrize(
    "message",
    [
        "Where is KC-48213?",
        "where is kc48213",
        "KC 48213 is late",
        "my order 48213 has not come",
        "Order no. 48213!",
        "order number #48213",
        "it's #48213, please hurry",
    ],
)
def test_every_common_spelling_is_found(message: str) -> None:
    assert find_order_number(message) == "KC-48213"


@pytest.mark.parametrize("message", ["I paid 12345 yen", "call me on 07700 900123", "order", "KC-123", ""])
def test_other_numbers_are_left_alone(message: str) -> None:
    assert find_order_number(message) is None


def test_the_first_of_two_counts() -> None:
    assert find_order_number("KC-11111, not KC-22222") == "KC-11111"
