"""Starts, follows and ends the child process of one evaluation."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest_fapo
from pytest_fapo.evaluate.inside.bootstrap import SPEC_VARIABLE
from pytest_fapo.evaluate.inside.paths import TreeMap
from pytest_fapo.evaluate.request import EvaluationRequest
from pytest_fapo.evaluate.shadow import ShadowTree

_POLL = 0.02
LAST_WORDS = 3.0
"""Seconds that an interrupted child has for tearing its fixtures down."""
_PARENT_ONLY = ("PYTEST_CURRENT_TEST", "PYTEST_VERSION", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")
_PARENT_ONLY_PREFIXES = ("PYTEST_XDIST_", "COV_CORE_")
_SITE = Path(__file__).parent / "inside" / "site"


class ChildProcess:
    """One run of pytest in the shadow tree.

    Args:
        shadow: the tree.
        request: what to run.
    """

    def __init__(self, shadow: ShadowTree, request: EvaluationRequest) -> None:
        self._shadow = shadow
        self.folder = _new_folder(shadow.base)
        self.results = Path(request.results).absolute() if request.results else self.folder / "results.jsonl"
        self.output = self.folder / "output.txt"
        self.log = self.folder / "guard.log"
        self._map = tree_map(shadow)
        self._spec = self.folder / "spec.json"
        self._spec.write_text(json.dumps(self._describe(request)), encoding="utf-8")
        self.results.parent.mkdir(parents=True, exist_ok=True)
        self._offset = self.results.stat().st_size if self.results.exists() else 0
        self._rest = b""
        self._process = self._start(request)

    @property
    def returncode(self) -> int | None:
        """The exit code; negative for a signal; None while the child runs."""
        return self._process.poll()

    def lines(self) -> Iterator[dict[str, Any]]:
        """The lines of the results file that are complete by now, each once."""
        if not self.results.exists():
            return
        with self.results.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        self._offset += len(data)
        *complete, self._rest = (self._rest + data).split(b"\n")
        for line in complete:
            yield json.loads(line)

    def wait_a_moment(self) -> None:
        """Give the child time to write, less than that where it ends."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_POLL)

    def stop(self) -> None:
        """End the child and everything that it started; first as Ctrl-C does, then at once."""
        if self._process.poll() is None:
            self._signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(LAST_WORDS)
        self.sweep()
        self._process.wait()

    def sweep(self) -> None:
        """Kill what is left of the child's own process group."""
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.kill()

    def last_output(self, count: int = 15) -> str:
        """The last lines that the child printed."""
        try:
            text = self.output.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join([line for line in text.splitlines() if line.strip()][-count:])

    def noted(self, kind: str) -> list[str]:
        """What the guard noted under this word, each once, in order."""
        try:
            text = self.log.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return []
        pairs = [line.partition("\t") for line in text.splitlines()]
        return list(dict.fromkeys(rest for word, _, rest in pairs if word == kind))

    # --- starting -------------------------------------------------------------------------------------

    def _start(self, request: EvaluationRequest) -> subprocess.Popen[bytes]:
        flags: list[str] = getattr(subprocess, "_args_from_interpreter_flags", list)()
        with self.output.open("wb") as output:
            return subprocess.Popen(
                [sys.executable, *flags, "-m", "pytest_fapo.evaluate.child", os.fspath(self._spec)],
                cwd=self._cwd(request),
                env=self._environment(request),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    def _describe(self, request: EvaluationRequest) -> dict[str, Any]:
        shadow = self._shadow
        root = os.path.realpath(shadow.root)
        allowed = [os.path.join(root, ".fapo"), os.path.realpath(self.results)]
        allowed += [os.path.realpath(path) for path in (request.cache_folder, request.spend_file) if path]
        return {
            "request": request.model_dump(mode="json"),
            "args": self._arguments(request),
            "tree": {
                "root": os.fspath(shadow.root),
                "shadow": os.fspath(shadow.path),
                "base": os.fspath(shadow.base),
                "area": os.fspath(shadow.area),
                "kept": [*shadow.survey.linked, *shadow.survey.left_out],
                "guarded": [root],
                "allowed": allowed,
                "compiled": [os.path.join(root, path) for path in shadow.survey.environments],
            },
            "log": os.fspath(self.log),
            "results": os.fspath(self.results),
            "parent": os.getpid(),
            "cwd_on_path": Path(sys.argv[0]).name == "__main__.py",
            "package_folder": _package_folder(),
        }

    def _arguments(self, request: EvaluationRequest) -> list[str]:
        return [
            *(_map_argument(argument, self._map) for argument in request.args),
            f"--rootdir={self._shadow.path}",
            f"--basetemp={self.folder / 'tmp'}",
        ]

    def _cwd(self, request: EvaluationRequest) -> Path:
        place = Path(os.path.normpath(self._shadow.path / request.cwd))
        if not place.is_relative_to(self._shadow.area):
            place = Path(os.path.normpath(self._shadow.root / request.cwd))
        return place if place.is_dir() else self._shadow.path

    def _environment(self, request: EvaluationRequest) -> dict[str, str]:
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in _PARENT_ONLY and not name.startswith(_PARENT_ONLY_PREFIXES)
        }
        paths = [
            self._map.to_shadow(path) for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path
        ]
        paths = [os.fspath(_SITE), *paths]
        package_folder = _package_folder()
        if package_folder:
            paths.append(package_folder)
        environment["PYTHONPATH"] = os.pathsep.join(paths)
        environment["PWD"] = os.fspath(self._cwd(request))
        environment[SPEC_VARIABLE] = os.fspath(self._spec)
        return environment


def tree_map(shadow: ShadowTree) -> TreeMap:
    """The map by which paths of the real tree are found in this shadow."""
    return TreeMap(
        os.fspath(shadow.root),
        os.fspath(shadow.path),
        os.fspath(shadow.base),
        os.fspath(shadow.area),
        [*shadow.survey.linked, *shadow.survey.left_out],
    )


def _map_argument(argument: str, tree: TreeMap) -> str:
    """The argument with an absolute path of the real tree, bare or after `=`, moved into the shadow."""
    head, equals, tail = argument.partition("=")
    path, colons, rest = (tail if equals and head.startswith("-") else argument).partition("::")
    if not path.startswith("/"):
        return argument
    moved = tree.to_shadow(path) + colons + rest
    return f"{head}={moved}" if equals and head.startswith("-") else moved


def _new_folder(base: Path) -> Path:
    number = sum(1 for _ in base.glob("run-*")) + 1
    folder = base / f"run-{number}"
    folder.mkdir()
    return folder


def _package_folder() -> str:
    """The folder that pytest_fapo is imported from; empty where that is one of installed packages."""
    folder = str(Path(pytest_fapo.__file__).parent.parent)
    installed = {os.path.realpath(sysconfig.get_path(name)) for name in ("purelib", "platlib")}
    return "" if os.path.realpath(folder) in installed or "site-packages" in folder else folder
