"""Programs that cases start under `--fapo-cache=only`: Python ones refuse connections too, and all are
counted.

A program started with `subprocess` (or with asyncio, which uses it) gets one folder more on its PYTHONPATH,
and one of `multiprocessing` a line before its own: a Python interpreter then refuses connections as the case
does. A fork refuses by itself. What another program sends cannot be seen from here; the session says that it
ran.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from pytest_fapo.capture.recorder import Recorder, current_recorder
from pytest_fapo.core import allowed_hosts

_CHILD_FOLDER = Path(__file__).parent / "child_network"

_SCRIPT = _CHILD_FOLDER / "sitecustomize.py"

_VARIABLE = "FAPO_CASE_NETWORK"

_ENV = 10
"""Position of `env` among the arguments of `subprocess.Popen`."""

_HARMLESS = ("uname", "ldconfig", "lsb_release")
"""Programs that Python's `platform` and SDKs ask about the machine."""

PROGRAM_EVENTS = frozenset(
    ("subprocess.Popen", "os.system", "os.posix_spawn", "os.exec", "os.spawn", "os.fork", "os.forkpty")
)


class ChildPrograms:
    """Programs that cases start.

    Args:
        allow: the setting `allow_hosts`.
    """

    def __init__(self, allow: Sequence[str]) -> None:
        self._allow = list(allow)
        self.started: Counter[str] = Counter()
        """Names of the programs, and how often each was started."""
        self._tokens: WeakKeyDictionary[Recorder, str] = WeakKeyDictionary()
        self._refused: dict[str, list[str]] = {}
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._folder: Path | None = None
        self._read = 0
        self._starts = threading.local()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Hand the refusal on to programs that are started in the body."""
        from multiprocessing import util

        start, spawn = subprocess.Popen.__init__, util.spawnv_passfds
        new_start, new_spawn = self._starting(start), self._spawning(spawn)
        subprocess.Popen.__init__ = new_start  # type: ignore[method-assign]
        util.spawnv_passfds = new_spawn
        system = os.system
        new_system = through_popen(system)
        os.system = new_system  # type: ignore[assignment]
        try:
            yield
        finally:
            if subprocess.Popen.__init__ is new_start:
                subprocess.Popen.__init__ = start  # type: ignore[method-assign]
            if util.spawnv_passfds is new_spawn:
                util.spawnv_passfds = spawn
            if os.system is new_system:
                os.system = system
            if self._folder is not None and os.getpid() == self._pid:
                shutil.rmtree(self._folder, ignore_errors=True)

    def on_event(self, event: str, args: Sequence[Any]) -> None:
        """Handle an event of the audit hook."""
        recorder = current_recorder()
        if recorder is not None and recorder.pipeline:
            if event == "os.posix_spawn" and getattr(self._starts, "by_popen", False):
                return  # the same program: since Python 3.13 `subprocess` mostly starts it this way
            name = _program(event, args)
            if name not in _HARMLESS:
                self.started[name] += 1
            if event in ("os.fork", "os.forkpty"):  # both sides must know where word is left
                self._notes()
                self._token(recorder)

    def note_refusal(self, recorder: Recorder, target: str) -> None:
        """In a fork, leave word of a refusal for the process that runs the case."""
        if os.getpid() == self._pid:
            return
        line = json.dumps({"case": self._token(recorder), "target": target}) + "\n"
        note = os.open(self._notes(), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(note, line.encode())
        os.close(note)

    def refusals(self, recorder: Recorder) -> list[str]:
        """Return the hosts that the programs of this case tried to connect to; each is listed once."""
        with self._lock:
            self._take_in()
            return self._refused.pop(self._tokens.get(recorder, ""), [])

    def warnings(self) -> list[str]:
        """Return the warnings for the user, one sentence each."""
        found = []
        if self.started:
            names = ", ".join(f"{name} x{count:,}" for name, count in self.started.most_common(5))
            found.append(
                f"--fapo-cache=only: cases started {self.started.total():,} program(s) ({names}): Python "
                f"programs refuse connections as the case does, what others send cannot be seen"
            )
        with self._lock:
            self._take_in()
            late = sorted({target for targets in self._refused.values() for target in targets})
        if late:
            found.append(
                f"--fapo-cache=only: programs that cases had started connected to {', '.join(late[:3])} "
                f"after their cases had ended; the connections were refused"
            )
        return found

    def _take_in(self) -> None:
        if self._folder is None:
            return
        try:
            with open(self._notes(), "rb") as file:
                file.seek(self._read)
                for line in file:
                    if line.endswith(b"\n"):
                        self._read += len(line)
                        note = json.loads(line)
                        self._refused.setdefault(note["case"], []).append(note["target"])
        except FileNotFoundError:
            return

    # --- handing on -----------------------------------------------------------------------------------

    def _starting(self, original: Callable[..., None]) -> Callable[..., None]:
        def __init__(popen: Any, *args: Any, **kwargs: Any) -> None:
            recorder = current_recorder()
            if recorder is not None and recorder.pipeline:
                settings = self._settings(recorder)
                args, kwargs = changed_environment(
                    args, kwargs, lambda env: with_start_folder(env, _CHILD_FOLDER, _VARIABLE, settings)
                )
            self._starts.by_popen = True
            try:
                original(popen, *args, **kwargs)
            finally:
                self._starts.by_popen = False

        return __init__

    def _spawning(self, original: Callable[..., int]) -> Callable[..., int]:
        def spawnv_passfds(path: Any, args: Sequence[Any], passfds: Any) -> int:
            recorder = current_recorder()
            arguments = [os.fsdecode(word) for word in args]
            # The tracker of resources connects to nothing, and outlives the case.
            if recorder is not None and recorder.pipeline and "-c" in arguments[:-1]:
                at = arguments.index("-c") + 1
                if "resource_tracker" not in arguments[at]:
                    self.started["python"] += 1
                    arguments[at] = self._first_line(recorder) + arguments[at]
                    args = arguments
            return original(path, args, passfds)

        return spawnv_passfds

    def _first_line(self, recorder: Recorder) -> str:
        names = {"__name__": "fapo_case_network", "SETTINGS": self._settings(recorder)}
        return f"exec(compile(open({str(_SCRIPT)!r}).read(), {str(_SCRIPT)!r}, 'exec'), {names!r}); "

    def _settings(self, recorder: Recorder) -> str:
        return json.dumps(
            {
                "allow": self._allow,
                "hosts": str(Path(allowed_hosts.__file__)),
                "notes": self._notes(),
                "case": self._token(recorder),
                "case_id": recorder.case_id,
            }
        )

    def _token(self, recorder: Recorder) -> str:
        recorder = getattr(recorder, "origin", None) or recorder  # a fork goes on under the run's own name
        with self._lock:
            return self._tokens.setdefault(recorder, str(len(self._tokens) + 1) + f"-{id(recorder):x}")

    def _notes(self) -> str:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="fapo-network-"))
        return str(self._folder / "refused.jsonl")


def through_popen(original: Callable[[Any], int]) -> Callable[[Any], int]:
    """Return `os.system` as a case may call it: through `subprocess.Popen`, which hands the case on."""

    def system(command: Any) -> int:
        recorder = current_recorder()
        if recorder is None or not recorder.pipeline or os.name != "posix":
            return original(command)
        code = subprocess.call(command, shell=True)
        return -code if code < 0 else code << 8  # a wait status, as `os.system` returns it

    return system


def changed_environment(
    args: tuple[Any, ...], kwargs: dict[str, Any], change: Callable[[Any], dict[Any, Any]]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of `subprocess.Popen` with a changed environment."""
    env = args[_ENV] if len(args) > _ENV else kwargs.get("env")
    env = change(os.environ if env is None else env)
    if len(args) > _ENV:
        return (*args[:_ENV], env, *args[_ENV + 1 :]), kwargs
    return args, {**kwargs, "env": env}


