"""The real clients of providers: captured once, replayed without a request, refused without an answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from support import llm_shapes
from support import provider_shapes as shapes
from support.llm_lab import Lab
from support.llm_server import LLMServer, Received

from pytest_fapo.core.errors import CacheMiss

SYSTEM, QUESTION = "Answer with the team.", "I was charged twice."

TURNS = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]

KEY = "secret-key-0123456789"


def answer(request: Received) -> Any:
    """The provider's answer to any of these clients."""
    path, body = request.path.partition("?")[0], request.body or {}
    streams = body.get("stream")
    if path.endswith(":generateContent"):
        return shapes.gemini()
    if path.endswith(":streamGenerateContent"):
        return shapes.gemini_events() if "alt=sse" in request.path else shapes.gemini_array()
    if path.endswith("/api/chat"):
        return shapes.ollama_lines(chat=True) if streams else shapes.ollama_chat()
    if path.endswith("/api/generate"):
        return shapes.ollama_lines(chat=False) if streams else shapes.ollama_generate()
    if path.endswith("/v2/chat"):
        return shapes.cohere_events() if streams else shapes.cohere()
    if path.endswith("/converse"):
        return shapes.converse()
    if path.endswith("/converse-stream"):
        return shapes.converse_events()
    if path.endswith("/invoke"):
        return llm_shapes.message(shapes.TEXT)
    if path.endswith("/invoke-with-response-stream"):
        events = [event.split(b"data: ", 1)[1] for event in llm_shapes.message_stream("|".join(shapes.WORDS))]
        return shapes.invoke_stream([json.loads(event) for event in events])
    if path.endswith("/messages"):
        return llm_shapes.message(shapes.TEXT)
    return llm_shapes.chat_stream("|".join(shapes.WORDS)) if streams else llm_shapes.chat(shapes.TEXT)


def _genai(url: str) -> Any:
    genai = pytest.importorskip("google.genai")
    return genai.Client(api_key=KEY, http_options={"base_url": url})


GENAI: dict[str, Any] = {
    "model": "gemini-2.5-flash",
    "contents": QUESTION,
    "config": {"system_instruction": SYSTEM},
}


def genai(url: str) -> str:
    client = _genai(url)  # it closes itself when nobody holds it
    return str(client.models.generate_content(**GENAI).text)


def genai_stream(url: str) -> str:
    client = _genai(url)
    return "".join(piece.text or "" for piece in client.models.generate_content_stream(**GENAI))


def genai_async(url: str) -> str:
    return str(asyncio.run(_genai(url).aio.models.generate_content(**GENAI)).text)


def genai_async_stream(url: str) -> str:
    async def ask() -> str:
        stream = await _genai(url).aio.models.generate_content_stream(**GENAI)
        return "".join([piece.text or "" async for piece in stream])

    return asyncio.run(ask())


def _ollama(url: str) -> Any:
    return pytest.importorskip("ollama").Client(host=url)


def ollama(url: str) -> str:
    return str(_ollama(url).chat(model="llama3.2", messages=TURNS)["message"]["content"])


def ollama_stream(url: str) -> str:
    return "".join(
        piece["message"]["content"]
        for piece in _ollama(url).chat(model="llama3.2", messages=TURNS, stream=True)
    )


def ollama_generate(url: str) -> str:
    return str(_ollama(url).generate(model="llama3.2", system=SYSTEM, prompt=QUESTION)["response"])


def ollama_async_stream(url: str) -> str:
    async def ask() -> str:
        client = pytest.importorskip("ollama").AsyncClient(host=url)
        stream = await client.generate(model="llama3.2", system=SYSTEM, prompt=QUESTION, stream=True)
        return "".join([piece["response"] async for piece in stream])

    return asyncio.run(ask())


def _cohere(url: str) -> Any:
    return pytest.importorskip("cohere").ClientV2(api_key=KEY, base_url=url)


def cohere(url: str) -> str:
    return str(_cohere(url).chat(model="command-a", messages=TURNS).message.content[0].text)


def cohere_stream(url: str) -> str:
    events = _cohere(url).chat_stream(model="command-a", messages=TURNS)
    return "".join(event.delta.message.content.text for event in events if event.type == "content-delta")


def _bedrock(url: str) -> Any:
    return pytest.importorskip("boto3").client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="AKIA0123456789ABCDEF",
        aws_secret_access_key=KEY,
        aws_session_token=f"session-{KEY}",
    )


CONVERSE: dict[str, Any] = {
    "modelId": "amazon.nova-lite-v1:0",
    "system": [{"text": SYSTEM}],
    "messages": [{"role": "user", "content": [{"text": QUESTION}]}],
}


def converse(url: str) -> str:
    return str(_bedrock(url).converse(**CONVERSE)["output"]["message"]["content"][0]["text"])


def converse_stream(url: str) -> str:
    stream = _bedrock(url).converse_stream(**CONVERSE)["stream"]
    return "".join(
        event["contentBlockDelta"]["delta"]["text"] for event in stream if "contentBlockDelta" in event
    )


CLAUDE = json.dumps(
    {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 99, "system": SYSTEM, "messages": TURNS[1:]}
)

CLAUDE_ID = "anthropic.claude-sonnet-4-20250514-v1:0"


