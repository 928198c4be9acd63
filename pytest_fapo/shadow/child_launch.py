"""Start a child process: in a new interpreter, or as a fork of one that has already loaded the SDKs.

Loading openai and anthropic takes one to three seconds, in every run of every candidate; a fork of a process
that has loaded them starts in a few milliseconds.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol
from weakref import WeakKeyDictionary

from pytest_fapo.shadow.shadow_tree import ShadowTree

LIFE_LINE = "FAPO_LIFE_LINE"
"""Environment variable with the descriptor of the life line in a child."""


@dataclass(frozen=True)
class Launch:
    """All that a child needs to be started."""

    spec: Path
    cwd: Path
    environment: dict[str, str]
    output: Path


class RunningChild(Protocol):
    """A child process, however it was started."""

    pid: int

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""

    def wait(self, seconds: float | None = None) -> bool:
        """True if it has ended, after waiting so long at most."""


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
                [*interpreter(), "-m", "pytest_fapo.shadow.child", os.fspath(launch.spec)],
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


PATIENCE = 60.0
"""Seconds that the server has for loading the modules and forking the first child."""


class ServerFailed(Exception):
    """The warm server cannot be used; new processes are started instead."""


_SLICE = 0.02
"""Seconds that one thread waits for the end of a child before another one may look."""


class WarmProcess:
    """A child that the warm server has forked. Several threads may wait for its end."""

    def __init__(self, server: WarmServer, launch: Launch) -> None:
        self._server = server
        self._returncode: int | None = None
        self._lock = threading.Lock()
        order = {
            "spec": os.fspath(launch.spec),
            "cwd": os.fspath(launch.cwd),
            "environment": launch.environment,
            "output": os.fspath(launch.output),
        }
        self.pid = server.order(order)

    def poll(self) -> int | None:
        return self._look(0)

    def wait(self, seconds: float | None = None) -> bool:
        end = None if seconds is None else time.monotonic() + seconds
        left = _SLICE
        while self._returncode is None and left > 0:
            self._look(min(left, _SLICE))
            left = _SLICE if end is None else end - time.monotonic()
        return self._returncode is not None

    def _look(self, seconds: float) -> int | None:
        """The exit code is said once: whoever hears it keeps it for the others."""
        with self._lock:
            if self._returncode is None:
                self._returncode = self._server.status(seconds)
            return self._returncode


class WarmServer:
    """A process that has loaded the SDKs once and forks a child for each evaluation.

    Only modules of well-known SDKs are loaded in it, never the user's own: a child finds their prompts,
    settings and modules as fresh as in a new interpreter.

    Args:
        modules: what to load.
        launch: environment and folder of the first child; later ones bring their own.
        base: folder of the copy: nothing is loaded from there, for no cage is around this process.
    """

    def __init__(self, modules: Sequence[str], launch: Launch, base: Path) -> None:
        self._life_line = LifeLine()
        order_end, self._orders = os.pipe()
        self._answers, answer_end = os.pipe()
        self._rest = b""
        self.python_path = launch.environment.get("PYTHONPATH", "")
        with launch.output.open("wb") as output:
            self._process = subprocess.Popen(
                [*interpreter(), "-m", "pytest_fapo.shadow.warm_server", str(order_end), str(answer_end)],
                cwd=launch.cwd,
                env={**launch.environment, LIFE_LINE: str(self._life_line.read_end)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[self._life_line.read_end, order_end, answer_end],
            )
        os.close(order_end)
        os.close(answer_end)
        self._send({"modules": modules, "base": os.path.realpath(base)})

    def order(self, order: Mapping[str, object]) -> int:
        """Have a child forked; gives its process id.

        Raises:
            ServerFailed: the server has ended, cannot fork or takes too long.
        """
        self._send(order)
        return self._read(PATIENCE) or self._fail()

    def status(self, seconds: float | None) -> int | None:
        """Return the last child's exit code, once it has ended; None where it has not after so many
        seconds.
        """
        try:
            return self._read(seconds)
        except ServerFailed:
            return 1

    def close(self) -> None:
        """End the server; a child that it has forked ends with it."""
        os.close(self._orders)
        self._life_line.close()
        self._process.kill()
        self._process.wait()
        os.close(self._answers)

    def _send(self, value: object) -> None:
        try:
            data = json.dumps(value).encode() + b"\n"
            while data:
                data = data[os.write(self._orders, data) :]
        except OSError as error:
            raise ServerFailed(str(error)) from None

    def _read(self, seconds: float | None) -> int | None:
        end = None if seconds is None else time.monotonic() + seconds
        while b"\n" not in self._rest:
            left = None if end is None else max(0.0, end - time.monotonic())
            if not select.select([self._answers], [], [], left)[0]:
                return None
            data = os.read(self._answers, 1024)
            if not data:
                self._fail()
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return int(line)

    def _fail(self) -> int:
        raise ServerFailed("the warm server has ended or does not answer")


_TO_LOAD: dict[Path, list[str]] = {}
"""Project to the SDKs that its unpatched tree loads."""


class Launcher:
    """Starts the children of a shadow tree from a warm server, once it is known what that has to load.

    Args:
        shadow: the tree.
    """

    def __init__(self, shadow: ShadowTree) -> None:
        self._root, self._base = shadow.root, shadow.base
        self._life_line = LifeLine()
        self._server: WarmServer | None = None
        self._usable = sys.platform == "linux"
        self.begun_in: Path | None = None
        """The folder of the child that the server was started beside: it reads there when it begins."""

    def start(self, launch: Launch, *, fresh: bool) -> RunningChild:
        """Start a child.

        Args:
            launch: what to start.
            fresh: in any case in an interpreter of its own.
        """
        if not fresh:
            self._serve(launch)
        server = self._server
        if (
            not fresh
            and server is not None
            and server.python_path == launch.environment.get("PYTHONPATH", "")
        ):
            try:
                return WarmProcess(server, launch)
            except ServerFailed:
                self._usable = False
                self._close_server()
        return ColdProcess(launch, self._life_line)

    def prepare(self, modules: Sequence[str], launch: Launch) -> None:
        """Have a server load these modules, here and in other copies of the project; returns at once."""
        _TO_LOAD.setdefault(self._root, list(modules))
        self._serve(launch)

    def _serve(self, launch: Launch) -> None:
        modules = _TO_LOAD.get(self._root)
        if self._usable and self._server is None and modules:
            said = replace(launch, output=launch.output.with_name("server.txt"))
            self._server = WarmServer(modules, said, self._base)
            self.begun_in = launch.spec.parent

    def close(self) -> None:
        self._close_server()
        self._life_line.close()

    def _close_server(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None


_launchers: WeakKeyDictionary[ShadowTree, Launcher] = WeakKeyDictionary()


def launcher_of(shadow: ShadowTree) -> Launcher:
    """Return the launcher of this tree; closed with it."""
    launcher = _launchers.get(shadow)
    if launcher is None:
        launcher = _launchers[shadow] = Launcher(shadow)
        shadow.on_close(launcher.close)
    return launcher
