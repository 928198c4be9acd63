"""Clients of language models, each as its documentation calls it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from benchmarks.planted import talk

TEXT = "The team is billing."
"""What every model of these tables answers."""

Wire = Callable[[str, bytes], bytes | Sequence[bytes]]
"""The server's side: path and body of a request to the answer, in one piece or streamed in several."""


def known_wire(path: str, content: bytes) -> bytes:
    """Answer as OpenAI or Anthropic do."""
    ask = talk.read(path, json.loads(content))
    return json.dumps(talk.write(path, ask, talk.Say(TEXT))).encode()


def always(*pieces: bytes) -> Wire:
    """Answer every request alike."""
    return lambda path, content: pieces


def _json(body: object) -> bytes:
    return json.dumps(body).encode()


_WORDS = ("The team ", "is billing.")

_CANDIDATE = {"content": {"role": "model", "parts": [{"text": TEXT}]}, "finishReason": "STOP", "index": 0}

_TOKENS = {"promptTokenCount": 5, "candidatesTokenCount": 5, "totalTokenCount": 10}

GEMINI = {"candidates": [_CANDIDATE], "usageMetadata": _TOKENS, "modelVersion": "m"}

OLLAMA = {
    "model": "m",
    "created_at": "2026-01-01T00:00:00Z",
    "message": {"role": "assistant", "content": TEXT},
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 5,
    "eval_count": 5,
}

COHERE = {
    "id": "1",
    "finish_reason": "COMPLETE",
    "message": {"role": "assistant", "content": [{"type": "text", "text": TEXT}]},
    "usage": {"tokens": {"input_tokens": 5, "output_tokens": 5}},
}

