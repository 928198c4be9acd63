"""Build the pages of the cases, in packs that the browser opens one at a time, and the index of all cases."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pytest_fapo.core.diagnosis import Finding
from pytest_fapo.core.evaluation import ItemResult
from pytest_fapo.core.text import one_line, value_difference
from pytest_fapo.core.trace import LLMCall, Step, Trace
from pytest_fapo.views.html.embedding import NAME, clipped, clipped_text, packed
from pytest_fapo.views.html.report_data import CaseRow, ReportData, TestPair, traces_of, two_sided

PER_PACK = 20
"""Cases in one pack: small enough to open in a moment, large enough to compress well."""

_MOST_REPEATS = 10

_LIMITS = (20_000, 4_000, 1_000, 250)

_EXPLANATION = 4_000


def case_packs(data: ReportData, rows: Sequence[CaseRow], *, budget: int) -> list[str]:
    """Return the details of all cases, `PER_PACK` in each pack.

    Args:
        data: the report's.
        rows: in order.
        budget: characters that all packs may have together; texts are cut shorter until they fit.
    """
    findings = _findings(data)
    packs: list[str] = []
    for limit in _LIMITS:
        packs, size = [], 0
        for start in range(0, len(rows), PER_PACK):
            group = rows[start : start + PER_PACK]
            packs.append(packed([_detail(data, row, findings, limit) for row in group]))
            size += len(packs[-1])
            if size > budget and limit != _LIMITS[-1]:
                break
        if size <= budget:
            break
    return packs


def _findings(data: ReportData) -> dict[str, list[tuple[str, Finding]]]:
    """By node id: the tree (its candidate's id) and what was found there, first and last tree only."""
    found: dict[str, list[tuple[str, Finding]]] = {}
    trees = list(data.diagnoses)
    for tree in dict.fromkeys([*trees[:1], *trees[-1:]]):
        diagnosis = data.diagnoses[tree]
        clustered = [finding for cluster in diagnosis.clusters for finding in cluster.findings]
        for finding in [*clustered, *diagnosis.infrastructure]:
            found.setdefault(finding.nodeid, []).append((tree, finding))
    return found


def _detail(
    data: ReportData, row: CaseRow, findings: dict[str, list[tuple[str, Finding]]], limit: int
) -> dict[str, Any]:
    case = row.case
    found = [pair for nodeid in row.tests for pair in findings.get(nodeid, [])]
    return {
        "inputs": clipped(case.inputs, limit),
        "expected": clipped(row.labels(lambda each: each.expected), limit),
        "steps": clipped(row.labels(lambda each: dict(each.expected_steps)), limit),
        "metadata": clipped(case.metadata, limit),
        "origin": clipped_text(case.origin, NAME),
        "weight": case.weight,
        "tests": [_test(pair) for pair in row.tests.values()],
        "found": [_found(tree, finding, limit) for tree, finding in found],
        "gate": _gate_entries(data, row, limit),
        "runs": _runs(data, row, limit),
    }


_JUDGE_CALLS = 10
"""Answers of judges that are shown of one test."""


def _test(pair: TestPair) -> dict[str, Any]:
    return {
        "name": clipped_text(pair.name, NAME),
        "nodeid": clipped_text(pair.nodeid, NAME),
        "before": [_item(item) for item in pair.before],
        "after": [_item(item) for item in pair.after],
        "said": pair.said_before,
    }


def _item(item: ItemResult) -> dict[str, Any]:
    return {
        "outcome": item.outcome,
        "why": clipped_text(item.explanation, _EXPLANATION),
        "scores": {clipped_text(name, NAME): round(value, 4) for name, value in item.scores.items()},
        "feedback": clipped(item.feedback, _EXPLANATION),
        "judges": [
            f"{clipped_text(call.model or 'the judge', NAME)}: {clipped_text(call.answer or '–', NAME)}"
            for call in item.test_calls[:_JUDGE_CALLS]
        ],
    }


def _found(tree: str, finding: Finding, limit: int) -> dict[str, Any]:
    return {
        "tree": tree,
        "step": clipped_text(finding.step, NAME),
        "category": finding.category,
        "level": finding.level,
        "confidence": finding.confidence,
        "evidence": clipped_text(finding.evidence, limit),
        "source": finding.source,
    }


def _gate_entries(data: ReportData, row: CaseRow, limit: int) -> list[dict[str, Any]]:
    """Return the gate's results of the case: the baseline file keeps a shortened output and no trace."""
    if data.gate is None:
        return []
    return [
        {
            "test": clipped_text(regression.nodeid, NAME),
            "before": clipped_text(regression.output_before, limit),
            "after": clipped_text(regression.output_after, limit),
            "step": clipped_text(regression.step, NAME),
            "output": clipped_text(regression.step_output, limit),
        }
        for regression in data.gate.regressions
        if regression.nodeid in row.tests
    ]


# --- traces -------------------------------------------------------------------------------------------


def _runs(data: ReportData, row: CaseRow, limit: int) -> list[dict[str, Any]]:
    """One entry a repeat: the trace of each side, and whether they are the same but for their timing."""
    pairs = list(row.tests.values())
    only = data.after if data.after is not None else data.before
    after = traces_of(only, [pair.after for pair in pairs])
    before = traces_of(data.before if only is data.after else None, [pair.before for pair in pairs])
    runs = []
    for repeat in sorted({*before, *after})[:_MOST_REPEATS]:
        old, new = before.get(repeat), after.get(repeat)
        same = old is not None and new is not None and _untimed(old) == _untimed(new)
        runs.append(
            {
                "repeat": repeat,
                "same": same,
                "before": _trace(old, limit) if old is not None and not same else None,
                "after": _trace(new, limit) if new is not None else None,
            }
        )
    return runs


def _untimed(trace: Trace) -> tuple[Any, ...]:
    steps = [(step.key, step.parent, step.inputs, step.output, step.error) for step in trace.steps]
    calls = [(call.key, call.answer, call.error) for call in trace.llm_calls]
    return trace.output, trace.error, steps, calls


def _trace(trace: Trace, limit: int) -> dict[str, Any]:
    return {
        "output": clipped(trace.output, limit),
        "error": clipped_text(trace.error or "", limit),
        "duration": round(trace.duration, 4),
        "steps": [_step(trace, step, limit) for step in trace.steps],
        "calls": [_call(call, limit) for call in trace.llm_calls],
        "loose": _loose_calls(trace),
    }


def _loose_calls(trace: Trace) -> list[int]:
    """Calls that were made outside every step."""
    inside = {index for step in trace.steps for index in step.llm_calls}
    return [index for index in range(len(trace.llm_calls)) if index not in inside]


def _step(trace: Trace, step: Step, limit: int) -> dict[str, Any]:
    return {
        "key": clipped_text(step.key, NAME),
        "depth": _depth(trace, step),
        "inputs": clipped(step.inputs, limit),
        "output": clipped(step.output, limit),
        "error": clipped_text(step.error or "", limit),
        "replaced": step.replaced,
        "start": round(step.start, 4),
        "duration": round(step.duration, 4),
        "calls": step.llm_calls,
    }


def _depth(trace: Trace, step: Step) -> int:
    depth, parent = 0, step.parent
    while parent is not None and depth < len(trace.steps):
        depth, parent = depth + 1, trace.steps[parent].parent
    return depth


def _call(call: LLMCall, limit: int) -> dict[str, Any]:
    return {
        "model": clipped_text(call.model, NAME),
        "api": call.api,
        "parameters": clipped(call.parameters, limit),
        "messages": [clipped(message, limit) for message in call.messages],
        "offered": clipped(call.offered, NAME),
        "answer": None if call.answer is None else clipped_text(call.answer, limit),
        "tools": [
            {"name": tool.name, "arguments": clipped(tool.arguments, limit)} for tool in call.tool_calls
        ],
        "finish": call.finish_reason,
        "refusal": clipped_text(call.refusal or "", limit),
        "error": clipped_text(call.error or "", limit),
        "status": call.status,
        "tokens": [call.usage.input_tokens, call.usage.output_tokens],
        "hit": call.cache_hit,
        "offline": call.offline,
        "start": round(call.start, 4),
        "duration": round(call.duration, 4),
    }


_SEARCHED = 300
"""Characters of a case's inputs and output that are shown in the table and searched."""


def case_index(data: ReportData, rows: Sequence[CaseRow]) -> dict[str, Any]:
    """Return the table's columns; names that many cases share are listed once and referred to by number."""
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
                _passed_shares([pair.result_before for pair in pairs]),
                _passed_shares([pair.result_after for pair in pairs]),
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


def _passed_shares(results: list[str]) -> list[int] | None:
    """Return the number of tests that passed, and of all; None if none of them was run."""
    counted = [result for result in results if result not in ("", "skipped")]
    return [sum(result == "passed" for result in counted), len(counted)] if counted else None


def _outputs(data: ReportData, row: CaseRow) -> tuple[str, bool]:
    """Return the last output as text, or what is different in it, and whether it is another one than
    before.
    """
    pairs = list(row.tests.values())
    last = data.after if data.after is not None else data.before
    after = traces_of(last, [pair.after for pair in pairs])
    text = _error_or_output(next(iter(after.values()), None))
    if two_sided(data):
        before = traces_of(data.before, [pair.before for pair in pairs])
        both = [(before[number], after[number]) for number in before if number in after]
        other = next((pair for pair in both if len(set(map(_error_or_output, pair))) > 1), None)
        if other is None:
            return text, False
        old, new = (trace.error or trace.output for trace in other)
        return value_difference(old, new, most=_SEARCHED), True
    gate = data.gate
    return text, gate is not None and not row.tests.keys().isdisjoint(gate.changed_outputs)


def _error_or_output(trace: Trace | None) -> str:
    if trace is None:
        return ""
    return _plain(trace.error or trace.output)


def _plain(value: Any) -> str:
    """Return a value on one line; a mapping's only value without its name."""
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
