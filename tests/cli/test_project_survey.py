"""`fapo init` reads code as people write it; nothing of it is imported or run."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_fapo.cli.init.pipeline_choice import step_patterns
from pytest_fapo.cli.init.project_survey import ProjectSurvey


def survey(root: Path, files: Mapping[str, str]) -> ProjectSurvey:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    return ProjectSurvey.of(root)


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
    found = survey(tmp_path, {"app.py": ASKING[name]}).candidates
    assert [function.node.name for function in found][:1] == ["answer"]


def test_a_chain_that_another_module_has_made(tmp_path: Path) -> None:
    files = {
        "chains.py": "from langchain_openai import ChatOpenAI\nchain = ChatOpenAI() | str\n",
        "translate.py": "from chains import chain\ndef translate(text): return chain.invoke(text)\n",
    }
    assert [function.target for function in survey(tmp_path, files).candidates] == ["translate:translate"]


@pytest.mark.parametrize(
    "code",
    [
        "import redis\ndef answer(text): return redis.Redis().messages.get(text)\n",
        "def create(text): return completions(text)\ndef completions(text): return text\n",
        "import requests\ndef answer(text): return requests.post('https://example.com/tickets').json()\n",
    ],
)
def test_code_that_asks_nobody(tmp_path: Path, code: str) -> None:
    assert survey(tmp_path, {"app.py": code}).candidates == []


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
    found = survey(tmp_path, files)
    assert [function.target for function in found.candidates][:3] == [
        "app.core:handle",
        "app.steps:reply",
        "app.llm:complete",
    ]
    assert step_patterns(found.graph, found.candidates[0]) == ["app.core:*", "app.steps:*"]


def test_a_helper_among_the_steps_is_no_step(tmp_path: Path) -> None:
    code = """
        from openai import OpenAI
        def complete(prompt): return OpenAI().responses.create(model="m", input=prompt).output_text
        def classify(text): return complete("Classify " + text)
        def reply(text): return complete("Reply " + text + classify(text))
    """
    found = survey(tmp_path, {"bot.py": code})
    assert step_patterns(found.graph, found.candidates[0]) == ["bot:classify", "bot:reply"]


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
    prompts = survey(tmp_path, files).prompts
    assert prompts.entries == [
        "app/prompts/*.md",
        "app/system_prompt.txt",
        "app/core.py::SYSTEM",
        "app/core.py::GREETING",
    ]
    assert prompts.read == ["app/handbook.md"]
    assert [(stuck.place, stuck.what) for stuck in prompts.stuck] == [
        ("app/core.py:8", "F_PROMPT is an f-string"),
        ("app/core.py:11", "a text in answer()"),
    ]


def test_values_come_with_bounds_that_they_lie_in(tmp_path: Path) -> None:
    code = "TOP_K = 4\nTEMPERATURE = 0.2\nMAX_TOKENS = 5\nTOP_P = 'high'\nK = 3\nWEEK = 7\n"
    params = survey(tmp_path, {"settings.py": code}).params
    assert params == [
        "settings.py::TOP_K = 1..20",
        "settings.py::TEMPERATURE = 0..1",
        "settings.py::K = 1..20",
    ]


def test_libraries_that_cannot_be_recorded_are_named(tmp_path: Path) -> None:
    code = "import requests\nURL = 'https://api.openai.com/v1/chat/completions'\n"
    assert survey(tmp_path, {"app.py": code}).unseen == ["requests"]
    assert survey(tmp_path, {"app.py": "import requests\n"}).unseen == []
    assert survey(tmp_path, {"app.py": "import google.generativeai as genai\n"}).unseen == [
        "google.generativeai"
    ]


def test_files_that_are_no_python_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\xfa")
    (tmp_path / "loop").symlink_to(tmp_path)
    found = survey(tmp_path, {"broken.py": "x = (\n", "app.py": ASKING["openai"]})
    assert [module.name for module in found.modules] == ["app"]
