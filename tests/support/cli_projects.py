"""Small projects of strangers, for `fapo init`, and the command itself run inside of this process."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.ready_pytest import run_pytest

from pytest_fapo.cli.command_line import main
from pytest_fapo.cli.init import init_command
from pytest_fapo.cli.init.first_run import FirstRun

ASK = """
import os

import httpx

BASE = os.environ.get("OPENAI_BASE_URL", "http://models.invalid/v1")
TEMPERATURE = 0.7


def ask(system, user):
    messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    answer = httpx.post(BASE + "/chat/completions", json={"model": "m", "messages": messages})
    return answer.json()["choices"][0]["message"]["content"]
"""
"""The model call of these projects: nothing is sent, for the placeholder answers at the transport."""

FILES_PROJECT = {
    "pyproject.toml": """
        # the desk
        [project]
        name = "desk"   # keep me

        [tool.black]
        line-length = 100

        [tool.pytest.ini_options]
        addopts = "-p no:cacheprovider"  # and me
        testpaths = ["tests"]
    """,
    "desk/__init__.py": "",
    "desk/llm.py": ASK,
    "desk/prompts/triage.md": "You sort tickets: billing, delivery or other.\n",
    "desk/prompts/reply.md": "Write a kind reply to the ticket.\n",
    "desk/pipeline.py": """
        from pathlib import Path

        from .llm import ask

        PROMPTS = Path(__file__).parent / "prompts"


        def triage(ticket: str) -> str:
            return ask((PROMPTS / "triage.md").read_text(), ticket)


        def reply(ticket: str, team: str) -> str:
            return ask((PROMPTS / "reply.md").read_text() + team, ticket)


        def handle(ticket: str) -> dict:
            team = triage(ticket)
            return {"team": team, "reply": reply(ticket, team)}
    """,
    "desk/__main__.py": """
        import sys

        from desk.pipeline import handle


        def main():
            print(handle(sys.argv[1]))
    """,
    "tests/conftest.py": """
        import pytest


        @pytest.fixture
        def ticket():
            return "hello"
    """,
    "tests/test_plain.py": """
        def test_plain(ticket):
            assert ticket == "hello"
    """,
}
"""Prompts in files, a flat package, a conftest.py and a pyproject.toml that are there."""

SRC_PROJECT = {
    "pyproject.toml": '[project]\nname = "triagebot"\nversion = "0"\n',
    "src/triagebot/__init__.py": "",
    "src/triagebot/llm.py": ASK,
    "src/triagebot/texts.py": '''
        from textwrap import dedent

        CLASSIFY_PROMPT = """You classify a message as question, complaint or praise.
        Answer with one word."""
        SUMMARY_PROMPT = dedent("""
            Summarise the message in one sentence.
        """)
        VERSION = "1.0"
        QUERY = "select id, message and a good many other things from messages where id is what was asked for"
    ''',
    "src/triagebot/core.py": """
        from triagebot import llm, texts


        async def classify(message: str) -> str:
            return llm.ask(texts.CLASSIFY_PROMPT, message)


        async def summarise(message: str) -> str:
            return llm.ask(texts.SUMMARY_PROMPT, message)


        async def process(message: str) -> dict[str, str]:
            return {"kind": await classify(message), "summary": await summarise(message)}
    """,
}
"""Prompts in constants, an async pipeline in a src layout that is not installed, no tests."""

SCRIPT_PROJECT = {
    "bot.py": ASK
    + '''

def classify(text):
    """Which team."""
    return ask(f"Sort this mail into one of the teams billing or delivery, with care: {text}", text)


if __name__ == "__main__":
    print(classify(input()))
''',
}
"""One script, its prompt in an f-string, no pyproject.toml."""

CLASS_PROJECT = {
    "pytest.ini": "[pytest]\naddopts = -p no:cacheprovider\n",
    "conftest.py": """
        from pytest import fixture


        @fixture(name="pipeline")
        def data_pipeline():
            return 1
    """,
    "helper/llm.py": ASK,
    "helper/bot.py": """
        from helper.llm import ask

        SYSTEM = "You are a helpful bot for a shop."


        class Bot:
            def __init__(self, name="bot"):
                self.name = name

            def answer(self, text: str, language: str = "en") -> str:
                return ask(SYSTEM, text)
    """,
    "test/test_data.py": """
        def test_data(pipeline):
            assert pipeline == 1
    """,
}
"""A method, pytest.ini, and a fixture that is called `pipeline` already."""

_DROPPED = (
    *("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE", "OLLAMA_HOST"),
    *("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL"),
    *("CI", "PYTEST_ADDOPTS", "FORCE_COLOR"),
)


@dataclass(frozen=True)
class Said:
    """The output of a command."""

    code: int
    out: str
    err: str = ""


@dataclass
class Folder:
    """A project on disk, the command `fapo` typed in it, and pytest."""

    root: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    env: dict[str, str] = field(default_factory=dict)
    checked: bool = False
    """True if `fapo init` lets pytest run the test that it has written; it costs a second."""

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            text = text if name.endswith((".md", ".csv")) else textwrap.dedent(text).lstrip("\n")
            path.write_bytes(text.encode())

    def read(self, name: str) -> str:
        return (self.root / name).read_bytes().decode()

    def files(self) -> dict[str, bytes]:
        """Every file but those that pytest and Python make, by relative path."""
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and not {".fapo", "__pycache__", ".pytest_cache"} & set(path.parts)
        }

    def fapo(self, *words: str, typed: str = "", cwd: str = ".") -> Said:
        """Run the command here.

        Args:
            words: its arguments.
            typed: what the user types; the input ends after it.
            cwd: folder below the project that it is typed in.
        """
        for name in _DROPPED:
            self.monkeypatch.delenv(name, raising=False)
        for name, value in self.env.items():
            self.monkeypatch.setenv(name, value)
        if not self.checked:
            self.monkeypatch.setattr(init_command, "run_first_cases", lambda *_, **__: FirstRun())
        self.monkeypatch.chdir(self.root / cwd)
        self.monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        self.capsys.readouterr()
        code = main(words)
        printed = self.capsys.readouterr()
        return Said(code, printed.out, printed.err)

    def pytest(self, *arguments: str) -> Said:
        """Run `python -m pytest` here."""
        environment = {**self._environment(), "COLUMNS": "100"}
        done = run_pytest(arguments, cwd=self.root, environment=environment, timeout=90)
        return Said(done.code, done.text)

    def bare_pytest(self, *arguments: str) -> Said:
        """Run pytest here as its own program does: the current folder is not on `sys.path`."""
        code = "import sys, pytest; sys.path[:] = [p for p in sys.path if p]; sys.exit(pytest.console_main())"
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=self.root,
            env={**self._environment(), "COLUMNS": "100"},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in (*_DROPPED, "PYTHONPATH")}
        return {**kept, **self.env}
