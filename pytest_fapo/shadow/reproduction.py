"""Check that the unpatched copy has the same verdicts as the user's own tree, and if not, why."""

from __future__ import annotations

import os
import re
from pathlib import Path

from pydantic import Field

from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.record import Record
from pytest_fapo.core.text import listing
from pytest_fapo.core.trace import LLMCall, Step, Trace

_LACKING = (
    "FileNotFoundError",
    "NotADirectoryError",
    "PermissionError",
    "ModuleNotFoundError",
    "ImportError",
)
"""Errors of a copy that lacks what lies beside the project."""


class ItemMismatch(Record):
    """One item whose verdict in the copy is another one."""

    nodeid: str
    before: str
    """Outcome in the user's tree."""
    after: str
    """Outcome in the copy; `missing` where the item was not collected or not reached."""
    step: str = ""
    """The first step whose output differs, where both runs have a trace."""
    explanation: str = ""
    """Of the run in the copy."""


class Mismatch(Record):
    """The copy does not reproduce the baseline."""

    nodeids: list[str]
    reason: str
    """The likely reason, in words."""
    items: list[ItemMismatch] = Field(default_factory=list)


def reproduced(baseline: Evaluation, reference: Evaluation, root: Path) -> Mismatch | None:
    """Compare the run in the user's tree with the one in its unpatched copy, item by item.

    Args:
        baseline: the user's own run.
        reference: the run in the copy; it may have more items.
        root: the project's folder.

    Returns:
        None where every item of the baseline has the same outcome in both, and none fails in the copy for
        want of a file or a module alone.
    """
    items = [
        _compare(item, baseline, reference)
        for item in baseline.items.values()
        if nodeid_outcome(reference, item.nodeid) != item.outcome or _lacks_something(item, reference)
    ]
    if not items:
        return None
    return Mismatch(
        nodeids=[item.nodeid for item in items],
        reason=_reason(items, baseline, reference, root),
        items=items,
    )


def nodeid_outcome(evaluation: Evaluation, nodeid: str) -> str:
    """Return the item's outcome; `missing` where it has none."""
    item = evaluation.items.get(nodeid)
    return item.outcome if item is not None else "missing"


def _lacks_something(item: ItemResult, reference: Evaluation) -> bool:
    """True if an item that fails in both fails in the copy because the copy is one."""
    other = reference.items.get(item.nodeid)
    return other is not None and other.error_type in _LACKING and item.error_type != other.error_type


def _compare(item: ItemResult, baseline: Evaluation, reference: Evaluation) -> ItemMismatch:
    other = reference.items.get(item.nodeid)
    steps = _first_difference(baseline.trace_of(item), reference.trace_of(other) if other else None)
    return ItemMismatch(
        nodeid=item.nodeid,
        before=item.outcome,
        after=nodeid_outcome(reference, item.nodeid),
        step=steps[0].key if steps else "",
        explanation=other.explanation if other else "",
    )


def _first_difference(before: Trace | None, after: Trace | None) -> tuple[Step, Step] | None:
    """Return the first pair of steps that ended otherwise; an enclosing step only where no inner one
    differs.
    """
    if before is None or after is None:
        return None
    others = {step.key: step for step in after.steps}
    differing = [
        (step, others[step.key])
        for step in before.steps
        if step.key in others
        and (step.output, step.error) != (others[step.key].output, others[step.key].error)
    ]
    parents = {step.parent for step, _ in differing}
    return next((pair for pair in differing if pair[0].index not in parents), None)


# --- reasons -------------------------------------------------------------------------------------------


def _reason(items: list[ItemMismatch], baseline: Evaluation, reference: Evaluation, root: Path) -> str:
    for reason in (
        _stopped(items, reference),
        _refused(items, reference),
        _outside(reference),
        _git(items),
        _not_found(items, root),
        _provider_failed(items, baseline, reference),
        _requests_differ(items, baseline, reference),
        _missing(items),
        _step_location(items, root),
    ):
        if reason:
            return reason
    return (
        "the same tests on the same files gave another verdict: they depend on chance, on time, on their "
        "order or on something that an earlier run left behind"
    )


def _stopped(items: list[ItemMismatch], reference: Evaluation) -> str:
    return reference.stopped if any(item.after == "missing" for item in items) else ""


