"""Which run is reviewed, and which of its changes can be."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pytest_fapo.artifacts import merge
from pytest_fapo.config import Scope
from pytest_fapo.errors import ArtifactError, FapoError
from pytest_fapo.optimize import RunDirectory, Snapshot
from pytest_fapo.optimize.finding import find_run, runs_of
from pytest_fapo.optimize.results import current, settled_result
from pytest_fapo.optimize.run_result import EditMade, RunResult
from pytest_fapo.report.words import listing


@dataclass(frozen=True)
class Reviewable:
    """A run with changes that wait for a decision."""

    run: RunDirectory
    result: RunResult
    snapshot: Snapshot
    """The files as they are now; the changes build on them."""
    edits: list[EditMade]
    """What is asked about, in the order of the scope."""
    left_out: list[str] = field(default_factory=list)
    """Files that were changed since by somebody else, in the same lines: the changes do not fit any more."""

    merged: bool = False
    """Whether a person has edited any of the run's files since."""

    @property
    def whole(self) -> bool:
        """Whether all that the run has proven is asked about, on the files that the run began with."""
        return len(self.edits) == len(self.result.edits) and not self.result.written and not self.merged


def find_reviewable(
    root: Path, scope: Scope, name: str | None = None, *, folder: Path | None = None
) -> Reviewable:
    """The run to review.

    Args:
        root: the project's folder.
        scope: what may be edited.
        name: the run's id or an unambiguous beginning of it; None for the newest run with open changes.
        folder: where `.fapo` is; default: the project's folder.

    Raises:
        FapoError: there is no such run, none of its changes is open, or its files have changed since.
    """
    run, result = _run(root, folder or root, name)
    if not result.open:
        raise FapoError(
            f"run {run.path.name}: nothing waits for a decision, its changes are written or decided "
            f"(`fapo undo {run.path.name}` takes back what was written)"
        )
    changed = [path for path, change in result.files.items() if not change.stands(current(root, path))]
    snapshot = Snapshot.take(root, scope)
    edits = [
        fitting
        for edit in result.open
        if (fitting := edit if _path(edit) not in changed else _merged(edit, result, snapshot)) is not None
    ]
    kept = {edit.address for edit in edits}
    touched = sorted({_path(edit) for edit in result.open if edit.address not in kept})
    if not edits:
        raise FapoError(
            f"run {run.path.name}: {listing(touched)} changed since the run, so that its changes do not fit "
            f"any more; put the files back, or start a new run with --fapo-optimize"
        )
    for edit in edits:
        _check(edit, snapshot, run)
    return Reviewable(run, result, snapshot, edits, touched, merged=bool(changed))


def _merged(edit: EditMade, result: RunResult, snapshot: Snapshot) -> EditMade | None:
    """The same change of a text that a person has edited since; None where both changed the same lines."""
    change = result.files[_path(edit)]
    if change.old is None or change.written or _path(edit) not in snapshot.files:
        return None
    try:
        now = snapshot.store.get(edit.address).text
    except ArtifactError:
        return None
    text = merge(edit.before.encode(), now.encode(), edit.after.encode())
    return None if text is None else edit.model_copy(update={"before": now, "after": text.decode()})


def _run(root: Path, folder: Path, name: str | None) -> tuple[RunDirectory, RunResult]:
    if name is not None:
        run = find_run(folder, name)
        return run, settled_result(root, run)
    for run in reversed(runs_of(folder)):
        try:
            result = settled_result(root, run)
        except FapoError:
            continue
        if result.open:
            return run, result
    raise FapoError(
        "--fapo-review: no run has left changes that wait for a decision; make one with "
        "`pytest --fapo-optimize --fapo-write=patch`"
    )


def _path(edit: EditMade) -> str:
    return edit.address.partition("::")[0]


def _check(edit: EditMade, snapshot: Snapshot, run: RunDirectory) -> None:
    try:
        snapshot.render([edit.as_edit()])
    except ArtifactError as error:
        raise FapoError(
            f"run {run.path.name}: its change cannot be made with the present settings: {error}"
        ) from None
