"""What the table of cases knows of every case without opening its pack."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pytest_fapo.models import Trace
from pytest_fapo.report.html.case_details import PER_PACK
from pytest_fapo.report.html.data import ReportData
from pytest_fapo.report.html.embedding import NAME, clipped_text
from pytest_fapo.report.html.rows import CaseRow, traces_of, two_sided
from pytest_fapo.report.words import one_line

_SEARCHED = 300
"""Characters of a case's inputs and output that are shown in the table and searched."""


def case_index(data: ReportData, rows: Sequence[CaseRow]) -> dict[str, Any]:
    """The table's columns; names that many cases share are listed once and referred to by number."""
    splits, tags, pipelines, steps = _Names(), _Names(), _Names(), _Names()
    failing_step = _failing_steps(data)
    cases = []
    for row in rows:
        pairs = list(row.tests.values())
        failing = [name for name, pair in row.tests.items() if pair.result_last not in ("passed", "skipped")]
        step = next((failing_step[nodeid] for nodeid in failing if failing_step.get(nodeid)), "")
        output, changed = _outputs(data, row)
        cases.append(
            [
                clipped_text(row.case.id, NAME),
                pipelines.number(row.pipeline),
                splits.number(row.case.split),
                [tags.number(tag) for tag in row.case.tags],
                row.status(),
                _passed([pair.result_before for pair in pairs]),
                _passed([pair.result_after for pair in pairs]),
                steps.number(step) if step else -1,
                int(changed),
                one_line(_plain(row.case.inputs), most=_SEARCHED),
                one_line(output, most=_SEARCHED),
            ]
        )
    return {
        "per": PER_PACK,
        "splits": splits.all,
        "tags": tags.all,
        "pipelines": pipelines.all,
        "steps": steps.all,
        "rows": cases,
    }


class _Names:
    """Texts in the order in which they first came, each once."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, name: str) -> int:
        name = clipped_text(name, NAME)
        if name not in self._numbers:
            self._numbers[name] = len(self.all)
            self.all.append(name)
        return self._numbers[name]


def _passed(results: list[str]) -> list[int] | None:
    """How many tests passed, of how many; None where none of them was run."""
    counted = [result for result in results if result not in ("", "skipped")]
    return [sum(result == "passed" for result in counted), len(counted)] if counted else None


def _outputs(data: ReportData, row: CaseRow) -> tuple[str, bool]:
    """The last output as text, and whether it is another one than before."""
    pairs = list(row.tests.values())
    last = data.after if data.after is not None else data.before
    after = traces_of(last, [pair.after for pair in pairs])
    text = _said(next(iter(after.values()), None))
    if two_sided(data):
        before = traces_of(data.before, [pair.before for pair in pairs])
        changed = any(_said(before[number]) != _said(after[number]) for number in before if number in after)
        return text, changed
    gate = data.gate
    return text, gate is not None and not row.tests.keys().isdisjoint(gate.changed_outputs)


def _said(trace: Trace | None) -> str:
    if trace is None:
        return ""
    return _plain(trace.error or trace.output)


def _plain(value: Any) -> str:
    """A value on one line; a mapping's only value without its name."""
    if isinstance(value, dict) and len(value) == 1:
        value = next(iter(value.values()))
    if isinstance(value, str):
        return one_line(value[: 2 * _SEARCHED])
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _failing_steps(data: ReportData) -> dict[str, str]:
    """Return node id and step at fault, as the tree that the table shows was diagnosed.

    Where that tree was not, an earlier diagnosis still tells of the tests that fail in the same words.
    """
    found: dict[str, str] = {}
    trees = list(data.diagnoses.values())
    for number, diagnosis in enumerate(trees, start=1):
        shown = number == len(trees) == 1 + data.accepted
        for cluster in diagnosis.clusters:
            for finding in cluster.findings:
                if shown or _fails_alike(data, finding.nodeid):
                    found[finding.nodeid] = finding.step
                else:
                    found.pop(finding.nodeid, None)
    if data.gate is not None:
        found.update({each.nodeid: each.step for each in data.gate.regressions if each.step})
    return found


def _fails_alike(data: ReportData, nodeid: str) -> bool:
    if data.before is None or data.after is None:
        return True
    before, after = data.before.items.get(nodeid), data.after.items.get(nodeid)
    return before is not None and after is not None and before.explanation == after.explanation
