"""The tables that a written query may use, as the project's own code creates them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pytest_fapo.propose.playbook.advice import Advice
from pytest_fapo.propose.playbook.view import View, listed
from pytest_fapo.reading.values import whole_text

_UNKNOWN = re.compile(
    r"(?i)no such (column|table)|(unknown|undefined|invalid) (column|table)"
    r"|(column|relation|table) \S+ does not exist"
)
_TABLE = re.compile(
    r"(?i)create\s+(?:temp\w*\s+)?table\s+(?:if\s+not\s+exists\s+)?[\"`]?(\w+)[\"`]?\s*\(((?:[^()]|\([^()]*\))*)\)"
)
_NO_COLUMN = frozenset({"primary", "foreign", "unique", "check", "constraint", "key", "index"})
MOST_TABLES = 8


def tables(view: View) -> Iterator[Advice]:
    """Name tables and columns where queries use others."""
    mends = {
        nodeid
        for seen in view.targets
        if any(_UNKNOWN.search(text) for text in _told(view, seen.case.key))
        for nodeid in seen.targets
    }
    found = _tables(view.evidence.sources.values()) if mends else {}
    if found:
        yield Advice(
            "table columns",
            "Tables",
            [
                f"The table {name} has the columns {listed(columns, last='and')}; use exactly these names."
                for name, columns in list(found.items())[:MOST_TABLES]
            ],
            "The query uses columns that are not there; the prompt does not say which there are.",
            mends=frozenset(mends),
        )


def _told(view: View, key: str) -> Iterator[str]:
    """What went wrong in a case: pytest's explanation, and the errors of its steps."""
    for item in view.evidence.cases:
        if item.case.key == key and not item.passed:
            yield item.explanation
            if item.trace is not None:
                yield whole_text([item.trace.error, *(step.error for step in item.trace.steps)])


def _tables(sources: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for match in _TABLE.finditer("\n".join(sources)):
        columns = []
        for part in re.split(r",(?![^(]*\))", match.group(2)):
            words = re.findall(r"\w+", part)
            if words and words[0].lower() not in _NO_COLUMN:
                columns.append(words[0])
        if columns:
            found.setdefault(match.group(1), columns)
    return found
