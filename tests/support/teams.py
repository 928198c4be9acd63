"""A small project that sorts tickets into teams with the real OpenAI SDK, and the server that it asks.

The project is written as a stranger would write it. The server plays both models: the pipeline's, which does
what its prompt says and no more, and the optimizer's, which a test scripts.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from support.ready_pytest import run_pytest

from benchmarks.loopback import LoopbackHandler, listening
from pytest_fapo.loop.run_folder import RunFolder

BAD_PROMPT = "You sort tickets for a shop.\nTicket: {ticket}\nWhich team?\n"
GOOD_PROMPT = (
    "You sort tickets for a shop.\nTicket: {ticket}\nWhich team? "
    "Reply with one lower-case word out of billing, shipping, other and with nothing else.\n"
)
ADDRESS = "app/prompts/sort.md"

WORDS = {"money": "billing", "invoice": "billing", "parcel": "shipping", "courier": "shipping"}
TEXTS = ["my money is gone", "where is the parcel", "wrong invoice", "the courier was rude", "hello"]


def right_team(text: str) -> str:
    return next((team for word, team in WORDS.items() if word in text), "other")


def obedient(prompt: str) -> str:
    """The pipeline's model: right about the team, chatty unless the prompt forbids it."""
    team = right_team(re.sub(r"(?s)Reply with.*", "", prompt))
    return team if "nothing else" in prompt else f"I think this is for {team.title()}."


Task = Callable[[str], str]
Optimizer = Callable[[dict[str, Any]], Any]


def proposal(text: str, address: str = ADDRESS, **more: Any) -> dict[str, Any]:
    """An optimizer's answer: one edit."""
    return {"hypothesis": "it must answer plainly", "edits": [{"address": address, "text": text}], **more}


def _asked_for(body: dict[str, Any]) -> list[str]:
    """The keys of the structured answer that is asked for."""
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema", {})
    return list(schema.get("properties", {}))


@dataclass
class Server:
    """Answers `/chat/completions`; counts what it was asked."""

    task: Task = obedient
    optimizer: Optimizer = lambda body: proposal(GOOD_PROMPT)
    delay: float = 0.0
    status: Callable[[int], int] = lambda number: 200
    """HTTP status of the n-th task request, from 1."""
    task_requests: list[dict[str, Any]] = field(default_factory=list)
    optimizer_requests: list[dict[str, Any]] = field(default_factory=list)
    reviewer: Optimizer = lambda body: {"problems": []}
    review_requests: list[dict[str, Any]] = field(default_factory=list)
    reader_requests: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    def answer(self, body: dict[str, Any]) -> tuple[int, str]:
        asked = _asked_for(body)
        if body["model"] == "opt" and "problems" in asked:
            self.review_requests.append(body)
            return 200, json.dumps(self.reviewer(body))
        if body["model"] == "opt" and "edits" not in asked and "proposals" not in asked:
            self.reader_requests.append(body)
            return 200, json.dumps({name: [] for name in asked})
        if body["model"] == "opt":
            self.optimizer_requests.append(body)
            content = self.optimizer(body)
            return 200, content if isinstance(content, str) else json.dumps(content)
        self.task_requests.append(body)
        number = len(self.task_requests)
        if self.delay:
            time.sleep(self.delay)
        return self.status(number), self.task(str(body["messages"][-1]["content"]))


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Serve on a free port of 127.0.0.1."""

    class Handler(LoopbackHandler):
        def do_POST(self) -> None:
            body = self.json_body()
            status, content = server.answer(body)
            if status == 200:
                message = {"role": "assistant", "content": content}
                self.send_json(
                    200,
                    {
                        "id": "x",
                        "object": "chat.completion",
                        "created": 1,
                        "model": body["model"],
                        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
                        "usage": {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13},
                    },
                )
            else:
                self.send_json(status, {"error": {"message": "no"}})

    with listening(Handler) as url:
        server.url = f"{url}/v1"
        yield server


APP = """
import os
from pathlib import Path
from openai import OpenAI

PROMPT = (Path(__file__).parent / "prompts" / "sort.md").read_text(encoding="utf-8")
client = OpenAI()

def sort(ticket):
    answer = client.chat.completions.create(
        model="task", messages=[{"role": "user", "content": PROMPT.format(ticket=ticket)}]
    )
    return answer.choices[0].message.content

def handle(ticket):
    return {"team": sort(ticket), "ticket": ticket}
"""
"""As most would write it."""

LIGHT_APP = """
import os
from pathlib import Path
import httpx

