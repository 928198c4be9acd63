"""A pipeline's model calls are found in code of many kinds, and so is the location of its prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.operated import LLM, Operated

from pytest_fapo.propose.operators.project_functions import OperatorError
from pytest_fapo.propose.operators.step_operators import apply_operator

CHECK = {"operator": "verify-and-revise"}


def _checked(text: str) -> str:
    return "right" if "Check an answer" in text else "wrong"


def _project(root: Path, patch: pytest.MonkeyPatch, source: str, **files: str) -> Operated:
    return Operated(root, patch, source, {f"{name}.py": text for name, text in files.items()})


def _evidence(project: Operated, step: str = "sort", **more: Any) -> Any:
    return project.evidence(step, [({"message": "a message"}, "wrong")], **more)


DIRECT = """
from PACKAGE.fake import client

MODEL = "m"

def sort(message):
    messages = [{"role": "user", "content": "Sort: " + message}]
    response = client.chat.completions.create(model=MODEL, messages=messages, tools=[])
    return response.choices[0].message.content
"""
LOCAL = """
from PACKAGE import fake

def sort(message, model="m"):
    client = fake.client
    prompt = "Sort: " + message
    return client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": prompt}]
    ).choices[0].message.content
"""
ASYNC = """
from PACKAGE.fake import aclient

async def sort(message: str) -> str:
    messages = [{"role": "user", "content": message}]
    response = await aclient.chat.completions.create(model="m", messages=messages)
    return response.choices[0].message.content
"""
MODULE = """
from PACKAGE import llm

def sort(message):
    return llm.complete("Sort: " + message)
"""
METHOD = """
from PACKAGE.fake import client

class Desk:
    def ask(self, *, text, temperature=0.0):
        response = client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
        return response.choices[0].message.content

    def sort(self, message):
        return self.ask(text="Sort: " + message)
"""
RELAY = """
from PACKAGE.fake import client

def send(messages):
    return client.chat.completions.create(model="m", messages=messages).choices[0].message.content

def run(model, question):
    return send([{"role": "user", "content": question}])

def sort(message):
    return run("m", "Sort: " + message)
"""
LISTED = """
from PACKAGE.fake import client

def send(messages: list[dict[str, str]]) -> str:
    return client.chat.completions.create(model="m", messages=messages).choices[0].message.content

def sort(message):
    return send([{"role": "user", "content": message}])
"""
ELSEWHERE = """
def sort(message):
    return "wrong"
"""
NEIGHBOR = """
from PACKAGE.llm import complete

def sort(message):
    return "wrong"

def reply(message):
    return complete(message)
"""


@pytest.mark.parametrize(
    ("source", "name"),
    [
        pytest.param(DIRECT, "sort", id="its own request"),
        pytest.param(LOCAL, "sort", id="its own client"),
        pytest.param(ASYNC, "sort", id="its own async request"),
        pytest.param(MODULE, "sort", id="a module's function"),
        pytest.param(METHOD, "Desk.sort", id="a method"),
        pytest.param(RELAY, "sort", id="through two functions, with a model's name"),
        pytest.param(LISTED, "sort", id="a list of messages"),
        pytest.param(ELSEWHERE, "sort", id="a function of another file"),
        pytest.param(NEIGHBOR, "sort", id="as its neighbor does"),
    ],
)
def test_a_further_question_is_asked_as_the_project_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, name: str
) -> None:
    project = _project(tmp_path, monkeypatch, source)
    edits = project.apply(CHECK, _evidence(project, name))
    assert project.run(_checked, name, "hello") == "right"
    assert [edit.address for edit in edits] == [f"{project.pipeline}::{name}"]


HTTP = """
import httpx

client = httpx.Client(base_url="http://127.0.0.1:9")

def sort(message):
    answer = client.post(f"/v1/chat/completions", json={"model": "m", "messages": [message], "stream": False})
    return answer.raise_for_status().json()["choices"][0]["message"]["content"]
"""
ANTHROPIC = """
import anthropic

client = anthropic.Anthropic()

def sort(message):
    reply = client.messages.create(
        model="m", max_tokens=9, system="Sort.", messages=[{"role": "user", "content": message}]
    )
    return reply.content[0].text
"""
RESPONSES = """
from openai import OpenAI

def sort(message):
    return OpenAI().responses.create(model="m", instructions="Sort.", input=message).output_text
