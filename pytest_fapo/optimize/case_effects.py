"""What a candidate did to every train and val case, kept beside the journal for the report.

No proposer reads it. Held-out cases are left out here as they are in every verdict.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from pytest_fapo.models import Evaluation, ItemResult
from pytest_fapo.optimize.run_directory import RunDirectory
from pytest_fapo.report.html import CaseEffect

_OUTPUT = 600
_EXPLANATION = 600


def save_effects(run: RunDirectory, candidate: str, before: Evaluation, after: Evaluation) -> None:
    """Keep what came out differently on the candidate's tree than on its parent's."""
    lines = [effect.model_dump_json() for effect in case_effects(before, after)]
    run.save_text(_name(candidate), "\n".join(lines))


def load_effects(run: RunDirectory, candidate: str) -> list[CaseEffect]:
    """What was kept; nothing where the candidate was not run, or by an older version."""
    try:
        text = (run.path / _name(candidate)).read_text(encoding="utf-8")
        return [CaseEffect.model_validate_json(line) for line in text.split("\n") if line]
    except (OSError, ValueError):
        return []


def case_effects(before: Evaluation, after: Evaluation) -> Iterator[CaseEffect]:
    """The items with another verdict or another output than before; a repeat's are its test's."""
    seen: set[str] = set()
    for nodeid, item in after.items.items():
        old = before.items.get(nodeid)
        if old is None or item.split == "holdout" or item.first_nodeid in seen:
            continue
        output, changed = _output(before, old, after, item)
        if item.outcome == old.outcome and not changed:
            continue
        seen.add(item.first_nodeid)
        yield CaseEffect(
            nodeid=item.first_nodeid,
            before=old.outcome,
            after=item.outcome,
            output=output[:_OUTPUT] if changed else "",
            explanation="" if item.passed else item.explanation[:_EXPLANATION],
        )


def _output(before: Evaluation, old: ItemResult, after: Evaluation, item: ItemResult) -> tuple[str, bool]:
    """What the pipeline gave, and whether it gave something else before."""
    was, now = before.trace_of(old), after.trace_of(item)
    if was is None or now is None:
        return "", False
    given = now.output if isinstance(now.output, str) else json.dumps(now.output, ensure_ascii=False)
    return now.error or given, (was.output, was.error) != (now.output, now.error)


def _name(candidate: str) -> str:
    return f"candidates/{candidate}.effects.jsonl"
