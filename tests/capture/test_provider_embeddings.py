"""Embeddings of Gemini, Ollama and Cohere: recorded, replayed, and answered by a stand-in."""

from __future__ import annotations

from typing import Any, NamedTuple

import httpx
import ollama
import pytest
from support.llm_lab import Lab
from support.llm_server import Answer, LLMServer

from pytest_fapo.answers.offline import OfflineModel
from pytest_fapo.answers.placeholder import reply
from pytest_fapo.core.errors import CacheMiss

TEXTS = ["Where is my refund?", "Where is my package?"]


class Row(NamedTuple):
    path: str
    body: dict[str, Any]
    answer: dict[str, Any]
    api: str
    texts: list[str]
    tokens: int = 0


def _content(text: str) -> dict[str, Any]:
    return {"content": {"parts": [{"text": text}]}}


ROWS = {
    "gemini": Row(
        "/v1beta/models/m:embedContent",
        _content(TEXTS[0]),
        {"embedding": {"values": [0.5, 0.25]}},
        "gemini.embed",
        TEXTS[:1],
    ),
    "gemini, several": Row(
        "/v1beta/models/m:batchEmbedContents",
        {"requests": [{"model": "models/m", **_content(text)} for text in TEXTS]},
        {"embeddings": [{"values": [0.5, 0.25]}] * 2},
        "gemini.embed",
        TEXTS,
    ),
    "ollama": Row(
        "/api/embed",
        {"model": "m", "input": TEXTS},
        {"model": "m", "embeddings": [[0.5, 0.25]] * 2, "prompt_eval_count": 9},
        "ollama.embed",
        TEXTS,
        9,
    ),
    "cohere": Row(
        "/v2/embed",
        {"model": "m", "texts": TEXTS, "input_type": "search_query", "embedding_types": ["float"]},
        {"embeddings": {"float": [[0.5, 0.25]] * 2}, "meta": {"billed_units": {"input_tokens": 9}}},
        "cohere.embed",
        TEXTS,
        9,
    ),
    "cohere, first version": Row(
        "/v1/embed",
        {"model": "m", "texts": TEXTS},
        {"embeddings": [[0.5, 0.25]] * 2},
        "cohere.embed",
        TEXTS,
    ),
}

rows = pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))


@rows
def test_embeddings_are_recorded_and_replayed(row: Row, server: LLMServer, lab: Lab) -> None:
    server.script(Answer(body=row.answer))
    live = lab.run(lambda: httpx.post(server.url + row.path, json=row.body))
    (call,) = lab.calls
    assert (call.api, call.model, call.usage.input_tokens) == (row.api, "m", row.tokens)
    assert call.messages == [{"role": "user", "content": row.texts}]
    lab.capture("only")
    again = lab.run(lambda: httpx.post(server.url + row.path, json=row.body))
    assert again.content == live.content
    assert (lab.calls[0].cache_hit, server.count) == (True, 1)


@pytest.mark.parametrize(
    "answer", [{"embeddings": []}, {"embedding": {}}, {"message": "slow down"}, {"embeddings": {"float": []}}]
)
@rows
def test_an_answer_without_vectors_is_not_recorded(
    row: Row, answer: dict[str, Any], server: LLMServer, lab: Lab
) -> None:
    server.script(Answer(body=answer))
    lab.run(lambda: httpx.post(server.url + row.path, json=row.body))
    lab.capture("only")
    with pytest.raises(CacheMiss):
        lab.run(lambda: httpx.post(server.url + row.path, json=row.body))


@rows
def test_a_stand_in_gives_one_vector_for_each_text(row: Row, server: LLMServer, lab: Lab) -> None:
    lab.capture("auto", offline=OfflineModel(reply, name="m:f", fingerprint="1"))
    body = lab.run(lambda: httpx.post(server.url + row.path, json=row.body)).json()
    found = body.get("embeddings", body.get("embedding"))
    vectors = found if isinstance(found, list) else [found] if "values" in found else found["float"]
    numbers = [each["values"] if isinstance(each, dict) else each for each in vectors]
    assert numbers == [[0.5] * 4] * len(row.texts)
    assert server.count == 0


def test_the_client_of_ollama_gets_its_embeddings_again(server: LLMServer, lab: Lab) -> None:
    server.script(Answer(body=ROWS["ollama"].answer))
    client = ollama.Client(host=server.url)
    live = lab.run(lambda: client.embed(model="m", input=TEXTS).embeddings)
    lab.capture("only")
    assert lab.run(lambda: client.embed(model="m", input=TEXTS).embeddings) == live == [[0.5, 0.25]] * 2


def test_another_server_with_such_a_path_passes(server: LLMServer, lab: Lab) -> None:
    server.script(Answer(body={"html": "<iframe>"}))
    lab.run(lambda: httpx.post(server.url + "/v1/embed", json={"url": "https://example.com/video"}))
    assert lab.calls == []
