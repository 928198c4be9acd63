"""`fapo judge check`: a judge beside the labels of people."""

from __future__ import annotations

import json

import pytest
from support.cli_projects import Folder
from support.llm_server import LLMServer, Received, Reply

JUDGES = """
import os
import httpx

def faithful(output, source="-"):
    body = {"model": "judge", "messages": [{"role": "user", "content": f"grade {output}"}]}
    answer = httpx.post(os.environ["OPENAI_BASE_URL"] + "/chat/completions", json=body)
    score = float(answer.raise_for_status().json()["choices"][0]["message"]["content"])
    return score, f"graded {output}"

def shouting(output):
    raise RuntimeError("no voice")
"""
LABELED = [
    {"id": "a", "output": "fine", "human": 1},
    {"id": "b", "output": "fine too", "human": 1},
    {"id": "c", "output": "bad", "human": 0},
    {"id": "d", "output": "bad but long", "human": 1},
]


def respond(request: Received) -> Reply:
    return "0.9" if "fine" in request.last_text else "0.1"


@pytest.fixture
def labeled(folder: Folder) -> Folder:
    rows = "\n".join(json.dumps(row) for row in LABELED)
    folder.write({"pyproject.toml": "[tool.fapo]\n", "graders.py": JUDGES, "labels.jsonl": rows})
    return folder


def test_agreement_kappa_and_the_disagreements(labeled: Folder) -> None:
    with LLMServer(respond) as server:
        labeled.env["OPENAI_BASE_URL"] = server.base_url
        said = labeled.fapo("judge", "check", "labels.jsonl", "--judge", "graders:faithful", "--repeats", "2")
        again = labeled.fapo("judge", "check", "labels.jsonl", "--judge", "graders:faithful", "--json")
        assert server.count == 8  # the second time nothing is asked
    assert said.code == again.code == 0
    lines = said.out.splitlines()
    assert "judge       graders:faithful, asked 2 times about each of 4 outputs" in lines
    assert "agreement   3 of 4 (75 %; 95 % interval 30 % to 95 %)" in lines
    assert "kappa       0.50; 1 is full agreement, 0 what chance gives" in lines
    assert "noise       varies over 0 of 4 outputs, one answer by ±0" in lines
    assert "judge calls 8 sent, 0 answered from the cache" in lines
    assert "1 disagreement:" in lines
    assert lines[-1].split(maxsplit=3) == ["d", "1", "0.1", "graded bad but long"]
    assert json.loads(again.out)["disagreements"] == [{"id": "d", "human": 1.0, "judge": [0.1]}]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--judge", "graders"), "--judge=graders: expected module:function"),
        (("--judge", "graders:fair"), "--judge=graders:fair: graders has no 'fair'"),
        (("--judge", "nowhere:fair"), "--judge=nowhere:fair: nowhere cannot be imported"),
        (("--judge", "graders:faithful", "--label", "grade"), "labels.jsonl: row 1 has no 'grade'"),
        (("--judge", "graders:shouting"), "graders:shouting judged no row of labels.jsonl: RuntimeError: no"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(labeled: Folder, arguments: tuple[str, ...], message: str) -> None:
    said = labeled.fapo("judge", "check", "labels.jsonl", *arguments)
    assert said.code == 1
    assert message in said.err
    assert len(said.err.splitlines()) == 1
