"""What a detector finds, and how it is told without giving away a hidden case."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pytest_fapo.models import Case
from pytest_fapo.review.leakage.words import is_spaceless, joined

SHOWN = 3


class Hit(NamedTuple):
    """One trace of one case in a new text."""

    case: Case
    what: str
    """What is repeated, for cases that may be shown: `6 words of the input: “…”`."""
    line: int = 0
    """The line of the new text where it stands, 1 for the first; 0 where that is not known."""


def sentences(hits: Iterable[Hit], action: str, remedy: str) -> Iterator[str]:
    """One message for all hits of a detector; cases outside train are neither named nor quoted.

    Args:
        hits: at least one, or nothing is said.
        action: what the edit does, such as `copies text of`.
        remedy: what would pass.
    """
    by_case = {id(hit.case): hit for hit in hits}
    shown = [hit for hit in by_case.values() if hit.case.split == "train"]
    hidden = len(by_case) - len(shown)
    parts = []
    if shown:
        examples = "; ".join(f"{hit.case.id}: {hit.what}" for hit in shown[:SHOWN])
        more = f"; and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
        parts.append(f"{action} {_counted(len(shown), 'train case')} ({examples}{more})")
    if hidden:
        parts.append(f"{action} {_counted(hidden, 'case')} outside of train (not shown)")
    if parts:
        yield f"The new text {' and '.join(parts)}; {remedy}."


def quote(words: tuple[str, ...], limit: int = 12) -> str:
    """Words for a message, shortened."""
    if words and is_spaceless(words[0]):
        limit *= 3
    return "“" + joined(words[:limit]) + (" …" if len(words) > limit else "") + "”"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"
