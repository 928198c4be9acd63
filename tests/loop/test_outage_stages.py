"""Every kind of provider fault at every stage: no verdict changes, nothing is recorded, the advice is true.

Each test plants all faults at once, one in each case of a split, and then lets the provider recover.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pytest
from support import llm_shapes as shapes
from support.left_patch import scripted
from support.llm_server import Answer, LLMServer, Received, failed
from support.provider_faults import FAULTS, Fault
from support.teams import (
    ADDRESS,
    BAD_PROMPT,
    GOOD_PROMPT,
    LIGHT_APP,
    PYPROJECT,
    TEST,
    Project,
    Server,
    make_project,
    obedient,
    proposal,
    right_team,
)

SPLITS = ("train", "val", "holdout")
TEXTS = ("my money is gone", "where is the parcel", "hello")
NAMES = tuple(FAULTS)
HANGS = 4.0
"""Seconds for which the fault `hang` says nothing; the project's client waits for half of it."""

APP = LIGHT_APP.replace("timeout=60", "timeout=float(os.environ.get('PATIENCE', '2'))")

STREAMING_APP = """
import os
from pathlib import Path
from openai import OpenAI

PROMPT = (Path(__file__).parent / "prompts" / "sort.md").read_text(encoding="utf-8")
client = OpenAI(max_retries=0, timeout=float(os.environ.get("PATIENCE", "2")))

def sort(ticket):
    stream = client.chat.completions.create(
        model="task", messages=[{"role": "user", "content": PROMPT.format(ticket=ticket)}], stream=True
    )
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)

def handle(ticket):
    return {"team": sort(ticket), "ticket": ticket}
"""

FALLBACK_APP = (
    APP
    + """
def handle(ticket):
    try:
        return {"team": sort(ticket), "ticket": ticket}
    except Exception:
        return {"team": "other", "ticket": ticket}
"""
)
"""It answers without its model where that does not answer."""


def cases() -> list[dict[str, Any]]:
    """A case of each split for every fault; its number stands in its text."""
    return [
        {
            "id": f"{split}-{number:02}",
            "inputs": {"ticket": f"{TEXTS[number % 3]} ({split} {number})"},
            "expected": {"team": right_team(TEXTS[number % 3])},
            "split": split,
        }
        for split in SPLITS
        for number in range(len(NAMES))
    ]


Planted = Callable[[str, str], bool]
"""True if a question (its text, its split) meets its fault."""


class Provider:
    """Plays both models; `planted` says which questions of the pipeline fail, each in its case's own way."""

    def __init__(self) -> None:
        self.planted: Planted = lambda text, split: False
        self.optimizer: Callable[[], Answer] = lambda: _chat(json.dumps(proposal(GOOD_PROMPT)))
        self.failed: list[str] = []
        """The faults that were met."""
        self.answered: list[str] = []
        """The questions of the pipeline that were answered."""

    def respond(self, request: Received) -> Answer:
        body = request.body
        if body["model"] == "opt":
            return self.optimizer()
        text = str(body["messages"][-1]["content"])
        number = re.search(r"\((train|val|holdout) (\d+)\)", text)
        if number is not None and self.planted(text, number[1]):
            name = NAMES[int(number[2])]
            self.failed.append(name)
            return self.fault(name).reply(body)
        self.answered.append(text)
        if body.get("stream"):
            return Answer(chunks=shapes.chat_stream(obedient(text)))
        return _chat(obedient(text))

    def fault(self, name: str) -> Fault:
        found = FAULTS[name]
        if name != "hang":
            return found
        return replace(found, answer=replace(found.answer, delay=HANGS))

    def heal(self) -> None:
        self.planted = lambda text, split: False
        self.failed.clear()


def _chat(text: str) -> Answer:
    return Answer(body=shapes.chat(text))


@contextmanager
def outage_project(
    root: Path, prompt: str, files: Mapping[str, str] | None = None
) -> Iterator[tuple[Project, Provider]]:
    """The project with its server running.

    Args:
        root: an empty folder.
        prompt: what the pipeline asks.
        files: in place of or beside its own.
    """
    provider = Provider()
    with LLMServer(provider.respond) as server:
        made = make_project(
            root,
            Server(url=server.base_url),
            {
                "pyproject.toml": PYPROJECT.replace("parallel = 1", 'parallel = 1\nsnapshots = ""'),
                "app/pipeline.py": APP,
                "app/prompts/sort.md": prompt,
                "cases.jsonl": "\n".join(json.dumps(case) for case in cases()),
                **(files or {}),
            },
        )
        yield made, provider


ALL = f"{len(NAMES)} cases got no answer from the model ("
REASONS = {fault.reason for fault in FAULTS.values()}
NEVER = ("inert", "nothing left", "rejected, ", "no change of", "Traceback", "accuracy fell")


