"""Allow one optimizer at a time in a project: the owner of the lock, and whether it is still running."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pytest_fapo.core.atomic_files import write_atomically
from pytest_fapo.core.errors import FapoError
from pytest_fapo.core.record import Record

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
            f"stop it (Ctrl-C there, or: kill -INT {owner.pid}) and go on with: pytest --fapo-resume"
            if here
            else f"if it is over, delete .fapo/{LOCK_NAME}"
        )
        return (
            f"another run is going on in this project: process {owner.pid} on {owner.host}, since "
            f"{owner.since}; wait for its end and type this again, or {over}"
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
