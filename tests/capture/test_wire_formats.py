"""Gemini, Ollama, Cohere and Bedrock: what is asked, what is said, and what counts as a whole answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import httpx
import pytest
from support import provider_shapes as shapes
from support.llm_lab import Lab
from support.llm_server import Answer, LLMServer

from pytest_fapo.capture.recorder import Replacements
from pytest_fapo.core.errors import CacheMiss
from pytest_fapo.core.trace import LLMCall, Usage

SYSTEM, QUESTION = "Answer with the team.", "I was charged twice."

CHAT = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]

GEMINI = {
    "systemInstruction": {"parts": [{"text": SYSTEM}]},
    "contents": [{"role": "user", "parts": [{"text": QUESTION}]}],
    "generationConfig": {"temperature": 0.5},
}

CONVERSE = {
    "system": [{"text": SYSTEM}],
    "messages": [{"role": "user", "content": [{"text": QUESTION}]}],
    "inferenceConfig": {"temperature": 0.5},
}

CLAUDE = {"anthropic_version": "bedrock-2023-05-31", "system": SYSTEM, "messages": CHAT[1:], "max_tokens": 9}

CLAUDE_ANSWER = {
    "type": "message",
    "role": "assistant",
    "content": [{"type": "text", "text": shapes.TEXT}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 20, "output_tokens": 7},
}

CLAUDE_EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": {**CLAUDE_ANSWER, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    *(
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
        for word in shapes.WORDS
    ),
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}},
    {"type": "message_stop"},
]

NOVA = {"schemaVersion": "messages-v1", **CONVERSE}

COUNTS = {"x-amzn-bedrock-input-token-count": "20", "x-amzn-bedrock-output-token-count": "7"}

COUNTED, CACHED = (
    Usage(input_tokens=20, output_tokens=7),
    Usage(input_tokens=20, output_tokens=7, cached_input_tokens=8),
)


class Row(NamedTuple):
    """A question and its answer."""

    path: str
    body: Any
    answer: Any
    api: str
    model: str
    streamed: bool = False
    usage: Usage = COUNTED


CLAUDE_ID = "anthropic.claude-sonnet-4-20250514-v1%3A0"

ROWS = {
    "gemini": Row(
        "/v1beta/models/gemini-2.5-flash:generateContent",
        GEMINI,
        shapes.gemini(),
        "gemini",
        "gemini-2.5-flash",
        usage=CACHED,
    ),
    "gemini on vertex": Row(
        "/v1/projects/p/locations/us/publishers/google/models/gemini-2.5-pro:generateContent",
        GEMINI,
        shapes.gemini(),
        "gemini",
        "gemini-2.5-pro",
        usage=CACHED,
    ),
    "gemini events": Row(
        "/v1beta/models/g:streamGenerateContent?alt=sse",
        GEMINI,
        shapes.gemini_events(),
        "gemini",
        "g",
        True,
        CACHED,
    ),
    "gemini array": Row(
        "/v1beta/models/g:streamGenerateContent", GEMINI, shapes.gemini_array(), "gemini", "g", True, CACHED
    ),
    "ollama chat": Row(
        "/api/chat",
        {"model": "llama3.2", "messages": CHAT, "stream": False},
        shapes.ollama_chat(),
        "ollama.chat",
        "llama3.2",
    ),
    "ollama chat lines": Row(
        "/api/chat",
        {"model": "llama3.2", "messages": CHAT},
        shapes.ollama_lines(chat=True),
        "ollama.chat",
        "llama3.2",
        True,
    ),
    "ollama generate": Row(
        "/api/generate",
        {"model": "llama3.2", "system": SYSTEM, "prompt": QUESTION, "stream": False},
        shapes.ollama_generate(),
        "ollama.generate",
        "llama3.2",
    ),
    "ollama generate lines": Row(
        "/api/generate",
        {"model": "llama3.2", "system": SYSTEM, "prompt": QUESTION},
        shapes.ollama_lines(chat=False),
        "ollama.generate",
        "llama3.2",
        True,
    ),
    "cohere": Row(
        "/v2/chat", {"model": "command-a", "messages": CHAT}, shapes.cohere(), "cohere.chat", "command-a"
    ),
    "cohere events": Row(
        "/v2/chat",
        {"model": "command-a", "messages": CHAT, "stream": True},
        shapes.cohere_events(),
        "cohere.chat",
        "command-a",
        True,
    ),
    "converse": Row(
        "/model/amazon.nova-lite-v1%3A0/converse",
        CONVERSE,
        shapes.converse(),
        "bedrock.converse",
        "amazon.nova-lite-v1:0",
        usage=CACHED,
    ),
    "converse events": Row(
        "/model/m/converse-stream", CONVERSE, shapes.converse_events(), "bedrock.converse", "m", True, CACHED
    ),
    "invoke claude": Row(
        f"/model/{CLAUDE_ID}/invoke",
        CLAUDE,
        CLAUDE_ANSWER,
        "bedrock.invoke",
        "anthropic.claude-sonnet-4-20250514-v1:0",
    ),
    "invoke claude events": Row(
        "/model/m/invoke-with-response-stream",
        CLAUDE,
        shapes.invoke_stream(CLAUDE_EVENTS),
        "bedrock.invoke",
        "m",
        True,
    ),
    "invoke nova": Row("/model/m/invoke", NOVA, shapes.converse(), "bedrock.invoke", "m", usage=CACHED),
    "invoke llama": Row(
        "/model/m/invoke",
        {"prompt": QUESTION},
        {
            "generation": shapes.TEXT,
            "prompt_token_count": 20,
            "generation_token_count": 7,
            "stop_reason": "stop",
        },
        "bedrock.invoke",
        "m",
    ),
    "invoke titan": Row(
        "/model/m/invoke",
        {"inputText": QUESTION},
        {
            "inputTextTokenCount": 20,
            "results": [{"tokenCount": 7, "outputText": shapes.TEXT, "completionReason": "FINISH"}],
        },
        "bedrock.invoke",
        "m",
    ),
    "invoke mistral": Row(
        "/model/m/invoke",
        {"prompt": QUESTION},
        Answer(body={"outputs": [{"text": shapes.TEXT, "stop_reason": "stop"}]}, headers=COUNTS),
        "bedrock.invoke",
        "m",
    ),
    "invoke llama events": Row(
        "/model/m/invoke-with-response-stream",
        {"prompt": QUESTION},
        shapes.invoke_stream(
            [
                *({"generation": word, "stop_reason": None} for word in shapes.WORDS),
                {"generation": "", "stop_reason": "stop"},
            ]
        ),
        "bedrock.invoke",
        "m",
        True,
    ),
    "claude on vertex": Row(
        "/v1/projects/p/locations/us/publishers/anthropic/models/claude-sonnet-4@20250514:rawPredict",
        {**CLAUDE, "anthropic_version": "vertex-2023-10-16"},
        CLAUDE_ANSWER,
        "messages",
        "claude-sonnet-4@20250514",
    ),
}

named_rows = pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))


def _asked(server: LLMServer, lab: Lab, row: Row) -> LLMCall:
    lab.run(lambda: httpx.post(server.url + row.path, json=row.body))
    (call,) = lab.calls
    return call


@named_rows
def test_a_call_says_what_was_asked_and_answered(row: Row, server: LLMServer, lab: Lab) -> None:
    server.script(row.answer)
    call = _asked(server, lab, row)
    assert (call.api, call.model, call.streamed) == (row.api, row.model, row.streamed)
    assert (call.answer, call.finish_reason, call.error) == (shapes.TEXT, "stop", None)
    assert call.usage == row.usage
    whole = row.body.get("messages") or row.body.get("contents") or "system" in row.body
    assert call.messages == (CHAT if whole else CHAT[1:])
    lab.capture("only")
    again = _asked(server, lab, row)
    assert again.cache_hit
    assert (again.answer, again.usage, again.finish_reason) == (call.answer, call.usage, "stop")


@pytest.mark.parametrize("name", ["gemini", "converse"])
def test_nested_settings_are_parameters(name: str, server: LLMServer, lab: Lab) -> None:
    server.script(ROWS[name].answer)
    assert _asked(server, lab, ROWS[name]).parameters == {"temperature": 0.5}


TOOL_SCHEMA = {"type": "object", "properties": {"number": {"type": "string"}}}

FUNCTION = {"name": shapes.TOOL, "description": "Finds an order.", "parameters": TOOL_SCHEMA}

CALLED = {"name": shapes.TOOL, "arguments": shapes.ARGUMENTS}

TOOL_ROWS: dict[str, tuple[str, Any, Any, Any]] = {
    "gemini": (
        "/v1beta/models/g:generateContent",
        {**GEMINI, "tools": [{"functionDeclarations": [FUNCTION]}]},
        shapes.gemini(tool=True),
        lambda body: {
            **body,
            "contents": [
                *body["contents"],
                {
                    "role": "model",
                    "parts": [{"functionCall": {"name": shapes.TOOL, "args": shapes.ARGUMENTS}}],
                },
                {
                    "role": "user",
                    "parts": [{"functionResponse": {"name": shapes.TOOL, "response": {"state": "lost"}}}],
                },
            ],
        },
    ),
    "ollama chat": (
        "/api/chat",
        {
            "model": "m",
            "messages": CHAT,
            "stream": False,
            "tools": [{"type": "function", "function": FUNCTION}],
        },
        shapes.ollama_chat(tool=True),
        lambda body: {
            **body,
            "messages": [
                *CHAT,
                {"role": "assistant", "content": "", "tool_calls": [{"function": CALLED}]},
                {"role": "tool", "tool_name": shapes.TOOL, "content": '{"state": "lost"}'},
            ],
        },
    ),
    "cohere": (
        "/v2/chat",
        {"model": "m", "messages": CHAT, "tools": [{"type": "function", "function": FUNCTION}]},
        shapes.cohere(tool=True),
        lambda body: {
            **body,
            "messages": [
                *CHAT,
                shapes.cohere(tool=True)["message"],
                {"role": "tool", "tool_call_id": "call_1", "content": '{"state": "lost"}'},
            ],
        },
    ),
    "converse": (
        "/model/m/converse",
        {
            **CONVERSE,
            "toolConfig": {
                "tools": [{"toolSpec": {"name": shapes.TOOL, "inputSchema": {"json": TOOL_SCHEMA}}}]
            },
        },
        shapes.converse(tool=True),
        lambda body: {
            **body,
            "messages": [
                *body["messages"],
                shapes.converse(tool=True)["output"]["message"],
                {
                    "role": "user",
                    "content": [
                        {"toolResult": {"toolUseId": "tu_1", "content": [{"json": {"state": "lost"}}]}}
                    ],
                },
            ],
        },
    ),
    "converse events": (
        "/model/m/converse-stream",
        {
            **CONVERSE,
            "toolConfig": {
                "tools": [{"toolSpec": {"name": shapes.TOOL, "inputSchema": {"json": TOOL_SCHEMA}}}]
            },
        },
        shapes.converse_events(tool=True),
        None,
    ),
}


@pytest.mark.parametrize("name", TOOL_ROWS)
def test_tools_are_seen_from_offer_to_result(name: str, server: LLMServer, lab: Lab) -> None:
    path, body, answer, with_result = TOOL_ROWS[name]
    server.script(answer)
    call = _asked(server, lab, Row(path, body, answer, "", ""))
    assert call.offered == [shapes.TOOL]
    assert [(tool.name, tool.arguments) for tool in call.tool_calls] == [(shapes.TOOL, shapes.ARGUMENTS)]
    assert (call.answer, call.finish_reason) == (None, "tool_calls")
    if with_result is None:
        return
    server.script(answer, ROWS[name].answer)

    def loop() -> None:
        httpx.post(server.url + path, json=body)
        httpx.post(server.url + path, json=with_result(body))

    lab.capture("refresh")
    lab.run(loop)
    (use,) = lab.recorder.trace().tools()
    assert (use.name, use.arguments, use.answered) == (shapes.TOOL, shapes.ARGUMENTS, True)
    assert "lost" in json.dumps(use.result)


def _without(value: Any, *names: str) -> Any:
    return {name: each for name, each in value.items() if name not in names}


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("gemini", _without(shapes.gemini(), "usageMetadata")),
        ("ollama chat", _without(shapes.ollama_chat(), "prompt_eval_count", "eval_count")),
        ("cohere", _without(shapes.cohere(), "usage")),
        ("converse", _without(shapes.converse(), "usage")),
        ("invoke claude", _without(CLAUDE_ANSWER, "usage")),
    ],
)
def test_tokens_that_are_not_reported_cost_nothing_known(
    name: str, answer: Any, server: LLMServer, lab: Lab
) -> None:
    from pytest_fapo.answers.prices import call_cost

    server.script(answer)
    call = _asked(server, lab, ROWS[name])
    assert call.answered
    assert call.usage == Usage()
    assert call_cost(call.model_copy(update={"url": f"https://llm.example{ROWS[name].path}"})) is None


def _cut(answer: Answer) -> Answer:
    assert answer.chunks is not None
    return replace(answer, chunks=answer.chunks[:2])


PAGE = Answer(body=b"<html>Please log in</html>", headers={"content-type": "text/html"})

NO_ANSWERS: dict[str, tuple[str, Any]] = {
    "no candidates": ("gemini", {"usageMetadata": {"promptTokenCount": 3}}),
    "empty candidates": ("gemini", {"candidates": []}),
    "an error in a stream": (
        "gemini events",
        Answer(chunks=[b'data: {"error": {"code": 503, "message": "overloaded"}}\r\n\r\n']),
    ),
    "gemini cut": ("gemini events", _cut(shapes.gemini_events())),
    "array cut": ("gemini array", _cut(shapes.gemini_array())),
    "no message": ("ollama chat", {"model": "m", "done": True}),
    "loading": ("ollama generate", {"error": "model is loading"}),
    "lines cut": ("ollama chat lines", _cut(shapes.ollama_lines(chat=True))),
    "an error in lines": (
        "ollama generate lines",
        Answer(chunks=[b'{"response": "a", "done": false}\n', b'{"error": "out of memory"}\n']),
    ),
    "the model failed": ("cohere", {**shapes.cohere(), "finish_reason": "ERROR"}),
    "cohere cut": ("cohere events", _cut(shapes.cohere_events())),
    "no output": ("converse", {"message": "try later"}),
    "no stop reason": ("converse", _without(shapes.converse(), "stopReason")),
    "converse cut": ("converse events", _cut(shapes.converse_events())),
    "claude without end": ("invoke claude", _without(CLAUDE_ANSWER, "stop_reason")),
    "invoke cut": ("invoke claude events", _cut(shapes.invoke_stream(CLAUDE_EVENTS))),
    **{
        f"a page for {name}": (name, PAGE)
        for name in ("gemini", "ollama chat", "cohere", "converse", "invoke llama")
    },
    **{
        f"another form for {name}": (name, {"ok": True})
        for name in ("gemini", "ollama chat", "cohere", "converse")
    },
}


@pytest.mark.parametrize(("name", "answer"), NO_ANSWERS.values(), ids=list(NO_ANSWERS))
def test_only_a_whole_answer_of_the_form_is_recorded(
    name: str, answer: Any, server: LLMServer, lab: Lab
) -> None:
    server.script(answer)
    call = _asked(server, lab, ROWS[name])
    assert not call.answered
    assert call.error
    lab.capture("only")
    with pytest.raises(CacheMiss):
        _asked(server, lab, ROWS[name])


def test_a_blocked_prompt_is_an_answer(server: LLMServer, lab: Lab) -> None:
    server.script({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 20}})
    call = _asked(server, lab, ROWS["gemini"])
    assert (call.answer, call.finish_reason, call.refusal) == (None, "content_filter", "blocked: SAFETY")
    assert call.answered


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"message": "Too many requests"}, "Too many requests"),
        ({"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED"}}, "quota"),
        ({"error": "model not found"}, "model not found"),
    ],
)
@pytest.mark.parametrize("name", ["gemini", "ollama chat", "cohere", "converse", "invoke claude"])
def test_an_error_says_the_providers_words(
    name: str, body: Any, words: str, server: LLMServer, lab: Lab
) -> None:
    server.script(Answer(status=429, body=body))
    assert _asked(server, lab, ROWS[name]).error == f"HTTP 429: {words}"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/chat", {"messages": CHAT}),
        ("/api/chat", {"text": "hello"}),
        ("/api/generate", {"model": "invoice", "count": 2}),
        ("/v2/chat", {"room": 3}),
        ("/chain/invoke", {"input": "q"}),
        ("/agent/converse", {"messages": []}),
        ("/v1/models/gemini:countTokens", GEMINI),
    ],
)
def test_servers_of_other_kinds_with_such_paths_pass(
    path: str, body: Any, server: LLMServer, lab: Lab
) -> None:
    server.script({"ok": 1})
    lab.run(lambda: httpx.post(server.url + path, json=body))
    assert lab.calls == []


SECRETS: list[tuple[str, dict[str, str]]] = [
    ("/v1beta/models/g:generateContent?key=AIzaSecret-0123456789", {}),
    ("/v1beta/models/g:generateContent", {"x-goog-api-key": "AIzaSecret-0123456789"}),
    ("/model/m/converse", {"x-amz-security-token": "FwoSecret0123456789"}),
    (
        "/model/m/converse",
        {
            "authorization": (
                "AWS4-HMAC-SHA256 Credential=AKIA0123456789ABCDEF/20260101/us-east-1/bedrock/aws4_request, "
                "SignedHeaders=host, Signature=0123456789abcdef0123"
            )
        },
    ),
    (
        "/model/m/converse?X-Amz-Signature=0123456789abcdef0123&X-Amz-Date=20260101T000000Z&X-Amz-Credential=AKIA0123456789ABCDEF",
        {},
    ),
]


@pytest.mark.parametrize(("path", "headers"), SECRETS)
def test_keys_and_signatures_are_nowhere(
    path: str, headers: dict[str, str], server: LLMServer, lab: Lab
) -> None:
    """Not in a key, so that another key finds the same answer, and not in a value or a trace."""
    gemini = "models" in path
    body: Any = GEMINI if gemini else CONVERSE
    server.respond = lambda request: shapes.gemini() if gemini else shapes.converse()
    lab.run(lambda: httpx.post(server.url + path, json=body, headers=headers))
    text = lab.recorder.trace().model_dump_json() + "".join(
        file.read_bytes().decode("latin-1") for file in lab.folder.rglob("*") if file.is_file()
    )
    assert shapes.TEXT in text
    for secret in ("Secret", "AKIA", "0123456789abcdef0123", "20260101"):
        assert secret not in text
    lab.capture("only")
    other = {name: value.replace("0123456789", "9876543210") for name, value in headers.items()}
    lab.run(
        lambda: httpx.post(server.url + path.replace("0123456789", "9876543210"), json=body, headers=other)
    )
    assert server.count == 1


@pytest.mark.parametrize("name", [name for name in ROWS if not name.startswith(("invoke", "claude"))])
def test_a_stand_in_answers_in_the_form_of_the_endpoint(name: str, server: LLMServer, lab: Lab) -> None:
    """With a text and with a tool call, which the reader of the same form finds again."""
    row = ROWS[name]
    said: Any = "The team is billing, and this text has more than eight words."
    lab.capture("auto", offline=_Offline(lambda: said))
    assert _asked(server, lab, row).answer == said
    if row.api != "ollama.generate":
        said = {"tool_calls": [{"name": shapes.TOOL, "arguments": shapes.ARGUMENTS}]}
        call = _asked(server, lab, Row(row.path, {**row.body, "tool": 1}, None, "", ""))
        assert [(tool.name, tool.arguments) for tool in call.tool_calls] == [(shapes.TOOL, shapes.ARGUMENTS)]
    assert server.count == 0


@pytest.mark.parametrize("name", ["gemini", "ollama chat lines", "cohere events", "converse events"])
def test_a_replaced_step_answers_in_the_form_of_its_endpoint(name: str, server: LLMServer, lab: Lab) -> None:
    """As an intervention of the diagnosis does with a step that is one call."""
    row = ROWS[name]
    server.script(row.answer)

    def answer() -> bytes:
        return httpx.post(server.url + row.path, json=row.body).content

    lab.run(answer)
    (step,) = lab.steps
    lab.run(answer, replacements=Replacements(outputs={step.key: "shipping"}))
    assert [call.answer for call in lab.calls] == ["shipping"]
    assert server.count == 1


class _Offline:
    fingerprint = "1"

    def __init__(self, say: Callable[[], Any]) -> None:
        self._say = say

    def answer(self, question: Any) -> Any:
        from pytest_fapo.answers.offline import OfflineModel

        return OfflineModel(lambda request: self._say(), name="m:f", fingerprint="1").answer(question)
