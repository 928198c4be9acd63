"""Clients and surroundings of the strangers' projects; each of them picks its own."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

ASK = """
import os

import httpx

http = httpx.Client(base_url=os.environ["OPENAI_BASE_URL"], timeout=60)


def ask(user, system=None, **options):
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": user})
    body = {"model": "house-7b", "messages": messages, "temperature": 0, **options}
    reply = http.post("/chat/completions", json=body)
    reply.raise_for_status()
    return reply.json()["choices"][0]["message"]["content"]
"""
"""A function over httpx."""

OPENAI = """
from functools import lru_cache

from openai import OpenAI


@lru_cache
def client():
    return OpenAI()


def chat(messages, **options):
    answer = client().chat.completions.create(model="house-7b", messages=messages, temperature=0, **options)
    return answer.choices[0].message.content.strip()
"""
"""The SDK, with messages made by the caller."""

ASYNC = '''
import os

import httpx


class Model:
    """Chat completions of the house server."""

    def __init__(self, name="house-7b"):
        self.name = name

    async def __call__(self, system, user, **options):
        body = {
            "model": self.name,
            "temperature": 0,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
            **options,
        }
        async with httpx.AsyncClient(base_url=os.environ["OPENAI_BASE_URL"], timeout=60) as client:
            answer = await client.post("/chat/completions", json=body)
        return answer.raise_for_status().json()["choices"][0]["message"]["content"]
'''
"""A class to be awaited."""

TOOLS = """
import json
import os

import httpx

http = httpx.Client(base_url=os.environ["OPENAI_BASE_URL"], timeout=60)


def turn(messages, tools):
    body = {"model": "house-7b", "messages": messages, "tools": tools, "temperature": 0}
    answer = http.post("/chat/completions", json=body).raise_for_status()
    return answer.json()["choices"][0]["message"]


def arguments(call):
    return json.loads(call["function"]["arguments"])
"""
"""One turn of a conversation with tools."""


def project(
    files: Mapping[str, str],
    *,
    test: str,
    prompts: Sequence[str],
    params: Sequence[str] = (),
    structure: Sequence[str] = (),
    steps: Sequence[str] = (),
    run: str = "app.main:handle",
) -> dict[str, str]:
    """A whole project.

    Args:
        files: path to text of what is special in it.
        test: body of the test of one case.
        prompts: scope of the prompt level.
        params: scope of the parameter level.
        structure: scope of the structure level.
        steps: functions traced as steps; default: those that ask the model.
        run: the pipeline, `module:expression`.
    """
    scope = {"prompts": prompts, "params": params, "structure": structure}
    module, _, expression = run.partition(":")
    name = expression.split(".")[0].split("(")[0]
    toml = [
        "[tool.pytest.ini_options]",
        'pythonpath = ["."]',
        'testpaths = ["tests"]',
        "",
        "[tool.fapo]",
        *([f"steps = {_array(steps)}"] if steps else []),
        'optimizer = ["playbook"]',
        "",
        "[tool.fapo.scope]",
        *[f"{level} = {_array(entries)}" for level, entries in scope.items() if entries],
        "",
    ]
    whole = {
        "pyproject.toml": "\n".join(toml),
        "conftest.py": (
            f"import pytest\n\nfrom {module} import {name}\n\n\n"
            f'@pytest.fixture(scope="session")\ndef pipeline():\n    return {expression}\n'
        ),
        "app/__init__.py": "",
        "tests/test_cases.py": (
            "import json\nimport math\nimport re\n\nimport pytest\nimport pytest_fapo as fapo\n\n\n"
            f'@fapo.cases("cases.jsonl")\ndef test_case(case, run):\n'
            f"{textwrap.indent(textwrap.dedent(test).strip(), '    ')}\n"
        ),
        **files,
    }
    return {path: textwrap.dedent(text).lstrip("\n") for path, text in whole.items()}


def _array(values: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{value}"' for value in values) + "]"
