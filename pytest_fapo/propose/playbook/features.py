"""What a rule can refer to: given values, other labels, numbers in the text, and what is missing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pytest_fapo.propose.playbook.view import Seen, View
from pytest_fapo.reading.values import is_blank, normal, plain, to_number

Kind = Literal["choice", "number", "presence"]
MOST_CHOICES = 20
_AMOUNT = re.compile(
    r"(?:[$€£¥]|\b(?:USD|EUR|GBP|CHF)\b)\s?(\d[\d,]*(?:\.\d+)?)"
    r"|(\d[\d,]*(?:\.\d+)?)\s?(?:[€$£]|\b(?:USD|EUR|GBP|CHF|dollars?|euros?|pounds?)\b)",
    re.I,
)
_SPANS = {
    unit: re.compile(rf"\b(\d+)[\s-]{unit}s?\b", re.I)
    for unit in ("minute", "hour", "day", "week", "month", "year")
}


@dataclass(frozen=True)
class Feature:
    """One value per case."""

    kind: Kind
    words: str
    """How rules call it: `the category`, `the amount`, `the order number`."""
    values: tuple[Any, ...]
    """Texts for choices, floats or None for numbers, booleans (is it there?) for presence."""


def features_for(view: View, name: str, rows: Sequence[Seen]) -> list[Feature]:
    """All features of some cases, but for the field `name` itself."""
    found: list[Feature] = []
    taken = {normal(name.rpartition(".")[2])}
    for other in view.fields.expected:
        closed = view.fields.closed_set(other)
        if not closed or len(closed) > MOST_CHOICES or not _comes_before(view, other, name):
            continue
        words = (
            view.caption(other)
            if other in view.field_keys
            else f"the {other.rpartition('.')[2].replace('_', ' ')}"
        )
        values = tuple(plain(view.expected(seen, other)) for seen in rows)
        found.append(Feature("choice", words, values))
        taken.add(normal(other.rpartition(".")[2]))
    for variable in view.variables:
        if normal(variable) in taken:
            continue
        found.extend(_given(view, variable, rows))
    found.extend(_numbers_in_text(view, rows))
    return found


def _comes_before(view: View, other: str, name: str) -> bool:
    """Whether a field is known when `name` is decided: told by an earlier step, or earlier in this one."""
    names = list(view.fields.expected)
    if other == name:
        return False
    if name not in names:
        return True
    mine, its = view.decided_at(name), view.decided_at(other)
    return its < mine or (its == mine and names.index(other) < names.index(name))


def _given(view: View, variable: str, rows: Sequence[Seen]) -> Iterator[Feature]:
    values = [view.given(seen).get(variable) for seen in rows]
    words = f"the {view.called(variable)}"
    missing = [is_blank(value) for value in values]
    if 2 <= sum(missing) <= len(rows) - 2:
        yield Feature("presence", words, tuple(not gone for gone in missing))
    numbers = [to_number(value) for value in values]
    if sum(number is not None for number in numbers) >= 0.8 * len(rows):
        yield Feature("number", words, tuple(numbers))
        return
    texts = [plain(value) for value in values]
    counts = Counter(texts)
    if 2 <= len(counts) <= MOST_CHOICES and len(counts) * 2 <= len(rows) and max(map(len, texts)) <= 40:
        yield Feature("choice", words, tuple(texts))


def _numbers_in_text(view: View, rows: Sequence[Seen]) -> Iterator[Feature]:
    texts = [view.text(seen) for seen in rows]
    amounts = [_largest(_AMOUNT, text) for text in texts]
    if sum(amount is not None for amount in amounts) >= 4:
        yield Feature("number", "the amount of money", tuple(amounts))
    for unit, pattern in _SPANS.items():
        spans = [_largest(pattern, text) for text in texts]
        if sum(span is not None for span in spans) >= 4:
            yield Feature("number", f"the number of {unit}s", tuple(spans))


def _largest(pattern: re.Pattern[str], text: str) -> float | None:
    groups = (next(group for group in match.groups() if group) for match in pattern.finditer(text))
    return max((float(group.replace(",", "")) for group in groups), default=None)