class Make(Protocol):
    def __call__(self, prompt: str, **files: str) -> tuple[Project, Provider]: ...


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with ExitStack() as stack:

        def made(prompt: str, **files: str) -> tuple[Project, Provider]:
            root = tmp_path / "project"
            root.mkdir()
            named = {"app/pipeline.py": files.get("app", APP), "test_teams.py": files.get("test", TEST)}
            return stack.enter_context(outage_project(root, prompt, named))

        yield made


def _baseline(project: Project) -> bytes:
    return (project.root / "fapo-baseline.json").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("app", [APP, STREAMING_APP, FALLBACK_APP], ids=["plain", "stream", "fallback"])
def test_a_baseline_is_refused_and_the_old_one_stays(app: str, make: Make) -> None:
    project, provider = make(GOOD_PROMPT, app=app)
    provider.planted = lambda text, split: split == "train"
    done = project.pytest("--fapo-update-baseline")
    assert done.code == 11, done.text
    assert ALL in done.text
    assert all(reason in done.text for reason in REASONS - {"HTTP 200 without an answer"})
    assert "run again when it answers" in done.text
    assert not (project.root / "fapo-baseline.json").exists()

    provider.heal()
    assert project.pytest("--fapo-update-baseline").code == 0
    first = _baseline(project)
    assert b"failed" not in first

    provider.planted = lambda text, split: split == "val"
    again = project.pytest("--fapo-update-baseline", "--fapo-cache=refresh")
    assert again.code == 11, again.text
    assert _baseline(project) == first


@pytest.mark.slow
@pytest.mark.parametrize("app", [APP, FALLBACK_APP], ids=["plain", "fallback"])
def test_the_gate_does_not_judge_and_blames_no_prompt(app: str, make: Make) -> None:
    project, provider = make(GOOD_PROMPT, app=app)
    assert project.pytest("--fapo-update-baseline").code == 0
    project.write({ADDRESS: GOOD_PROMPT + "Be kind.\n"})
    provider.planted = lambda text, split: split == "holdout"
    done = project.pytest("--fapo-gate", "--fapo-code-quality=quality.json")
    assert done.code == 11, done.text
    said = done.text.partition("accuracy could not be judged")[2]
    assert ALL in said
    assert "run again" in said
    assert ADDRESS not in said
    assert ADDRESS not in (project.root / "quality.json").read_text()
    assert not any(word in done.text for word in NEVER)

    provider.heal()
    assert project.pytest("--fapo-gate").code == 0


@pytest.mark.slow
def test_a_judge_without_an_answer_gives_no_verdict(make: Make) -> None:
    judging = TEST.replace(
        '    assert run.output["team"] == case.expected["team"]',
        """    from app.pipeline import client
    question = {"role": "user", "content": f"Judge. Reply with nothing else ({case.split} {case.id[-2:]})"}
    client.post("/chat/completions", json={"model": "judge", "messages": [question]})
    assert run.output["team"] == case.expected["team"]""",
    )
    project, provider = make(GOOD_PROMPT, test=judging)
    provider.planted = lambda text, split: text.startswith("Judge") and split == "val"
    done = project.pytest("--fapo-update-baseline")
    assert done.code == 11, done.text
    assert ALL in done.text
    provider.heal()
    assert project.pytest("--fapo-update-baseline").code == 0


# --- the loop -----------------------------------------------------------------------------------------------


def _stopped(project: Project, said: str = ALL) -> None:
    before = project.snapshot()
    done = project.optimize()
    assert done.code == 1, done.text
    assert "no verdict without answers" in done.text
    assert said in done.text
    assert "pytest --fapo-resume" in done.text
    assert not any(word in done.text for word in NEVER)
    assert project.snapshot() == before
    events = [event["event"] for event in project.journal()]
    assert "judged" not in events
    assert "finished" not in events


def _resumed(project: Project, provider: Provider) -> None:
    provider.heal()
    done = project.pytest("--fapo-resume")
    assert done.code == 0, done.text
    assert project.prompt == GOOD_PROMPT
    assert "train 0 % → 100 %" in done.text


def _candidate(text: str) -> bool:
    return "nothing else" in text


@pytest.mark.slow
def test_the_session_s_own_results_and_the_copy_s(make: Make) -> None:
    project, provider = make(BAD_PROMPT)
    provider.planted = lambda text, split: split == "train"
    _stopped(project)
    _resumed(project, provider)


@pytest.mark.slow
def test_a_candidate_stays_open(make: Make) -> None:
    project, provider = make(BAD_PROMPT)
    provider.planted = lambda text, split: _candidate(text) and split == "train"
    _stopped(project)
    assert [event["event"] for event in project.journal()].count("proposed") == 1
    _resumed(project, provider)


@pytest.mark.slow
def test_a_second_sample_that_is_not_answered_decides_nothing(make: Make) -> None:
    project, provider = make(BAD_PROMPT)
    provider.planted = lambda text, split: split == "train" and text in provider.answered
    _stopped(project, said="cases got no answer from the model (")
    _resumed(project, provider)


