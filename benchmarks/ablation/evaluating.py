"""One evaluation of one tree: plain pytest in a fork of this process, which has plugin and SDKs loaded."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.planted.project import Project
from pytest_fapo.commands import session_commands
from pytest_fapo.core.diagnosis import Diagnosis
from pytest_fapo.core.evaluation import Evaluation

CPU_LIMIT = 60
"""Seconds of processor time; code that a candidate wrote may never end."""
TIME_LIMIT = 300
"""Seconds on the clock: it may also wait for ever."""
PRELOADED = ("openai", "anthropic", "httpx", "yaml", "pydantic")
"""The modules that projects import at their start, as far as they are installed."""


_PROVIDERS = ("OPENAI_BASE_URL", "OPENAI_API_KEY", "ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY")
"""Without them a project's stand-in answers."""


def preload() -> None:
    """Import once what every fork needs."""
    for name in PRELOADED:
        if importlib.util.find_spec(name) is not None:
            __import__(name)


class TreeRunner:
    """Runs the tests of a project with some files replaced, each tree once; other processes' results count.

    Args:
        original: the project.
        folder: where trees and evaluations are kept.
        options: of every pytest run.
    """

    def __init__(self, original: Project, folder: Path, *options: str) -> None:
        self.original = original
        self.runs = 0
        """Evaluations that were really run here."""
        self._folder = folder
        self._options = options
        self._known: dict[str, Evaluation | None] = {}

    def evaluate(self, files: Mapping[str, bytes]) -> Evaluation | None:
        """The evaluation of the tree; None where its tests do not run to their end.

        Args:
            files: path to content of what differs from the project.
        """
        digest = _digest(files)
        if digest not in self._known:
            self._known[digest] = self._recorded(digest, files)
        return self._known[digest]

    def _recorded(self, digest: str, files: Mapping[str, bytes]) -> Evaluation | None:
        record = self._folder / f"{digest}.json"
        if not record.exists():
            self.runs += 1
            self._run(digest, files, record)
        text = record.read_bytes()
        return Evaluation.model_validate_json(text) if text else None

    def _run(self, digest: str, files: Mapping[str, bytes], record: Path) -> None:
        root = self._folder / f"{digest}-{os.getpid()}"
        _copy(self.original.root, root)
        for path, content in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
        made = root.with_suffix(".json")
        arguments = ["-q", "--fapo-diagnose", "--fapo-cache=off", "-p", "no:cacheprovider", *self._options]
        project = Project(root, self.original.url, self.original.env)
        _forked(lambda: _test(project, made, arguments))
        if not made.exists():
            made.write_bytes(b"")
        made.replace(record)


def _digest(files: Mapping[str, bytes]) -> str:
    content = repr(sorted(files.items())).encode()
    return hashlib.sha256(content).hexdigest()[:16]


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(".fapo", "__pycache__"))


def _test(project: Project, made: Path, arguments: list[str]) -> None:
    """In the fork: run pytest, and keep the evaluation that a diagnosis would begin with."""

    def keep(config: pytest.Config, session: Any, baseline: Evaluation, out: Any) -> Diagnosis:
        made.write_text(baseline.model_dump_json(), encoding="utf-8")
        return Diagnosis()

    setattr(session_commands, "diagnose_failures", keep)  # noqa: B010
    os.chdir(project.root)
    os.environ.clear()
    os.environ.update(project.environment())
    for name in () if project.url else _PROVIDERS:
        del os.environ[name]
    sys.path.insert(0, str(project.root))
    sys.dont_write_bytecode = True
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        pytest.main(project.command(*arguments)[3:])


def _forked(work: Callable[[], None]) -> None:
    """Do the work in a child process, for a limited time."""
    child = os.fork()
    if child == 0:
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT, CPU_LIMIT))
            work()
        finally:
            os._exit(0)
    until = time.monotonic() + TIME_LIMIT
    while time.monotonic() < until:
        if os.waitpid(child, os.WNOHANG)[0]:
            return
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
