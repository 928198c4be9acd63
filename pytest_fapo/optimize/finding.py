"""The runs of a project on disk: which there are, and which one a name means."""

from __future__ import annotations

from pathlib import Path

from pytest_fapo.errors import FapoError
from pytest_fapo.optimize.run_directory import RunDirectory

LAST = "last"


def runs_of(root: Path) -> list[RunDirectory]:
    """Every run of the project, oldest first."""
    folder = root / ".fapo" / "runs"
    if not folder.is_dir():
        return []
    runs = [RunDirectory(path) for path in folder.iterdir() if (path / "journal.jsonl").is_file()]
    return sorted(runs, key=lambda run: (began(run), run.path.name))


def find_run(root: Path, name: str) -> RunDirectory:
    """The run that `name` means: all of its id, an unambiguous beginning, or `last`.

    Raises:
        FapoError: none, or several; the message names what there is.
    """
    runs = runs_of(root)
    if not runs:
        raise FapoError(f"there is no run in {root}; `pytest --fapo-optimize` makes one")
    if name == LAST:
        return runs[-1]
    exact = [run for run in runs if run.path.name == name]
    found = exact or [run for run in runs if name and run.path.name.startswith(name)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(run.path.name for run in (found or runs)[-5:])
    if found:
        raise FapoError(f"{len(found)} runs begin with {name!r}: {names}; give more of the name")
    raise FapoError(f"no run begins with {name!r}; the newest are: {names}")


def began(run: RunDirectory) -> float:
    """Epoch seconds: of its first event, else of its folder."""
    for event in run.events():
        when = event.get("time")
        if isinstance(when, (int, float)):
            return float(when)
    return run.path.stat().st_mtime
