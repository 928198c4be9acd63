"""A shape on disk, run in one way after another; what is compared, and what came out differently."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.truth.model import Model
from benchmarks.truth.observer import read
from benchmarks.truth.shapes import Shape
from benchmarks.truth.ways import Way

_REPOSITORY = Path(__file__).resolve().parent.parent.parent
_DROPPED = re.compile(r"CI$|CI_|GITHUB_|GITLAB_|PYTEST_|OPENAI_|ANTHROPIC_|PYTHONPATH$|TRUTH_|FAPO_")


@dataclass(frozen=True)
class Ran:
    """One pytest process: its exit code, what it printed, and each test's verdict."""

    code: int
    output: str
    verdicts: Mapping[str, list[Any]]


@dataclass
class Tally:
    """The number of comparisons, and every difference as text."""

    compared: int = 0
    differences: list[str] = field(default_factory=list)

    def same(self, where: str, expected: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        """Compare two mappings key by key; a key that only one of them has is a difference."""
        for key in sorted({*expected, *found}):
            self.equal(f"{where}: {key}", expected.get(key, "(nothing)"), found.get(key, "(nothing)"))

    def equal(self, where: str, expected: Any, found: Any) -> None:
        self.compared += 1
        if expected != found:
            self.differences.append(f"{where}: expected {_short(expected)}, found {_short(found)}")


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) < 600 else f"{text[:300]} … {text[-300:]}"


@dataclass
class Project:
    """One copy of a shape.

    Args:
        root: its folder.
        shape: what stands in it.
        model: who answers its calls.
    """

    root: Path
    shape: Shape
    model: Model

    @property
    def folder(self) -> Path:
        """The working folder of its commands."""
        return self.root / self.shape.folder

    def write(self) -> Project:
        for name, text in self.shape.all_files().items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return self

    def copied(self, root: Path) -> Project:
        """Return a copy with all that earlier runs have left: recorded answers, baseline, runs."""
        shutil.copytree(self.root, root)
        return Project(root, self.shape, self.model)

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a text in one of its files."""
        file = self.folder / path
        text = file.read_text(encoding="utf-8")
        assert old in text, f"{path} has no {old!r}"
        file.write_text(text.replace(old, new), encoding="utf-8")

    def pytest(self, *arguments: str, way: Way | None = None, patience: float = 20) -> Ran:
        """Run pytest as its user would, and read what became of each test."""
        log = self.root.with_name(f"{self.root.name}.verdicts")
        log.unlink(missing_ok=True)
        done = subprocess.run(
            self.command(*arguments, way=way),
            cwd=self.folder,
            env=self.environment(log, way, patience),
            capture_output=True,
            text=True,
            timeout=600,
            stdin=subprocess.DEVNULL,
        )
        return Ran(done.returncode, done.stdout + done.stderr, read(log))

    def command(self, *arguments: str, way: Way | None = None) -> list[str]:
        """Return how pytest is started: no plugin but ours and those of the way."""
        plugins = ["pytest_fapo.plugin", "benchmarks.truth.observer", *(way.plugins if way else ())]
        given = [part for name in plugins for part in ("-p", name)]
        more = way.arguments if way else ()
        return [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *given, *more, *arguments]

    def environment(self, log: Path, way: Way | None = None, patience: float = 20) -> dict[str, str]:
        """Return the variables of that process."""
        kept = {name: value for name, value in os.environ.items() if not _DROPPED.match(name)}
        return {
            **kept,
            "OPENAI_BASE_URL": f"{self.model.base}/v1",
            "OPENAI_API_KEY": "sk-test-1234567890",
            "PYTHONPATH": str(_REPOSITORY),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "COLUMNS": "200",
            "TRUTH_LOG": str(log),
            "TRUTH_ROOT": str(self.folder),
            "TRUTH_PATIENCE": str(patience),
            **(way.env if way else {}),
        }

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A pytest process under way; killed with all that it started where the block leaves it running."""
        log = self.root.with_name(f"{self.root.name}.verdicts")
        process = subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(log),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    # --- what the commands say ------------------------------------------------------------------------

    def diagnosis(self, way: Way | None = None) -> dict[str, Any]:
        """Return the diagnosis as it is printed, line by line, without what it cost."""
        ran = self.pytest("--fapo-diagnose", way=way)
        lines = (
            ran.output.split("tests fail, for", 1)[-1].splitlines() if "tests fail, for" in ran.output else []
        )
        kept = [
            line.rstrip() for line in lines if " sure " not in line and "step's output replaced" not in line
        ]
        return {"diagnosis: exit code": ran.code, "diagnosis": "\n".join(kept) or ran.output[-300:]}

    def baseline(self, way: Way | None = None) -> dict[str, Any]:
        """Write the baseline and return all files that the command writes."""
        ran = self.pytest("--fapo-update-baseline", way=way)
        return {"baseline: exit code": ran.code, **self.committed()}

    def committed(self) -> dict[str, str]:
        """Return the baseline and the snapshots, by path."""
        found = [*self.folder.glob("fapo-baseline.json"), *sorted(self.folder.glob("fapo-snapshots/*"))]
        return {path.relative_to(self.folder).as_posix(): path.read_text(encoding="utf-8") for path in found}

    def gate(self, way: Way | None = None, *, name: str = "gate") -> dict[str, Any]:
        """Return the gate's exit code and the tests that it names."""
        ran = self.pytest("--fapo-gate", way=way)
        said = ran.output.rpartition("\nfapo: ")[2]
        named = sorted(set(re.findall(r"tests/test_team\.py::[^\s\]]+\]?", said)))
        return {
            f"{name}: exit code": ran.code,
            f"{name}: first line": said.split("\n")[0],
            f"{name}: tests": named,
        }

    def optimized(self, *arguments: str, way: Way | None = None) -> dict[str, Any]:
        """Run the main job and return what it left."""
        ran = self.pytest(*(arguments or OPTIMIZE), way=way)
        return {"optimize: exit code": ran.code, **self.left()}

    def left(self) -> dict[str, Any]:
        """Return what the newest run has accepted, what it says of each candidate, and its patch."""
        runs = sorted((self.folder / ".fapo" / "runs").glob("*/"))
        if not runs:
            return {"optimize": "left no run"}
        run = runs[-1]
        summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
        told = {f"optimize: candidate {line.split()[0]}": line for line in summary["candidates"]}
        patch = run / "changes.patch"
        return {
            "optimize: runs": len(runs),
            "optimize: splits": summary["splits"],
            "optimize: stop": summary["stop"],
            "optimize: held-out looks": summary["holdout_looks"],
            "optimize: patch": patch.read_text(encoding="utf-8") if patch.is_file() else "",
            **told,
        }


OPTIMIZE = ("--fapo-optimize", "--fapo-write=patch", "--fapo-max-candidates=3")
RESUME = ("--fapo-resume", *OPTIMIZE[1:])


def available(way: Way) -> bool:
    """True where the plugins of the way are installed."""
    return all(importlib.util.find_spec(name.partition(".")[0]) is not None for name in way.plugins)


def part_of(way: Way, verdicts: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """Return those of the plain run's verdicts of which the way tells."""
    return {name: found for name, found in verdicts.items() if way.part == "all" or "-1" in name}


def interrupt(project: Project, seconds: float) -> bool:
    """Start the main job and kill it with all its children after this time; False where it had ended."""
    runs = project.folder / ".fapo" / "runs"
    arguments = RESUME if any(runs.glob("*/journal.jsonl")) else OPTIMIZE
    with project.started(*arguments) as process:
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        return process.poll() is None
