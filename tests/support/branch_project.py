"""A small project in a git repository, answered by its own stand-in: what a pull request would come from."""

from __future__ import annotations

import json
import os
import subprocess
import textwrap
from collections.abc import Mapping
from pathlib import Path

from support.ready_pytest import plugin_path, run_pytest

GOOD_PROMPT = "Which team is this for: billing, shipping or other?\nReply with one word.\n"
CHATTY_PROMPT = "Which team is this for: billing, shipping or other?\nBe friendly.\n"
ADDRESS = "app/prompts/sort.md"

FILES = {
    "pyproject.toml": """
        [tool.pytest.ini_options]
        pythonpath = ["."]
        [tool.fapo]
        steps = ["app.pipeline:*"]
        [tool.fapo.scope]
        prompts = ["app/prompts/*.md"]
        [tool.fapo.offline]
        model = "app.stand_in:answer"
        """,
    "conftest.py": """
        import pytest
        @pytest.fixture(scope="session")
        def pipeline():
            from app.pipeline import handle
            return handle
        """,
    "app/__init__.py": "",
    "app/pipeline.py": """
        from pathlib import Path
        import httpx

        client = httpx.Client(base_url="https://model.example/v1")

        def sort(ticket):
            prompt = (Path(__file__).parent / "prompts" / "sort.md").read_text(encoding="utf-8")
            messages = [{"role": "system", "content": prompt}, {"role": "user", "content": ticket}]
            answer = client.post("/chat/completions", json={"model": "m", "messages": messages})
            return answer.raise_for_status().json()["choices"][0]["message"]["content"]

        def handle(ticket):
            return {"team": sort(ticket), "ticket": ticket}
        """,
    "app/stand_in.py": """
        def answer(request):
            ticket = request.messages[-1]["content"]
            word = "billing" if "invoice" in ticket else "shipping" if "parcel" in ticket else "other"
            if "one word" in request.text:
                return word
            return word if "hello" in ticket else f"Dear customer, {word}!"
        """,
    ADDRESS: GOOD_PROMPT,
    "test_teams.py": """
        import pytest_fapo as fapo

        @fapo.cases("cases.jsonl")
        def test_team(case, run):
            run.score("brevity", 1 / len(run.output["team"]))
            assert run.output["team"] == case.expected["team"]
        """,
    ".gitignore": ".fapo/\n__pycache__/\n",
}
TEXTS = {"wrong invoice": "billing", "where is the parcel": "shipping", "hello": "other"}


def case_lines(count: int = 9) -> str:
    """Cases of all splits, one a line."""
    lines = []
    for number in range(count):
        text, team = list(TEXTS.items())[number % 3]
        case = {
            "id": f"t{number + 1:02}",
            "inputs": {"ticket": f"{text} no {number}"},
            "expected": {"team": team},
            "expected_steps": {"sort": team},
            "split": ("train", "val", "holdout")[number // 3 % 3],
            "tags": [team],
        }
        lines.append(json.dumps(case))
    return "\n".join(lines) + "\n"


class BranchProject:
    """The project on disk.

    Args:
        root: the repository's top.
        folder: the project's own folder in it.
    """

    def __init__(self, root: Path, folder: str = ".") -> None:
        self.root = root
        self.folder = root / folder
        self.write({**FILES, "cases.jsonl": case_lines()})

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")

    def git(self, *arguments: str) -> str:
        command = ["git", "-c", "user.name=T", "-c", "user.email=t@example.org", *arguments]
        done = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def begin(self) -> None:
        """The repository with what is there as its first commit on `main`."""
        self.git("init", "-q", "-b", "main")
        self.commit("Begin")

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)

    def environment(self, **more: str) -> dict[str, str]:
        """Of a child process: without keys and without the variables of whatever CI runs this test."""
        foreign = ("GITHUB_", "CI_", "GITLAB_", "PYTEST_", "OPENAI_", "ANTHROPIC_")
        kept = {
            name: value for name, value in os.environ.items() if name != "CI" and not name.startswith(foreign)
        }
        return {**kept, "COLUMNS": "120", **plugin_path(), **more}

    def pytest(self, *arguments: str, **variables: str) -> tuple[int, str]:
        """Run pytest in the project's folder; its exit code and everything that it printed."""
        done = run_pytest(
            ["-p", "no:cacheprovider", *arguments],
            cwd=self.folder,
            environment=self.environment(**variables),
            timeout=120,
        )
        return done.code, done.text
