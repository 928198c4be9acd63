"""`.fapo/runs/<id>/`: everything that happened, on disk before the next thing starts; and which runs there
are.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from pytest_fapo.capture.redaction import redacted_value
from pytest_fapo.core.atomic_files import write_atomically
from pytest_fapo.core.candidate import Attempt
from pytest_fapo.core.errors import FapoError
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.record import Outcome

_JOURNAL = "journal.jsonl"

_EXACT = frozenset({"edits", "files", "tree", "id", "best", "decided"})

_ABANDONED = "journal-abandoned.jsonl"

_RECORDS = "evaluations"

_AROUND = ("began", "writing", "finished")
"""Events before and after the search itself; an interrupted run has them in between."""


class RunFolder:
    """One run's folder: an append-only journal, the candidates, their evaluations, the spend file.

    A resumed run goes over its journal: it takes every step once more, with the recorded evaluations in place
    of new ones; what is in the journal already is not written again. So it ends as if it had never stopped.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ahead: deque[dict[str, Any]] = deque()
        """Events of an interrupted run that the resumed one has not come to."""

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
            if (path / _JOURNAL).is_file():
                run = cls(path)
                return None if run.find("finished") and not (path / _RECORDS).is_dir() else run
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
        below = PurePosixPath((self.find("began") or {}).get("folder", ""))
        return (home, *home.parents)[len(below.parts)]

    def candidate_folder(self, candidate_id: str) -> Path:
        folder = self.path / "candidates" / candidate_id
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def log(self, event: str, **data: Any) -> dict[str, Any]:
        """Append one event to the journal; it is on disk when this returns.

        Credentials are taken out of its texts; only those of edits stay byte for byte, since a resumed run
        builds on them.

        Returns:
            the event as it stands there: of a resumed run the interrupted one's, where that says the same.
        """
        entry: dict[str, Any] = {
            "event": event,
            "time": round(time.time(), 3),
            **redacted_value(data, _EXACT),
        }
        known = self._come_to(entry)
        if known is not None:
            return known
        self._append(entry)
        return entry

    def _append(self, entry: dict[str, Any]) -> None:
        line = _line(entry)
        with (self.path / _JOURNAL).open("a+b") as file:
            # A kill may have torn the last line: what comes now must not be glued to it.
            file.seek(max(0, file.tell() - 1))
            whole = file.read(1) in (b"", b"\n")
            file.write(b"" if whole else b"\n")
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())

    def go_over(self) -> None:
        """Begin once more at the beginning; nothing happens in a run that has just begun."""
        path = self.path / _JOURNAL
        if path.is_file() and not path.read_bytes().endswith(b"\n"):
            self.save_text(_JOURNAL, "".join(map(_line, self.events())))  # a kill has torn its last line
        self._ahead = deque(event for event in self.events() if event.get("event") != "began")

    @property
    def is_known(self) -> bool:
        """True while a resumed run has steps before it that the interrupted one has taken."""
        return any(event.get("event") not in _AROUND for event in self._ahead)

    def _come_to(self, entry: dict[str, Any]) -> dict[str, Any] | None:
        """The event of the interrupted run that says the same; None where there is none."""
        wanted = _event_content(entry)
        while self._ahead:
            known = self._ahead.popleft()
            if _event_content(known) == wanted:
                return known
            if known.get("event") not in _AROUND:
                self._abandon([known, *self._ahead])
        return None

    def _abandon(self, events: list[dict[str, Any]]) -> None:
        """The resumed run went another way (a model without a cache answered otherwise, limits were changed):
        what the interrupted one did from here on is no part of this run."""
        kept = list(self.events())
        del kept[len(kept) - len(events) :]
        with (self.path / _ABANDONED).open("a", encoding="utf-8") as file:
            file.writelines(_line(event) for event in events)
        self.save_text(_JOURNAL, "".join(map(_line, kept)))
        self._ahead.clear()

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

    def record_outcomes(self, key: str, outcomes: Mapping[int, Outcome | None]) -> None:
        """Keep what came of interventions."""
        self._save_record(key, json.dumps(list(outcomes.items())))

    def recorded_outcomes(self, key: str) -> dict[int, Outcome | None] | None:
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

    def attempts(self) -> list[tuple[str, Attempt]]:
        """The judged attempts with the digest of the tree that each was judged on."""
        return [
            (str(entry["tree"]), Attempt.model_validate(entry["attempt"]))
            for entry in self.events()
            if entry.get("event") == "judged"
        ]


def _line(event: Mapping[str, Any]) -> str:
    return json.dumps(event, ensure_ascii=False) + "\n"


def _event_content(event: Mapping[str, Any]) -> str:
    """An event without what is different each time: when it was, how long it took and what it cost."""
    what = {name: value for name, value in event.items() if name != "time"}
    if isinstance(what.get("attempt"), dict):
        measured = ("spending", "duration")
        what["attempt"] = {name: value for name, value in what["attempt"].items() if name not in measured}
    return json.dumps(what, sort_keys=True)


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
    runs = [RunFolder(path) for path in folder.iterdir() if (path / "journal.jsonl").is_file()]
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
    for event in run.events():
        when = event.get("time")
        if isinstance(when, (int, float)):
            return float(when)
    return run.path.stat().st_mtime