def with_start_folder(given: Any, folder: Path, variable: str, settings: str) -> dict[Any, Any]:
    """Return an environment in which Python programs first run the `sitecustomize` of a folder.

    Args:
        given: the environment.
        folder: holds that file.
        variable: in which the file looks for its settings.
        settings: the settings.
    """
    env = dict(given)
    as_bytes = any(isinstance(name, bytes) for name in env)
    path = b"PYTHONPATH" if as_bytes and b"PYTHONPATH" in env else "PYTHONPATH"
    before = env.get(path)
    entries = [str(folder), *([os.fsdecode(before)] if before else [])]
    return {**env, path: os.pathsep.join(entries), variable: settings}


def _program(event: str, args: Sequence[Any]) -> str:
    if event in ("os.fork", "os.forkpty"):
        return "fork"
    first = args[0]
    if event == "subprocess.Popen" and args[1] and not isinstance(args[1], (str, bytes)):
        words = [os.fsdecode(word) for word in args[1]]
        shell = words[1:2] == ["-c"] and os.path.basename(words[0]) == "sh"
        first = words[2] if shell and words[2:] else words[0] if first is None else first
    elif event == "subprocess.Popen" and first is None:
        first = args[1]
    arguments = os.fsdecode(first).split() if isinstance(first, (str, bytes, os.PathLike)) else [str(first)]
    return os.path.basename(arguments[0]) if arguments else event
