"""What a technique has to say: a section of rules for one prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pytest_fapo.propose.playbook.view import View


@dataclass(frozen=True)
class Advice:
    """One section for a prompt, and whom it should help.

    `grade` counts up over the variants of one technique: 0 for the first, smallest one.
    """

    technique: str
    title: str
    lines: list[str]
    hypothesis: str
    mends: frozenset[str] = field(default_factory=frozenset)
    """Node ids of the cluster that should pass with it."""
    grade: int = 0


Technique = Callable[[View], Iterator[Advice]]
"""Gives variants of its advice for a view, best first; nothing where it has nothing to say."""
