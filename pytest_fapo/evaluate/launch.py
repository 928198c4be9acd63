"""Starting a child process in an interpreter of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

LIFE_LINE = "FAPO_LIFE_LINE"
"""Environment variable with the descriptor of the life line in a child."""


@dataclass(frozen=True)
class Launch:
    """All that a child needs to be started."""

    spec: Path
    cwd: Path
    environment: dict[str, str]
    output: Path


class Running(Protocol):
    """A child process, however it was started."""

    pid: int

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""

    def wait(self, seconds: float | None = None) -> bool:
        """Whether it has ended, after waiting so long at most."""


class LifeLine:
    """A pipe whose other end closes when this process ends, however it ends."""

    def __init__(self) -> None:
        self.read_end, self._write_end = os.pipe()

    def close(self) -> None:
        os.close(self._write_end)
        os.close(self.read_end)


class ColdProcess:
    """A child in an interpreter of its own."""

    def __init__(self, launch: Launch, life_line: LifeLine) -> None:
        with launch.output.open("wb") as output:
            self._process = subprocess.Popen(
                [*interpreter(), "-m", "pytest_fapo.evaluate.child", os.fspath(launch.spec)],
                cwd=launch.cwd,
                env={**launch.environment, LIFE_LINE: str(life_line.read_end)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[life_line.read_end],
            )
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.poll()

    def wait(self, seconds: float | None = None) -> bool:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self._process.poll() is not None


def interpreter() -> list[str]:
    """This interpreter with the options that it was started with."""
    flags: list[str] = getattr(subprocess, "_args_from_interpreter_flags", list)()
    return [sys.executable, *flags]


def end_group(pid: int, number: int = signal.SIGKILL) -> None:
    """Send a signal to a child and all that it has started and not set free."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
