"""What a provider says to one caller (`retry-after`) holds for all: nobody else is sent away meanwhile."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from support.gated_project import GatedProject, gated_cases

from benchmarks.loopback import LoopbackHandler, listening

SECONDS = 2
ANSWER = {
    "id": "a",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "billing"}}
    ],
}
APP = """
import httpx

def ask(text):
    return {{"model": "m", "messages": [{{"role": "user", "content": text}}]}}

def answer(text):
    with httpx.Client() as client:
        found = client.post("{url}/v1/chat/completions", json=ask(text))
    return found.raise_for_status().json()["choices"][0]["message"]["content"]

async def answer_async(text):
    async with httpx.AsyncClient() as client:
        found = await client.post("{url}/v1/chat/completions", json=ask(text))
    return found.raise_for_status().json()["choices"][0]["message"]["content"]
"""


@pytest.mark.slow
@pytest.mark.parametrize("function", ["answer", "answer_async"])
def test_one_call_is_sent_away_and_the_others_wait(tmp_path: Path, function: str) -> None:
    sent_away: list[float] = []
    answered: list[float] = []

    class Busy(LoopbackHandler):
        def do_POST(self) -> None:
            self.content()
            now = time.monotonic()
            if answered and (not sent_away or now < sent_away[0] + SECONDS):
                sent_away.append(now)
                self.send_response(429)
                self.send_header("retry-after", str(SECONDS))
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")
                self.wfile.flush()
                return
            answered.append(now)
            self.send_json(200, ANSWER)

    with listening(Busy) as url:
        project = GatedProject(tmp_path)
        project.write(
            {
                "app.py": APP.format(url=url),
                "conftest.py": f"import app, pytest\n\n@pytest.fixture(scope='session')\n"
                f"def pipeline():\n    return app.{function}\n",
                "test_it.py": "import pytest_fapo as fapo\n\n@fapo.cases('cases.jsonl')\n"
                "def test_it(case, run):\n    assert run.output == 'billing'\n",
                "cases.jsonl": "".join(json.dumps(case) + "\n" for case in gated_cases(9)),
                "pyproject.toml": "[tool.pytest.ini_options]\npythonpath = ['.']\n[tool.fapo]\n",
            }
        )
        done = project.pytest("--fapo-concurrency=1")
    assert "1 failed, 8 passed" in done.text, done.text
    assert (len(sent_away), len(answered)) == (1, 8)
