"""A small desk that sorts tickets, whose functions, prompts and parameters reviews are asked about."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from support.review_project import SPLITS

from pytest_fapo.core.candidate import Candidate, Edit, Review
from pytest_fapo.core.case import Case
from pytest_fapo.core.record import LEVELS
from pytest_fapo.core.scope import Scope
from pytest_fapo.core.settings import Settings
from pytest_fapo.review.static_review import review
from pytest_fapo.source.artifact_store import ArtifactStore

PIPELINE = '''import json
import os
from pathlib import Path

from openai import OpenAI

from app.retrieval import search

PROMPTS = Path(__file__).parent / "prompts"
TEAMS = ("billing", "shipping", "account", "refund")
client = OpenAI()


def prompt(name: str) -> str:
    return (PROMPTS / f"{name}.md").read_text(encoding="utf-8")


def ask(text: str, *, temperature: float = 0.0) -> str:
    answer = client.chat.completions.create(
        model=os.environ["MODEL"],
        messages=[{"role": "user", "content": text}],
        temperature=temperature,
    )
    return answer.choices[0].message.content or ""


def sort(ticket: str, k: int = 3) -> dict[str, str]:
    """Which team."""
    raw = ask(prompt("sort").format(ticket=ticket))
    return {"team": raw.strip().lower()}


async def asort(ticket: str) -> str:
    return (await aask(ticket)).strip()


async def aask(text: str) -> str:
    return text


class Desk:
    def __init__(self) -> None:
        self.seen = []

    def handle(self, ticket: str) -> str:
        return sort(ticket)["team"]
'''
SORT = "Sort: {ticket}\n"
SKILL = "---\nname: desk\ndescription: sorts tickets\nallowed-tools: [search]\n---\nSort the ticket.\n"
FILES = {
    "app/__init__.py": "",
    "app/pipeline.py": PIPELINE,
    "app/retrieval.py": "def search(query, k=3):\n    return []\n",
    "app/other.py": "X = 1\n",
    "app/prompts/sort.md": SORT,
    "skills/desk/SKILL.md": SKILL,
    "app/settings.py": "TOP_K = 3\nMODEL = 'small'\n",
    "cases/tickets.jsonl": "{}\n",
    "tests/test_desk.py": "def test_desk():\n    pass\n",
    "conftest.py": "\n",
}
SCOPE = Scope(
    prompts=["app/prompts/*.md", "skills/*/SKILL.md"],
    params=["app/settings.py::TOP_K = 1..20", "app/settings.py::MODEL = small | large"],
    structure=["app/pipeline.py"],
)
TICKETS = [
    ("billing", "I was charged twice for my Pro subscription in March, please look into it"),
    ("billing", "Why does the invoice KD-55310 show a VAT rate of 19 percent for Norway?"),
    ("billing", "My direct debit bounced and now there is a fee of 12 euros on top"),
    ("shipping", "The parcel with my espresso machine has been stuck in Rotterdam since Tuesday"),
    ("shipping", "Courier left the package with a neighbour named Kowalski who is on holiday"),
    ("shipping", "Can I still change the delivery address to my office in Lyon?"),
    ("account", "I cannot log in after the password reset, the link says expired"),
    ("account", "Please delete my profile and everything stored under mara.lind@example.org"),
    ("account", "Two-factor codes never reach my new phone number, what now"),
    ("refund", "The blender broke after two days and I would like my money back"),
    ("refund", "You promised a refund for the cancelled cooking class in Graz, nothing came"),
    ("refund", "How long until the money for the returned saucepan is on my card?"),
]
CASES = [
    Case(
        id=f"tk-{100 + number}",
        inputs={"ticket": text},
        expected={"team": team},
        split=SPLITS[number % 3],
        origin=f"cases/tickets.jsonl:{number + 1}",
    )
    for number, (team, text) in enumerate(TICKETS)
]


def new(address: str, text: str) -> Edit:
    """An edit that creates something."""
    return Edit(address=address, before="", after=textwrap.dedent(text).lstrip("\n"))


def sorting(body: str, imports: str = "") -> str:
    """The function `sort` with another body."""
    head = "def sort(ticket: str, k: int = 3) -> dict[str, str]:\n"
    lines = textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")
    return f"{imports}\n\n\n{head}{lines}\n" if imports else f"{head}{lines}\n"


class DeskCode:
    """The project on disk."""

    def __init__(self, root: Path, cases: Sequence[Case] = CASES) -> None:
        for path, text in FILES.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        self.cases = cases
        self.store = ArtifactStore(root, SCOPE)

    def edit(self, address: str, after: str) -> Edit:
        """An edit of what stands there, or a new function."""
        known = {artifact.address for artifact in self.store.all()}
        before = self.store.get(address).text if address in known else ""
        return Edit(address=address, before=before, after=after)

    def review(
        self, *edits: Edit, level: Any = "structure", settings: Settings | None = None, **more: Any
    ) -> Review:
        """The review of one candidate."""
        fields = {"hypothesis": "h", "proposer": "p", "technique": "t", **more}
        candidate = Candidate(edits=list(edits), level=level, **fields)
        return review(
            candidate,
            store=self.store,
            cases=self.cases,
            settings=settings or Settings(),
            levels=LEVELS,
        )

    def function(self, name: str, source: str, *others: Edit, **more: Any) -> Review:
        """The review of a function's new source."""
        text = textwrap.dedent(source).lstrip("\n")
        return self.review(self.edit(f"app/pipeline.py::{name}", text), *others, **more)

    def sort(self, body: str, *others: Edit, imports: str = "", **more: Any) -> Review:
        """The review of a new body of `sort`."""
        return self.function("sort", sorting(body, imports), *others, **more)
