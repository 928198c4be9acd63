"""`pytest --fapo-diagnose` on a project whose two steps fail together, with real runs as proof."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.teams import LIGHT_APP, Project, Server, make_project, serving

APP = (
    LIGHT_APP.partition("def sort(")[0].replace('/ "sort.md"', '/ "plan.md"')
    + """
def ask(text):
    message = {"role": "user", "content": text}
    answer = client.post("/chat/completions", json={"model": "task", "messages": [message]})
    return answer.raise_for_status().json()["choices"][0]["message"]["content"]

def plan(ticket):
    return ask(PROMPT.format(ticket=ticket))

def check(ticket):
    return ask("Check this.\\n" + ticket)

def handle(ticket):
    return {"ok": [plan(ticket), check(ticket)] == ["planned", "checked"]}
"""
)
TEST = """
import pytest_fapo as fapo

@fapo.cases("cases.jsonl")
def test_ok(case, run):
    assert run.output["ok"]
"""


def model(prompt: str) -> str:
    if prompt.startswith("Check"):
        return "checked" if "clear" in prompt else "not checked"
    return "planned" if "clear" in prompt or "check only" in prompt else "no plan"


def and_shaped(root: Path, server: Server) -> Project:
    tickets = [
        "clear",
        "hard",
        "check only",
        "hard too",
        "very hard",
        "clear again",
        "hard still",
        "hard yet",
    ]
    labels = {"plan": "planned", "check": "checked"}
    cases = [
        {"id": f"T-{number}", "inputs": {"ticket": ticket}, "split": split, "expected_steps": labels}
        for number, (ticket, split) in enumerate(
            [*((ticket, "train") for ticket in tickets), ("clear", "val"), ("clear", "holdout")]
        )
    ]
    files = {
        "app/pipeline.py": APP,
        "app/prompts/plan.md": "Plan this.\n{ticket}\n",
        "test_teams.py": TEST,
        "cases.jsonl": "\n".join(json.dumps(case) for case in cases),
    }
    project = make_project(root, server, files)
    text = (
        (root / "pyproject.toml")
        .read_text()
        .replace('optimizer = ["openai:opt"]', 'optimizer = ["playbook"]')
    )
    project.write({"pyproject.toml": text})
    return project


@pytest.mark.slow
def test_steps_that_fail_together_are_found_by_running_cases_again(tmp_path: Path) -> None:
    with serving(Server(task=model)) as server:
        project = and_shaped(tmp_path, server)
        before = project.snapshot()
        result = project.pytest("--fapo-diagnose")
        asked = len(server.task_requests)
    assert "plan and check: " in result.text, result.text
    assert "the case passes only with plan and check fixed together" in result.text
    # The case in which one step alone is wrong is a cause of its own, and comes first.
    assert result.text.index("check: ") < result.text.index("plan and check: ")
    assert asked == 16  # the different questions of the cases: a replaced step costs nothing
    assert project.snapshot() == before
