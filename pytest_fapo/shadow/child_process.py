"""The child process of one evaluation: its spec file, folder and environment; start, follow and end it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest_fapo
from pytest_fapo.answers.answer_channel import AnswerDesk
from pytest_fapo.capture.redaction import REDACTED, is_secret
from pytest_fapo.shadow.cage_rules import cage_spec, readable_anyway, without_foreign_secrets
from pytest_fapo.shadow.child_launch import Launch, end_group, launcher_of
from pytest_fapo.shadow.connections import Connections, addresses_of
from pytest_fapo.shadow.evaluation_request import EvaluationRequest
from pytest_fapo.shadow.inside.bootstrap import SPEC_VARIABLE
from pytest_fapo.shadow.inside.tree_map import TreeMap
from pytest_fapo.shadow.shadow_tree import ShadowTree, remove

_PARENT_ONLY = ("PYTEST_CURRENT_TEST", "PYTEST_VERSION", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")

_PARENT_ONLY_PREFIXES = ("PYTEST_XDIST_", "COV_CORE_")

_OWN_FOLDERS = ("TMPDIR", "CREWAI_STORAGE_DIR")
"""Variables that name a folder to write into. CrewAI's database is in the user's home otherwise."""

_SITE = Path(__file__).parent / "inside" / "site"


def child_spec(shadow: ShadowTree, request: EvaluationRequest, folder: Path, results: Path) -> dict[str, Any]:
    """Return the spec of one run, as JSON data.

    Args:
        shadow: the tree.
        request: what to run.
        folder: the run's own folder; temporary files and the guard's log go there.
        results: file that takes the run's lines.
    """
    return {
        "request": request.model_dump(mode="json"),
        "args": [
            *(_map_argument(argument, tree_map(shadow)) for argument in request.args),
            *_rootdir(shadow, request),
            f"--basetemp={folder / 'tmp'}",
        ],
        "tree": {
            "root": os.fspath(shadow.root),
            "shadow": os.fspath(shadow.path),
            "base": os.fspath(shadow.base),
            "area": os.fspath(shadow.area),
            "kept": _kept_paths(shadow),
            **_guard_rules(shadow, request, results),
        },
        "log": os.fspath(folder / "guard.log"),
        "results": os.fspath(results),
        "cwd_on_path": started_as_module() if request.cwd_on_path is None else request.cwd_on_path,
        "package_folder": package_folder(),
        "cage": _cage(shadow, request, folder, results),
        "known": readable_anyway(shadow) if request.cage is None else None,
    }


def started_as_module() -> bool:
    """True if this process was started by `python -m pytest`, not by `pytest`."""
    return Path(sys.argv[0]).name == "__main__.py"


def _cage(
    shadow: ShadowTree, request: EvaluationRequest, folder: Path, results: Path
) -> dict[str, Any] | None:
    if request.cage is None:
        return None
    # Only what is there can be granted.
    results.touch()
    if request.spend_file:
        Path(request.spend_file).touch()
    if request.cache_folder and request.cache_mode != "off":
        Path(request.cache_folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    return {
        **cage_spec(request.cage, shadow, request, folder, results),
        "names": addresses_of(request.cage.connect),
    }


def _rootdir(shadow: ShadowTree, request: EvaluationRequest) -> list[str]:
    given = any(argument.startswith("--rootdir=") for argument in request.args)
    return [] if given else [f"--rootdir={shadow.path}"]


def tree_map(shadow: ShadowTree) -> TreeMap:
    """Return the map by which paths of the real tree are found in this shadow."""
    root, path, base, area = map(os.fspath, (shadow.root, shadow.path, shadow.base, shadow.area))
    return TreeMap(root, path, base, area, _kept_paths(shadow))


def working_folder(shadow: ShadowTree, request: EvaluationRequest) -> Path:
    """Return the folder in which the tests run: the shadow's counterpart of the user's working folder."""
    place = Path(os.path.normpath(shadow.path / request.cwd))
    if not place.is_relative_to(shadow.area):
        place = Path(os.path.normpath(shadow.root / request.cwd))
    return place if place.is_dir() else shadow.path


def child_environment(shadow: ShadowTree, folder: Path, spec: Path) -> dict[str, str]:
    """This process's environment, with what belongs to it alone taken out and the child's own put in.

    Args:
        shadow: the tree; entries of PYTHONPATH in the real tree are moved into it.
        folder: where the child runs.
        spec: the spec file.
    """
    variables = {
        name: value
        for name, value in os.environ.items()
        if name not in _PARENT_ONLY and not name.startswith(_PARENT_ONLY_PREFIXES)
    }
    tree = tree_map(shadow)
    given = variables.get("PYTHONPATH", "")
    entries = [entry or os.curdir for entry in given.split(os.pathsep)] if given else []
    paths = [os.fspath(_SITE), *map(tree.to_shadow, entries), package_folder()]
    variables["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    variables["PWD"] = os.fspath(folder)
    variables[SPEC_VARIABLE] = os.fspath(spec)
    return variables


def package_folder() -> str:
    """Return the folder that pytest_fapo is imported from; "" where it is found without being added."""
    folder = str(Path(pytest_fapo.__file__).parent.parent)
    if folder in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        return ""  # the user's own entry stays: other modules may be found by it
    installed = {os.path.realpath(sysconfig.get_path(name)) for name in ("purelib", "platlib")}
    return "" if os.path.realpath(folder) in installed or "site-packages" in folder else folder


def _kept_paths(shadow: ShadowTree) -> list[str]:
    return [*shadow.survey.linked, *shadow.survey.left_out]


def _guard_rules(shadow: ShadowTree, request: EvaluationRequest, results: Path) -> dict[str, list[str]]:
    root = os.path.realpath(shadow.root)
    own = (request.cache_folder, request.spend_file, results)
    return {
        "guarded": [root],
        "allowed": [os.path.join(root, ".fapo"), *(os.path.realpath(path) for path in own if path)],
        "compiled": [os.path.join(root, path) for path in shadow.survey.environments],
    }


def _map_argument(argument: str, tree: TreeMap) -> str:
    """Return the argument with an absolute path of the real tree, bare or after `=`, moved into the
    shadow.
    """
    head, equals, tail = argument.partition("=")
    is_option = bool(equals) and head.startswith("-")
    path, colons, rest = (tail if is_option else argument).partition("::")
    if not path.startswith("/"):
        return argument
    moved = tree.to_shadow(path) + colons + rest
    return f"{head}={moved}" if is_option else moved


_POLL = 0.02

_ROOM = 1 << 30
"""Bytes that a locked-in child may always take of the disk."""

LAST_WORDS = 3.0
"""Seconds that an interrupted child has for tearing its fixtures down."""


class ChildProcess:
    """One run of pytest in the shadow tree.

    Args:
        shadow: the tree.
        request: what to run.
    """

    def __init__(self, shadow: ShadowTree, request: EvaluationRequest) -> None:
        self.folder = _new_folder(shadow.base)
        self.results = Path(request.results).absolute() if request.results else self.folder / "results.jsonl"
        self.output = self.folder / "output.txt"
        self.log = self.folder / "guard.log"
        self.results.parent.mkdir(parents=True, exist_ok=True)
        self._offset = self.results.stat().st_size if self.results.exists() else 0
        self._rest = b""
        self.desk: AnswerDesk | None = None
        """Serves recorded answers to a child that may only get those that it can ask for, and put in no
        other; and those that machines share, where no child knows the password."""
        if (request.cage is not None or request.cache_url) and not request.answers:
            self.desk = answer_server_of(request, shadow)
        if self.desk is not None:
            request = request.model_copy(update={"answers": self.desk.socket, "cache_files": []})
        request = request.model_copy(update={"cache_url": ""})
        self._withheld: list[bytes] = []
        """Credentials, as they are in JSON, that the child does not know and so cannot take out."""
        spec = self.folder / "spec.json"
        content = child_spec(shadow, request, self.folder, self.results)
        spec.write_text(json.dumps(content), encoding="utf-8")
        cwd = working_folder(shadow, request)
        environment = child_environment(shadow, cwd, spec)
        if request.cage is not None:
            everything, environment = environment, without_foreign_secrets(environment, shadow)
            for name in request.cage.withheld:
                environment.pop(name, None)
            withheld = [value for name, value in everything.items() if name not in environment]
            self._withheld = [json.dumps(value)[1:-1].encode() for value in withheld if is_secret(value)]
            environment |= dict.fromkeys(_OWN_FOLDERS, os.fspath(self.folder))
        self._room = shutil.disk_usage(self.folder).free if request.cage is not None else 0
        self._launch = Launch(spec, cwd, environment, self.output)
        self._launcher = launcher_of(shadow)
        self._process = self._launcher.start(self._launch, fresh=request.fresh)
        self.connections: Connections | None = None
        """Answers for a caged child's connections."""
        if request.cage is not None:
            writable = content["cage"]["write"]
            self.connections = Connections(request.cage.connect, shadow.base, writable)
            self.connections.serve_when_ready(
                self._process.pid, self.folder / "connections.txt", self._process.poll
            )

    @property
    def returncode(self) -> int | None:
        """The exit code; negative for a signal; None while the child runs."""
        return self._process.poll()

    def lines(self) -> Iterator[bytes]:
        """Yield the lines of the results file that are complete by now, each once."""
        if not self.results.exists():
            return
        with self.results.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        self._offset += len(data)
        *complete, self._rest = (self._rest + data).split(b"\n")
        for line in complete:
            for value in self._withheld:
                line = line.replace(value, REDACTED.encode())
            yield line

    def fills_the_disk(self) -> bool:
        """True if more than half of what was free is gone since a locked-in child has begun."""
        if not self._room:
            return False
        free = shutil.disk_usage(self.folder).free
        return free < self._room / 2 and free < self._room - _ROOM

    def wait_a_moment(self) -> None:
        """Give the child time to write, less than that where it ends."""
        self._process.wait(_POLL)

    def stop(self) -> None:
        """End the child and everything that it started; first as Ctrl-C does, then at once."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGINT)
            self._process.wait(LAST_WORDS)
        self.sweep()
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def sweep(self) -> None:
        """Kill what is left of the child's own process group, and serve it no more."""
        end_group(self._process.pid)
        if self.desk is not None:
            self.desk.close()

    def discard(self) -> None:
        """Remove the run's own folder, once nothing more is read from it."""
        if self._launcher.begun_in != self.folder:
            remove(self.folder)

    def prepare_next(self, modules: list[str]) -> None:
        """Let the next child find these modules loaded."""
        self._launcher.prepare(modules, self._launch)

    def last_output(self, count: int = 15) -> str:
        """Return the last lines that the child printed; of a traceback those that say what was raised."""
        try:
            text = self.output.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        lines = [line for line in text.splitlines() if line.strip()]
        begun = [number for number, line in enumerate(lines) if "Traceback (most recent call" in line]
        raised = [line for line in lines[begun[-1] + 1 :] if not line[0].isspace()] if begun else []
        return "\n".join((raised or lines)[-count:])

    def noted(self, kind: str) -> list[str]:
        """Return the guard's notes of this kind, each once, in order."""
        try:
            text = self.log.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return []
        pairs = [line.partition("\t") for line in text.splitlines()]
        return list(dict.fromkeys(rest for word, _, rest in pairs if word == kind))


def answer_server_of(request: EvaluationRequest, shadow: ShadowTree) -> AnswerDesk | None:
    """Serve the recorded answers of an evaluation one by one; None where there are none."""
    if request.cache_mode == "off" or not request.cache_folder:
        return None
    folder, files = Path(request.cache_folder), list(map(Path, request.cache_files))
    writable = request.cache_mode != "only"
    return AnswerDesk(shadow.base, folder, files, writable=writable, url=request.cache_url)


def _new_folder(base: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix="run-", dir=base))
