"""`.fapo/runs/<id>/`: everything that happened, on disk before the next thing starts."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_fapo.errors import FapoError
from pytest_fapo.models import Attempt, Evaluation
from pytest_fapo.whole_files import write_whole

_JOURNAL = "journal.jsonl"


class RunDirectory:
    """One run's folder: an append-only journal, the candidates, their evaluations, the spend file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, runs: Path) -> RunDirectory:
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
    def newest_unfinished(cls, runs: Path) -> RunDirectory | None:
        """The newest run that began and did not come to its end."""
        if not runs.is_dir():
            return None
        for path in sorted(runs.iterdir(), key=lambda entry: entry.name, reverse=True):
            if (path / _JOURNAL).is_file():
                run = cls(path)
                return None if run.find("finished") else run
        return None

    @property
    def spend_file(self) -> Path:
        return self.path / "spend.jsonl"

    @property
    def write_journal(self) -> Path:
        return self.path / "write.json"

    def candidate_folder(self, candidate_id: str) -> Path:
        folder = self.path / "candidates" / candidate_id
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def log(self, event: str, **data: Any) -> None:
        """Append one event to the journal; it is on disk when this returns."""
        line = json.dumps({"event": event, "time": round(time.time(), 3), **data}, ensure_ascii=False)
        with (self.path / _JOURNAL).open("a+b") as file:
            # A kill may have torn the last line: what comes now must not be glued to it.
            file.seek(max(0, file.tell() - 1))
            whole = file.read(1) in (b"", b"\n")
            file.write(b"" if whole else b"\n")
            file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def events(self) -> Iterator[dict[str, Any]]:
        """All events; a last line torn by a kill is passed over."""
        path = self.path / _JOURNAL
        if not path.is_file():
            return
        for line in path.read_bytes().split(b"\n"):
            try:
                yield json.loads(line)
            except ValueError:
                continue

    def find(self, event: str) -> dict[str, Any] | None:
        """The last event of this name."""
        found = None
        for entry in self.events():
            if entry.get("event") == event:
                found = entry
        return found

    def save_text(self, name: str, text: str) -> Path:
        """Write a file of the run whole: a kill leaves the old one or the new one."""
        path = self.path / name
        write_whole(path, text.encode(), durable=True)
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

    def attempts(self) -> list[tuple[str, Attempt]]:
        """The judged attempts with the digest of the tree that each was judged on."""
        return [
            (str(entry["tree"]), Attempt.model_validate(entry["attempt"]))
            for entry in self.events()
            if entry.get("event") == "judged"
        ]


def shown(path: Path) -> str:
    """A path as the user would type it here."""
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)
