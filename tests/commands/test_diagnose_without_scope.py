"""`pytest --fapo-diagnose` needs no scope, and no entry that names nothing stops it."""

from __future__ import annotations

import json
import os
import re
import textwrap
from pathlib import Path

import pytest
from support.ready_pytest import run_pytest
from support.teams import GOOD_PROMPT, TEXTS, Server, proposal, right_team, serving

APP = '''
import os
import httpx

SORT = """You sort tickets for a shop.
Ticket: {ticket}
Which team?
"""
TOOL = {"name": "order_status", "description": "Look up the state of an order by its number."}


def sort(ticket):
    message = {"role": "user", "content": SORT.format(ticket=ticket)}
    body = {"model": "task", "messages": [message], "tools": [{"type": "function", "function": TOOL}]}
    answer = httpx.post(os.environ["OPENAI_BASE_URL"] + "/chat/completions", json=body)
    return answer.json()["choices"][0]["message"]["content"]
'''

TEST = """
import pytest
import pytest_fapo as fapo
from app import sort


@pytest.fixture(scope="session")
def pipeline():
    return sort


@fapo.cases("cases.jsonl")
def test_team(case, run):
    assert run.output == case.expected
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    cases = [
        {"id": f"t{n:02}", "inputs": {"ticket": f"{TEXTS[n % 5]} {n}"}, "expected": right_team(TEXTS[n % 5])}
        for n in range(20)
    ]
    files = {
        "app.py": APP,
        "test_team.py": TEST,
        "cases.jsonl": "".join(json.dumps(case) + "\n" for case in cases),
        "pyproject.toml": '[tool.fapo]\nsteps = ["app:*"]\ninterventions = 0\nreviewer = "off"\n',
    }
    for name, text in files.items():
        (tmp_path / name).write_text(textwrap.dedent(text).lstrip())
    return tmp_path


def pytest_in(root: Path, server: Server, *arguments: str) -> tuple[int, str]:
    environment = {**os.environ, "OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "k", "COLUMNS": "110"}
    for name in ("CI", "GITHUB_ACTIONS", "PYTEST_ADDOPTS"):
        environment.pop(name, None)
    done = run_pytest(("-p", "no:cacheprovider", *arguments), cwd=root, environment=environment, timeout=120)
    return done.code, done.text


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_without_a_scope_it_lists_what_reached_the_model(root: Path, options: tuple[str, ...]) -> None:
    with serving(Server()) as server:
        code, text = pytest_in(root, server, "--fapo-diagnose", *options)
    assert code == 1, text
    assert "artifacts  app.py::SORT" in text  # the cause is linked to it as with a scope
    listed = text[text.index("Texts that reached a model:") :]
    assert listed.count("app.py::SORT") == 2
    assert "You sort tickets for a shop. Ticket: {ticket} Which team?" in listed
    assert '    "app.py::TOOL.description",\n' in listed


@pytest.mark.slow
def test_the_table_that_it_offers_can_be_pasted_and_lets_the_cases_be_fixed(root: Path) -> None:
    file = root / "pyproject.toml"
    with serving(Server(optimizer=lambda body: proposal(GOOD_PROMPT, "app.py::SORT"))) as server:
        _, text = pytest_in(root, server, "--fapo-diagnose")
        table = re.search(r"\[tool\.fapo\.scope\].*?^\]", text, re.S | re.M)
        assert table is not None
        settings = file.read_text() + f'optimizer = ["openai:opt"]\ndiagnoser = "off"\n\n{table[0]}\n'
        file.write_text(settings)
        code, text = pytest_in(root, server, "--fapo-optimize")
    assert code == 0, text
    assert GOOD_PROMPT.splitlines()[-1] in (root / "app.py").read_text()


def test_an_entry_that_names_nothing_is_told_and_does_not_stop_it(root: Path) -> None:
    with (root / "pyproject.toml").open("a") as file:
        file.write('\n[tool.fapo.scope]\nprompts = ["app.py::SORT", "app.py::GONE"]\nparams = ["no.py::K"]\n')
    with serving(Server()) as server:
        code, text = pytest_in(root, server, "--fapo-diagnose")
        assert code == 1
        assert "left out of the diagnosis: [tool.fapo.scope] prompts: 'app.py::GONE' matches nothing" in text
        assert "left out of the diagnosis: [tool.fapo.scope] params: 'no.py::K' matches nothing" in text
        assert "artifacts  app.py::SORT" in text
        assert "Texts that reached a model" not in text
        asked = len(server.task_requests)
        for command in ("--fapo-optimize", "--fapo-update-baseline"):
            code, text = pytest_in(root, server, command, "--fapo-cache=off")
            assert code == 4, text
            assert "'app.py::GONE' matches nothing" in text
        assert len(server.task_requests) == asked


def test_optimize_without_a_scope_says_how_to_get_one_before_a_call_is_paid(root: Path) -> None:
    with serving(Server()) as server:
        code, text = pytest_in(root, server, "--fapo-optimize")
        assert code == 4
        assert "[tool.fapo.scope] is empty" in text
        assert "`pytest --fapo-diagnose` lists the texts that reach the model" in text
        assert server.task_requests == []
