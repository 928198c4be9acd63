"""Streams and further calls of providers' clients, and processes that a pipeline starts."""

from __future__ import annotations

import json
from collections.abc import Sequence

from benchmarks.reach.client_table import TEXT, Client, Wire
from pytest_fapo.capture.wire.aws_events import CONTENT_TYPE, aws_event_bytes

_WORDS = ("The team ", "is billing.")


def _whole(body: object) -> Wire:
    """Answer every request with one JSON body."""
    return lambda path, content: json.dumps(body).encode()


def _pieces(pieces: Sequence[bytes]) -> Wire:
    return lambda path, content: pieces


def _gemini(text: str, finish: str = "STOP") -> dict[str, object]:
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": finish}
    usage = {"promptTokenCount": 4, "candidatesTokenCount": 4, "totalTokenCount": 8}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-flash"}


def _ollama(text: str, *, done: bool = True) -> dict[str, object]:
    message = {"role": "assistant", "content": text}
    counts = {"done_reason": "stop", "prompt_eval_count": 4, "eval_count": 4} if done else {}
    return {"model": "m", "created_at": "2026-01-01T00:00:00Z", "message": message, "done": done, **counts}


_USAGE = {"inputTokens": 4, "outputTokens": 4, "totalTokens": 8}

_CONVERSE_STREAM = [
    aws_event_bytes("messageStart", {"role": "assistant"}),
    *(
        aws_event_bytes("contentBlockDelta", {"delta": {"text": word}, "contentBlockIndex": 0})
        for word in _WORDS
    ),
    aws_event_bytes("contentBlockStop", {"contentBlockIndex": 0}),
    aws_event_bytes("messageStop", {"stopReason": "end_turn"}),
    aws_event_bytes("metadata", {"usage": _USAGE, "metrics": {"latencyMs": 1}}),
]

_CLAUDE = {
    "type": "message",
    "role": "assistant",
    "content": [{"type": "text", "text": TEXT}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 4, "output_tokens": 4},
}

_GENAI = """
        import os
        from google import genai

        def made():
            return genai.Client(api_key="k", http_options={"base_url": os.environ["LLM_URL"]})
"""

_BOTO3 = """
        import json, os
        import boto3

        KEYS = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}

        def made():
            return boto3.client("bedrock-runtime", endpoint_url=os.environ["LLM_URL"], **KEYS)

        def turns(question):
            return [{"role": "user", "content": [{"text": question}]}]
"""

_BODY = """
        import json, os

        URL = os.environ["LLM_URL"] + "/v1/chat/completions"

        def body(question):
            return {"model": "m", "messages": [{"role": "user", "content": question}]}

        def text(answer):
            return answer["choices"][0]["message"]["content"]
"""

_URLLIB = f"""{_BODY}
        import urllib.request

        def ask(question):
            headers = {{"content-type": "application/json"}}
            request = urllib.request.Request(URL, json.dumps(body(question)).encode(), headers)
            return text(json.load(urllib.request.urlopen(request)))
"""

PROVIDERS: tuple[Client, ...] = (
    Client(
        "Gemini, async",
        "google.genai",
        f"""{_GENAI}
        async def answer(question):
            response = await made().aio.models.generate_content(model="gemini-2.5-flash", contents=question)
            return response.text
        """,
        _whole(_gemini(TEXT)),
    ),
    Client(
        "Gemini, streamed",
        "google.genai",
        f"""{_GENAI}
        def answer(question):
            client = made()
            stream = client.models.generate_content_stream(model="gemini-2.5-flash", contents=question)
            return "".join(piece.text or "" for piece in stream)
        """,
        _pieces([b"data: " + json.dumps(_gemini(word)).encode() + b"\r\n\r\n" for word in _WORDS]),
        "text/event-stream",
    ),
    Client(
        "Ollama, streamed",
        "ollama",
        """
        import os
        import ollama

        def answer(question):
            turns = [{"role": "user", "content": question}]
            stream = ollama.Client(host=os.environ["LLM_URL"]).chat(model="m", messages=turns, stream=True)
            return "".join(piece["message"]["content"] for piece in stream)
        """,
        _pieces(
            [
                *(json.dumps(_ollama(word, done=False)).encode() + b"\n" for word in _WORDS),
                json.dumps(_ollama("")).encode() + b"\n",
            ]
        ),
        "application/x-ndjson",
    ),
    Client(
        "Bedrock, ConverseStream",
        "boto3",
        f"""{_BOTO3}
        def answer(question):
            asked = made().converse_stream(modelId="amazon.nova-lite-v1:0", messages=turns(question))
            events = [event for event in asked["stream"] if "contentBlockDelta" in event]
            deltas = [event["contentBlockDelta"]["delta"] for event in events]
            return "".join(delta["text"] for delta in deltas)
        """,
        _pieces(_CONVERSE_STREAM),
        CONTENT_TYPE,
    ),
    Client(
        "Bedrock, InvokeModel",
        "boto3",
        f"""{_BOTO3}
        def answer(question):
            body = {{"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": turns(question)}}
            response = made().invoke_model(modelId="anthropic.claude", body=json.dumps(body))
            return json.loads(response["body"].read())["content"][0]["text"]
        """,
        _whole(_CLAUDE),
    ),
    Client(
        "Gemini, embeddings",
        "google.genai",
        f"""{_GENAI}
        def answer(question):
            client = made()
            asked = client.models.embed_content(model="gemini-embedding-001", contents=question)
            return asked.embeddings[0].values
        """,
        _whole({"embedding": {"values": [0.5, 0.25]}, "embeddings": [{"values": [0.5, 0.25]}]}),
    ),
    Client(
        "Ollama, embeddings",
        "ollama",
        """
        import os
        import ollama

        def answer(question):
            return ollama.Client(host=os.environ["LLM_URL"]).embed(model="m", input=question).embeddings
        """,
        _whole({"model": "m", "embeddings": [[0.5, 0.25]], "prompt_eval_count": 4}),
    ),
    Client(
        "Cohere, embeddings",
        "cohere",
        """
        import os
        import cohere

        def answer(question):
            client = cohere.ClientV2(api_key="k", base_url=os.environ["LLM_URL"])
            asked = {"texts": [question], "model": "embed-v4.0", "input_type": "search_query"}
            return client.embed(embedding_types=["float"], **asked).embeddings.float_
        """,
        _whole(
            {
                "id": "e",
                "embeddings": {"float": [[0.5, 0.25]]},
                "texts": ["q"],
                "meta": {"billed_units": {"input_tokens": 4}},
                "response_type": "embeddings_by_type",
            }
        ),
    ),
    Client(
        "urllib3",
        "urllib3",
        f"""{_BODY}
        import urllib3

        def answer(question):
            return text(urllib3.PoolManager().request("POST", URL, json=body(question)).json())
        """,
    ),
    Client(
        "a program",
        "",
        f"""{_URLLIB}
        import subprocess, sys

        def answer(question):
            code = "import sys; from app.client import ask; print(ask(sys.argv[1]))"
            program = [sys.executable, "-c", code, question]
            return subprocess.run(program, stdout=subprocess.PIPE, text=True).stdout
        """,
    ),
    *(
        Client(
            f"a process pool, {method}",
            "",
            f"""{_URLLIB}
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        def answer(question):
            context = multiprocessing.get_context("{method}")
            with ProcessPoolExecutor(1, mp_context=context) as pool:
                return pool.submit(ask, question).result(60)
        """,
        )
        for method in ("spawn", "fork")
    ),
)
