"""`.fapo/runs/<id>/`: everything that happened, on disk before the next thing starts; which runs there are.

The lock beside them allows one optimizer at a time in a project: its owner, and whether it is still running.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from pytest_fapo.core.atomic_files import write_atomically
from pytest_fapo.core.errors import FapoError
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.record import Outcome, Record
from pytest_fapo.core.text import parsed_json
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
        """Return the newest run that began and did not finish, its report included."""
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
        """Return a saved evaluation; None where there is none that this version can read."""
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
        return None if data is None else dict(parsed_json(data))

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
    """Return a path as the user would type it here."""
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)


LAST = "last"


def runs_of(root: Path) -> list[RunFolder]:
    """Return every run of the project, oldest first."""
    folder = root / ".fapo" / "runs"
    if not folder.is_dir():
        return []
    runs = [run for path in folder.iterdir() if (run := RunFolder(path)).journal.path.is_file()]
    return sorted(runs, key=lambda run: (began(run), run.path.name))


def find_run(root: Path, name: str) -> RunFolder:
    """Return the run that `name` means: all of its id, an unambiguous beginning, or `last`.

    Raises:
        FapoError: none, or several; the message names what there is.
    """
    runs = runs_of(root)
    if not runs:
        raise FapoError(f"there is no run in {root}; `pytest --fapo-optimize` makes one")
    if name == LAST:
        return runs[-1]
    exact = [run for run in runs if run.path.name == name]
    matching = exact or [run for run in runs if name and run.path.name.startswith(name)]
    if len(matching) == 1:
        return matching[0]
    names = ", ".join(run.path.name for run in (matching or runs)[-5:])
    if matching:
        raise FapoError(f"{len(matching)} runs begin with {name!r}: {names}; give more of the name")
    raise FapoError(f"no run begins with {name!r}; the newest are: {names}")


def began(run: RunFolder) -> float:
    """Epoch seconds: of its first event, else of its folder."""
    for event in run.journal.read():
        if event.time:
            return event.time
    return run.path.stat().st_mtime


if sys.platform != "win32":
    import fcntl

LOCK_NAME = "running.json"


class LockOwner(Record):
    """A process, told apart from a later one that has the same number."""

    pid: int
    host: str
    began: str
    """The system's start time of the process; empty if it cannot be asked."""
    since: str
    """Local time at which the run began, for people."""

    @classmethod
    def this_process(cls) -> LockOwner:
        """Return the owner that a lock of this process names."""
        pid = os.getpid()
        return cls(
            pid=pid, host=socket.gethostname(), began=_start_of(pid), since=time.strftime("%Y-%m-%d %H:%M:%S")
        )

    def may_run(self) -> bool:
        """False if it is certain that the process is no more."""
        if self.host != socket.gethostname():
            return True  # it cannot be asked from here
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass  # somebody else's: it runs
        now = _start_of(self.pid)
        return not (now and self.began) or now == self.began


class RunLock:
    """The file in `.fapo` that says that a run is going on.

    Args:
        folder: the project's `.fapo`.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK_NAME

    def take(self) -> None:
        """Say that this process is at work; what a dead one has left is taken over.

        Raises:
            FapoError: another process is at work; says which and what to do.
        """
        with self._alone():
            owner = self._owner()
            if owner is not None and owner.pid != os.getpid() and owner.may_run():
                raise FapoError(self._refusal(owner))
            write_atomically(self._path, LockOwner.this_process().model_dump_json().encode())

    def owner_at_work(self) -> LockOwner | None:
        """Return the process that is at work; None where there is none."""
        owner = self._owner()
        return owner if owner is not None and owner.may_run() else None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Be at work until the block ends.

        Raises:
            FapoError: see `take`.
        """
        self.take()
        try:
            yield
        finally:
            self.release()

    def release(self) -> None:
        """Say that nobody is at work, where this process was."""
        with contextlib.suppress(OSError), self._alone():
            owner = self._owner()
            if owner is not None and owner.pid == os.getpid() and owner.host == socket.gethostname():
                self._path.unlink()

    def _owner(self) -> LockOwner | None:
        try:
            return LockOwner.model_validate_json(self._path.read_bytes())
        except (OSError, ValueError):
            return None

    def _refusal(self, owner: LockOwner) -> str:
        here = owner.host == socket.gethostname()
        over = (
            f"stop it (Ctrl-C there, or: kill -INT {owner.pid}) and continue with: pytest --fapo-resume"
            if here
            else f"if it has ended, delete .fapo/{LOCK_NAME}"
        )
        return (
            f"another run is going on in this project: process {owner.pid} on {owner.host}, since "
            f"{owner.since}; wait until it ends and run this again, or {over}"
        )

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else looks at the file or writes it meanwhile."""
        if sys.platform == "win32":
            yield
            return
        descriptor = os.open(self._path.with_name(f"{LOCK_NAME}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _start_of(pid: int) -> str:
    """Return the system's start time of a process; empty if it cannot be asked."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # The command's name, which may hold spaces and brackets, ends with the last bracket.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
        state, start = fields.split()[0], fields.split()[19]
        return "ended" if state == "Z" else f"{boot} {start}"
    except (OSError, IndexError):
        pass
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        command = ["ps", "-o", "lstart=", "-p", str(pid)]
        return subprocess.run(command, capture_output=True, text=True, timeout=5).stdout.strip()
    return ""
