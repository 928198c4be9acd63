"""The teams project with a provider that can fail: every kind of fault at once, a case for each."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from support import llm_shapes as shapes
from support.llm_server import Answer, LLMServer, Received
from support.provider_faults import FAULTS, Fault
from support.teams import (
    GOOD_PROMPT,
    LIGHT_APP,
    PYPROJECT,
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
