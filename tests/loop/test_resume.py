"""Ctrl-C, kill -9 at any moment, and resuming."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time

import pytest
from support.teams import (
    ADDRESS,
    BAD_PROMPT,
    GOOD_PROMPT,
    LIGHT_APP,
    SIDE_BY_SIDE,
    MakeProject,
    Project,
    Server,
    heed_ctrl_c,
    proposal,
    teams_cases,
)

from benchmarks.kills import left_in

WORSE = [BAD_PROMPT + f"Be quick, variant {number}.\n" for number in range(1)]


def stubborn(server: Server) -> None:
    """An optimizer that needs two attempts, the same ones in every run."""

    def optimizer(body: dict[str, object]) -> object:
        text = str(body["messages"])
        for worse in WORSE:
            if worse.strip().splitlines()[-1] not in text:
                return proposal(worse)
        return proposal(GOOD_PROMPT)

    server.optimizer = optimizer


def start(made: Project, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        made.command("--fapo-optimize", *arguments),
        cwd=made.root,
        env=made.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        preexec_fn=heed_ctrl_c,
    )


@pytest.mark.slow
def test_ctrl_c_stops_cleanly_with_the_summary(project: MakeProject, server: Server) -> None:
    stubborn(server)
    made = project()
    assert made.pytest().code == 1
    server.delay = 0.3
    process = start(made, "--fapo-concurrency=2")
    deadline = time.monotonic() + 30
    while not server.optimizer_requests and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.0)
    os.kill(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 2, output
    assert "Traceback" not in output
    assert "--fapo-resume" in output
    assert made.prompt == BAD_PROMPT
    server.delay = 0.0
    result = made.pytest("--fapo-resume")
    assert result.code == 0, result.text
    assert made.prompt == GOOD_PROMPT


@pytest.mark.slow
@pytest.mark.parametrize("parts", [(0, 2, 4), (1, 3, 5)], ids=str)
def test_killed_at_random_moments(project: MakeProject, server: Server, parts: tuple[int, ...]) -> None:
    """The files are whole after each kill, the end is the same, and no request is paid twice.

    One moment in each sixth of a run.
    """
    made = project(
        {
            "app/pipeline.py": LIGHT_APP,
            "pyproject.toml": SIDE_BY_SIDE.replace("openai:opt", "playbook"),
            "cases.jsonl": "\n".join(json.dumps(case) for case in teams_cases(12)),
        }
    )
    begin = time.monotonic()
    process = start(made)
    output, _ = process.communicate(timeout=90)
    assert process.returncode == 0, output
    length, good, requests = time.monotonic() - begin, made.prompt, len(server.task_requests)
    moments = random.Random(parts[0])
    for part in parts:
        shutil.rmtree(made.root / ".fapo")
        (made.root / ADDRESS).write_text(BAD_PROMPT)
        server.task_requests.clear()
        process = start(made)
        time.sleep(0.2 + (length - 0.2) * (part + moments.random()) / 6)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert made.prompt in (BAD_PROMPT, good)
        result = made.pytest("--fapo-resume")
        if "--fapo-resume: " in result.text:  # killed before the run began, or after its end
            result = made.optimize()
        assert result.code == 0, result.text
        assert made.prompt == good != BAD_PROMPT
        # Only what was under way is asked again: at most one request per case of two candidates.
        assert len(server.task_requests) <= requests + 24


KILLER = """
import os, signal
import pytest
from pytest_fapo.loop.journal import Journal

_write, _left = Journal._append, [int(os.environ.get("KILL_AT", "0"))]

def _append(self, entry):
    _left[0] -= 1
    if _left[0] == 0 and os.environ["KILL_WHEN"] == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    _write(self, entry)
    if _left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)

Journal._append = _append

@pytest.fixture(scope="session")
def pipeline():
    from app.pipeline import handle
    return handle
"""


@pytest.mark.slow
@pytest.mark.parametrize("step", [3])
def test_killed_again_and_again_at_writes_of_the_journal(
    project: MakeProject, server: Server, step: int
) -> None:
    """Each session is killed at its third new event, just before it is written or just after."""
    made = project(
        {
            "app/pipeline.py": LIGHT_APP,
            "pyproject.toml": SIDE_BY_SIDE.replace("openai:opt", "playbook"),
            "cases.jsonl": "\n".join(json.dumps(case) for case in teams_cases(12)),
            "conftest.py": KILLER,
        }
    )
    assert made.optimize(timeout=240).code == 0
    expected = left_in(made.root, ADDRESS)
    shutil.rmtree(made.root / ".fapo")
    (made.root / ADDRESS).write_text(BAD_PROMPT)
    command, killed = "--fapo-optimize", 0
    while True:
        made.env |= {"KILL_AT": str(step), "KILL_WHEN": "before" if killed % 2 else "after"}
        process = subprocess.Popen(
            made.command(command),
            cwd=made.root,
            env=made.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        output, _ = process.communicate(timeout=180)
        if process.returncode != -signal.SIGKILL:
            break
        command, killed = "--fapo-resume", killed + 1
    assert process.returncode == 0, output
    assert killed > len(expected["journal"]) // (step + 1)
    assert left_in(made.root, ADDRESS) == expected


@pytest.mark.slow
def test_resume_repeats_no_paid_call(project: MakeProject, server: Server) -> None:
    stubborn(server)
    made = project()
    process = start(made)
    while len(server.optimizer_requests) < 2 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    time.sleep(1.5)  # the child of the killed run ends by itself
    asked = [str(body["messages"]) for body in server.task_requests]
    result = made.pytest("--fapo-resume")
    assert result.code == 0, result.text
    again = [str(body["messages"]) for body in server.task_requests[len(asked) :]]
    assert len(set(again) & set(asked)) <= 16
    assert sum(event["event"] == "judged" for event in made.journal()) == 2


def test_nothing_to_resume_is_said(project: MakeProject) -> None:
    result = project().pytest("--fapo-resume")
    assert result.code == 4
    assert "--fapo-resume: the newest run finished, or there is none" in result.text


@pytest.mark.slow
def test_resume_refuses_other_prompts(project: MakeProject, server: Server) -> None:
    made = project()
    process = start(made)
    while not server.optimizer_requests and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (made.root / ADDRESS).write_text(BAD_PROMPT + "New.\n")
    result = made.pytest("--fapo-resume")
    assert result.code == 4
    assert f"{ADDRESS} changed since the run" in result.text
