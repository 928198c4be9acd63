"""Fold the failing cases of a plain run by kind: one traceback and one line for each kind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.printable import shown
from pytest_fapo.core.text import count, one_line

if TYPE_CHECKING:
    import pytest

_LEAST = 4
"""Failing tests on cases from which on they are folded: so few tracebacks are still read."""

_MOST = 8
"""Kinds that get a line and a traceback."""

_VALUES = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\d+")


@contextmanager
def folded_failures(reporter: pytest.TerminalReporter, evaluation: Evaluation) -> Iterator[None]:
    """Leave all but one failing case of each kind out of pytest's list of failures; its counts keep them.
    With `-v`, with `--tb` or for a few of them only nothing is left out."""
    stats: dict[str, list[Any]] = reporter.stats
    failed = stats.get("failed", [])
    if not is_folded(reporter.config, evaluation):
        yield
        return
    examples = {items[0].nodeid for _, items in _kinds(_failing(evaluation))[:_MOST]}
    others = [
        each for each in failed if each.nodeid in examples or not _on_case(evaluation.items.get(each.nodeid))
    ]
    stats["failed"] = others
    try:
        yield
    finally:
        stats["failed"] = failed


def is_folded(config: pytest.Config, evaluation: Evaluation) -> bool:
    """True if this session's failing cases are shown by cause."""
    option = config.option
    asked = getattr(option, "verbose", 0) > 0 or getattr(option, "tbstyle", "auto") != "auto"
    return not asked and len(_failing(evaluation)) >= _LEAST


def failure_lines(evaluation: Evaluation) -> list[str]:
    """Return one line for each cause: how many tests, pytest's words for one of them, and which it is."""
    failing = [item for item in _failing(evaluation) if not (item.refused or item.unanswered)]
    if not failing:
        return []
    kinds = _kinds(failing)
    head = f"fapo: {count(len(failing), 'failing test')} on cases, {count(len(kinds), 'kind')} of failure"
    lines = [f"{head} (one of each above, all with -v):"]
    width = len(f"{len(kinds[0][1]):,}")
    for (function, _), items in kinds[:_MOST]:
        first = items[0]
        more = f" and {len(items) - 1:,} more" if len(items) > 1 else ""
        said = one_line(shown(_message_line(first)), most=60)
        lines.append(f"  {len(items):>{width},}  {function}: {said}  [{first.case_id}]{more}")
    if len(kinds) > _MOST:
        lines.append(f"  … and {count(len(kinds) - _MOST, 'more kind')}")
    return lines


def _kinds(failing: list[ItemResult]) -> list[tuple[tuple[str, str], list[ItemResult]]]:
    """Return the tests of each kind, the most frequent first."""
    groups = _groups(failing, exact=True)
    if len(groups) > _MOST:
        groups = _groups(failing, exact=False)
    return sorted(groups.items(), key=lambda group: -len(group[1]))


def _groups(failing: list[ItemResult], *, exact: bool) -> dict[tuple[str, str], list[ItemResult]]:
    """Return tests by their function and pytest's words; where these are too many, without the values in
    them.
    """
    groups: dict[tuple[str, str], list[ItemResult]] = {}
    for item in failing:
        said = _message_line(item) if exact else _VALUES.sub("…", _message_line(item))
        groups.setdefault((_function(item), said), []).append(item)
    return groups


def _failing(evaluation: Evaluation) -> list[ItemResult]:
    return [item for item in evaluation.items.values() if _on_case(item)]


def _on_case(item: ItemResult | None) -> bool:
    """True for a failing test on a case."""
    return item is not None and item.outcome == "failed" and item.split is not None


def _function(item: ItemResult) -> str:
    return item.nodeid.rpartition("::")[2].partition("[")[0]


def _message_line(item: ItemResult) -> str:
    """Return the line of pytest's words that says what is wrong."""
    line = next((line for line in item.explanation.splitlines() if line.strip()), "")
    return line.removeprefix("AssertionError: ").strip() or "failed"
