"""A project without models whose accuracy hangs on one text file, for the tests of baseline and gate."""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.ready_pytest import Finished, plugin_path, run_pytest

RULES = "paid=billing\nbroken=warranty\nlate=delivery\n"
WORDS = ("paid", "broken", "late", "lost")
TEAMS = {"paid": "billing", "broken": "warranty", "late": "delivery", "lost": "delivery"}
SPLITS = ("train", "val", "holdout")

APP = """
from pathlib import Path

RULES = Path(__file__).with_name("rules.md").read_text(encoding="utf-8")

def look_up(word):
    pairs = dict(line.split("=") for line in RULES.splitlines() if line)
    return pairs.get(word, "unknown")

def handle(text):
    return {"team": look_up(text.split()[0]), "text": text}
"""

CONFTEST = """
import pytest
import app

@pytest.fixture(scope="session")
def pipeline():
    return app.handle
"""

TEST = """
import pytest_fapo as fapo

@fapo.cases("cases.jsonl")
def test_team(case, run):
    run.score("brevity", 1.0 / len(run.output["text"]))
    assert run.output["team"] == case.expected

def test_plain():
    assert True
"""

PYPROJECT = """
[tool.pytest.ini_options]
pythonpath = ["."]
[tool.fapo]
steps = ["app:*"]
snapshots = ""
[tool.fapo.scope]
prompts = ["*.md"]
"""


@dataclass
class GatedProject:
    """The project on disk, and pytest runs in it."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8", newline="")

    def pytest(self, *arguments: str, cwd: str = ".") -> Finished:
        dropped = {"CI", "PYTEST_ADDOPTS", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"}
        environment = {name: value for name, value in os.environ.items() if name not in dropped}
        return run_pytest(
            ["-q", *arguments],
            cwd=self.root / cwd,
            environment={**environment, **plugin_path(), "COLUMNS": "120", **self.env},
            timeout=60,
        )

    def update(self, *arguments: str) -> Finished:
        return self.pytest("--fapo-update-baseline", *arguments)

    def gate(self, *arguments: str) -> Finished:
        return self.pytest("--fapo-gate", *arguments)

    @property
    def baseline(self) -> Path:
        return self.root / "fapo-baseline.json"

    def results(self) -> dict[str, str]:
        """Case id to result, of the one test."""
        document = json.loads(self.baseline.read_text(encoding="utf-8"))
        cases = document["pipelines"]["pipeline"]["cases"]
        return {
            case_id: next(iter(case["items"].values()))
            for split in cases.values()
            for case_id, case in split.items()
        }


def gated_cases(count: int = 12) -> list[dict[str, Any]]:
    """Every fourth fails: no rule names its word."""
    return [
        {
            "id": f"c{number:02}",
            "inputs": {"text": f"{WORDS[number % 4]} order {number}"},
            "expected": TEAMS[WORDS[number % 4]],
            "split": SPLITS[number // 4 % 3],
            "tags": [WORDS[number % 4]],
        }
        for number in range(count)
    ]


def gated_project(root: Path, files: Mapping[str, str] | None = None) -> GatedProject:
    """Write the project into `root`, with `files` in place of or beside its own."""
    project = GatedProject(root)
    project.write(
        {
            "pyproject.toml": PYPROJECT,
            "app.py": APP,
            "conftest.py": CONFTEST,
            "rules.md": RULES,
            "cases.jsonl": "\n".join(json.dumps(case) for case in gated_cases()),
            "test_team.py": TEST,
            **(files or {}),
        }
    )
    return project