def invoke(url: str) -> str:
    answered = _bedrock(url).invoke_model(modelId=CLAUDE_ID, body=CLAUDE)
    return str(json.loads(answered["body"].read())["content"][0]["text"])


def invoke_stream(url: str) -> str:
    stream = _bedrock(url).invoke_model_with_response_stream(modelId=CLAUDE_ID, body=CLAUDE)["body"]
    pieces = [json.loads(event["chunk"]["bytes"]) for event in stream]
    return "".join(piece.get("delta", {}).get("text", "") for piece in pieces)


def dspy(url: str) -> str:
    module = pytest.importorskip("dspy")
    client = module.LM("openai/gpt-test", api_key=KEY, api_base=f"{url}/v1", cache=False)
    (text,) = client(messages=TURNS)
    return str(text if isinstance(text, str) else text["text"])


def dspy_async(url: str) -> str:
    module = pytest.importorskip("dspy")
    client = module.LM("openai/gpt-test", api_key=KEY, api_base=f"{url}/v1", cache=False)
    (text,) = asyncio.run(client.acall(messages=TURNS))
    return str(text if isinstance(text, str) else text["text"])


def litellm(url: str) -> str:
    module = pytest.importorskip("litellm")
    answered = module.completion("openai/gpt-test", messages=TURNS, api_base=f"{url}/v1", api_key=KEY)
    return str(answered.choices[0].message.content)


def requests_openai(url: str) -> str:
    post = pytest.importorskip("requests").post
    body = {"model": "gpt-test", "messages": TURNS}
    headers = {"authorization": f"Bearer {KEY}"}
    return str(
        post(f"{url}/v1/chat/completions", json=body, headers=headers).json()["choices"][0]["message"][
            "content"
        ]
    )


def aiohttp_gemini(url: str) -> str:
    async def ask() -> str:
        module = pytest.importorskip("aiohttp")
        body = {
            "systemInstruction": {"parts": [{"text": SYSTEM}]},
            "contents": [{"role": "user", "parts": [{"text": QUESTION}]}],
        }
        path = f"{url}/v1beta/models/gemini-2.5-flash:streamGenerateContent"
        async with (
            module.ClientSession() as session,
            session.post(path, json=body, params={"key": KEY}) as answered,
        ):
            pieces = await answered.json()
        return "".join(piece["candidates"][0]["content"]["parts"][0]["text"] for piece in pieces)

    return asyncio.run(ask())


class Expected(NamedTuple):
    """What a call of a client is recorded as."""

    api: str
    model: str
    streamed: bool = False


_GEMINI, _STREAM = Expected("gemini", "gemini-2.5-flash"), Expected("gemini", "gemini-2.5-flash", True)

_CHAT, _NOVA = Expected("chat.completions", "gpt-test"), Expected("bedrock.converse", "amazon.nova-lite-v1:0")

CLIENTS: dict[Callable[[str], str], Expected] = {
    genai: _GEMINI,
    genai_stream: _STREAM,
    genai_async: _GEMINI,
    genai_async_stream: _STREAM,
    aiohttp_gemini: _STREAM,
    ollama: Expected("ollama.chat", "llama3.2"),
    ollama_stream: Expected("ollama.chat", "llama3.2", True),
    ollama_generate: Expected("ollama.generate", "llama3.2"),
    ollama_async_stream: Expected("ollama.generate", "llama3.2", True),
    cohere: Expected("cohere.chat", "command-a"),
    cohere_stream: Expected("cohere.chat", "command-a", True),
    converse: _NOVA,
    converse_stream: _NOVA._replace(streamed=True),
    invoke: Expected("bedrock.invoke", CLAUDE_ID),
    invoke_stream: Expected("bedrock.invoke", CLAUDE_ID, True),
    dspy: _CHAT,
    dspy_async: _CHAT,
    litellm: _CHAT,
    requests_openai: _CHAT,
}

with_each_client = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)


@with_each_client
def test_a_call_is_recorded_and_replayed(client: Callable[[str], str], server: LLMServer, lab: Lab) -> None:
    server.respond = answer
    assert lab.run(lambda: client(server.url)) == shapes.TEXT
    (call,) = lab.calls
    assert (call.api, call.model, call.streamed) == CLIENTS[client]
    assert (call.answer, call.error, call.finish_reason) == (shapes.TEXT, None, "stop")
    assert call.usage.output_tokens > 0
    assert [message["role"] for message in call.messages if isinstance(message, dict)][-1] == "user"
    assert SYSTEM in json.dumps(call.messages[0])
    assert server.count == 1
    lab.capture("only")
    assert lab.run(lambda: client(server.url)) == shapes.TEXT
    (again,) = lab.calls
    assert (again.cache_hit, again.key, again.usage) == (True, call.key, call.usage)
    assert server.count == 1
    kept = "".join(file.read_bytes().decode("latin-1") for file in lab.folder.rglob("*") if file.is_file())
    for secret in (KEY, "AKIA0123456789ABCDEF"):
        assert secret not in kept + lab.recorder.trace().model_dump_json()


@with_each_client
def test_without_an_answer_nothing_is_sent(client: Callable[[str], str], server: LLMServer, lab: Lab) -> None:
    lab.capture("only")
    with pytest.raises(CacheMiss, match="no recorded answer"):
        lab.run(lambda: client(server.url))
    assert server.count == 0
