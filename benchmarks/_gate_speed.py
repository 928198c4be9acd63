"""`pytest --fapo-gate` over many cached cases: a real project, the real SDK, a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.planted.project import Project
from benchmarks.planted.server import Server, serving
from benchmarks.planted.talk import Ask, Say

CASES = 1_000
_NAME = "speed"
_FILES = {
    "pyproject.toml": """\
[tool.pytest.ini_options]
pythonpath = ["."]

[tool.fapo]
steps = ["app.pipeline:*"]

[tool.fapo.scope]
prompts = ["app/prompts/*.md"]
""",
    "conftest.py": """\
import pytest
from app.pipeline import answer


@pytest.fixture(scope="session")
def pipeline():
    return answer
""",
    "app/__init__.py": "",
    "app/prompts/sort.md": "Sort this message of a customer into one topic. Answer with the topic only.\n",
    "app/prompts/draft.md": "Write a short reply to this message of a customer. Be polite and exact.\n",
    "app/prompts/check.md": "Read this reply of ours and correct what is wrong or impolite in it.\n",
    "app/pipeline.py": """\
from pathlib import Path

from openai import OpenAI

PROMPTS = {path.stem: path.read_text() for path in (Path(__file__).parent / "prompts").glob("*.md")}
client = OpenAI()


def ask(prompt, text):
    messages = [{"role": "system", "content": PROMPTS[prompt]}, {"role": "user", "content": text}]
    return client.chat.completions.create(model="task", messages=messages).choices[0].message.content


def sort(message):
    return ask("sort", message)


def draft(message, topic):
    return ask("draft", f"{topic}: {message}")


def check(reply):
    return ask("check", reply)


def answer(message):
    topic = sort(message)
    return {"topic": topic, "reply": check(draft(message, topic))}
""",
    "tests/test_answer.py": """\
import pytest_fapo as fapo


@fapo.cases("cases.jsonl")
def test_topic(case, run):
    assert run.output["topic"] == case.expected["topic"]
""",
}


_BARE = """\
import json

from openai import OpenAI

from app import pipeline

try:
    import httpx2 as http
except ImportError:
    import httpx as http

answer = {
    "id": "a", "object": "chat.completion", "created": 1, "model": "task",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "billing"}, "finish_reason": "stop"}
    ],
}
transport = http.MockTransport(lambda request: http.Response(200, json=answer))
pipeline.client = OpenAI(http_client=http.Client(transport=transport))
for line in open("tests/cases.jsonl"):
    pipeline.answer(**json.loads(line)["inputs"])
"""
"""The same calls by the SDK alone: no test, no plugin, no network."""

RECORDED = ("--fapo-gate", "--fapo-cache=only", "--tb=no")

_SMALL_PARENT = """\
import json, os, sys
output = [(os.POSIX_SPAWN_DUP2, 2, 1)]
process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=output)
_, status, used = os.wait4(process, 0)
print(json.dumps([os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss]))
"""
"""Starts the gate and measures it. Linux counts as a process's memory also what its parent had when it was
started, so the parent must not be this one."""


@dataclass(frozen=True)
class Gated:
    """One run of the gate."""

    seconds: float
    processor: float
    """Seconds of processor time: on a busy machine less than those that passed."""
    megabytes: float
    """The most that was resident at once."""


class CachedGate:
    """A project whose answers and baseline are recorded, and the gate run in it from the cache alone.

    Args:
        folder: where it is made.
        server: answers while it is recorded, and sees that nobody asks later.
        cases: how many.

    Raises:
        RuntimeError: recording did not end as it must.
    """

    def __init__(self, folder: Path, server: Server, cases: int) -> None:
        self._server, self._cases = server, cases
        server.models[_NAME] = _answer
        self.project = Project(folder, server.url(_NAME))
        self.project.write(_FILES, [_case(number) for number in range(cases)])
        recorded = self.project.pytest("--fapo-update-baseline", timeout=600)
        if recorded.code not in (0, 1) or server.calls[_NAME] != 3 * cases:
            raise RuntimeError(f"recording {cases} cases failed:\n{recorded.output[-3000:]}")

    def bare(self) -> Gated:
        """Make the calls of all cases by the SDK alone, in one process."""
        return self._measured([sys.executable, "-c", _BARE])[0]

    def whole(self, *options: str) -> Gated:
        """Run all cases in one session."""
        found, said = self._measured(self.project.command(*RECORDED, *options))
        self._check(f"0 calls, {3 * self._cases:,} from the cache" in said, said)
        return found

    def sharded(self, number: int) -> tuple[list[Gated], Gated]:
        """Run all cases in so many shards, one after the other, and join them."""
        shards = []
        for one in range(1, number + 1):
            found, said = self._measured(self.project.command(*RECORDED, f"--fapo-shard={one}/{number}"))
            self._check("nothing is judged yet" in said, said)
            shards.append(found)
        files = [f"fapo-shard-{one}-of-{number}.json.gz" for one in range(1, number + 1)]
        joined, said = self._measured([sys.executable, "-m", "pytest_fapo", "gate", "join", *files])
        self._check("no regressions against fapo-baseline.json" in said, said)
        return shards, joined

    def _measured(self, command: list[str]) -> tuple[Gated, str]:
        """Run a command of the project in a process of its own; give what it took and said."""
        begin = time.perf_counter()
        with (self.project.root / "output.txt").open("wb") as output:
            ended = subprocess.run(
                [sys.executable, "-c", _SMALL_PARENT, *command],
                cwd=self.project.root,
                env=self.project.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=output,
                check=True,
            )
        seconds = time.perf_counter() - begin
        code, processor, resident = json.loads(ended.stdout)
        said = (self.project.root / "output.txt").read_text(errors="replace")
        self._check(code == 0, f"the gate ended with {code}:\n{said}")
        megabytes = resident / (1024 if sys.platform == "linux" else 1024 * 1024)
        return Gated(seconds, processor, megabytes), said

    def _check(self, right: bool, said: str) -> None:
        if not right or self._server.calls[_NAME] != 3 * self._cases:
            raise RuntimeError(f"the gate did not end as it must:\n{said[-3000:]}")


def gated(folder: Path, *, cases: int = CASES, rounds: int = 3) -> list[Gated]:
    """Record the answers and the baseline once, then run the gate from the cache alone.

    Raises:
        RuntimeError: a run did not end as it must.
    """
    with serving() as server:
        gate = CachedGate(folder, server, cases)
        return [gate.whole() for _ in range(rounds)]


def _answer(ask: Ask) -> Say:
    """Right about nine topics of ten; replies of a usual length."""
    if ask.text.startswith("Sort"):
        number = int(ask.text.rpartition("#")[2])
        return Say("billing" if number % 10 else "other")
    return Say(f"Dear customer, {'thank you for writing to us. ' * 8}{ask.text[-200:]}")


def _case(number: int) -> dict[str, object]:
    return {
        "id": f"S-{number}",
        "inputs": {"message": f"{'My bill is wrong and nobody answers the telephone. ' * 4}#{number}"},
        "expected": {"topic": "billing"},
        "split": ("train", "val", "train", "holdout")[number % 4],
    }
