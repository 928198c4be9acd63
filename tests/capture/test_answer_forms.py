"""Only a whole answer of the endpoint's own form is recorded: all else is asked again the next time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import httpx2
import pytest
from support import llm_shapes as shapes
from support.llm_lab import Lab
from support.llm_server import Answer, LLMServer

PORTAL = b"<!DOCTYPE html>\n<html><body>Please sign in to the hotel's network</body></html>"
BODIES: dict[str, dict[str, Any]] = {
    "chat/completions": {"model": "m", "messages": [{"role": "user", "content": "q"}]},
    "completions": {"model": "m", "prompt": "q"},
    "responses": {"model": "m", "input": "q"},
    "embeddings": {"model": "m", "input": ["one", "two"]},
    "messages": {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "q"}]},
}
STREAMING = ("chat/completions", "completions", "responses", "messages")


def _text_completion(*texts: str, finish: Any = "stop") -> dict[str, Any]:
    choices = [{"index": at, "text": text, "finish_reason": finish} for at, text in enumerate(texts)]
    return {"id": "cmpl-1", "object": "text_completion", "model": "m", "choices": choices}


def _embeddings(count: int) -> dict[str, Any]:
    data = [{"object": "embedding", "index": at, "embedding": [0.5, 1.0]} for at in range(count)]
    return {"object": "list", "model": "m", "data": data}


def _choice(**fields: Any) -> dict[str, Any]:
    return {**shapes.chat("x"), "choices": [{"index": 0, "finish_reason": "stop", **fields}]}


def _without(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


GOOD: dict[str, dict[str, Any]] = {
    "chat/completions": {
        "text": shapes.chat("hello"),
        "empty text": shapes.chat(""),
        "tool calls": shapes.chat(None, finish="tool_calls", tool_calls=shapes.CHAT_TOOL_CALLS),
        "refusal": shapes.chat(None, refusal="I must not"),
        "nothing left to say it with": shapes.chat(None, finish="length"),
        "withheld": shapes.chat(None, finish="content_filter"),
        "reasoning only": shapes.chat(None, reasoning_content="hm"),
        "an error field that holds nothing": {**shapes.chat("hello"), "error": None},
        "no content type": Answer(body=shapes.chat("hello"), headers={"content-type": ""}),
    },
    "completions": {"text": _text_completion("hello"), "empty text": _text_completion("")},
    "responses": {
        "text": shapes.response("hello"),
        "tool call": shapes.response(output=[shapes.RESPONSE_TOOL]),
        "cut by the limit": shapes.response(
            status="incomplete", output=[], incomplete_details={"reason": "max_output_tokens"}
        ),
    },
    "embeddings": {"one for each text": _embeddings(2)},
    "messages": {
        "text": shapes.message("hello"),
        "an empty turn": {**shapes.message(), "content": []},
    },
}
BAD: dict[str, dict[str, Any]] = {
    "chat/completions": {
        "no choices": {**shapes.chat("x"), "choices": []},
        "choices null": {**shapes.chat("x"), "choices": None},
        "another endpoint's": shapes.message("x"),
        "no message": _choice(),
        "content null": shapes.chat(None),
        "a choice with an error": _choice(
            message={"role": "assistant", "content": "so f"}, error={"message": "upstream died"}
        ),
        "finish reason error": shapes.chat("so f", finish="error"),
    },
    "completions": {
        "no choices": {**_text_completion("x"), "choices": []},
        "no text": {**_text_completion("x"), "choices": [{"index": 0}]},
    },
    "responses": {
        "no output": shapes.response(output=[]),
        "output missing": _without(shapes.response(), "output"),
        "failed": shapes.response(status="failed"),
        "under way": shapes.response(status="queued"),
        "cancelled": shapes.response(status="cancelled"),
    },
    "embeddings": {
        "no data": _embeddings(0),
        "fewer than texts": _embeddings(1),
        "no numbers": {"object": "list", "data": [{"embedding": []}, {"embedding": []}]},
    },
    "messages": {
        "content missing": _without(shapes.message(), "content"),
        "content null": {**shapes.message(), "content": None},
        "no stop reason": {**shapes.message(), "stop_reason": None},
        "another endpoint's": shapes.chat("x"),
    },
}
BAD_EVERYWHERE: dict[str, Any] = {
    "a page": Answer(body=PORTAL, headers={"content-type": "text/html"}),
    "a page called JSON": Answer(body=PORTAL),
    "nothing": Answer(body=b""),
    "white space": Answer(body=b" \n"),
    "null": Answer(body=b"null"),
    "a list": Answer(body=b"[]"),
    "an empty object": Answer(body=b"{}"),
    "an error object": {"error": {"message": "overloaded", "type": "server_error"}},
    "an error text": {"error": "overloaded"},
    "an error of another kind": {"object": "error", "message": "overloaded", "code": 503},
    "a gateway's words": {"detail": "rate limited"},
    "204": Answer(status=204, body=b""),
}
COMPLETION_EVENTS = [shapes.sse(_text_completion("hel", finish=None)), shapes.sse(_text_completion("lo"))]
GOOD_STREAMS: dict[str, dict[str, list[bytes]]] = {
    "chat/completions": {"text": shapes.chat_stream(), "tool": shapes.chat_tool_stream()},
    "completions": {"text": [*COMPLETION_EVENTS, shapes.sse("[DONE]")]},
    "responses": {"text": shapes.response_stream()},
    "messages": {"text": shapes.message_stream(), "tool": shapes.message_stream(tool=True)},
}
BAD_STREAMS: dict[str, dict[str, list[bytes]]] = {
    "chat/completions": {
        "only the end": [shapes.sse("[DONE]")],
        "a role and the end": [
            shapes.sse({"choices": [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": None}]}),
            shapes.sse({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
            shapes.sse("[DONE]"),
        ],
        "no end": shapes.chat_stream(done=False)[:-2],
        "finish reason error": shapes.chat_stream(finish="error"),
    },
    "completions": {"no end": COMPLETION_EVENTS[:1]},
    "responses": {
        "no end": shapes.response_stream(last=""),
        "failed": shapes.response_stream(last="response.failed"),
        "an end without output": [
            shapes.sse({"type": "response.completed", "response": shapes.response(output=[])})
        ],
    },
    "messages": {
        "no end": shapes.message_stream(last=False),
        "only the end": shapes.message_stream()[-1:],
        "no stop reason": [part for part in shapes.message_stream() if b"message_delta" not in part],
    },
}
STREAM_ERROR = shapes.sse({"type": "error", "error": {"type": "overloaded_error", "message": "no"}}, "error")
BAD_STREAMS_EVERYWHERE: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "no events": lambda good: [],
    "comments": lambda good: [b": ping\n\n"],
    "an error event": lambda good: [*good[:2], STREAM_ERROR],
    "an error, then the end": lambda good: [*good[:2], STREAM_ERROR, *good[2:]],
    "an error as data": lambda good: [good[0], shapes.sse({"error": {"message": "no", "code": 503}})],
    "half": lambda good: good[: len(good) // 2],
}


def _rows() -> list[Any]:
    rows = []
    for path in BODIES:
        for kept, table in ((True, GOOD[path]), (False, {**BAD_EVERYWHERE, **BAD[path]})):
            rows += [pytest.param(path, reply, kept, id=f"{path}-{name}") for name, reply in table.items()]
        whole = GOOD[path][next(iter(GOOD[path]))]
        content = json.dumps(whole).encode()
        wrong = {
            "cut off": Answer(body=content[: len(content) // 2]),
            "as text": Answer(body=whole, headers={"content-type": "text/plain"}),
            "as a page": Answer(body=whole, headers={"content-type": "text/html"}),
        }
        rows += [pytest.param(path, reply, False, id=f"{path}-{name}") for name, reply in wrong.items()]
    for path in STREAMING:
        good = GOOD_STREAMS[path]["text"]
        broken = {name: make(good) for name, make in BAD_STREAMS_EVERYWHERE.items()}
        for kept, streams in ((True, GOOD_STREAMS[path]), (False, {**broken, **BAD_STREAMS[path]})):
            rows += [
                pytest.param(path, each, kept, id=f"{path}-stream-{name}") for name, each in streams.items()
            ]
    return rows


@pytest.mark.parametrize(("path", "reply", "kept"), _rows())
def test_it_is_recorded_only_if_it_is_a_whole_answer(
    path: str, reply: Any, kept: bool, server: LLMServer, lab: Lab
) -> None:
    """Asked twice by a client of each kind: the second time reaches the server unless the first was kept."""
    server.respond = lambda request: reply
    streams = {"stream": True} if isinstance(reply, list) else {}

    def ask(library: Any, number: int) -> bytes:
        body = {**BODIES[path], **streams, "user": str(number)}
        return bytes(library.post(f"{server.base_url}/{path}", json=body, verify=False).content)

    async def ask_async(library: Any, number: int) -> bytes:
        body = {**BODIES[path], **streams, "user": str(number)}
        async with library.AsyncClient(verify=False) as client:
            return bytes((await client.post(f"{server.base_url}/{path}", json=body)).content)

    ways = [
        lambda: ask(httpx, 1),
        lambda: asyncio.run(ask_async(httpx2, 2)),
    ]
    for way in ways:
        asked = server.count
        first = lab.run(way)
        (call,) = lab.calls
        assert (call.answered, lab.run(way)) == (kept, first)
        assert server.count - asked == (1 if kept else 2)


@pytest.mark.parametrize(
    ("reply", "kept"),
    [
        ({"reply": "own form"}, True),
        (Answer(body=b"plain words", headers={"content-type": "text/plain"}), True),
        (Answer(body=b'{"a": 1}\n{"done": true}\n', headers={"content-type": "application/x-ndjson"}), True),
        (
            Answer(body=b'{"a": 1}\n{"done": false}\n', headers={"content-type": "application/x-ndjson"}),
            False,
        ),
        (Answer(body=b'{"a": 1}\n{"a"', headers={"content-type": "application/x-ndjson"}), False),
        (Answer(body=b'{"error": "no"}\n', headers={"content-type": "application/x-ndjson"}), False),
        (Answer(body=PORTAL, headers={"content-type": "text/html"}), False),
        (Answer(body=b""), False),
        ({"error": {"message": "no"}}, False),
    ],
)
def test_an_endpoint_of_ones_own_may_answer_as_it_likes(
    reply: Any, kept: bool, server: LLMServer, lab: Lab
) -> None:
    lab.capture(endpoints=["/ask"])
    server.respond = lambda request: reply
    for _ in range(2):
        lab.run(lambda: httpx.post(f"{server.url}/ask", json={"question": "q"}, verify=False))
    assert server.count == (1 if kept else 2)


def test_the_call_says_what_was_wrong(server: LLMServer, lab: Lab) -> None:
    url = f"{server.base_url}/chat/completions"
    server.script({**shapes.chat("x"), "choices": []}, shapes.chat_stream()[:2])
    lab.run(lambda: httpx.post(url, json=BODIES["chat/completions"]))
    assert lab.calls[0].error == "the answer has not the form of its endpoint"
    lab.run(lambda: httpx.post(url, json={**BODIES["chat/completions"], "stream": True}))
    assert lab.calls[0].error == "the answer ended before its end"