PROMPT = (Path(__file__).parent / "prompts" / "sort.md").read_text(encoding="utf-8")
client = httpx.Client(base_url=os.environ["OPENAI_BASE_URL"], timeout=60)

def sort(ticket):
    message = {"role": "user", "content": PROMPT.format(ticket=ticket)}
    answer = client.post("/chat/completions", json={"model": "task", "messages": [message]})
    return answer.raise_for_status().json()["choices"][0]["message"]["content"]

def handle(ticket):
    return {"team": sort(ticket), "ticket": ticket}
"""
"""The same with a bare client: each of a run's processes starts half a second sooner."""

TEST = """
import json
from pathlib import Path
import pytest_fapo as fapo
from app.pipeline import PROMPT

@fapo.cases("cases.jsonl")
def test_team(case, run):
    assert run.output["team"] == case.expected["team"]

def test_prompt_is_short():
    assert len(PROMPT) < 400
"""

PYPROJECT = """
[tool.pytest.ini_options]
pythonpath = ["."]
[tool.fapo]
steps = ["app.pipeline:*"]
optimizer = ["openai:opt"]
prune_calls = 0
parallel = 1
[tool.fapo.scope]
prompts = ["app/prompts/*.md"]
"""


SIDE_BY_SIDE = PYPROJECT.replace("parallel = 1\n", "")


def teams_cases(count: int = 30) -> list[dict[str, Any]]:
    """Every text in several wordings; half train, a quarter each val and holdout."""
    splits = ("train", "val", "train", "holdout")
    return [
        {
            "id": f"T-{number:03}",
            "inputs": {"ticket": f"{TEXTS[number % 5]} (order {number * 37 + 1000})"},
            "expected": {"team": right_team(TEXTS[number % 5])},
            "split": splits[(number // 5 + number) % 4],
        }
        for number in range(count)
    ]


@dataclass
class Project:
    """The project on disk, and pytest runs in it."""

    root: Path
    server: Server
    env: dict[str, str] = field(default_factory=dict)

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8", newline="")

    @property
    def prompt(self) -> str:
        return (self.root / ADDRESS).read_text(encoding="utf-8")

    def snapshot(self) -> dict[str, bytes]:
        """Every file of the user's, by relative path."""
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and not {".fapo", "__pycache__", ".pytest_cache", ".git"} & set(path.parts)
        }

    def environment(self) -> dict[str, str]:
        dropped = {"CI", "ANTHROPIC_API_KEY", "PYTEST_ADDOPTS", "GITHUB_ACTIONS"}
        environment = {name: value for name, value in os.environ.items() if name not in dropped}
        return {
            **environment,
            "OPENAI_BASE_URL": self.server.url,
            "OPENAI_API_KEY": "sk-test-1234567890",
            "COLUMNS": "120",
            **self.env,
        }

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]

    def pytest(self, *arguments: str, timeout: float = 90, cwd: str = ".") -> Result:
        done = run_pytest(
            self.command(*arguments)[3:],
            cwd=self.root / cwd,
            environment=self.environment(),
            timeout=timeout,
        )
        return Result(done.code, done.text)

    def optimize(self, *arguments: str, **more: Any) -> Result:
        return self.pytest("--fapo-optimize", *arguments, **more)

    @property
    def run_directory(self) -> Path:
        return max((self.root / ".fapo" / "runs").iterdir())

    def journal(self) -> list[dict[str, Any]]:
        """The newest run's events; a line that a kill has torn is passed over, as a resumed run does."""
        return [event.model_dump(mode="json") for event in RunFolder(self.run_directory).journal.read()]


@dataclass(frozen=True)
class Result:
    code: int
    text: str


def make_project(root: Path, server: Server, files: Mapping[str, str] | None = None) -> Project:
    """Write the project into `root`, with `files` in place of or beside its own."""
    project = Project(root, server)
    cases = "\n".join(json.dumps(case) for case in teams_cases())
    conftest = """
    import pytest
    @pytest.fixture(scope="session")
    def pipeline():
        from app.pipeline import handle
        return handle
    """
    project.write(
        {
            "pyproject.toml": PYPROJECT,
            "conftest.py": conftest,
            "app/__init__.py": "",
            "app/pipeline.py": LIGHT_APP,
            ADDRESS: BAD_PROMPT,
            "cases.jsonl": cases,
            "test_teams.py": TEST,
            **(files or {}),
        }
    )
    return project


def heed_ctrl_c() -> None:
    """For a child process: a shell that runs the tests in the background has it ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class MakeProject(Protocol):
    """The fixture `project`: makes the project, with some files replaced."""

    def __call__(self, files: Mapping[str, str] | None = None) -> Project: ...
