"""`fapo init` reads code as people write it; nothing of it is imported or run."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_fapo.cli.init.init_command import Project
from pytest_fapo.cli.init.pipeline_choice import step_patterns


def project(root: Path, files: Mapping[str, str]) -> Project:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    return Project(root)


def steps(found: Project) -> list[str]:
    function = found.candidates[0].function
    assert function is not None
    return step_patterns(found.code, function)


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
    assert [choice.target for choice in found] == ["translate:translate", "chains:chain"]


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
    assert steps(found) == ["app.core:*", "app.steps:*"]


def test_a_helper_among_the_steps_is_no_step(tmp_path: Path) -> None:
    code = """
        from openai import OpenAI
        def complete(prompt): return OpenAI().responses.create(model="m", input=prompt).output_text
        def classify(text): return complete("Classify " + text)
        def reply(text): return complete("Reply " + text + classify(text))
    """
    found = project(tmp_path, {"bot.py": code})
    assert steps(found) == ["bot:classify", "bot:reply"]


def test_prompts_are_told_from_other_texts(tmp_path: Path) -> None:
    files = {
        "app/prompts/a.md": "Sort it.\n",
        "app/prompts/b.md": "Write it.\n",
        "app/system_prompt.txt": "You are kind.\n",
        "app/handbook.md": "Opening hours: nine to five.\n",
        "app/prompts/empty.txt": "\n",
        "README.md": "# Prompts of this project\n",
        "docs/prompts.md": "# How prompts are written\n",
        ".venv/prompts/x.md": "no\n",
        ".venv/pyvenv.cfg": "home = /\n",
        "app/core.py": '''
            from pathlib import Path
            from openai import OpenAI
            HANDBOOK = Path(__file__).with_name("handbook.md").read_text()
            SYSTEM = "You are a helpful clerk."
            SYSTEM_NAME = "desk"
            GREETING = "Say hello to the guest in the language that the guest has written in, and be brief."
            F_PROMPT = f"The {SYSTEM_NAME} is a long story about guests."
            def answer(text):
                """Answers the guest, which is a sentence in a docstring and no prompt at all."""
                return OpenAI().responses.create(model="m", input="Write a kind answer to: " + text)
        ''',
        "app/db.py": 'QUERY_TEMPLATE = "select * from guests where name = ? order by name"\n',
    }
    found = project(tmp_path, files)
    assert found.prompts == [
        "app/prompts/*.md",
        "app/system_prompt.txt",
        "app/core.py::SYSTEM",
        "app/core.py::GREETING",
    ]
    assert found.stuck == [
        ("app/core.py:8", "an f-string in F_PROMPT"),
        ("app/core.py:11", "a text in answer()"),
    ]


def test_a_text_that_the_code_reads_is_a_prompt_where_nothing_is_called_one(tmp_path: Path) -> None:
    code = "from pathlib import Path\nTEXT = Path('words.md').read_text()\n"
    found = project(tmp_path, {"app.py": code, "words.md": "Be kind.\n", "other.md": "Be brief.\n"})
    assert found.prompts == ["words.md"]


def test_files_that_are_no_python_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\xfa")
    (tmp_path / "loop").symlink_to(tmp_path)
    found = project(tmp_path, {"broken.py": "x = (\n", "app.py": ASKING["openai"]})
    assert list(found.code.modules) == ["app"]


OBJECTS = {
    "an agent of pydantic-ai": (
        """
        from pydantic_ai import Agent
        agent = Agent("openai:gpt-4o-mini", instructions="Be concise, reply with one sentence.")
        """,
        ["text"],
        "    return (await agent.run(text)).output",
    ),
    "an agent of OpenAI's SDK": (
        """
        from agents import Agent
        agent = Agent(name="Assistant", instructions="You are a helpful assistant")
        """,
        ["text"],
        "    return (await Runner.run(agent, text)).final_output",
    ),
    "an agent of langchain": (
        """
        from langchain.agents import create_agent
        agent = create_agent(model="openai:gpt-4o-mini", system_prompt="You are a helpful assistant")
        """,
        ["text"],
        '    return agent.invoke({"messages": [{"role": "user", "content": text}]})["messages"][-1].content',
    ),
    "a chain of langchain": (
        """
        from langchain_core.prompts import ChatPromptTemplate
        from langchain_openai import ChatOpenAI
        prompt = ChatPromptTemplate.from_template("Tell a joke about {topic} in {language}")
        agent = prompt | ChatOpenAI()
        """,
        ["topic", "language"],
        '    return agent.invoke({"topic": topic, "language": language})',
    ),
    "a program of dspy": (
        """
        import dspy
        agent = dspy.ChainOfThought("context: list[str], question -> answer: float")
        """,
        ["context", "question"],
        "    return agent(context=context, question=question)",
    ),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_what_a_framework_holds_is_asked_as_its_documentation_does(tmp_path: Path, name: str) -> None:
    code, takes, asked = OBJECTS[name]
    found = project(tmp_path, {"app.py": code})
    [choice] = found.candidates
    assert choice.target == "app:agent"
    assert [each.name for each in choice.takes] == takes
    assert asked in choice.body
    assert "from app import agent" in choice.body


def test_a_function_comes_before_the_object_that_it_asks(tmp_path: Path) -> None:
    code = """
        from pydantic_ai import Agent
        agent = Agent("openai:gpt-4o-mini")
        def answer(question: str) -> str: return agent.run_sync(question).output
    """
    assert [choice.target for choice in project(tmp_path, {"app.py": code}).candidates] == [
        "app:answer",
        "app:agent",
    ]


def test_a_model_asked_on_import_is_told_from_one_behind_a_guard(tmp_path: Path) -> None:
    code = """
        from openai import OpenAI
        client = OpenAI()
        print(client.responses.create(model="m", input="hello").output_text)
        if __name__ == "__main__":
            print(client.responses.create(model="m", input="hello again").output_text)
    """
    assert project(tmp_path, {"app.py": code}).code.loose == ["app.py:4"]


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
