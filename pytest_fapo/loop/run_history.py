"""What a finished run knows of its changes: the ideas behind each, and its effect on every case."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from pydantic import JsonValue

from pytest_fapo.core.candidate import Attempt
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.loop.change_effects import CaseEffect, Effect, EffectKind, Idea, KeptEffect
from pytest_fapo.loop.run_folder import RunFolder
from pytest_fapo.loop.run_result import EditMade

_OUTPUT = 600

_EXPLANATION = 600


def save_effects(run: RunFolder, candidate: str, before: Evaluation, after: Evaluation) -> None:
    """Keep what came out differently on the candidate's tree than on its parent's."""
    lines = [effect.model_dump_json() for effect in case_effects(before, after)]
    run.save_text(_effects_file(candidate), "\n".join(lines))


def load_effects(run: RunFolder, candidate: str) -> list[KeptEffect]:
    """What was kept; nothing where the candidate was not run, or by an older version."""
    try:
        text = (run.path / _effects_file(candidate)).read_text(encoding="utf-8")
        return [KeptEffect.model_validate_json(line) for line in text.split("\n") if line]
    except (OSError, ValueError):
        return []


def case_effects(before: Evaluation, after: Evaluation) -> Iterator[KeptEffect]:
    """The items with another verdict or another output than before; a repeat's are its test's."""
    seen: set[str] = set()
    for nodeid, item in after.items.items():
        old = before.items.get(nodeid)
        if old is None or item.split == "holdout" or item.first_nodeid in seen:
            continue
        output, changed = _output_change(before, old, after, item)
        if item.outcome == old.outcome and not changed:
            continue
        seen.add(item.first_nodeid)
        yield KeptEffect(
            nodeid=item.first_nodeid,
            before=old.outcome,
            after=item.outcome,
            output=output[:_OUTPUT] if changed else "",
            explanation="" if item.passed else item.explanation[:_EXPLANATION],
        )


def _output_change(
    before: Evaluation, old: ItemResult, after: Evaluation, item: ItemResult
) -> tuple[str, bool]:
    """What the pipeline gave, and whether it gave something else before."""
    was, now = before.trace_of(old), after.trace_of(item)
    if was is None or now is None:
        return "", False
    given = now.output if isinstance(now.output, str) else json.dumps(now.output, ensure_ascii=False)
    return now.error or given, (was.output, was.error) != (now.output, now.error)


def _effects_file(candidate: str) -> str:
    return f"candidates/{candidate}.effects.jsonl"


_ORDER: tuple[EffectKind, ...] = ("broken", "fixed", "changed")


class RunHistory:
    """A run's candidates with their evaluations, read from its folder when they are asked for.

    Args:
        run: a finished run.
    """

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._load = lru_cache(maxsize=4)(run.load_evaluation)

    def ideas(self, edit: EditMade) -> list[Idea]:
        """Why an artifact was changed: one idea for each candidate that had a part in it, in order."""
        return [self._idea(attempt) for attempt in self._parts(edit)]

    def effect(self, edit: EditMade) -> Effect:
        """What those candidates did to the tests that they were measured on."""
        pairs: dict[str, _ItemPair] = {}
        known = False
        for attempt in self._parts(edit):
            before, after = self._tree(attempt.candidate.parent), self._tree(attempt.candidate.id)
            if before is not None and after is not None:
                known = True
                _compare(before, after, pairs)
        beside = {other.address for attempt in self._parts(edit) for other in attempt.candidate.edits} - {
            edit.address
        }
        return _effect(pairs).model_copy(update={"together": sorted(beside), "known": known})

    # --- candidates -----------------------------------------------------------------------------------

    def _parts(self, edit: EditMade) -> list[Attempt]:
        found: dict[str, Attempt] = {}
        for candidate in edit.candidates:
            found.update(
                (part.candidate.id, part)
                for part in self._unmerged(candidate)
                if any(other.address == edit.address for other in part.candidate.edits)
            )
        return list(found.values())

    def _unmerged(self, candidate: str) -> Iterator[Attempt]:
        """The candidate, or in place of a merge those that were put together."""
        attempt = self._attempts.get(candidate)
        if attempt is None:
            return
        parts = [self._attempts.get(name) for name in attempt.candidate.merges]
        if not parts or None in parts:
            yield attempt
            return
        for name in attempt.candidate.merges:
            yield from self._unmerged(name)

    @cached_property
    def _attempts(self) -> dict[str, Attempt]:
        return {attempt.candidate.id: attempt for _, attempt in self._run.attempts()}

    @cached_property
    def _trees(self) -> dict[str, str]:
        return {attempt.candidate.id: tree for tree, attempt in self._run.attempts()}

    def _tree(self, candidate: str) -> Evaluation | None:
        """The evaluation of a candidate's tree; of the user's own where the id is empty."""
        if not candidate:
            return self._load("reference.json")
        return self._load(f"candidates/{self._trees.get(candidate, '')}.json")

    # --- why ------------------------------------------------------------------------------------------

    def _idea(self, attempt: Attempt) -> Idea:
        candidate = attempt.candidate
        before = self._tree(candidate.parent)
        known = before.items if before is not None else {}
        idea = Idea(
            candidate=candidate.id,
            hypothesis=candidate.hypothesis,
            cause=self._causes.get((candidate.parent, candidate.cluster), ""),
            failing=len(candidate.targets),
            # The one that is quickest to read, of those that say why they fail.
            example=min(
                (nodeid for nodeid in candidate.targets if nodeid in known),
                key=lambda nodeid: (len(known[nodeid].explanation) or sys.maxsize, nodeid),
                default=min(candidate.targets, default=""),
            ),
        )
        if before is not None and idea.example in known:
            idea.explanation = known[idea.example].explanation
            case = before.cases.get(idea.example)
            idea.inputs = case.inputs if case is not None else None
        return idea

    @cached_property
    def _causes(self) -> dict[tuple[str, str], str]:
        """What failures had in common, by the candidate whose tree was diagnosed and the cluster's id."""
        return {
            (str(event.get("best", "")), str(cluster.get("id", ""))): str(cluster.get("label", ""))
            for event in self._run.events()
            if event.get("event") == "diagnosis"
            for cluster in event.get("clusters", [])
        }


