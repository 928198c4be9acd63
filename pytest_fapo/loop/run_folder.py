"""`.fapo/runs/<id>/`: everything that happened, on disk before the next thing starts; and which runs there
are.
"""

from __future__ import annotations

import gzip
import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from pytest_fapo.core.atomic_files import write_atomically
from pytest_fapo.core.errors import FapoError
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.record import Outcome
from pytest_fapo.loop.events import RunBegan, RunFinished
from pytest_fapo.loop.journal import Journal

_RECORDS = "evaluations"


class RunFolder:
    """One run's folder: its journal, the candidates, their evaluations, the spend file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = Journal(path)

    @classmethod
    def create(cls, runs: Path) -> RunFolder:
        """Make the folder of a new run, named by the time it began."""
        runs.mkdir(parents=True, exist_ok=True)
        stamp = time.strftime("%Y%m%d-%H%M%S")
        for number in range(1, 1000):
            path = runs / (stamp if number == 1 else f"{stamp}-{number}")
            try:
                path.mkdir()
            except FileExistsError:
                continue
            return cls(path)
        raise FapoError(f"{runs}: no free name for a run directory")

    @classmethod
    def newest_unfinished(cls, runs: Path) -> RunFolder | None:
        """The newest run that began and did not come to its end, its report included."""
        if not runs.is_dir():
            return None
        for path in sorted(runs.iterdir(), key=lambda entry: entry.name, reverse=True):
            run = cls(path)
            if run.journal.path.is_file():
                at_its_end = run.journal.last(RunFinished) is not None and not (path / _RECORDS).is_dir()
                return None if at_its_end else run
        return None

    @property
    def spend_file(self) -> Path:
        return self.path / "spend.jsonl"

    @property
    def write_journal(self) -> Path:
        return self.path / "write.json"

    @property
    def project(self) -> Path:
        """Folder that the paths in the run's records begin at: that of `.fapo`, or the rootdir above."""
        home = self.path.resolve().parents[2]
        began = self.journal.last(RunBegan)
        below = PurePosixPath(began.folder if began is not None else "")
        return (home, *home.parents)[len(below.parts)]

    def save_text(self, name: str, text: str) -> Path:
        """Write a file of the run whole: a kill leaves the old one or the new one."""
        path = self.path / name
        write_atomically(path, text.encode(), durable=True)
        return path

    def save_evaluation(self, name: str, evaluation: Evaluation) -> None:
        self.save_text(name, evaluation.model_dump_json())

    def load_evaluation(self, name: str) -> Evaluation | None:
        """A saved evaluation; None where there is none that this version can read."""
        path = self.path / name
        if not path.is_file():
            return None
        try:
            return Evaluation.model_validate_json(path.read_bytes())
        except ValueError:
            return None

    # --- evaluations of a run that may have to be resumed ----------------------------------------------

    def record(self, key: str, evaluation: Evaluation) -> None:
        """Keep an evaluation until the run is finished, named by what was evaluated."""
        self._save_record(key, evaluation.model_dump_json())

    def recorded(self, key: str) -> Evaluation | None:
        """Return what an interrupted run has evaluated under this key; None where it has not."""
        data = self._read_record(key)
        try:
            return None if data is None else Evaluation.model_validate_json(data)
        except ValueError:
            return None

    def drop_records(self) -> None:
        """The last step of a run that is finished: only an unfinished one is resumed."""
        shutil.rmtree(self.path / _RECORDS, ignore_errors=True)

    def record_interventions(self, key: str, results: Mapping[int, Outcome | None]) -> None:
        """Keep what came of interventions."""
        self._save_record(key, json.dumps(list(results.items())))

    def recorded_interventions(self, key: str) -> dict[int, Outcome | None] | None:
        """Return what came of the same interventions in the interrupted run; None where there were none."""
        data = self._read_record(key)
        return None if data is None else dict(json.loads(data))

    def _save_record(self, key: str, text: str) -> None:
        (self.path / _RECORDS).mkdir(exist_ok=True)
        write_atomically(
            self.path / _RECORDS / f"{key}.json.gz", gzip.compress(text.encode(), 1), durable=True
        )

    def _read_record(self, key: str) -> bytes | None:
        try:
            return gzip.decompress((self.path / _RECORDS / f"{key}.json.gz").read_bytes())
        except (OSError, EOFError, ValueError):
            return None


def typed_path(path: Path) -> str:
    """A path as the user would type it here."""
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)


LAST = "last"


def runs_of(root: Path) -> list[RunFolder]:
    """Every run of the project, oldest first."""
    folder = root / ".fapo" / "runs"
    if not folder.is_dir():
        return []
    runs = [run for path in folder.iterdir() if (run := RunFolder(path)).journal.path.is_file()]
    return sorted(runs, key=lambda run: (began(run), run.path.name))


def find_run(root: Path, name: str) -> RunFolder:
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


def began(run: RunFolder) -> float:
    """Epoch seconds: of its first event, else of its folder."""
    for event in run.journal.read():
        if event.time:
            return event.time
    return run.path.stat().st_mtime
