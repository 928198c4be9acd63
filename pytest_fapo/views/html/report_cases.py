"""The cases of a report: each test's results before and after, and the case's status."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from pydantic import JsonValue

from pytest_fapo.core.case import Case
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.gate_result import GateResult
from pytest_fapo.core.record import canonical_json
from pytest_fapo.core.trace import Trace
from pytest_fapo.views.html.report_data import ReportData

CaseStatus = Literal["broken", "fixed", "better", "failing", "passing", "new", "skipped"]

_SHORT = {"passed": "passed", "xpassed": "passed", "failed": "failed", "error": "failed"}


@dataclass
class TestPair:
    """One test on one case, with all repeats."""

    nodeid: str
    before: list[ItemResult] = field(default_factory=list)
    after: list[ItemResult] = field(default_factory=list)
    said_before: str = ""
    """The baseline file's word, where only that is known."""
    case: Case | None = None
    """With the labels of the test's own source; None for a test without a case."""

    @property
    def name(self) -> str:
        """Return the test's classes and function, with those of its parameters that are not the case."""
        function, bracket, parameters = self.nodeid.partition("[")
        name = "::".join(function.split("::")[1:]) or function
        own = parameters.removesuffix("]")
        if self.case is not None:
            own = "-".join(each for each in _without_case(own, self.case.id) if each)
        return f"{name}[{own}]" if bracket and own else name

    @property
    def result_before(self) -> str:
        return result_of(self.before) or self.said_before

    @property
    def result_after(self) -> str:
        return result_of(self.after)

    @property
    def result_last(self) -> str:
        """Return the result on the tree that is shown: the later one, where both were run."""
        return self.result_after or self.result_before


def _without_case(parameters: str, case_id: str) -> tuple[str, str]:
    """Return what stands before and behind the case's id, which may hold dashes itself."""
    if parameters == case_id:
        return "", ""
    if parameters.startswith(f"{case_id}-"):
        return "", parameters[len(case_id) + 1 :]
    if parameters.endswith(f"-{case_id}"):
        return parameters[: -len(case_id) - 1], ""
    before, _, behind = parameters.partition(f"-{case_id}-")
    return before, behind


@dataclass
class CaseRow:
    """One case of one pipeline."""

    pipeline: str
    case: Case
    tests: dict[str, TestPair] = field(default_factory=dict)
    """By node id of the first repeat."""
    number: int = 0
    """Place in the report's list of cases."""

    def labels(self, read: Callable[[Case], JsonValue]) -> JsonValue:
        """Return what the tests' sources say of the case; by test where they say different things."""
        values = {pair.name: read(pair.case) for pair in self.tests.values() if pair.case is not None}
        said = {name: value for name, value in values.items() if value not in (None, {})}
        if len({canonical_json(value) for value in said.values()}) > 1:
            return dict(said)
        return next(iter(said.values()), read(self.case))

    def status(self) -> CaseStatus:
        """Return the status of the case: the worst result of its tests."""
        pairs = [(each.result_before, each.result_after) for each in self.tests.values()]
        counted = [(before, after) for before, after in pairs if after != "skipped"]
        if not counted:
            return "skipped"
        if any(before == "passed" and after != "passed" for before, after in counted):
            return "broken"
        fixed = any(
            before not in ("", "passed", "skipped") and after == "passed" for before, after in counted
        )
        if all(after == "passed" for _, after in counted):
            return "fixed" if fixed else "passing"
        return "better" if fixed else "failing"


def result_of(items: list[ItemResult]) -> str:
    """`passed`, `failed`, `skipped`, with repeats that differ `2 of 3`; empty where it was not run."""
    if not items:
        return ""
    results = [_SHORT.get(item.outcome, "skipped") for item in items]
    if len(set(results)) == 1:
        return results[0]
    counted = [word for word in results if word != "skipped"]
    passed = sum(word == "passed" for word in counted)
    return "passed" if passed == len(counted) else f"{passed} of {len(counted)}"


def case_rows(data: ReportData) -> list[CaseRow]:
    """All cases, in the order in which they ran."""
    rows: dict[tuple[str, str, str], CaseRow] = {}
    for evaluation, is_after in _sides(data):
        for nodeid, item in evaluation.items.items():
            case = evaluation.cases.get(nodeid)
            if case is None:
                continue
            key = (item.pipeline or "", case.id, canonical_json(case.inputs))
            row = rows.setdefault(key, CaseRow(item.pipeline or "", case, number=len(rows)))
            pair = row.tests.setdefault(item.first_nodeid, TestPair(item.first_nodeid, case=case))
            (pair.after if is_after else pair.before).append(item)
    found = list(rows.values())
    if data.gate is not None and data.before is None:
        _take_from_gate(found, data.gate)
    return found


def other_tests(data: ReportData) -> list[TestPair]:
    """The suite's tests without a case that fail, before or after."""
    pairs: dict[str, TestPair] = {}
    for evaluation, is_after in _sides(data):
        for nodeid, item in evaluation.items.items():
            if nodeid not in evaluation.cases:
                pair = pairs.setdefault(nodeid, TestPair(nodeid))
                (pair.after if is_after else pair.before).append(item)
    return [pair for pair in pairs.values() if "failed" in (pair.result_before, pair.result_after)]


def two_sided(data: ReportData) -> bool:
    """True if there are traces of two trees to lay side by side."""
    return data.before is not None and data.after is not None


def traces_of(evaluation: Evaluation | None, items: list[list[ItemResult]]) -> dict[int, Trace]:
    """By the number of the repeat, from 1."""
    if evaluation is None:
        return {}
    found: dict[int, Trace] = {}
    for item in (item for group in items for item in group):
        trace = evaluation.trace_of(item)
        if trace is not None:
            found.setdefault(item.repeat, trace)
    return dict(sorted(found.items()))


def _sides(data: ReportData) -> Iterator[tuple[Evaluation, bool]]:
    """The evaluations; one alone is what there is now."""
    if data.before is not None:
        yield data.before, data.after is None
    if data.after is not None:
        yield data.after, True


def _take_from_gate(rows: list[CaseRow], gate: GateResult) -> None:
    """Add the baseline's result of each test: it has no traces, but the gate compared every verdict."""
    regressed = {each.nodeid: each.result_before or "passed" for each in gate.regressions}
    failed = {*gate.fixed, *gate.still_failing}
    new = set(gate.new_cases)
    if gate.verdict == "undecided" and not regressed and not failed:
        return
    for row in rows:
        if f"{row.pipeline}::{row.case.id}" in new or row.case.id in new:
            continue
        for nodeid, pair in row.tests.items():
            same = "passed" if pair.result_after == "passed" else ""
            word = regressed.get(nodeid, "failed" if nodeid in failed else same)
            pair.said_before = "passed" if word == "passed" or _all_of(word) else word


def _all_of(word: str) -> bool:
    """`3 of 3`: all repeats passed."""
    passed, mark, total = word.partition(" of ")
    return bool(mark) and passed == total
