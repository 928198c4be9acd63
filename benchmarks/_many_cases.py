"""pytest over many cases, plain and with the plugin: the same pipeline, client and assertion, no network."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks._gate_speed import _SMALL_PARENT
from benchmarks.planted.project import Project

_FILES = {
    "pyproject.toml": """\
[tool.pytest.ini_options]
pythonpath = ["."]

[tool.fapo]
steps = ["app:sort", "app:reply", "app:work"]
""",
    "conftest.py": """\
import app
import pytest


@pytest.fixture(scope="session")
def pipeline():
    return app.answer


@pytest.fixture(scope="session")
def long_pipeline():
    return app.five_steps
""",
    "app.py": """\
from benchmarks._own_cost import URL, canned_client

client = canned_client()


def ask(prompt, message):
    messages = [{"role": "system", "content": prompt * 4}, {"role": "user", "content": message}]
    body = {"model": "task", "messages": messages, "temperature": 0}
    return client.post(URL, json=body).json()["choices"][0]["message"]["content"]


def sort(message):
    return ask("Sort this message of a customer into one topic. Answer with the topic only. ", message)


def reply(message, topic):
    return ask("Write a short reply to this message of a customer. Be polite and exact. ", message)


def answer(message):
    topic = sort(message)
    return {"topic": topic, "reply": reply(message, topic)}


def work(number, text):
    return f"{text} {number}"


def five_steps(message):
    for number in range(5):
        work(number, message)
    return {"topic": "billing"}
""",
    "tests/test_plain.py": """\
import json
from pathlib import Path

import app
import pytest

CASES = [json.loads(line) for line in Path(__file__).with_name("cases.jsonl").open()]


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_topic(case):
    assert app.answer(**case["inputs"])["topic"] == case["expected"]["topic"]
""",
    "tests/test_long_plain.py": """\
import json
from pathlib import Path

import app
import pytest

CASES = [json.loads(line) for line in Path(__file__).with_name("cases.jsonl").open()]


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_topic(case):
    assert app.five_steps(**case["inputs"])["topic"] == case["expected"]["topic"]
""",
    "tests/test_cached.py": """\
import pytest_fapo as fapo


@fapo.cases("cases.jsonl")
def test_topic(case, run):
    assert run.output["topic"] == case.expected["topic"]
""",
    "tests/test_long.py": """\
import pytest_fapo as fapo


@fapo.cases("cases.jsonl", pipeline="long_pipeline")
def test_topic(case, run):
    assert run.output["topic"] == case.expected["topic"]
""",
}


@dataclass(frozen=True)
class Used:
    """What one run of pytest took."""

    seconds: float
    """Of processor time, of the process and those that it has started."""
    megabytes: float
    """The most that the process had resident at once."""


class ManyCases:
    """A project with so many cases.

    Args:
        folder: where it is made.
        cases: how many.
    """

    def __init__(self, folder: Path, cases: int) -> None:
        self.cases = cases
        self._project = Project(folder, "http://unused.invalid").write(_FILES, list(map(_case, range(cases))))

    def plain(self, name: str = "test_plain") -> Used:
        """pytest alone, with the pipeline called by its tests: two calls, or five steps."""
        return self._run(f"tests/{name}.py", "-p", "no:fapo")

    def cached(self) -> Used:
        """Each case's two calls are answered from the cache, and its two steps traced."""
        return self._run("tests/test_cached.py", "--fapo-cache=auto")

    def long(self, *arguments: str) -> Used:
        """Five steps a case and no call."""
        return self._run("tests/test_long.py", *arguments)

    def _run(self, *arguments: str) -> Used:
        command = self._project.command(*arguments)
        if "no:fapo" in arguments:  # where the plugin is not installed it is named
            command = [word for word in command if word != "pytest_fapo.plugin"]
        ended = subprocess.run(
            [sys.executable, "-c", _SMALL_PARENT, *command],
            cwd=self._project.root,
            env=self._project.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        )
        code, processor, resident = json.loads(ended.stdout)
        if code != 0 or f"{self.cases} passed" not in ended.stderr:
            raise RuntimeError(f"pytest ended with {code}:\n{ended.stderr[-3000:]}")
        return Used(processor, resident / (1024 if sys.platform == "linux" else 1024 * 1024))


def _case(number: int) -> dict[str, object]:
    return {
        "id": f"S-{number}",
        "inputs": {"message": f"{'My bill is wrong and nobody answers the telephone. ' * 2}#{number}"},
        "expected": {"topic": "billing"},
        "split": ("train", "val", "train", "holdout")[number % 4],
    }
