"""The candidates as a tree: each below the accepted one that it builds on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pytest_fapo.report.attempts import outcome, what
from pytest_fapo.report.html.candidates import State, state
from pytest_fapo.report.html.data import Tried


@dataclass
class Node:
    """One candidate and those that build on it."""

    id: str
    state: State
    what: str
    outcome: str
    note: str = ""
    """How it is related to others, beside its parent."""
    children: list[Node] = field(default_factory=list)


def candidate_tree(attempts: Sequence[Tried]) -> list[Node]:
    """The candidates on the user's own tree, with all that follows below them."""
    nodes: dict[str, Node] = {}
    roots: list[Node] = []
    for tried in attempts:
        attempt = tried.attempt
        candidate = attempt.candidate
        node = Node(candidate.id, state(attempt), what(candidate), outcome(attempt), _note(tried))
        above = nodes.get(candidate.parent)
        (above.children if above is not None else roots).append(node)
        nodes.setdefault(candidate.id, node)
    return roots


def _note(tried: Tried) -> str:
    candidate = tried.attempt.candidate
    if candidate.merges:
        return f"merges {' and '.join(candidate.merges)}"
    if candidate.repairs:
        return f"repairs {candidate.repairs}"
    kept = tried.attempt.verdict.kept
    return f"went into {kept}" if kept else ""