@pytest.mark.slow
def test_a_proof_that_is_not_answered_proves_nothing(make: Make) -> None:
    project, provider = make(BAD_PROMPT)
    provider.planted = lambda text, split: _candidate(text) and split == "holdout"
    _stopped(project)
    _resumed(project, provider)


@pytest.mark.slow
def test_what_got_no_answer_is_asked_again_and_then_judged(make: Make) -> None:
    project, provider = make(BAD_PROMPT)
    asked: set[str] = set()

    def once(text: str, split: str) -> bool:
        first = _candidate(text) and split == "val" and text not in asked
        asked.add(text)
        return first

    provider.planted = once
    done = project.optimize()
    assert done.code == 0, done.text
    assert "asking again" in done.text
    assert project.prompt == GOOD_PROMPT
    assert set(provider.failed) == set(NAMES)


@pytest.mark.parametrize(("status", "words"), [(401, "Incorrect API key"), (404, "no such model task")])
def test_a_rejected_key_or_model_stops_at_once(status: int, words: str, make: Make) -> None:
    project, provider = make(BAD_PROMPT)
    refused = failed(status, message=words)
    asked = 0

    def optimizer() -> Answer:
        nonlocal asked
        asked += 1
        return refused

    provider.optimizer = optimizer
    project.write({"app/pipeline.py": APP.replace('"task"', '"opt"')})  # both models are refused
    done = project.optimize()
    assert done.code == 1, done.text
    assert 8 <= asked <= 36
    assert f"{asked} cases got no answer from the model (HTTP {status} x{asked}): {words}" in done.text
    assert asked == 36 or f"{36 - asked} tests not run: no call of the first cases was answered" in done.text
    assert "check the key" in done.text
    assert "tests still fail" not in done.text


@pytest.mark.slow
def test_a_prompt_that_is_too_long_for_the_model_is_the_candidate_s_own_fault(make: Make) -> None:
    project, provider = make(BAD_PROMPT)
    words = "This model's maximum context length is 8192 tokens"
    provider.planted = lambda text, split: _candidate(text)
    provider.fault = lambda name: Fault("", failed(400, message=words))  # type: ignore[method-assign]
    done = project.optimize()
    assert done.code == 1, done.text
    assert "no verdict without answers" not in done.text
    assert "got no answer" not in done.text
    (judged,) = [event["attempt"] for event in project.journal() if event["event"] == "judged"]
    assert not judged["verdict"]["accepted"]
    assert "12 of 12 ended in httpx.HTTPStatusError: Client error '400 Bad Request'" in done.text, done.text


@pytest.mark.slow
@pytest.mark.parametrize("status", [500, 401])
def test_an_optimizer_without_an_answer_is_said_to_be_that(status: int, make: Make) -> None:
    project, provider = make(BAD_PROMPT)
    answer = failed(status, message="the big model is away", retry_after=0.01)
    healthy, provider.optimizer = provider.optimizer, lambda: answer
    done = project.optimize()
    assert done.code == 1, done.text
    assert "the optimizer's model did not answer" in done.text
    assert "the big model is away" in done.text
    assert "nothing left" not in done.text
    provider.optimizer = healthy
    _resumed(project, provider)


def test_a_diagnosis_finds_nothing_but_the_outage(make: Make) -> None:
    project, provider = make(BAD_PROMPT)
    provider.planted = lambda text, split: split == "train"
    done = project.pytest("--fapo-diagnose")
    assert f"{ALL}" in done.text
    assert "prompt" not in done.text.partition("there is nothing to diagnose")[2]


@pytest.mark.slow
def test_a_run_s_results_name_the_outage(make: Make) -> None:
    project, provider = make(GOOD_PROMPT)
    provider.planted = lambda text, split: split == "val"
    done = project.pytest("-q")
    assert f"fapo: {ALL}" in done.text
    assert "train 100 % of 12, holdout 100 % of 12" in done.text
    assert json.loads((project.root / "cases.jsonl").read_text().splitlines()[0])["id"] == "train-00"


@pytest.mark.slow
def test_a_review_whose_proof_is_not_answered_writes_nothing(make: Make) -> None:
    project, provider = make(BAD_PROMPT)
    assert project.optimize("--fapo-write=patch").code == 1
    shutil.rmtree(project.root / ".fapo" / "cache")
    provider.planted = lambda text, split: _candidate(text) and split == "holdout"
    done = scripted(project, "y\n")
    assert done.code == 1, done.text
    assert "could not be proven" in done.text
    assert ALL in done.text
    assert project.prompt == BAD_PROMPT
    provider.heal()
    done = scripted(project, "y\n")
    assert done.code == 0, done.text
    assert project.prompt == GOOD_PROMPT
