"""A project on the disk, and runs of its tests in a shadow tree."""

from __future__ import annotations

import os
import stat
import subprocess
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.shadow.evaluation_request import EvaluationRequest
from pytest_fapo.shadow.shadow_run import evaluate
from pytest_fapo.shadow.shadow_tree import ShadowTree


class Project:
    """Files below `root`, written in one go and compared in one go."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def write(self, files: Mapping[str, str | bytes]) -> Project:
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            data = content if isinstance(content, bytes) else textwrap.dedent(content).lstrip("\n").encode()
            path.write_bytes(data)
        return self

    def git(self, *arguments: str, cwd: str = ".") -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "protocol.file.allow=always"]
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=self.root / cwd, check=True, capture_output=True, text=True
        )
        return done.stdout

    def state(self) -> dict[str, tuple[Any, ...]]:
        """Everything that a write would change: contents, times, modes, names. Bytecode left aside."""
        found: dict[str, tuple[Any, ...]] = {}
        for folder, folders, files in os.walk(self.root):
            folders[:] = [name for name in folders if name != "__pycache__"]
            for name in (*folders, *files):
                path = Path(folder, name)
                seen = path.lstat()
                content = path.read_bytes() if stat.S_ISREG(seen.st_mode) else None
                is_folder = stat.S_ISDIR(seen.st_mode)
                found[str(path.relative_to(self.root))] = (
                    content,
                    stat.S_IMODE(seen.st_mode),
                    None if is_folder else seen.st_mtime_ns,
                )
        return found

    def evaluate(self, files: Mapping[str, bytes] | None = None, **request: Any) -> Evaluation:
        """Run the project's tests in a new shadow tree with these files applied."""
        with ShadowTree.create(self.root) as shadow:
            shadow.apply(files or {})
            return evaluate(shadow, EvaluationRequest(watch=sorted(files or {}), **request))


class Bench:
    """One shadow tree of an empty project for many small runs, which start warm."""

    def __init__(self, root: Path) -> None:
        project = Project(root).write({"test_warm.py": "import rich\ndef test_warm(): pass\n"})
        self.shadow = ShadowTree.create(project.root)
        evaluate(self.shadow, EvaluationRequest())

    def evaluate(self, files: Mapping[str, str], **request: Any) -> Evaluation:
        """Run these tests and no others."""
        contents = {name: textwrap.dedent(text).encode() for name, text in files.items()}
        self.shadow.apply({"test_warm.py": b"", **contents})
        return evaluate(self.shadow, EvaluationRequest(**request))


def outcomes(evaluation: Evaluation) -> dict[str, str]:
    """Outcome by the test's name; where something failed, its explanation stands in the assertion's diff."""
    return {
        nodeid.rpartition("::")[2]: item.outcome
        if item.outcome == "passed"
        else f"{item.outcome} {item.explanation}"
        for nodeid, item in evaluation.items.items()
    }


def all_passed(evaluation: Evaluation) -> bool:
    """Every item passed, and the run was whole; raises with the reasons otherwise."""
    bad = {name: outcome for name, outcome in outcomes(evaluation).items() if outcome != "passed"}
    assert not bad, bad
    assert evaluation.complete, evaluation.stopped
    return bool(evaluation.items)
