"""The candidates as a tree: a trunk of accepted ones, each with what was tried on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pytest_fapo.report.attempts import outcome, what
from pytest_fapo.report.html.candidates import State, state
from pytest_fapo.report.html.data import Tried


@dataclass
class Node:
    """One candidate."""

    id: str
    state: State
    what: str
    outcome: str
    note: str = ""
    """How it is related to others, beside its parent."""


@dataclass
class Ring:
    """One tree of the trunk: the user's own or an accepted candidate's."""

    node: Node | None = None
    """None for the user's own files."""
    tried: list[Node] = field(default_factory=list)
    """What was tried on it and not accepted itself."""


def candidate_tree(attempts: Sequence[Tried]) -> list[Ring]:
    """The trunk from the user's files to the last accepted candidate."""
    rings = {"": Ring()}
    last = ""
    for tried in attempts:
        candidate = tried.attempt.candidate
        if tried.attempt.verdict.accepted:
            aside = f"on {candidate.parent or 'your files'}" if candidate.parent != last else ""
            rings[candidate.id] = Ring(_node(tried, aside))
            last = candidate.id
    for tried in attempts:
        if not tried.attempt.verdict.accepted:
            rings.get(tried.attempt.candidate.parent, rings[""]).tried.append(_node(tried))
    return list(rings.values())


def _node(tried: Tried, aside: str = "") -> Node:
    attempt = tried.attempt
    candidate = attempt.candidate
    note = ", ".join(filter(None, [aside, _note(tried)]))
    return Node(candidate.id, state(attempt), what(candidate), outcome(attempt), note)


def _note(tried: Tried) -> str:
    candidate = tried.attempt.candidate
    if candidate.merges:
        return f"merges {' and '.join(candidate.merges)}"
    return f"repairs {candidate.repairs}" if candidate.repairs else ""
