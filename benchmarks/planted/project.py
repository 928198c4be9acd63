"""A pipeline on disk, and pytest run in it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_DROPPED = ("CI", "GITHUB_ACTIONS", "PYTEST_ADDOPTS", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "PYTHONPATH")
_REPOSITORY = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Ran:
    """The result of a pytest run."""

    code: int
    output: str

    @property
    def counts(self) -> dict[str, int]:
        """pytest's own totals: passed, failed, …"""
        return {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error)", self.output)}


@dataclass
class Project:
    """A folder with a whole project.

    Args:
        root: its folder; made by `write`.
        url: where its models answer, without `/v1`.
    """

    root: Path
    url: str
    env: dict[str, str] = field(default_factory=dict)

    def write(self, files: Mapping[str, str], cases: Sequence[Mapping[str, Any]]) -> Project:
        """Make the folder: files, and the cases beside the tests."""
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        lines = "".join(json.dumps(case) + "\n" for case in cases)
        (self.root / "tests" / "cases.jsonl").write_text(lines, encoding="utf-8")
        return self

    def configure(self, **values: Any) -> Project:
        """Set keys of `[tool.fapo]`."""
        path = self.root / "pyproject.toml"
        text = path.read_text(encoding="utf-8")
        for name, value in values.items():
            text = re.sub(rf"(?m)^{name} = .*\n", "", text)
            text = text.replace("[tool.fapo]\n", f"[tool.fapo]\n{name} = {json.dumps(value)}\n")
        path.write_text(text, encoding="utf-8")
        return self

    def sources(self) -> dict[str, str]:
        """The project's own files, without tests, by path."""
        found = {}
        for path in sorted(self.root.glob("app/**/*")) + sorted(self.root.glob("*.yaml")):
            if path.is_file() and "__pycache__" not in path.parts:
                found[path.relative_to(self.root).as_posix()] = path.read_text(encoding="utf-8")
        return found

    def pytest(self, *arguments: str, timeout: float = 300) -> Ran:
        """Run pytest in the folder, as its user would."""
        try:
            done = subprocess.run(
                self.command(*arguments),
                cwd=self.root,
                env=self.environment(),
                capture_output=True,
                text=True,
                timeout=timeout,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            return Ran(-1, f"pytest did not end within {timeout:.0f} s")
        return Ran(done.returncode, done.stderr + done.stdout)  # the summary comes last

    def command(self, *arguments: str) -> list[str]:
        """Return the command that starts pytest."""
        return [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *_plugin(), *arguments]

    def environment(self) -> dict[str, str]:
        """Variables of that process."""
        kept = {name: value for name, value in os.environ.items() if name not in _DROPPED}
        return {
            **kept,
            "OPENAI_BASE_URL": f"{self.url}/v1",
            "ANTHROPIC_BASE_URL": self.url,
            "OPENAI_API_KEY": "sk-test-1234567890",
            "ANTHROPIC_API_KEY": "sk-ant-test-1234567890",
            "PYTHONPATH": str(_REPOSITORY),
            "COLUMNS": "200",
            **self.env,
        }


def _plugin() -> list[str]:
    """An installed plugin loads by itself."""
    from importlib.metadata import entry_points

    installed = any(point.name == "fapo" for point in entry_points(group="pytest11"))
    return [] if installed else ["-p", "pytest_fapo.plugin"]
