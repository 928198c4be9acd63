"""The caller receives the same without a capture, while it is recorded, and when it is replayed."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import anthropic
import httpx
import httpx2
import openai
import pytest
from support import llm_shapes as shapes
from support.llm_lab import Lab
from support.llm_server import Answer, LLMServer

KEY = "sk-test-0123456789abcdef"
USER = [{"role": "user", "content": "Grüezi, what now?"}]
TOOL = {"name": "weather", "parameters": {"type": "object", "properties": {}}}
CHAT_TOOLS = [{"type": "function", "function": TOOL}]
MESSAGE_TOOLS = [{"name": "weather", "input_schema": {"type": "object"}}]
VOLATILE = {"date", "x-request-id", "set-cookie"}

Ask = Callable[[Any], Any]

OPENAI: dict[str, tuple[Any, Ask]] = {
    "chat": (
        shapes.chat("grüezi"),
        lambda c: c.chat.completions.with_raw_response.create(model="m", messages=USER),
    ),
    "chat gzipped": (
        Answer(body=shapes.chat("grüezi" * 50), gzip=True),
        lambda c: c.chat.completions.with_raw_response.create(model="m", messages=USER),
    ),
    "chat tools": (
        shapes.chat(None, finish="tool_calls", tool_calls=shapes.CHAT_TOOL_CALLS),
        lambda c: c.chat.completions.with_raw_response.create(model="m", messages=USER, tools=CHAT_TOOLS),
    ),
    "chat stream": (
        shapes.chat_stream(),
        lambda c: c.chat.completions.create(model="m", messages=USER, stream=True),
    ),
    "chat tool stream": (
        shapes.chat_tool_stream(),
        lambda c: c.chat.completions.create(model="m", messages=USER, stream=True, tools=CHAT_TOOLS),
    ),
    "response": (
        shapes.response("hi"),
        lambda c: c.responses.with_raw_response.create(model="m", input="hello"),
    ),
    "response stream": (
        shapes.response_stream("hi| there"),
        lambda c: c.responses.create(model="m", input="hello", stream=True),
    ),
    "embeddings": (
        shapes.embedding([0.5, -1.0]),
        lambda c: c.embeddings.with_raw_response.create(model="e", input="word", encoding_format="float"),
    ),
}
ANTHROPIC: dict[str, tuple[Any, Ask]] = {
    "message": (
        shapes.message("grüezi"),
        lambda c: c.messages.with_raw_response.create(model="m", max_tokens=9, messages=USER, system="S"),
    ),
    "message tools": (
        shapes.message("look", shapes.MESSAGE_TOOL, stop="tool_use"),
        lambda c: c.messages.with_raw_response.create(
            model="m", max_tokens=9, messages=USER, tools=MESSAGE_TOOLS
        ),
    ),
    "message stream": (
        shapes.message_stream("grü|ezi"),
        lambda c: c.messages.create(model="m", max_tokens=9, messages=USER, stream=True),
    ),
    "message tool stream": (
        shapes.message_stream("look", tool=True),
        lambda c: c.messages.create(model="m", max_tokens=9, messages=USER, tools=MESSAGE_TOOLS, stream=True),
    ),
}
CASES = [
    pytest.param(provider, name, mode, id=f"{provider}-{name}-{mode}".replace(" ", "-"))
    for provider, table in (("openai", OPENAI), ("anthropic", ANTHROPIC))
    for name in table
    for mode in ("sync", "async")
]


def _headers(response: Any) -> list[tuple[bytes, bytes]]:
    return [(k.lower(), v) for k, v in response.headers.raw if k.lower().decode() != "set-cookie"]


def _steady(seen: Any) -> Any:
    """Without the headers that differ between two live answers."""
    headers, *rest = seen
    return [(k, v) for k, v in headers if k.decode() not in VOLATILE], *rest


def _ask(provider: str, mode: str, url: str, ask: Ask) -> Any:
    """Headers, status and everything that the SDK gives its caller."""
    module: Any = openai if provider == "openai" else anthropic
    name = ("OpenAI" if provider == "openai" else "Anthropic") if mode == "sync" else ""
    kind = name or ("AsyncOpenAI" if provider == "openai" else "AsyncAnthropic")
    base_url = f"{url}/v1" if provider == "openai" else url
    client = getattr(module, kind)(base_url=base_url, api_key=KEY, max_retries=0)
    if mode == "sync":
        result = ask(client)
        response = result.response if hasattr(result, "response") else result.http_response
        items = [_dump(item) for item in result] if hasattr(result, "response") else [_dump(result.parse())]
        return _headers(response), response.status_code, items
    return asyncio.run(_ask_async(client, ask))


async def _ask_async(client: Any, ask: Ask) -> Any:
    result = await ask(client)
    if hasattr(result, "response"):
        items = [_dump(item) async for item in result]
        response = result.response
    else:
        parsed = result.parse()
        items = [_dump(await parsed if inspect.isawaitable(parsed) else parsed)]
        response = result.http_response
    return _headers(response), response.status_code, items


def _dump(item: Any) -> Any:
    return item.model_dump() if hasattr(item, "model_dump") else item


@pytest.mark.parametrize(("provider", "name", "mode"), CASES)
def test_the_sdk_gives_the_same_live_recorded_and_replayed(
    provider: str, name: str, mode: str, server: LLMServer, lab: Lab
) -> None:
    answer, ask = (OPENAI if provider == "openai" else ANTHROPIC)[name]
    server.respond = lambda request: answer
    once = partial(_ask, provider, mode, server.url, ask)

    plain = once()
    recorded = lab.run(once)
    replayed = lab.run(once)

    assert server.count == 2
    assert replayed == recorded
    assert _steady(recorded) == _steady(plain)
    (call,) = lab.calls
    assert (call.cache_hit, call.status, call.error) == (True, 200, None)


@pytest.mark.parametrize("module", [httpx, httpx2], ids=["httpx", "httpx2"])
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_bare_client_gets_the_same_raw_chunks(module: Any, mode: str, server: LLMServer, lab: Lab) -> None:
    # boundaries inside an event and inside a UTF-8 character
    stream = b"".join(shapes.chat_stream("hel|lo| wörld"))
    cut = stream.index("ö".encode()) + 1
    chunks = [stream[:7], stream[7:cut], stream[cut:-3], stream[-3:]]
    server.respond = lambda request: chunks
    url, body = f"{server.base_url}/chat/completions", {"model": "m", "messages": USER, "stream": True}

    def sync() -> Any:
        with module.Client() as client, client.stream("POST", url, json=body) as response:
            raw = list(response.iter_raw())
            return (
                _headers(response),
                response.status_code,
                response.reason_phrase,
                response.http_version,
                raw,
            )

    async def asynchronous() -> Any:
        async with module.AsyncClient() as client, client.stream("POST", url, json=body) as response:
            raw = [chunk async for chunk in response.aiter_raw()]
            return (
                _headers(response),
                response.status_code,
                response.reason_phrase,
                response.http_version,
                raw,
            )

    once = sync if mode == "sync" else lambda: asyncio.run(asynchronous())
    recorded, replayed = lab.run(once), lab.run(once)

    assert server.count == 1
    assert recorded[-1] == chunks
    assert replayed == recorded
    (call,) = lab.calls
    assert (call.answer, call.finish_reason, call.usage.cached_input_tokens) == ("hello wörld", "stop", 4)


def test_a_sync_recording_replays_to_async_and_to_the_other_library(server: LLMServer, lab: Lab) -> None:
    url, body = f"{server.base_url}/chat/completions", {"model": "m", "messages": USER}

    async def asynchronous() -> Any:
        async with httpx2.AsyncClient() as client:
            return (await client.post(url, json=body)).json()

    recorded = lab.run(lambda: httpx.post(url, json=body).json())
    assert lab.run(lambda: asyncio.run(asynchronous())) == recorded
    assert server.count == 1


def test_other_requests_pass_untouched(server: LLMServer, lab: Lab) -> None:
    def requests() -> None:
        httpx.get(f"{server.url}/v1/chat/completions")
        httpx.post(f"{server.url}/v1/models", json={})
        httpx.post(f"{server.url}/channels/7/messages", json={"text": "a chat service, not a model"})

    server.respond = lambda request: {"ok": True}
    lab.run(requests)
    lab.run(requests)
    assert server.count == 6
    assert lab.calls == []


def test_without_a_recorder_nothing_is_captured(server: LLMServer, lab: Lab) -> None:
    for _ in range(2):
        httpx.post(f"{server.base_url}/chat/completions", json={"model": "m", "messages": USER})
    assert server.count == 2


@pytest.mark.parametrize(
    ("setting", "path"),
    [
        ("/v9/ask", "/gateway/v9/ask"),
        ("ask", "/gateway/v9/ask/"),
        (":predict", "/v1/models/g:predict"),
        ("/api/chat", "/api/chat"),  # also the path of a provider, whose requests have another form
    ],
)
def test_endpoints_of_ones_own_count(setting: str, path: str, server: LLMServer, lab: Lab) -> None:
    lab.capture(endpoints=[setting])
    body = {"messages": USER}
    server.respond = lambda request: {"choices": [{"message": {"content": "mine"}, "finish_reason": "stop"}]}

    def ask() -> Any:
        httpx.post(f"{server.url}/v1/task", json={})  # ends in "ask", but is another word
        return httpx.post(server.url + path, json=body).json()

    assert lab.run(ask) == lab.run(ask)
    assert server.count == 3
    (call,) = lab.calls
    assert (call.api, call.answer, call.messages) == ("other", "mine", USER)


def test_uninstalling_puts_the_transports_back(server: LLMServer, lab: Lab) -> None:
    patched = httpx.HTTPTransport.handle_request
    lab.capture().uninstall()
    assert httpx.HTTPTransport.handle_request is not patched
    assert httpx.HTTPTransport.handle_request.__module__.startswith("httpx")
    assert httpx2.AsyncHTTPTransport.handle_async_request.__module__.startswith("httpx2")


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_the_sdks_aiohttp_clients_are_captured_too(provider: str, server: LLMServer, lab: Lab) -> None:
    pytest.importorskip("aiohttp")

    async def ask() -> tuple[str, list[str]]:
        if provider == "openai":
            http: Any = openai.DefaultAioHttpClient()
            async with openai.AsyncOpenAI(base_url=server.base_url, api_key=KEY, http_client=http) as client:
                whole = (await client.responses.create(model="m", input="a")).output_text
                stream = await client.responses.create(model="m", input="b", stream=True)
                return whole, [event.type async for event in stream]
        http = anthropic.DefaultAioHttpClient()
        async with anthropic.AsyncAnthropic(base_url=server.url, api_key=KEY, http_client=http) as other:
            create: Any = other.messages.create
            message = await create(model="m", max_tokens=9, messages=USER)
            events = await create(model="m", max_tokens=9, messages=USER, stream=True)
            return message.content[0].text, [event.type async for event in events]

    recorded = lab.run(lambda: asyncio.run(ask()))
    assert lab.run(lambda: asyncio.run(ask())) == recorded
    assert server.count == 2
    assert [call.cache_hit for call in lab.calls] == [True, True]
