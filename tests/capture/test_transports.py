"""Requests of the standard library, urllib3, requests and aiohttp: captured once, replayed as they came."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, NamedTuple

import httpx
import pytest
from support import llm_shapes as shapes
from support.llm_lab import Lab
from support.llm_server import Answer, LLMServer, failed

from pytest_fapo.capture.answer_writing import written_answer
from pytest_fapo.capture.cache_key import Question
from pytest_fapo.capture.http_answer import RecordedAnswer
from pytest_fapo.core.errors import CacheMiss

KEY = "sk-test-0123456789abcdef"
HEADERS = {"content-type": "application/json", "authorization": f"Bearer {KEY}"}


class Seen(NamedTuple):
    """What a caller sees of an answer."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    pieces: list[bytes]


def _body(text: str, stream: bool = False) -> bytes:
    turn = {"role": "user", "content": text}
    return json.dumps({"model": "gpt-test", "messages": [turn], "stream": stream}).encode()


def _kept(headers: Any) -> list[tuple[str, str]]:
    return [(str(name).lower(), str(value)) for name, value in headers if str(name).lower() != "set-cookie"]


def _http_client(url: str, body: bytes) -> Seen:
    host, path = url.removeprefix("http://").split("/", 1)
    connection = http.client.HTTPConnection(host, timeout=5)
    connection.request("POST", f"/{path}", body, HEADERS)
    with pytest.raises(TypeError):  # as urllib3 before 2 begins; the answer is still to come
        connection.getresponse(buffering=True)  # type: ignore[call-arg]
    response = connection.getresponse()
    pieces = [response.read(7), response.readline(), response.read()]
    connection.close()
    return Seen(response.status, response.reason, _kept(response.getheaders()), pieces)


def _urllib(url: str, body: bytes) -> Seen:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, HEADERS), timeout=5) as response:
            return Seen(
                response.status,
                response.reason,
                _kept(response.headers.items()),
                [response.readline(), response.read()],
            )
    except urllib.error.HTTPError as error:
        with error:
            return Seen(error.code, error.reason, _kept(error.headers.items()), [error.read()])


def _urllib3(url: str, body: bytes) -> Seen:
    urllib3 = pytest.importorskip("urllib3")
    with urllib3.PoolManager(retries=False, timeout=5) as pool:
        response = pool.request("POST", url, body=body, headers=HEADERS, preload_content=False)
        pieces = list(response.stream(16))
        response.release_conn()
        return Seen(response.status, response.reason, _kept(response.headers.items()), pieces)


def _urllib3_whole(url: str, body: bytes) -> Seen:
    urllib3 = pytest.importorskip("urllib3")
    with urllib3.PoolManager(retries=False, timeout=5) as pool:
        response = pool.request("POST", url, body=body, headers=HEADERS)
        return Seen(response.status, response.reason, _kept(response.headers.items()), [response.data])


def _requests(url: str, body: bytes) -> Seen:
    response = pytest.importorskip("requests").post(url, data=body, headers=HEADERS, timeout=5)
    return Seen(response.status_code, response.reason, _kept(response.headers.items()), [response.content])


def _requests_lines(url: str, body: bytes) -> Seen:
    requests = pytest.importorskip("requests")
    with requests.post(url, data=body, headers=HEADERS, timeout=5, stream=True) as response:
        lines = list(response.iter_lines(chunk_size=None))
        return Seen(response.status_code, response.reason, _kept(response.headers.items()), lines)


def _aiohttp(url: str, body: bytes) -> Seen:
    aiohttp = pytest.importorskip("aiohttp")

    async def ask() -> Seen:
        post = {"data": body, "headers": HEADERS}
        async with aiohttp.ClientSession() as session, session.post(url, **post) as answer:
            pieces = [piece async for piece, _ in answer.content.iter_chunks()]
            return Seen(answer.status, answer.reason, _kept(answer.headers.items()), [p for p in pieces if p])

    return asyncio.run(ask())


