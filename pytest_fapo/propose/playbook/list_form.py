"""The form of answers that are lists: what they hold, how many, and in which order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from math import factorial, prod
from typing import Any

from pytest_fapo.diagnosis.loose_values import alike, normal, plain
from pytest_fapo.propose.playbook.prompt_evidence import PromptEvidence, StepCase

LEAST_CHANCE = 20
"""Lists with fewer orders between them may be sorted by chance: then nothing is said of it."""

MOST_ENTRIES = 40
"""Different entries; lists that draw on more are not made of a fixed set."""

_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")


def list_lines(view: PromptEvidence, name: str, subject: str, values: Sequence[Any]) -> list[str]:
    """Return the rules that all expected lists of a field keep; none where some values are no lists."""
    lists = [value for value in values if isinstance(value, list)]
    if len(lists) < len(values):
        return []
    lines = [f"{subject} is a list with one entry per item, each as short as possible."]
    counts = Counter(each for value in lists for each in value if isinstance(each, str))
    if 2 <= len(counts) <= MOST_ENTRIES and sum(map(len, lists)) == counts.total() >= 3 * len(counts):
        several = "Often more than one applies: give" if _too_few(view, name) else "It holds"
        parted = "" if view.answers_json or _is_array(view) else ", separated by commas"
        lines.append(
            f"{several} every one of these that applies{parted}, and no other: {', '.join(sorted(counts))}."
        )
    return [*lines, *_order_lines(view, name, subject, lists)]


def _too_few(view: PromptEvidence, name: str) -> bool:
    """True if right entries are missing in most of the failing cases, and hardly one is wrong."""
    found = []
    for seen in view.targets:
        expected, answer = view.expected(seen, name), _answered(view, seen, name)
        if isinstance(expected, list) and answer:
            right = set(map(normal, expected))
            found.append(set(map(normal, answer)) < right)
    return 2 * sum(found) > len(found)


def _answered(view: PromptEvidence, seen: StepCase, name: str) -> list[Any]:
    """Return the entries that the step gave: of its JSON, of its output, else parts of its text."""
    for value in (view.answer_of(seen, name), seen.json and seen.json.value, seen.step and seen.step.output):
        if isinstance(value, (list, tuple)):
            return list(value)
    return [part.strip() for part in re.split(r"[,;\n]", seen.answer) if part.strip()]


def _is_array(view: PromptEvidence) -> bool:
    return any(seen.json is not None and isinstance(seen.json.value, list) for seen in view.seen)


def _order_lines(view: PromptEvidence, name: str, subject: str, lists: Sequence[list[Any]]) -> list[str]:
    """Return the order of the entries, if all labels keep one and it is more than chance."""
    chance = prod(factorial(len({plain(each) for each in value})) for value in lists)
    if chance < LEAST_CHANCE:
        return []
    labeled = [
        (seen, value) for seen in view.labeled(name) if isinstance(value := view.expected(seen, name), list)
    ]
    for words, key, reverse in _ORDERS:
        keys = [[key(view.text(seen), plain(each)) for each in value] for seen, value in labeled]
        if all(None not in each and each == sorted(each, reverse=reverse) for each in keys):
            return [f"{subject} is sorted {words}."] if _matters(view, name) or key is _itself else []
    return []


def _matters(view: PromptEvidence, name: str) -> bool:
    """True if failing answers hold the right entries in another order."""
    for seen in view.targets:
        expected, answer = view.expected(seen, name), _answered(view, seen, name)
        if (
            isinstance(expected, list)
            and alike(expected, answer)
            and list(map(normal, expected)) != list(map(normal, answer))
        ):
            return True
    return False


def _itself(text: str, entry: str) -> Any:
    return entry


def _place(text: str, entry: str) -> Any:
    """Return the place of an entry in the input."""
    found = normal(text).find(normal(entry))
    return found if found >= 0 else None


def _number(text: str, entry: str) -> Any:
    """Return the number that stands in the sentence with an entry, if there is one alone."""
    for sentence in re.split(r"(?<=[.!?;])\s+|\n", text):
        if normal(entry) in normal(sentence):
            numbers = _NUMBER.findall(re.sub(re.escape(entry), " ", sentence, flags=re.I))
            return float(numbers[0].replace(",", ".")) if len(numbers) == 1 else None
    return None


def _date(text: str, entry: str) -> Any:
    """Return a number of four digits that stands there: a year."""
    found = _number(text, entry)
    return found if found is not None and 1000 <= found <= 2999 else None


_ORDERS: tuple[tuple[str, Callable[[str, str], Any], bool], ...] = (
    ("alphabetically", _itself, False),
    ("by year, the earliest first", _date, False),
    ("by year, the latest first", _date, True),
    ("by the number that stands with each entry, ascending", _number, False),
    ("by the number that stands with each entry, descending", _number, True),
    ("as the input mentions its entries", _place, False),
)