def _refused(items: list[ItemMismatch], reference: Evaluation) -> str:
    if not any("pytest-fapo judges a copy" in item.explanation for item in items):
        return ""
    paths = [note.partition("refused: writing to ")[2] for note in reference.notes if "refused" in note]
    return (
        f"the tests write into the project itself ({listing(paths, most=3)}), which a judged copy "
        "must not do; let them write into tmp_path or a path relative to the project"
    )


def _outside(reference: Evaluation) -> str:
    if not reference.outside_files:
        return ""
    return (
        f"a file outside the project is opened by a relative path "
        f"({listing(reference.outside_files, most=3)}), and "
        "only the project is copied; give an absolute path or move it into the project"
    )


def _git(items: list[ItemMismatch]) -> str:
    if not any("not a git repository" in item.explanation for item in items):
        return ""
    return "the tests ask git about the project, and a copy has no repository (its .git is left out)"


def _not_found(items: list[ItemMismatch], root: Path) -> str:
    """A file is missing in the copy: its name is in the error."""
    for item in items:
        found = re.search(
            r"(?:FileNotFoundError|NotADirectoryError)\b.*?['\"]([^'\"]+)['\"]", item.explanation
        )
        if found is None:
            continue
        path = Path(os.path.normpath(root / found[1]))
        if not path.is_relative_to(root):
            return f"a file outside the project was not found from its copy: {found[1]}"
        if path.exists():
            return (
                f"{path.relative_to(root)} exists in the project but is not part of the copy: folders such "
                "as .git, .tox and __pycache__ are left out"
            )
        return f"{found[1]} was not found in the copy; an earlier run or test seems to have made it"
    return ""


def _provider_failed(items: list[ItemMismatch], baseline: Evaluation, reference: Evaluation) -> str:
    for mismatch in items:
        for trace in _traces(mismatch, baseline, reference):
            call = next((call for call in reversed(trace.llm_calls) if _without_answer(call)), None)
            if call is not None:
                how = f"answered {call.status}" if call.status else f"gave no answer ({call.error})"
                return (
                    f"the LLM endpoint {how} in one of the two runs; what was answered is kept, so try again "
                    "when it answers"
                )
    return ""


def _without_answer(call: LLMCall) -> bool:
    return call.answer is None and (call.error is not None or (call.status or 200) >= 400)


def _traces(mismatch: ItemMismatch, baseline: Evaluation, reference: Evaluation) -> list[Trace]:
    """Return the item's traces, before and after; fewer than two where a run left none."""
    before, after = baseline.items[mismatch.nodeid], reference.items.get(mismatch.nodeid)
    traces = [baseline.trace_of(before), reference.trace_of(after) if after else None]
    return [trace for trace in traces if trace is not None]


def _requests_differ(items: list[ItemMismatch], baseline: Evaluation, reference: Evaluation) -> str:
    for mismatch in items:
        traces = _traces(mismatch, baseline, reference)
        if len(traces) < 2:
            continue
        old, new = traces
        for one, other in zip(old.llm_calls, new.llm_calls, strict=False):
            if one.key != other.key:
                where = _step_of(new, other.key)
                if one.messages == other.messages:
                    return (
                        f"step {where!r} puts the project's absolute path into its request, so that the copy "
                        "asks another question; use paths relative to the project"
                    )
                return (
                    f"the pipeline is not deterministic: step {where!r} asked something else although the "
                    "files are the same (a time, a random number, an unordered set?)"
                )
            if one.answer != other.answer:
                return (
                    f"the model answered the same request of step {_step_of(new, other.key)!r} in another "
                    "way; leave the cache on (--fapo-cache=auto), and the same question has one answer"
                )
        if mismatch.step:
            return (
                f"the pipeline is not deterministic: step {mismatch.step!r} gave something else although it "
                "was given the same answers"
            )
    return ""


def _missing(items: list[ItemMismatch]) -> str:
    missing = [item.nodeid for item in items if item.after == "missing"]
    return f"collected only in the project itself: {listing(missing, most=3)}" if missing else ""


def _step_location(items: list[ItemMismatch], root: Path) -> str:
    if not any(os.fspath(root) in item.explanation for item in items):
        return ""
    return (
        "the failure names the absolute path of the project, and a copy lies elsewhere: let the tests and "
        "the pipeline not depend on where the project lies"
    )


def _step_of(trace: Trace, key: str) -> str:
    for step in trace.steps:
        if any(trace.llm_calls[index].key == key for index in step.llm_calls):
            return step.key
    return trace.pipeline
