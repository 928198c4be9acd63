"""The example project: its tickets, its stand-in model, and pytest runs in a copy of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from support.ready_pytest import plugin_path
from support.ready_pytest import run_pytest as ready_pytest

REPOSITORY = Path(__file__).parents[2]
EXAMPLE = REPOSITORY / "example_project"
WORDINGS = REPOSITORY / "tests" / "example" / "prompts"
SPLITS = ("train", "val", "holdout")
_DROPPED = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_BASE_URL", "CI", "PYTEST_ADDOPTS")


@lru_cache(maxsize=1)
def tickets() -> list[dict[str, Any]]:
    lines = (EXAMPLE / "cases" / "tickets.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def module(name: str) -> Any:
    """A module of the example, as `desk.orders`."""
    if str(EXAMPLE) not in sys.path:
        sys.path.insert(0, str(EXAMPLE))
    return import_module(name)


def copy_example(folder: Path, *, wording: str | None = None) -> Path:
    """A copy of the example in `folder`, with the prompts of one of the people in `tests/example/prompts`."""
    ignored = shutil.ignore_patterns(".fapo", "__pycache__", ".pytest_cache", "*.pyc")
    copy = Path(shutil.copytree(EXAMPLE, folder, ignore=ignored))
    _put_back_shipped_texts(copy)
    if wording:
        shutil.copytree(WORDINGS / wording, copy / "desk" / "prompts", dirs_exist_ok=True)
    return copy


def _put_back_shipped_texts(copy: Path) -> None:
    """In a clone where the example was tried its prompts are tuned by now; the tests want the shipped."""
    if not (EXAMPLE / ".fapo").exists():
        return
    for path in [*(copy / "desk" / "prompts").glob("*.md"), copy / "desk" / "texts.py"]:
        name = f"HEAD:example_project/{path.relative_to(copy).as_posix()}"
        shipped = subprocess.run(["git", "show", name], cwd=REPOSITORY, capture_output=True, check=False)
        if shipped.returncode == 0:
            path.write_bytes(shipped.stdout)


@dataclass(frozen=True)
class Outcome:
    """The result of pytest on a copy of the example."""

    passed: Mapping[str, bool]
    """By `test[id]`, without the file."""
    output: str
    exit_code: int

    def rate(self, split: str) -> float:
        """Share of the passing items on the tickets of a split."""
        mine = {ticket["id"] for ticket in tickets() if ticket["split"] == split}
        verdicts = [good for name, good in self.passed.items() if name.rpartition("[")[2].rstrip("]") in mine]
        return sum(verdicts) / len(verdicts)

    def broken_since(self, before: Outcome) -> set[str]:
        return {name for name, good in before.passed.items() if good and not self.passed[name]}


def run_pytest(copy: Path, *arguments: str) -> Outcome:
    """Run pytest in a copy of the example, with no key, and as if not under CI."""
    environment = {name: value for name, value in os.environ.items() if name not in _DROPPED}
    environment |= plugin_path()
    report = copy.parent / f"{copy.name}.xml"
    done = ready_pytest(
        ["-q", "-p", "no:cacheprovider", f"--junitxml={report}", *arguments],
        cwd=copy,
        environment=environment,
        timeout=600,
    )
    passed = {
        str(case.get("name")): case.find("failure") is None and case.find("error") is None
        for case in (ET.parse(report).iter("testcase") if report.exists() else ())
    }
    return Outcome(passed, done.text, done.code)


def unit_tests_pass(outcome: Outcome) -> None:
    """Assert that what has nothing to do with tickets passes."""
    unit = {test: good for test, good in outcome.passed.items() if "[KD-" not in test}
    assert len(unit) >= 30
    assert all(unit.values()), [test for test, good in unit.items() if not good]
