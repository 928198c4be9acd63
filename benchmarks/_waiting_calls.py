"""Cases whose calls wait for a slow model: the session, beside the bare client and plain pytest."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.loopback import LoopbackHandler, listening
from benchmarks.planted.project import Project

LATENCY, AT_ONCE = 0.02, 32

_ANSWER = json.dumps(
    {
        "id": "a",
        "object": "chat.completion",
        "created": 1,
        "model": "task",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "billing"}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 20, "completion_tokens": 1, "total_tokens": 21},
    }
).encode()

_PIPELINE = """\
import os

import httpx

URL = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
LIMITS = httpx.Limits(max_connections=64, max_keepalive_connections=64)


def body(text):
    return {"model": "task", "messages": [{"role": "user", "content": text}]}


def label(answer):
    return answer.json()["choices"][0]["message"]["content"]


client = httpx.Client(limits=LIMITS)
async_client = httpx.AsyncClient(limits=LIMITS)


def answer(message):
    first = label(client.post(URL, json=body("sort " + message)))
    return label(client.post(URL, json=body(first + message)))


async def answer_async(message):
    first = label(await async_client.post(URL, json=body("sort " + message)))
    return label(await async_client.post(URL, json=body(first + message)))
"""

_BARE = """\
import asyncio, sys, time
from concurrent.futures import ThreadPoolExecutor
from app import pipeline

kind, cases, at_once = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
messages = [f"message {number}" for number in range(cases)]


async def all_of_them():
    limit = asyncio.Semaphore(at_once)

    async def one(message):
        async with limit:
            return await pipeline.answer_async(message)

    return await asyncio.gather(*map(one, messages))


if kind == "threads":
    with ThreadPoolExecutor(at_once) as pool:
        answers = list(pool.map(pipeline.answer, messages))
else:
    answers = asyncio.run(all_of_them())
assert answers == ["billing"] * cases
"""

_FILES = {
    "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["."]\n\n[tool.fapo]\nconcurrency = 32\n',
    "app/__init__.py": "",
    "app/pipeline.py": _PIPELINE,
    "bare.py": _BARE,
    "conftest.py": """\
import os
import pytest
from app import pipeline as pipelines


@pytest.fixture(scope="session")
def pipeline():
    return pipelines.answer if os.environ["KIND"] == "threads" else pipelines.answer_async
""",
    "tests/test_answer.py": """\
import pytest_fapo as fapo


@fapo.cases("cases.jsonl")
def test_topic(case, run):
    assert run.output == case.expected
""",
    "plain/test_plain.py": """\
import pytest


@pytest.mark.parametrize("number", range({cases}))
def test_topic(number):
    assert number >= 0
""",
}


@dataclass(frozen=True)
class Waited:
    """Seconds by the clock, the faster of two runs each."""

    bare: float
    plain: float
    session: float

    @property
    def ratio(self) -> float:
        return self.session / (self.bare + self.plain)


class _Handler(LoopbackHandler):
    """A model that takes its time."""

    def do_POST(self) -> None:
        self.content()
        time.sleep(LATENCY)
        self.send(200, _ANSWER)


class WaitingCalls:
    """A project of cases with two calls each.

    Args:
        folder: where it is made.
        cases: how many.
    """

    def __init__(self, folder: Path, cases: int) -> None:
        self._folder, self._cases = folder, cases

    def measured(self, kind: str) -> Waited:
        """Measure with sync clients in threads (`threads`) or with async ones (`asyncio`).

        Raises:
            RuntimeError: a run did not end as it must.
        """
        with listening(_Handler) as url:
            project = Project(self._folder / kind, url, env={"KIND": kind})
            files = {**_FILES, "plain/test_plain.py": _FILES["plain/test_plain.py"].format(cases=self._cases)}
            project.write(files, [_case(number) for number in range(self._cases)])
            bare = [sys.executable, "bare.py", kind, str(self._cases), str(AT_ONCE)]
            plain = project.command("plain", "-p", "no:fapo")
            session = project.command("tests", "--fapo-cache=refresh")
            commands = (bare, plain, session)
            found = [min(_seconds(project, command) for _ in range(2)) for command in commands]
        return Waited(*found)


def _case(number: int) -> dict[str, object]:
    return {"id": f"W-{number}", "inputs": {"message": f"message {number}"}, "expected": "billing"}


def _seconds(project: Project, command: list[str]) -> float:
    begin = time.perf_counter()
    done = subprocess.run(
        command, cwd=project.root, env=project.environment(), capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(
            f"{command[1:3]} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-2000:]}"
        )
    return time.perf_counter() - begin