"""


@pytest.mark.parametrize(
    ("source", "request_line", "answer"),
    [
        (
            HTTP,
            "reply = client.post(f'/v1/chat/completions', json={'model': 'm', 'messages': [",
            "reply.json()[",
        ),
        (
            ANTHROPIC,
            "reply = client.messages.create(model='m', max_tokens=9, messages=[",
            "block.text for block",
        ),
        (RESPONSES, "reply = OpenAI().responses.create(model='m', input=text)", "return reply.output_text"),
    ],
    ids=["http", "anthropic", "responses"],
)
def test_other_providers_requests_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, request_line: str, answer: str
) -> None:
    project = _project(tmp_path, monkeypatch, source)
    text = apply_operator(CHECK, _evidence(project))[0].after
    assert request_line in text
    assert answer in text


def test_a_client_whose_file_is_not_shown_is_known_by_its_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = (
        "from PACKAGE.llm import complete\n\ndef sort(message):\n    return complete('Sort: ' + message)\n"
    )
    project = _project(tmp_path, monkeypatch, source)
    project.apply(CHECK, _evidence(project, hidden=["llm.py", "fake.py"]))
    assert project.run(_checked, "sort", "hello") == "right"


def test_a_neighbors_call_is_taken_over_where_the_clients_file_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = _project(tmp_path, monkeypatch, NEIGHBOR)
    evidence = _evidence(project, hidden=["llm.py", "fake.py"], asks=False)
    asking = _evidence(project, "reply")
    evidence = evidence.model_copy(update={"cases": [*evidence.cases, *asking.cases]})
    project.apply(CHECK, evidence)
    assert project.run(_checked, "sort", "hello") == "right"


def test_a_function_without_any_model_gets_no_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = _project(tmp_path, monkeypatch, "def sort(message):\n    return ask(message)\n", llm="")
    with pytest.raises(OperatorError, match="no function was found by which sort could ask"):
        apply_operator(CHECK, _evidence(project, asks=False))


def test_a_sync_function_cannot_await(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only_async = LLM[: LLM.index("def complete")] + LLM[LLM.index("async def") :]
    project = _project(tmp_path, monkeypatch, ELSEWHERE, llm=only_async)
    with pytest.raises(OperatorError, match="no function was found"):
        apply_operator(CHECK, _evidence(project))


LOADED = """
from PACKAGE.llm import complete
from PACKAGE.prompts import load

def sort(message: str) -> str:
    return complete(load("sort").format(message=message))
"""


def test_new_prompts_are_kept_where_the_project_keeps_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Operated(tmp_path, monkeypatch, LOADED, {"prompts/sort.md": "Sort: {message}"})
    creatable = [f"{project.package}/prompts/*.md"]
    checks = ["It is {small}."]
    edits = project.apply({**CHECK, "checks": checks}, _evidence(project, creatable=creatable))
    assert edits[1].address == f"{project.package}/prompts/sort_check.md"
    assert (edits[1].before, "{message}" in edits[1].after) == ("", True)
    assert 'load("sort_check").format(message=message, answer=answer)' in edits[0].after
    assert project.run(_checked, "sort", "braces {x}") == "right"
    assert "message:\nbraces {x}\n" in project.asked[1]
    assert "- It is {small}." in project.asked[1]


def test_no_prompt_file_is_made_where_the_scope_has_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Operated(tmp_path, monkeypatch, LOADED, {"prompts/sort.md": "Sort: {message}"})
    edits = project.apply(CHECK, _evidence(project, creatable=["elsewhere/*.md"]))
    assert len(edits) == 1
    assert project.run(_checked, "sort", "hello") == "right"


RENDERED = """
from PACKAGE.llm import complete
from PACKAGE.prompts import render

def sort(message: str) -> str:
    return complete(render("sort", message=message))
"""
RENDER = """
from pathlib import Path

def render(name, **values):
    return (Path(__file__).parent / "prompts" / f"{name}.md").read_text().format(**values)
"""


def test_prompts_that_are_filled_as_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"prompts/sort.md": "Sort: {message}", "prompts.py": RENDER, "prompts/sort_check.md": "mine"}
    project = Operated(tmp_path, monkeypatch, RENDERED, files)
    edits = project.apply(CHECK, _evidence(project, creatable=[f"{project.package}/prompts/*.md"]))
    assert edits[1].address == f"{project.package}/prompts/sort_check_2.md"
    assert 'render("sort_check_2", message=message, answer=answer)' in edits[0].after
    assert project.run(_checked, "sort", "hello") == "right"
