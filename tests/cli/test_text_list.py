"""`fapo texts`: what a scope can name, by address."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_fapo.cli.command_line import main

DESK = '''
agent = Agent("openai:gpt-4o", instructions="Answer the customer in two sentences.")

def lookup(number):
    """Find an order by its number."""

def triage(ticket):
    return ask(f"Which team is this ticket for? {ticket}")
'''


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    files = {"pyproject.toml": "[tool.fapo]\n", "app/desk.py": DESK, "app/p.yaml": "draft: Write a reply.\n"}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_text_stands_beside_its_address(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["texts", "app/desk.py"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "app/desk.py::agent.instructions  Answer the customer in two sentences.",
        "app/desk.py::lookup.__doc__      Find an order by its number.",
        "app/desk.py::triage{ticket}      Which team is this ticket for? {ticket}",
    ]


def test_a_folder_stands_for_its_code_and_data_also_from_within(
    capsys: pytest.CaptureFixture[str], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project / "app")
    assert main(["texts", ".", "--all", "--json"]) == 0
    found = {text["address"]: text for text in json.loads(capsys.readouterr().out)}
    assert found["app/p.yaml::draft"]["value"] == "Write a reply."
    assert found["app/desk.py::agent[0]"]["value"] == "openai:gpt-4o"
    assert found["app/desk.py::triage{ticket}"]["line"] == 8


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("app/nothing.py", "app/nothing.py: no text there that a scope could name"),
        ("../other", "it is not in the project"),
        ("app/broken.py", "app/broken.py: line 1: not valid Python"),
    ],
)
def test_what_cannot_be_listed_says_why(
    path: str, words: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "app/broken.py").write_text("def (")
    assert main(["texts", path]) == 1
    assert words in capsys.readouterr().err