# --- effects -----------------------------------------------------------------------------------------------


def effect_between(before: Evaluation, after: Evaluation) -> Effect:
    """What is different in the second of two evaluations; held-out cases are left out."""
    pairs: dict[str, _ItemPair] = {}
    _compare(before, after, pairs)
    return _effect(pairs)


def _effect(pairs: dict[str, _ItemPair]) -> Effect:
    rows = [row for nodeid, pair in pairs.items() if (row := pair.row(nodeid)) is not None]
    shown = {row.run for row in rows if row.kind != "changed"}
    for row in [row for row in rows if row.kind == "changed"]:
        # Several tests may look at one output: it is one change, and none beside a result that changed.
        if row.run in shown:
            rows.remove(row)
        shown.add(row.run)
    rows.sort(key=lambda row: (_ORDER.index(row.kind), row.split or "~", row.nodeid))
    return Effect(rows=rows, same=sum(pair.row(nodeid) is None for nodeid, pair in pairs.items()))


@dataclass
class _ItemPair:
    """The repeats of one test before the change and after it."""

    before: list[ItemResult] = field(default_factory=list)
    after: list[ItemResult] = field(default_factory=list)
    old: JsonValue = None
    new: JsonValue = None

    def row(self, nodeid: str) -> CaseEffect | None:
        """None where nothing is different."""
        first, last = _share(self.before), _share(self.after)
        if first == last and self.old == self.new:
            return None
        kind: EffectKind = "fixed" if last > first else "broken" if last < first else "changed"
        return CaseEffect(
            nodeid=nodeid,
            kind=kind,
            case_id=self.before[0].case_id or "",
            pipeline=self.before[0].pipeline or "",
            split=self.before[0].split,
            before=self.old,
            after=self.new,
            share_before=first,
            share_after=last,
        )


def _compare(before: Evaluation, after: Evaluation, pairs: dict[str, _ItemPair]) -> None:
    """Add what differs between two evaluations; what differed before keeps its first side."""
    olds, news = _item_groups(before), _item_groups(after)
    for nodeid, new in news.items():
        old = olds.get(nodeid)
        if old is None or old[0].split == "holdout":
            continue
        pair = _ItemPair(old, new, _given(before, old[0]), _given(after, new[0]))
        known = pairs.get(nodeid)
        if known is None:
            pairs[nodeid] = pair
        elif pair.row(nodeid) is not None:
            unchanged = known.row(nodeid) is None
            pairs[nodeid] = pair if unchanged else _ItemPair(known.before, new, known.old, pair.new)


def _item_groups(evaluation: Evaluation) -> dict[str, list[ItemResult]]:
    groups: dict[str, list[ItemResult]] = {}
    for item in evaluation.items.values():
        if item.counts:
            groups.setdefault(item.first_nodeid, []).append(item)
    return groups


def _share(items: list[ItemResult]) -> float:
    return sum(item.passed for item in items) / len(items)


def _given(evaluation: Evaluation, item: ItemResult) -> JsonValue:
    """The pipeline's output; where it gave none, or there is none, how the test failed."""
    trace = evaluation.trace_of(item)
    if trace is not None and not trace.error:
        return trace.output
    return item.explanation
