"""No credential is ever in a key, in the cache, or in a trace; what a caller receives is not touched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
from support import llm_shapes as shapes
from support.llm_lab import Lab
from support.llm_server import LLMServer, Received

from pytest_fapo.answers.cache import AnswerCache
from pytest_fapo.capture.json_values import to_json
from pytest_fapo.capture.redaction import Redactor

SECRET = "sk-live-7d1f0c2b9a8e4455"
BODY = {"model": "m", "messages": [{"role": "user", "content": f"my key is {SECRET}, is that bad?"}]}


def _on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"authorization": f"Bearer {SECRET}"}, ""),
        ({"x-api-key": SECRET}, ""),
        ({"api-key": SECRET}, "?api-version=2026-01-01"),
        ({}, f"?key={SECRET}&alt=sse"),
        ({}, f"?api_key={SECRET}"),
    ],
)
def test_credentials_are_neither_kept_nor_part_of_the_key(
    headers: dict[str, str], query: str, server: LLMServer, lab: Lab
) -> None:
    # a provider that talks about the key in its answer
    server.respond = lambda request: shapes.chat(f"Yes: {SECRET} is your key")
    url = f"{server.base_url}/chat/completions"
    answer = lab.run(lambda: httpx.post(url + query, json=BODY, headers=headers).json())
    assert SECRET in answer["choices"][0]["message"]["content"]

    trace = lab.recorder.trace(inputs=BODY, output=answer).model_dump_json()
    assert SECRET not in trace
    assert "[redacted]" in trace
    assert "do-not-keep-this-cookie" not in trace
    assert b"do-not-keep-this-cookie" not in _on_disk(lab.folder)

    other = {name: value.replace(SECRET, "sk-other-0000000000000000") for name, value in headers.items()}
    rotated = query.replace(SECRET, "sk-other-0000000000000000")
    again = lab.run(lambda: httpx.post(url + rotated, json=BODY, headers=other).json())
    assert again == answer  # replayed unchanged, and found with another key
    assert server.count == 1


def test_a_request_that_does_not_mention_its_key_leaves_no_trace_of_it(server: LLMServer, lab: Lab) -> None:
    client = openai.OpenAI(base_url=server.base_url, api_key=SECRET, organization="org-1")
    other = anthropic.Anthropic(base_url=server.url, api_key=SECRET)
    messages: Any = [{"role": "user", "content": "hello"}]
    lab.run(lambda: client.chat.completions.create(model="m", messages=messages))
    lab.run(lambda: other.messages.create(model="m", max_tokens=5, messages=messages))
    for request in server.requests:
        assert request.headers.get("x-api-key", request.headers.get("authorization", "")).endswith(SECRET)
    assert server.count == 2
    assert SECRET.encode() not in _on_disk(lab.folder)
    assert lab.calls[0].url == f"{server.url}/v1/messages"


def test_the_url_with_a_password_is_recorded_without_it(server: LLMServer, lab: Lab) -> None:
    url = f"http://user:{SECRET}@127.0.0.1:{server.port}/v1/chat/completions"
    lab.run(lambda: httpx.post(url, json={"model": "m", "messages": []}))
    assert lab.calls[0].url == f"{server.base_url}/chat/completions"
    assert SECRET.encode() not in _on_disk(lab.folder)


def test_versions_servers_and_queries_are_part_of_the_key(server: LLMServer, lab: Lab) -> None:
    url = f"{server.base_url}/messages"
    body = {"model": "m", "messages": []}

    def ask(query: str = "", **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        lab.run(lambda: httpx.post(url + query, json=body, headers=named))

    ask(anthropic_version="2023-06-01")
    ask(anthropic_version="2026-01-01")
    ask(anthropic_version="2023-06-01", anthropic_beta="tools")
    ask("?api-version=1", anthropic_version="2023-06-01")
    ask(anthropic_version="2023-06-01", x_stainless_retry_count="1", user_agent="another")
    assert server.count == 4


def test_a_body_that_is_no_json_is_told_apart_by_its_bytes(server: LLMServer, lab: Lab) -> None:
    server.respond = lambda request: shapes.chat(f"{len(request.content)} bytes")
    url = f"{server.base_url}/chat/completions"

    def send(data: bytes) -> str:
        return str(lab.run(lambda: httpx.post(url, content=data).text))

    sent = [send(b"a=1"), send(b"a=10"), send(b"a=1")]
    assert sent[0] == sent[2] != sent[1]
    assert server.count == 2


def test_a_body_that_comes_in_pieces_is_sent_whole(server: LLMServer, lab: Lab) -> None:
    def body() -> Any:
        yield b'{"model": "m", '
        yield b'"messages": []}'

    seen: list[Received] = server.requests
    assert (
        lab.run(lambda: httpx.post(f"{server.base_url}/chat/completions", content=body())).status_code == 200
    )
    assert seen[0].body == {"model": "m", "messages": []}
    assert len(AnswerCache(lab.folder)) == 1


ODD_SECRET = 'p4ss"word\\with é-12345678'


@pytest.mark.parametrize(
    ("value", "is_spared"),
    [
        ({"role": "user", "content": "How many tokens this is: about 5 = five.\nThe end / “really”"}, True),
        ({"role": "user", "max_tokens": 5, "n": ["a \\ b", 1.5, None]}, True),
        ({"content": f"it is {ODD_SECRET}"}, False),
        ({"content": f"my key is {SECRET}"}, False),
        ({"content": "https://me:hunter2@example.com/"}, False),
        ({"content": "get /x?access_token=abcdef0123456789"}, False),
        ({"content": 'password = "hunter2hunter2"'}, False),
        ({"cookie": "a=b"}, False),
        ({"private_key": "abc"}, False),
        ({"password": "abc"}, False),
        ({"x": {"apiKey": "abc"}}, False),
    ],
)
@pytest.mark.parametrize("write", [json.dumps, lambda value: json.dumps(value, ensure_ascii=False), repr])
def test_what_is_said_to_hold_no_secret_is_recorded_as_it_is(
    value: Any, is_spared: bool, write: Callable[[Any], str]
) -> None:
    redactor = Redactor(secrets=[ODD_SECRET])
    assert redactor.surely_spares(write(value)) <= (to_json(value, limit=10_000, redactor=redactor) == value)
    assert redactor.surely_spares(write(value)) == (is_spared and "\\u" not in write(value))


def test_a_secret_that_json_writes_with_escapes_is_taken_out_of_a_message(
    server: LLMServer, lab: Lab
) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": f"keep {ODD_SECRET} for me"}]}
    lab.run(
        lambda: httpx.post(f"{server.base_url}/chat/completions", json=body),
        redactor=Redactor(secrets=[ODD_SECRET]),
    )
    [call] = lab.calls
    assert call.messages == [{"role": "user", "content": "keep [redacted] for me"}]