CONVERSE = {
    "output": {"message": {"role": "assistant", "content": [{"text": TEXT}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 5, "outputTokens": 5, "totalTokens": 10},
    "metrics": {"latencyMs": 1},
}


def _chunk(delta: Mapping[str, str], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + _json(body) + b"\n\n"


CHAT_STREAM = (*(_chunk({"content": word}) for word in _WORDS), _chunk({}, "stop"), b"data: [DONE]\n\n")


class Client(NamedTuple):
    """One client. `code` defines `answer(question)`, which gives the text of a model's answer."""

    name: str
    package: str
    """The module that must be importable for the row to count."""
    code: str
    wire: Wire = known_wire
    kind: str = "application/json"
    """The content type of the answers."""


CLIENTS: tuple[Client, ...] = (
    Client(
        "OpenAI, chat",
        "openai",
        """
        from openai import OpenAI

        def answer(question):
            turns = [{"role": "user", "content": question}]
            return OpenAI().chat.completions.create(model="m", messages=turns).choices[0].message.content
        """,
    ),
    Client(
        "OpenAI, responses",
        "openai",
        """
        from openai import OpenAI

        def answer(question):
            return OpenAI().responses.create(model="m", input=question).output_text
        """,
    ),
    Client(
        "OpenAI, async",
        "openai",
        """
        from openai import AsyncOpenAI

        async def answer(question):
            turns = [{"role": "user", "content": question}]
            async with AsyncOpenAI() as client:
                response = await client.chat.completions.create(model="m", messages=turns)
            return response.choices[0].message.content
        """,
    ),
    Client(
        "Anthropic, messages",
        "anthropic",
        """
        from anthropic import Anthropic

        def answer(question):
            turns = [{"role": "user", "content": question}]
            return Anthropic().messages.create(model="m", max_tokens=99, messages=turns).content[0].text
        """,
    ),
    Client(
        "httpx",
        "httpx",
        """
        import os
        import httpx

        def answer(question):
            body = {"model": "m", "messages": [{"role": "user", "content": question}]}
            response = httpx.post(os.environ["LLM_URL"] + "/v1/chat/completions", json=body)
            return response.json()["choices"][0]["message"]["content"]
        """,
    ),
    Client(
        "OpenAI, streamed",
        "openai",
        """
        from openai import OpenAI

        def answer(question):
            turns = [{"role": "user", "content": question}]
            stream = OpenAI().chat.completions.create(model="m", messages=turns, stream=True)
            return "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        """,
        always(*CHAT_STREAM),
        "text/event-stream",
    ),
    Client(
        "requests",
        "requests",
        """
        import os
        import requests

        def answer(question):
            body = {"model": "m", "messages": [{"role": "user", "content": question}]}
            response = requests.post(os.environ["LLM_URL"] + "/v1/chat/completions", json=body)
            return response.json()["choices"][0]["message"]["content"]
        """,
    ),
    Client(
        "aiohttp",
        "aiohttp",
        """
        import os
        import aiohttp

        async def answer(question):
            body = {"model": "m", "messages": [{"role": "user", "content": question}]}
            url = os.environ["LLM_URL"] + "/v1/chat/completions"
            async with aiohttp.ClientSession() as session:
                async with session.post(url, json=body) as response:
                    return (await response.json())["choices"][0]["message"]["content"]
        """,
    ),
    Client(
        "urllib",
        "urllib.request",
        """
        import json
        import os
        import urllib.request

        def answer(question):
            body = {"model": "m", "messages": [{"role": "user", "content": question}]}
            request = urllib.request.Request(
                os.environ["LLM_URL"] + "/v1/chat/completions",
                json.dumps(body).encode(),
                {"content-type": "application/json"},
            )
            with urllib.request.urlopen(request) as response:
                return json.load(response)["choices"][0]["message"]["content"]
        """,
    ),
    Client(
        "Gemini",
        "google.genai",
        """
        import os
        from google import genai

        def answer(question):
            client = genai.Client(api_key="k", http_options={"base_url": os.environ["LLM_URL"]})
            return client.models.generate_content(model="m", contents=question).text
        """,
        always(_json(GEMINI)),
    ),
    Client(
        "Gemini, async stream",
        "google.genai",
        """
        import os
        from google import genai

        async def answer(question):
            client = genai.Client(api_key="k", http_options={"base_url": os.environ["LLM_URL"]})
            stream = await client.aio.models.generate_content_stream(model="m", contents=question)
            return "".join([piece.text or "" async for piece in stream])
        """,
        always(b"data: " + _json(GEMINI) + b"\r\n\r\n"),
        "text/event-stream",
    ),
    Client(
        "Ollama",
        "ollama",
        """
        import os
        import ollama

        def answer(question):
            turns = [{"role": "user", "content": question}]
            client = ollama.Client(host=os.environ["LLM_URL"])
            return client.chat(model="m", messages=turns)["message"]["content"]
        """,
        always(_json(OLLAMA)),
    ),
    Client(
        "Cohere",
        "cohere",
        """
        import os
        import cohere

        def answer(question):
            client = cohere.ClientV2(api_key="k", base_url=os.environ["LLM_URL"])
            turns = [{"role": "user", "content": question}]
            return client.chat(model="m", messages=turns).message.content[0].text
        """,
        always(_json(COHERE)),
    ),
    Client(
        "Bedrock, Converse",
        "boto3",
        """
        import os
        import boto3

        def answer(question):
            client = boto3.client(
                "bedrock-runtime",
                region_name="us-east-1",
                endpoint_url=os.environ["LLM_URL"],
                aws_access_key_id="a",
                aws_secret_access_key="b",
            )
            turns = [{"role": "user", "content": [{"text": question}]}]
            return client.converse(modelId="m", messages=turns)["output"]["message"]["content"][0]["text"]
        """,
        always(_json(CONVERSE)),
    ),
    Client(
        "LiteLLM",
        "litellm",
        """
        import litellm

        def answer(question):
            turns = [{"role": "user", "content": question}]
            return litellm.completion("openai/m", messages=turns).choices[0].message.content
        """,
    ),
    Client(
        "DSPy",
        "dspy",
        """
        import dspy

        def answer(question):
            (text,) = dspy.LM("openai/m")(messages=[{"role": "user", "content": question}])
            return text if isinstance(text, str) else text["text"]
        """,
    ),
    Client(
        "mistralai",
        "mistralai.client",
        """
        import os
        from mistralai.client import Mistral

        def answer(question):
            client = Mistral(api_key="k", server_url=os.environ["LLM_URL"])
            turns = [{"role": "user", "content": question}]
            return client.chat.complete(model="m", messages=turns).choices[0].message.content
        """,
    ),
)
