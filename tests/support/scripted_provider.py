"""The loopback provider with a fixed list of replies, for the optimizer's clients to talk to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from support import llm_shapes
from support.llm_server import Answer, LLMServer, Received


@contextmanager
def scripted(*replies: Answer) -> Iterator[LLMServer]:
    """A running server that gives these replies in turn, and the last one for ever."""
    with LLMServer(lambda _: replies[-1]) as server:
        server.script(*replies[:-1])
        yield server


def chat(content: str | None, *, finish: str = "stop", refusal: str | None = None) -> Answer:
    """An OpenAI chat completion."""
    return Answer(body=llm_shapes.chat(content, finish=finish, refusal=refusal))


def message(*blocks: Mapping[str, Any], stop: str = "tool_use") -> Answer:
    """An Anthropic message of just these blocks."""
    return Answer(body={**llm_shapes.message(stop=stop), "content": list(blocks)})


def tool_use(answer: Any) -> dict[str, Any]:
    """The block by which a model gives its structured answer."""
    return {"type": "tool_use", "id": "t1", "name": "answer", "input": answer}


def page(body: bytes, content_type: str = "application/json", status: int = 200) -> Answer:
    """Any bytes; the SDK's waits between its attempts are made short."""
    return Answer(status=status, body=body, headers={"content-type": content_type, "retry-after-ms": "1"})


def failure(status: int, text: str) -> Answer:
    """An error of either provider, with short waits."""
    body = {"error": {"type": "error", "message": text}}
    return Answer(status=status, body=body, headers={"retry-after-ms": "1"})


def words_of(request: Received) -> str:
    """All that was said in a request's messages."""
    body = request.body
    return "\n".join([str(body.get("system", "")), *(turn["content"] for turn in body["messages"])])
