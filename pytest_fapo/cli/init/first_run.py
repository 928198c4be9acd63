"""The first run of the tests that `fapo init` has written: a few cases of each, and what came of them.

In the child it is a plugin of pytest, named with `-p`; in the command it starts that child.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import Field, JsonValue

from pytest_fapo.cli.init.pipeline_choice import OutputForm
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.record import Record
from pytest_fapo.core.stash import SESSION_KEY
from pytest_fapo.core.trace import Step
from pytest_fapo.diagnosis.request_samples import SentRequests, sample_requests

MOST_CASES = 10
"""Cases of each test that are run."""

_PATIENCE = 120.0

_REPORT = "FAPO_FIRST_RUN"


class FirstOutcome(Record):
    """The outcome of one test on its first cases."""

    passed: int = 0
    total: int = 0
    outputs: list[JsonValue] = Field(default_factory=list)
    output_type: str = ""
    """Class of the outputs, where they are objects."""
    explanation: str = ""
    """pytest's words on the first case that did not pass."""

    def form(self) -> OutputForm:
        """Return the form that all outputs have."""
        texts = self.outputs and all(isinstance(each, str) for each in self.outputs)
        if texts and not self.output_type:  # an object without fields is recorded as a text, and is none
            return OutputForm("text")
        tables = [each for each in self.outputs if isinstance(each, dict)]
        if tables and len(tables) == len(self.outputs):
            names = tuple(dict.fromkeys(name for each in tables for name in each))
            return OutputForm("fields" if self.output_type else "keys", names)
        numbers = [isinstance(each, int | float) for each in self.outputs]
        return OutputForm("number") if numbers and all(numbers) else OutputForm()


class FirstRun(Record):
    """All that the first run has shown."""

    tests: dict[str, FirstOutcome] = Field(default_factory=dict)
    """By the name of the test function."""
    sent: SentRequests = Field(default_factory=SentRequests)
    problem: str = ""
    """pytest's words where it did not come to run the tests."""


def run_first_cases(root: Path, test: str, *, collect_only: bool = False) -> FirstRun:
    """Let pytest run the first cases of the new tests.

    Args:
        root: the project.
        test: path of the module of tests.
        collect_only: only see whether pytest takes them.
    """
    words = ["-q", "--tb=no", "--maxfail=0", "-p", "no:cacheprovider", "-p", __name__, test]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        environment = {**os.environ, "NO_COLOR": "1", _REPORT: str(report)}
        environment.pop("FORCE_COLOR", None)
        try:
            done = subprocess.run(
                [sys.executable, "-m", "pytest", *words, *(["--collect-only"] if collect_only else [])],
                cwd=root,
                env=environment,
                timeout=_PATIENCE,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
            )
        except subprocess.TimeoutExpired:
            return FirstRun(problem=f"it took longer than {_PATIENCE:.0f} seconds")
        if done.returncode not in (0, 1) or not report.is_file():
            return FirstRun(problem="\n".join((done.stdout + done.stderr).strip().splitlines()[-15:]))
        return FirstRun.model_validate_json(report.read_bytes())


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the first cases of each test."""
    seen: Counter[str] = Counter()
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        name = getattr(item, "originalname", item.name)
        seen[name] += 1
        (kept if seen[name] <= MOST_CASES else left).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Note what came of them, in the process that has all results."""
    config = session.config
    if hasattr(config, "workerinput"):
        return
    used = config.stash.get(SESSION_KEY, None)
    evaluation = used.evaluation() if used is not None else Evaluation()
    elsewhere = config.pluginmanager.hasplugin("dsession")  # under xdist the workers import the project
    report = _report(evaluation, None if elsewhere or used is None else used.folder)
    Path(os.environ[_REPORT]).write_text(report.model_dump_json(), encoding="utf-8")


def _report(evaluation: Evaluation, folder: Path | None) -> FirstRun:
    tests: dict[str, FirstOutcome] = {}
    for item in evaluation.items.values():
        outcome = tests.setdefault(item.test.rpartition("::")[2], FirstOutcome())
        outcome.total += 1
        outcome.passed += item.passed
        trace = evaluation.traces.get(item.trace_id or "")
        if trace is not None and trace.error is None:
            outcome.outputs.append(trace.output)
            whole = [step for step in trace.steps if step.parent is None and step.output == trace.output]
            outcome.output_type = whole[0].output_type if whole and not _is_mapping(whole[0]) else ""
        if not item.passed and not outcome.explanation:
            outcome.explanation = item.explanation or item.error_type
    return FirstRun(tests=tests, sent=sample_requests(evaluation, folder))


def _is_mapping(step: Step) -> bool:
    """True if the output of a step is read by keys, whatever its class or the class of what it holds."""
    module, _, name = step.output_type.partition(":")
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and issubclass(kind, Mapping)
