"""The common parts of the pipelines' projects: their access to a model, and the files around them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

OPENAI = '''
"""The one place that talks to the model."""

from openai import OpenAI

from app import settings

client = OpenAI()


def complete(prompt: str, system: str = "") -> str:
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": prompt})
    response = client.chat.completions.create(
        model=settings.MODEL,
        temperature=settings.TEMPERATURE,
        max_tokens=settings.MAX_TOKENS,
        messages=messages,
    )
    return (response.choices[0].message.content or "").strip()
'''

RESPONSES = '''
"""The one place that talks to the model."""

from openai import OpenAI

from app import settings

client = OpenAI()


def complete(prompt: str, system: str = "") -> str:
    response = client.responses.create(
        model=settings.MODEL,
        temperature=settings.TEMPERATURE,
        max_output_tokens=settings.MAX_TOKENS,
        instructions=system or None,
        input=prompt,
    )
    return response.output_text.strip()
'''

ANTHROPIC = '''
"""The one place that talks to the model."""

import anthropic

from app import settings

client = anthropic.Anthropic()


def complete(prompt: str, system: str = "") -> str:
    message = client.messages.create(
        model=settings.MODEL,
        max_tokens=settings.MAX_TOKENS,
        messages=[{"role": "user", "content": prompt}],
        **({"system": system} if system else {}),
    )
    return "".join(block.text for block in message.content if block.type == "text").strip()
'''

HTTPX = '''
"""Our model server speaks the chat protocol; no SDK needed."""

import os

import httpx

from app import settings

client = httpx.Client(base_url=os.environ["OPENAI_BASE_URL"], timeout=60)


def complete(prompt: str, system: str = "") -> str:
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": prompt})
    body = {
        "model": settings.MODEL,
        "messages": messages,
        "temperature": settings.TEMPERATURE,
        "max_tokens": settings.MAX_TOKENS,
    }
    response = client.post("/chat/completions", json=body).raise_for_status()
    return (response.json()["choices"][0]["message"]["content"] or "").strip()
'''

ASYNC = '''
"""Our model server speaks the chat protocol; no SDK needed."""

import os

import httpx

from app import settings


async def complete(prompt: str, system: str = "") -> str:
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": prompt})
    body = {
        "model": settings.MODEL,
        "messages": messages,
        "temperature": settings.TEMPERATURE,
        "max_tokens": settings.MAX_TOKENS,
    }
    async with httpx.AsyncClient(base_url=os.environ["OPENAI_BASE_URL"], timeout=60) as client:
        response = await client.post("/chat/completions", json=body)
    return (response.raise_for_status().json()["choices"][0]["message"]["content"] or "").strip()
'''

SETTINGS = """
MODEL = "small-1"
TEMPERATURE = 0.0
MAX_TOKENS = 500
"""

LOAD = '''
"""Prompts are Markdown files with placeholders."""

from pathlib import Path

FOLDER = Path(__file__).parent / "prompts"


def load(name: str) -> str:
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")
'''

CONFTEST = """
import pytest

from app.pipeline import handle


@pytest.fixture(scope="session")
def pipeline():
    return handle
"""

PARAMS = ("app/settings.py::TEMPERATURE = 0..2", "app/settings.py::MAX_TOKENS = 1..2000")


def project(
    files: Mapping[str, str],
    *,
    test: str,
    llm: str = HTTPX,
    steps: Sequence[str] = ("app.pipeline:*",),
    prompts: Sequence[str] = ("app/prompts/*.md",),
    params: Sequence[str] = (),
    structure: Sequence[str] = ("app/pipeline.py",),
) -> dict[str, str]:
    """A whole project: the given files of `app/`, and what stands around them in each of these projects.

    Args:
        files: path to text; indented as the surrounding code is.
        test: the body of the test of one case.
        llm: text of `app/llm.py`.
        steps: the functions that are traced.
        prompts: scope of the prompt level.
        params: scope of the parameter level, beside temperature and token limit.
        structure: scope of the structure level.
    """
    body = textwrap.indent(textwrap.dedent(test).strip(), "    ")
    toml = "\n".join(
        [
            "[tool.pytest.ini_options]",
            'pythonpath = ["."]',
            'testpaths = ["tests"]',
            "",
            "[tool.fapo]",
            f"steps = {_array(steps)}",
            'optimizer = ["playbook"]',
            "",
            "[tool.fapo.scope]",
            f"prompts = {_array(prompts)}",
            f"params = {_array([*PARAMS, *params])}",
            f"structure = {_array(structure)}",
            "",
        ]
    )
    whole = {
        "pyproject.toml": toml,
        "conftest.py": CONFTEST,
        "app/__init__.py": "",
        "app/llm.py": llm,
        "app/settings.py": SETTINGS,
        "tests/test_cases.py": (
            "import json\nimport re\n\nimport pytest_fapo as fapo\n\n\n"
            f'@fapo.cases("cases.jsonl")\ndef test_case(case, run):\n{body}\n'
        ),
        **files,
    }
    if "from app.prompts import" in whole["app/pipeline.py"] and "app/prompts.py" not in whole:
        whole["app/prompts.py"] = LOAD
    return {path: textwrap.dedent(text).lstrip("\n") for path, text in whole.items()}


def _array(values: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{value}"' for value in values) + "]"
