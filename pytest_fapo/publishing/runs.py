"""What runs of `--fapo-optimize` know of changes. Imported where there is a run: it takes half a second."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from pytest_fapo.errors import FapoError
from pytest_fapo.models import Attempt, canonical_json
from pytest_fapo.optimize import RunDirectory
from pytest_fapo.optimize.effects import History
from pytest_fapo.optimize.results import load_result
from pytest_fapo.percents import percent
from pytest_fapo.report.changes import CaseEffect
from pytest_fapo.report.pull_request import ArtifactChange, Difference

_CHARS = 400


def changes_of_run(run: RunDirectory, addresses: Collection[str]) -> list[ArtifactChange]:
    """What a run has proven, each change with its hypotheses and what it did to the cases. Held-out cases
    are in none of it.

    Args:
        run: its directory.
        addresses: the artifacts that were written or saved.
    """
    history = History(run)
    try:
        edits = load_result(run).edits
    except FapoError:
        return []
    changes = []
    for edit in edits:
        if edit.address in addresses:
            ideas, effect = history.ideas(edit), history.effect(edit)
            change = ArtifactChange(
                address=edit.address,
                path=edit.address.partition("::")[0],
                before=edit.before,
                after=edit.after,
                why=list(dict.fromkeys(idea.hypothesis for idea in ideas)),
                origin=", ".join(idea.candidate for idea in ideas),
                together=effect.together,
            )
            for kind in ("broken", "fixed", "changed"):
                setattr(change, kind, [_difference(row) for row in effect.of_kind(kind)])
            changes.append(change)
    return changes


def _difference(row: CaseEffect) -> Difference:
    return Difference(
        nodeid=row.nodeid,
        split=row.split,
        before=_result(row.share_before),
        after=_result(row.share_after),
        output_before=canonical_json(row.before)[:_CHARS],
        output_after=canonical_json(row.after)[:_CHARS],
    )


def _result(share: float) -> str:
    return {0.0: "failed", 1.0: "passed"}.get(share, f"{percent(share)} passed")


def run_attempts(runs: Path) -> list[Attempt]:
    """Judged attempts of this checkout's runs, oldest run first."""
    folders = sorted((path for path in runs.iterdir() if path.is_dir()), key=lambda path: path.name)
    found: list[Attempt] = []
    for folder in folders[-20:]:
        try:
            found += [attempt for _, attempt in RunDirectory(folder).attempts()]
        except (ValueError, KeyError, OSError):
            continue  # of another version
    return found
