"""One run of a coding agent: confined, bounded in time, and over with everything that it started."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pytest_fapo.propose.command import confine
from pytest_fapo.propose.command.access import Access

_GRACE = 5.0
"""Seconds for the launcher to end what the program has started."""
_LINES_KEPT = 40
_LINE_CHARS = 400


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    code: int
    late: bool
    """Whether it was ended at the time limit."""
    output: list[str]
    """Its last lines."""

    @property
    def confined(self) -> bool:
        """False where it was not run, for want of a way to lock it in."""
        return self.code != confine.CANNOT


def run(
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    access: Access | None,
    seconds: float,
) -> Ended:
    """Run a program in a folder, without input.

    Args:
        command: program and arguments.
        folder: where it is run.
        environment: all its variables.
        access: what it may reach; everything where None.
        seconds: until it is ended.
    """
    launched = list(command) if access is None else _launcher(command, folder, access)
    process = subprocess.Popen(
        launched,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    lines: deque[str] = deque(maxlen=_LINES_KEPT)
    reader = threading.Thread(target=_read, args=(process, lines), daemon=True)
    reader.start()
    end = time.monotonic() + seconds
    try:
        late = not _ended_by(process, end)
    finally:
        _end(process)
    reader.join(timeout=1)
    return Ended(process.returncode, late, list(lines))


def _launcher(command: Sequence[str], folder: Path, access: Access) -> list[str]:
    spec = folder.parent / "confine.json"
    spec.write_text(json.dumps({**asdict(access), "folder": str(folder), "command": list(command)}))
    return [sys.executable, "-I", "-S", str(Path(confine.__file__).resolve()), str(spec)]


def _ended_by(process: subprocess.Popen[bytes], end: float) -> bool:
    try:
        process.wait(timeout=max(0.0, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """Politely first: the launcher then ends what left the process group."""
    if process.poll() is None:
        process.terminate()
        _ended_by(process, time.monotonic() + _GRACE)
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _read(process: subprocess.Popen[bytes], lines: deque[str]) -> None:
    assert process.stdout is not None
    with process.stdout as stream:
        while part := stream.readline(_LINE_CHARS * 4):
            text = part.decode("utf-8", errors="replace").strip()
            if text:
                lines.append(text[:_LINE_CHARS])
