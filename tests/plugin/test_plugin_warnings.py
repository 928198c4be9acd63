"""Every command under warnings as errors: nothing of ours is left open, and no exit code is changed by it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.teams import LIGHT_APP, PYPROJECT, Project, Server, make_project, serving, teams_cases

STRICT = PYPROJECT.replace(
    'pythonpath = ["."]', 'pythonpath = ["."]\nfilterwarnings = ["error"]\naddopts = "-W error -p no:asyncio"'
)
ASYNC_APP = """
import os
from pathlib import Path
import httpx

PROMPT = (Path(__file__).parent / "prompts" / "sort.md").read_text(encoding="utf-8")

async def sort(ticket):
    message = {"role": "user", "content": PROMPT.format(ticket=ticket)}
    async with httpx.AsyncClient(base_url=os.environ["OPENAI_BASE_URL"], timeout=60) as client:
        answer = await client.post("/chat/completions", json={"model": "task", "messages": [message]})
    return answer.raise_for_status().json()["choices"][0]["message"]["content"]

async def handle(ticket):
    return {"team": await sort(ticket), "ticket": ticket}
"""
SUSPICIOUS = re.compile(r"\w*Warning\b|unraisable|Traceback|Exception ignored|never awaited|unclosed", re.I)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(Server()) as running:
        yield running


def strict_project(root: Path, server: Server, app: str = LIGHT_APP) -> Project:
    root.mkdir()
    cases = "\n".join(json.dumps(case) for case in teams_cases(12))
    files = {"pyproject.toml": STRICT, "app/pipeline.py": app, "cases.jsonl": cases}
    return make_project(root, server, files)


def quiet(project: Project, *arguments: str) -> int:
    """The exit code, of a session that has said nothing of a warning."""
    done = project.pytest(*arguments)
    found = SUSPICIOUS.search(done.text)
    assert found is None, done.text[max(0, found.start() - 500) : found.end() + 1500]
    return done.code


@pytest.mark.slow
def test_no_command_leaves_anything_open(tmp_path: Path, server: Server) -> None:
    project = strict_project(tmp_path / "project", server)
    assert quiet(project, "--tb=no", "-n", "2", "--fapo-max-calls=5") == 1
    assert quiet(project, "--fapo-diagnose") == 1
    assert quiet(project, "--fapo-update-baseline") == 0
    outputs = ("--junitxml=out.xml", "--fapo-report=out.html", "--fapo-summary=out.md")
    assert quiet(project, "--fapo-gate", "--fapo-code-quality=out.json", *outputs) == 0
    assert quiet(project, "--fapo-optimize", "--fapo-write=ask") == 1
    assert quiet(project, "--fapo-review") == 1
    assert quiet(project, "--fapo-optimize") == 0
    assert quiet(project, "--fapo-cache=only") == 0


@pytest.mark.slow
@pytest.mark.parametrize("command", ["--fapo-gate", "--fapo-optimize"])
def test_an_event_loop_of_ours_is_closed(command: str, tmp_path: Path, server: Server) -> None:
    project = strict_project(tmp_path / "project", server, ASYNC_APP)
    assert quiet(project, "--fapo-update-baseline") == 0
    assert quiet(project, command) == 0


COMMANDS = ["runs", "show -v last", "diff last", "diff last c1", "undo last", "apply last"]
COMMANDS += ["cache stats", "cache export --all", "cache clear -y", "cache import fapo-cache.json"]


@pytest.mark.slow
def test_an_interpreter_that_minds_everything_runs_and_serves_the_command_line(
    tmp_path: Path, server: Server
) -> None:
    """`-X dev` and PYTHONWARNINGS hold outside of tests too, and in the processes of candidates."""
    project = strict_project(tmp_path / "project", server)
    project.env = {"PYTHONWARNINGS": "error", "PYTHONDEVMODE": "1"}
    assert quiet(project, "--fapo-optimize") == 0
    for command in COMMANDS:
        done = subprocess.run(
            [sys.executable, "-m", "pytest_fapo", *command.split()],
            cwd=project.root,
            env=project.environment(),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        assert not done.stderr, (command, done.stderr)


def test_a_session_that_is_cut_off_leaves_nothing_open(tmp_path: Path, server: Server) -> None:
    """Runs are still under way when the session ends: on the event loop, and at a limit of calls."""
    project = strict_project(tmp_path / "project", server, ASYNC_APP)
    assert quiet(project, "-x", "--tb=no", "--fapo-max-calls=3") == 1