def _aiohttp_whole(url: str, body: bytes) -> Seen:
    aiohttp = pytest.importorskip("aiohttp")

    async def ask() -> Seen:
        async with aiohttp.ClientSession() as session:
            answer = await session.post(url, json=json.loads(body), headers=HEADERS)
            whole = await answer.read()
            return Seen(answer.status, answer.reason, _kept(answer.headers.items()), [whole])

    return asyncio.run(ask())


CLIENTS = [
    *(_http_client, _urllib, _urllib3, _urllib3_whole, _requests, _requests_lines),
    *(_aiohttp, _aiohttp_whole),
]

ANSWERS: dict[str, Any] = {
    "whole": shapes.chat("Grüße"),
    "compressed": Answer(body=shapes.chat("fine"), gzip=True),
    "chunks": shapes.chat_stream("one two three four five six seven eight nine ten"),
}

Client = Callable[[str, bytes], Seen]


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=list(ANSWERS))
@pytest.mark.parametrize("client", CLIENTS)
def test_it_is_replayed_as_it_came(client: Client, answer: Any, server: LLMServer, lab: Lab) -> None:
    server.script(answer)
    url, body = f"{server.base_url}/chat/completions", _body("q", answer is ANSWERS["chunks"])
    live = lab.run(lambda: client(url, body))
    (call,) = lab.calls
    assert (call.status, call.cache_hit, call.error, call.model) == (200, False, None, "gpt-test")
    assert call.answer
    lab.capture("only")
    assert lab.run(lambda: client(url, body)) == live
    (again,) = lab.calls
    assert (again.cache_hit, again.answer, again.key) == (True, call.answer, call.key)
    assert server.count == 1


@pytest.mark.parametrize("client", CLIENTS)
def test_an_error_reaches_the_caller_and_is_not_recorded(client: Client, server: LLMServer, lab: Lab) -> None:
    server.script(failed(503, message="too busy"), "fine")
    url = f"{server.base_url}/chat/completions"
    assert lab.run(lambda: client(url, _body("q"))).status == 503
    assert lab.calls[0].error == "HTTP 503: too busy"
    assert lab.run(lambda: client(url, _body("q"))).status == 200
    assert (lab.calls[0].cache_hit, lab.calls[0].answer) == (False, "fine")


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("broken_after", [0, 1])
def test_a_broken_connection_raises_what_it_always_raises(
    client: Client, broken_after: int, server: LLMServer, lab: Lab
) -> None:
    url, body = f"{server.base_url}/chat/completions", _body("q")
    broken = Answer(body=shapes.chat("fine " * 50), break_after=broken_after)
    server.script(broken, broken)
    with pytest.raises(Exception) as unwatched:
        client(url, body)
    with pytest.raises(Exception) as caught:
        lab.run(lambda: client(url, body))
    assert type(caught.value) is type(unwatched.value)
    (call,) = lab.calls
    assert not call.answered
    assert call.error
    assert lab.run(lambda: client(url, body)).status == 200
    assert server.count == 3


@pytest.mark.parametrize("client", CLIENTS)
def test_nobody_there_raises_what_it_always_raises(client: Client, lab: Lab) -> None:
    with LLMServer() as gone:
        url = f"{gone.base_url}/chat/completions"
    with pytest.raises(Exception) as unwatched:
        client(url, _body("q"))
    with pytest.raises(Exception) as caught:
        lab.run(lambda: client(url, _body("q")))
    assert type(caught.value) is type(unwatched.value)
    assert re.search("refused|Connect call failed", str(lab.calls[0].error))


@pytest.mark.parametrize("client", CLIENTS)
def test_without_a_recorded_answer_nothing_is_sent(client: Client, server: LLMServer, lab: Lab) -> None:
    lab.capture("only")
    with pytest.raises(CacheMiss, match="no recorded answer to POST /v1/chat/completions"):
        lab.run(lambda: client(f"{server.base_url}/chat/completions", _body("q")))
    assert server.count == 0


@pytest.mark.parametrize("client", CLIENTS)
def test_what_asks_no_model_passes_untouched(client: Client, server: LLMServer, lab: Lab) -> None:
    lab.run(lambda: client(f"{server.url}/v1/tickets", _body("q")))
    client(f"{server.base_url}/chat/completions", _body("q"))
    assert (lab.calls, server.count) == ([], 2)


