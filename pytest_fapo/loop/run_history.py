"""The history of a finished run's changes: the ideas behind each, and its effect on every case."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import cached_property, lru_cache

from pytest_fapo.core.candidate import Attempt
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.loop.events import CandidateJudged, TreeDiagnosed
from pytest_fapo.loop.reviewed_change import Idea
from pytest_fapo.loop.run_folder import RunFolder
from pytest_fapo.loop.run_result import EditMade
from pytest_fapo.loop.run_summary import made_without_labels
from pytest_fapo.verdict.case_effect import CaseEffect, Effect, EffectSum, effect_between

_OUTPUT = 600

_EXPLANATION = 600


def save_effects(run: RunFolder, candidate: str, before: Evaluation, after: Evaluation) -> None:
    """Keep what came out differently on the candidate's tree than on its parent's; outputs are shortened, and
    one that the parent has too is left out."""
    lines = [_shortened(row).model_dump_json() for row in effect_between(before, after).rows]
    run.save_text(_effects_file(candidate), "\n".join(lines))


def load_effects(run: RunFolder, candidate: str) -> list[CaseEffect]:
    """Return the stored effects; none if the candidate was not run, or by an older version."""
    try:
        text = (run.path / _effects_file(candidate)).read_text(encoding="utf-8")
        return [CaseEffect.model_validate_json(line) for line in text.split("\n") if line]
    except (OSError, ValueError):
        return []


def _shortened(row: CaseEffect) -> CaseEffect:
    after = row.after
    if after in (row.before, row.explanation):
        after = ""
    text = after if isinstance(after, str) else json.dumps(after, ensure_ascii=False)
    return row.model_copy(
        update={
            "before": "",
            "after": text[:_OUTPUT] if len(text) > _OUTPUT else after,
            "explanation": row.explanation[:_EXPLANATION],
        }
    )


def _effects_file(candidate: str) -> str:
    return f"candidates/{candidate}.effects.jsonl"


class RunHistory:
    """A run's candidates with their evaluations, read from its folder when they are asked for.

    Args:
        run: a finished run.
    """

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._load = lru_cache(maxsize=4)(run.load_evaluation)

    def ideas(self, edit: EditMade) -> list[Idea]:
        """Return the ideas behind an artifact's change: one for each candidate that had a part in it, in
        order.
        """
        return [self._idea(attempt) for attempt in self._parts(edit)]

    def effect(self, edit: EditMade) -> Effect:
        """Return the effect of those candidates on the tests that they were measured on."""
        changes = EffectSum()
        known = False
        for attempt in self._parts(edit):
            before, after = self._tree(attempt.candidate.parent), self._tree(attempt.candidate.id)
            if before is not None and after is not None:
                known = True
                changes.add(before, after)
        beside = {other.address for attempt in self._parts(edit) for other in attempt.candidate.edits} - {
            edit.address
        }
        return changes.effect().model_copy(update={"together": sorted(beside), "known": known})

    # --- candidates -----------------------------------------------------------------------------------

    def _parts(self, edit: EditMade) -> list[Attempt]:
        attempts: dict[str, Attempt] = {}
        for candidate in edit.candidates:
            attempts.update(
                (part.candidate.id, part)
                for part in self._unmerged(candidate)
                if any(other.address == edit.address for other in part.candidate.edits)
            )
        return list(attempts.values())

    def _unmerged(self, candidate: str) -> Iterator[Attempt]:
        """Yield the candidate, or in place of a merge those that were put together."""
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
        return {name: event.attempt for name, event in self._judged.items()}

    @cached_property
    def _judged(self) -> dict[str, CandidateJudged]:
        events = self._run.journal.of(CandidateJudged)
        return {event.attempt.candidate.id: event for event in events}

    def _tree(self, candidate: str) -> Evaluation | None:
        """Return the evaluation of a candidate's tree; of the user's own where the id is empty."""
        if not candidate:
            return self._load("reference.json")
        judged = self._judged.get(candidate)
        return self._load(f"candidates/{judged.tree}.json") if judged is not None else None

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
            without_labels=made_without_labels(attempt.verdict),
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
        """The common cause of failures, by the candidate whose tree was diagnosed and the cluster's id."""
        return {
            (event.best, cluster.id): cluster.label
            for event in self._run.journal.of(TreeDiagnosed)
            for cluster in event.clusters
        }
