"""Projects as the documentation of frameworks writes them, with a prompt that lacks what the model needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

ASKED = """
def ask(system: str, ticket: str) -> str:
    from openai import OpenAI

    turns = [{"role": "system", "content": system}, {"role": "user", "content": f"<ticket>{ticket}</ticket>"}]
    return OpenAI().chat.completions.create(model="m", messages=turns).choices[0].message.content
"""


class Framework(NamedTuple):
    """One project. Its `app/pipeline.py` defines `answer(message)`, which gives `{"team": …}`."""

    name: str
    package: str
    """The module that must be importable for the row to count; empty for none."""
    files: Mapping[str, str]
    """The application's own files by path."""
    prompts: tuple[str, ...]
    """The scope's entries."""


FRAMEWORKS: tuple[Framework, ...] = (
    Framework(
        "prompts in JSON",
        "openai",
        {
            "app/prompts.json": '{"triage": {"system": "Sort the ticket into one of the teams billing, '
            'shipping, technical. Answer with the team only."}}\n',
            "app/pipeline.py": f"""
import json
from pathlib import Path

PROMPTS = json.loads((Path(__file__).parent / "prompts.json").read_text())
{ASKED}

def answer(message: str) -> dict:
    return {{"team": ask(PROMPTS["triage"]["system"], message)}}
""",
        },
        ("app/prompts.json",),
    ),
    Framework(
        "agents in YAML, as CrewAI writes them",
        "yaml",
        {
            "app/agents.yaml": """\
sorter:
  role: >
    Ticket sorter
  goal: >
    Sort the ticket into one of the teams
    billing, shipping, technical.
    Answer with the team only.
""",
            "app/pipeline.py": f"""
from pathlib import Path

import yaml

AGENTS = yaml.safe_load((Path(__file__).parent / "agents.yaml").read_text())
{ASKED}

def answer(message: str) -> dict:
    agent = AGENTS["sorter"]
    return {{"team": ask(f"You are {{agent['role']}}. Your goal: {{agent['goal']}}", message)}}
""",
        },
        ("app/agents.yaml::*.goal",),
    ),
    Framework(
        "Jinja templates that include each other",
        "jinja2",
        {
            "app/prompts/triage.j2": "{% include 'task.j2' %}\nTicket number: {{ number }}\n",
            "app/prompts/task.j2": "Sort the ticket into one of the teams billing, shipping, technical.\n"
            "Answer with the team only.\n",
            "app/pipeline.py": f"""
from pathlib import Path

import jinja2

TEMPLATES = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).parent / "prompts"))
{ASKED}

def answer(message: str) -> dict:
    return {{"team": ask(TEMPLATES.get_template("triage.j2").render(number=7), message)}}
""",
        },
        ("app/prompts/*.j2",),
    ),
)
