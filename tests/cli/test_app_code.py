"""`fapo init` reads code as people write it; nothing of it is imported or run."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_fapo.cli.init.app_code import importable
from pytest_fapo.cli.init.init_command import Project


def project(root: Path, files: Mapping[str, str]) -> Project:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    return Project(root)


ASKING = {
    "openai": """
        from openai import OpenAI
        client = OpenAI()
        def answer(text): return client.chat.completions.create(model="m", messages=[]).choices[0]
    """,
    "a client made in place": """
        import openai
        def answer(text): return openai.OpenAI().responses.create(model="m", input=text).output_text
    """,
    "parsed answers": """
        from openai import OpenAI
        def answer(text): return OpenAI().beta.chat.completions.parse(model="m", messages=[])
    """,
    "a stream of anthropic": """
        import anthropic
        async def answer(text):
            async with anthropic.AsyncAnthropic().messages.stream(model="m", messages=[]) as stream:
                return await stream.get_final_text()
    """,
    "litellm": """
        from litellm import completion as ask
        def answer(text): return ask(model="m", messages=[])
    """,
    "a chain of langchain": """
        from langchain_openai import ChatOpenAI
        class Bot:
            def __init__(self): self.llm = ChatOpenAI()
            def answer(self, text): return self.llm.invoke(text).content
    """,
    "a bare endpoint": """
        import httpx
        def answer(text): return httpx.post("http://127.0.0.1:8000/v1/chat/completions", json={}).json()
    """,
    "gemini": """
        import requests
        URL = "https://generativelanguage.googleapis.com/v1beta/models/g:generateContent"
        def answer(text): return requests.post(URL, json={"contents": text}).json()
    """,
}


@pytest.mark.parametrize("name", ASKING)
def test_code_that_asks_a_model(tmp_path: Path, name: str) -> None:
    found = project(tmp_path, {"app.py": ASKING[name]}).candidates
    assert [choice.target.rpartition(":")[2].rpartition(".")[2] for choice in found][:1] == ["answer"]


def test_a_chain_that_another_module_has_made(tmp_path: Path) -> None:
    files = {
        "chains.py": "from langchain_openai import ChatOpenAI\nchain = ChatOpenAI() | str\n",
        "translate.py": "from chains import chain\ndef translate(text): return chain.invoke(text)\n",
    }
    found = project(tmp_path, files).candidates
    assert [choice.target for choice in found] == ["translate:translate"]


@pytest.mark.parametrize(
    "code",
    [
        "import redis\ndef answer(text): return redis.Redis().messages.get(text)\n",
        "def create(text): return completions(text)\ndef completions(text): return text\n",
        "import requests\ndef answer(text): return requests.post('https://example.com/tickets').json()\n",
    ],
)
def test_code_that_asks_nobody(tmp_path: Path, code: str) -> None:
    assert project(tmp_path, {"app.py": code}).candidates == []


UNKNOWN = {
    "an agent made in place": """
        from strange_agents import Agent
        def clean(ticket): return ticket.strip()
        def answer(ticket): return str(Agent("You sort tickets.")(clean(ticket)))
    """,
    "an agent of the module": """
        import strange
        agent = strange.Agent(instructions="You sort tickets.")
        async def answer(ticket): return (await agent.get_response(ticket)).content
    """,
    "a decorated prompt": """
        from strange import llm
        @llm.call("openai/gpt-4o-mini")
        def _sort(ticket): return f"Sort this ticket: {ticket}"
        def answer(ticket): return _sort(ticket).text()
    """,
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_with_a_library_that_nobody_knows_case_files_tell_the_pipeline(tmp_path: Path, name: str) -> None:
    files = {
        "app.py": UNKNOWN[name],
        "report.py": "import pandas\ndef load(path): return pandas.read_csv(path)\n",
        "data/tickets.csv": "id,ticket,team\n" + "".join(f"{n},ticket {n},billing\n" for n in range(14)),
    }
    found = project(tmp_path, files).choose(None)
    assert {fixture: choice.target for fixture, choice in found.items()} == {"pipeline": "app:answer"}


def test_the_work_comes_before_its_parts_and_before_its_entries(tmp_path: Path) -> None:
    files = {
        "app/llm.py": """
            from openai import OpenAI
            def complete(prompt): return OpenAI().responses.create(model="m", input=prompt).output_text
        """,
        "app/steps.py": """
            from app.llm import complete
            def _classify(text: str): return complete("Classify " + text)
            def reply(text: str, kind: str): return complete("Reply " + text + kind)
        """,
        "app/core.py": """
            from app import steps
            def handle(text: str, *, tone: str = "kind") -> str:
                return steps.reply(text, steps._classify(text))
        """,
        "app/web.py": """
            from fastapi import FastAPI
            from app.core import handle
            api = FastAPI()
            @api.post("/answer")
            def answer(text: str): return handle(text)
        """,
        "app/__main__.py": "from app.core import handle\ndef main(argv): handle(argv[1])\n",
        "tests/test_app.py": "from app.core import handle\ndef test_app(): assert handle('x')\n",
    }
    found = project(tmp_path, files)
    assert [choice.target for choice in found.candidates][:3] == [
        "app.core:handle",
        "app.steps:reply",
        "app.llm:complete",
    ]
    assert found.candidates[0].steps == ("app.core:*", "app.steps:*")


def test_a_program_that_a_module_makes_of_its_own_class_is_a_part_of_the_work(tmp_path: Path) -> None:
    code = """
        import dspy
        class Desk(dspy.Module):
            def __init__(self): self.triage = dspy.Predict("ticket -> team")
            def forward(self, ticket): return self.triage(ticket=ticket)
        desk = Desk()
        def handle(message): return {"team": desk(ticket=message).team}
    """
    found = project(tmp_path, {"bot.py": code}).candidates
    assert [choice.target for choice in found] == ["bot:handle", "bot:Desk.forward"]
    assert found[0].steps == ("bot:*", "bot:Desk.*")


def test_among_thousands_of_functions_the_one_that_nothing_calls_comes_first(tmp_path: Path) -> None:
    steps = "".join(f"def step_{n}(x): return step_{n + 1}(x)\n" for n in range(3000))
    last = "from openai import OpenAI\ndef step_3000(x): return OpenAI().responses.create(input=x)\n"
    found = project(tmp_path, {"app.py": last + steps})
    assert found.candidates[0].target == "app:step_0"
    assert len(found.code.reaching) == 3001


def test_files_that_are_no_python_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\xfa")
    (tmp_path / "loop").symlink_to(tmp_path)
    found = project(tmp_path, {"broken.py": "x = (\n", "app.py": ASKING["openai"]})
    assert [module.name for module in found.code.modules] == ["app"]


@pytest.mark.parametrize(
    ("path", "packages", "name", "import_root"),
    [
        ("app.py", [], "app", "."),
        ("app/core.py", [], "app.core", "."),
        ("src/app/core.py", ["src/app"], "app.core", "src"),
        ("src/app/core.py", [], "app.core", "src"),
        ("backend/app/deep/core.py", ["backend/app", "backend/app/deep"], "app.deep.core", "backend"),
        ("app/__init__.py", ["app"], "app", "."),
    ],
)
def test_how_a_file_is_imported(
    tmp_path: Path, path: str, packages: list[str], name: str, import_root: str
) -> None:
    for package in packages:
        (tmp_path / package).mkdir(parents=True, exist_ok=True)
        (tmp_path / package / "__init__.py").touch()
    assert importable(tmp_path, path) == (name, import_root)


RETURNS = {
    "-> str": ("def answer(text) -> str: return ask(text)", "text", ()),
    "a text of the SDK": ("def answer(text): return ask(text).choices[0].message.content", "text", ()),
    "a number": ("def answer(text) -> float: return ask(text)", "number", ()),
    "a mapping": ("def answer(text): return {'team': ask(text), 'reply': 'x'}", "keys", ("team", "reply")),
    "a mapping with a name": (
        "def answer(text):\n    found = {'team': ask(text)}\n    return found",
        "keys",
        ("team",),
    ),
    "another function's": (
        "def answer(text): return inner(text)\ndef inner(text): return {'team': ask(text)}",
        "keys",
        ("team",),
    ),
    "a model": (
        "from pydantic import BaseModel\nclass Ticket(BaseModel):\n    team: str\n    urgent: bool = False\n"
        "def answer(text) -> Ticket: return ask(text)",
        "fields",
        ("team", "urgent"),
    ),
    "a typed dict": (
        "from typing import TypedDict\nclass Ticket(TypedDict):\n    team: str\n"
        "def answer(text) -> Ticket: return ask(text)",
        "keys",
        ("team",),
    ),
    "nothing known": ("def answer(text): return ask(text)", "unknown", ()),
}


@pytest.mark.parametrize("name", RETURNS)
def test_what_a_pipeline_returns(tmp_path: Path, name: str) -> None:
    code, kind, names = RETURNS[name]
    ask = "from openai import OpenAI\nask = OpenAI().responses.create\n"
    asking = code.replace("ask(text)", "OpenAI().responses.create(input=text)")
    [choice] = [
        each for each in project(tmp_path, {"app.py": ask + asking}).candidates if each.label == "answer"
    ]
    assert (choice.output.kind, choice.output.names) == (kind, names)
