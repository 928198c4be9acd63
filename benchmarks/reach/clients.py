"""Figure: the clients whose calls are captured, and replayed without a request."""

from __future__ import annotations

import re
import tempfile
import textwrap
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.loopback import LoopbackHandler, listening
from benchmarks.planted.project import Project, Ran
from benchmarks.planted.table import Figure, share
from benchmarks.reach.client_table import CLIENTS, Client
from benchmarks.reach.provider_table import PROVIDERS

_QUIET = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "AWS_EC2_METADATA_DISABLED": "true"}
"""Keeps the libraries from asking for anything else."""

QUESTIONS = ("Where is my refund?", "Where is my package?")

_FILES = {
    "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["."]\ntestpaths = ["tests"]\n[tool.fapo]\n',
    "app/__init__.py": "",
    "tests/conftest.py": """
import pytest

@pytest.fixture(scope="session")
def pipeline():
    from app.client import answer
    return answer
""",
    "tests/test_answer.py": """
import pytest_fapo as fapo

@fapo.cases("cases.jsonl", split="train")
def test_answer(case, run):
    with open("outputs.txt", "a") as file:
        print(case.id, repr(run.output), file=file)
    assert run.output
""",
}


def installed(package: str) -> bool:
    """True if the package can be imported; an empty name always can."""
    try:
        return not package or find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def client_figure(rows: tuple[Client, ...] = CLIENTS + PROVIDERS) -> Figure:
    """Ask with each client once for real, and once with `--fapo-cache=only`."""
    counted = [row for row in rows if installed(row.package)]
    missed = []
    for row in counted:
        with tempfile.TemporaryDirectory() as folder:
            if problem := problem_of(row, Path(folder)):
                missed.append(f"{row.name}: {problem}")
    absent = [
        f"{row.name}: not counted, {row.package} is not installed" for row in rows if row not in counted
    ]
    return Figure(
        "clients captured, and replayed with 0 requests",
        "all that are installed",
        share(len(counted) - len(missed), len(counted)),
        not missed,
        notes=[*missed, *absent],
    )


def problem_of(row: Client, folder: Path) -> str:
    """Return what goes wrong with a client; empty where nothing does."""
    requests: list[str] = []

    class Handler(LoopbackHandler):
        def do_POST(self) -> None:
            path = urlsplit(self.path).path
            requests.append(path)
            answer: Any = row.wire(path, self.content())
            self.send(200, answer if isinstance(answer, bytes) else b"".join(answer), kind=row.kind)

    with listening(Handler) as url:
        files = {**_FILES, "app/client.py": textwrap.dedent(row.code)}
        cases = [{"id": f"q{number}", "inputs": text} for number, text in enumerate(QUESTIONS)]
        project = Project(folder, url, env={"LLM_URL": url, **_QUIET, "OPENAI_API_BASE": f"{url}/v1"}).write(
            files, cases
        )
        live, asked = project.pytest(), len(requests)
        replayed = project.pytest("--fapo-cache=only")
    outputs = (folder / "outputs.txt").read_text().splitlines() if live.code == 0 else []
    if live.code:
        return f"the test fails: {_last(live)}"
    if asked != len(QUESTIONS):
        return f"{asked} requests for {len(QUESTIONS)} questions"
    if _calls(live) != asked:
        return f"{asked} requests, of which {_calls(live)} are captured"
    if replayed.code:
        return f"the replay fails: {_last(replayed)}"
    if len(requests) != asked:
        return f"the replay sends {len(requests) - asked} requests"
    if outputs[: len(QUESTIONS)] != outputs[len(QUESTIONS) :]:
        return "the replay gives another answer"
    return ""


def _calls(ran: Ran) -> int:
    found = re.search(r"(\d+) calls?, ", ran.output)
    return int(found[1]) if found else 0


def _last(ran: Ran) -> str:
    lines = [line for line in ran.output.splitlines() if line.startswith(("E ", "ERROR", "FAILED"))]
    return " ".join((lines or ran.output.splitlines() or [""])[0].split())[:200]
