"""Clients of language models, each as its documentation calls it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
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
)