@pytest.mark.parametrize("client", CLIENTS)
def test_libraries_share_their_answers(client: Client, server: LLMServer, lab: Lab) -> None:
    """A project that changes its HTTP library asks no question again."""
    url, body = f"{server.base_url}/chat/completions", _body("q")
    lab.run(lambda: client(url, body))
    lab.capture("only")
    answer = lab.run(lambda: httpx.post(url, content=body, headers=HEADERS))
    assert answer.json()["choices"][0]["message"]["content"] == "echo: q"


def test_retries_of_urllib3_are_calls_of_one_step(server: LLMServer, lab: Lab) -> None:
    urllib3 = pytest.importorskip("urllib3")
    server.script(failed(503), failed(503), "fine")
    retries = urllib3.Retry(3, status_forcelist=[503], allowed_methods=None, backoff_factor=0)

    def ask() -> Any:
        with urllib3.PoolManager(retries=retries) as pool:
            return pool.request("POST", f"{server.base_url}/chat/completions", body=_body("q"))

    assert lab.run(ask).status == 200
    assert [call.status for call in lab.calls] == [503, 503, 200]
    assert len(lab.steps) == 1
    lab.capture("only")
    assert lab.run(ask).json()["choices"][0]["message"]["content"] == "fine"
    assert server.count == 3


def test_a_kept_connection_goes_on_after_a_replay(server: LLMServer, lab: Lab) -> None:
    """Sent, replayed, sent: on one connection that the server keeps open."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)

    def ask(text: str) -> str:
        connection.request("POST", "/v1/chat/completions", _body(text), HEADERS)
        return str(json.load(connection.getresponse())["choices"][0]["message"]["content"])

    try:
        assert lab.run(lambda: ask("a")) == "echo: a"
        assert lab.run(lambda: [ask("a"), ask("b"), ask("b")]) == ["echo: a", "echo: b", "echo: b"]
    finally:
        connection.close()
    assert [call.cache_hit for call in lab.calls] == [True, False, False]
    assert server.count == 3


class _StandIn:
    """Answers in the provider's place."""

    fingerprint = "1"

    def answer(self, question: Question) -> RecordedAnswer:
        return written_answer(question.api, question.body, f"offline at {question.url}")


@pytest.mark.parametrize("proxy", [None, "http://127.0.0.1:9"])
@pytest.mark.parametrize("client", ["urllib", "http.client", "requests"])
def test_an_answer_without_sending_needs_no_connection(
    client: str, proxy: str | None, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither to a host behind TLS nor to a proxy before it."""
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
        if proxy:
            monkeypatch.setenv(name, proxy)
    url, body = "https://llm.invalid/v1/chat/completions", _body("q")

    def ask() -> Any:
        if client == "requests":
            return pytest.importorskip("requests").post(url, data=body, headers=HEADERS).json()
        if client == "urllib":
            return json.load(urllib.request.urlopen(urllib.request.Request(url, body, HEADERS)))
        connection = http.client.HTTPSConnection("llm.invalid")
        connection.request("POST", "/v1/chat/completions", body, HEADERS)
        return json.load(connection.getresponse())

    lab.capture("auto", offline=_StandIn())
    assert lab.run(ask)["choices"][0]["message"]["content"] == f"offline at {url}"
    assert lab.run(ask)["choices"][0]["message"]["content"] == f"offline at {url}"
    assert lab.calls[0].cache_hit


@pytest.mark.parametrize("client", CLIENTS)
def test_no_credential_is_kept(client: Client, server: LLMServer, lab: Lab) -> None:
    url = f"{server.base_url}/chat/completions?key=secret-0123456789"
    lab.run(lambda: client(url, _body(f"my key is {KEY}")))
    text = lab.recorder.trace().model_dump_json() + "".join(
        file.read_bytes().decode("latin-1") for file in lab.folder.rglob("*") if file.is_file()
    )
    assert "echo" in text
    for secret in (KEY, "secret-0123456789", "do-not-keep-this-cookie"):
        assert secret not in text.replace(f"echo: my key is {KEY}", "")
