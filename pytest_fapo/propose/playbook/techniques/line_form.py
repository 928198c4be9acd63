"""Answers that code takes apart line by line."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_fapo.propose.playbook.advice import Advice
from pytest_fapo.propose.playbook.view import Seen, View


def one_per_line(view: View) -> Iterator[Advice]:
    """Ask for one item per line where passing answers have several lines and failing ones a single one."""
    if view.cluster.category not in ("format", "schema", "content", "unknown", "retrieval"):
        return
    passing = [_lines(seen) for seen in view.seen if seen.passed and seen.answer.strip()]
    failing = [seen for seen in view.targets if _lines(seen) == 1]
    lists = all(seen.step is not None and isinstance(seen.step.output, list) for seen in failing)
    if len(passing) < 2 or min(passing) < 2 or len(failing) < 0.8 * len(view.targets) or not lists:
        return
    yield Advice(
        "one item per line",
        "Form of the list",
        [
            "Write each item on a line of its own.",
            "Write nothing else: no introduction, no numbering, no words that join the items.",
        ],
        "The answer is read line by line, and everything comes on one line.",
        mends=frozenset(nodeid for seen in failing for nodeid in seen.targets),
    )


def _lines(seen: Seen) -> int:
    return sum(bool(line.strip()) for line in seen.answer.splitlines())
