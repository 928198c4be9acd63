"""LLM calls in the trace: the steps they belong to, or become, and what is read of requests and answers."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import anthropic
import httpx
import openai
import pytest
from support import llm_shapes as shapes
from support.llm_lab import Lab
from support.llm_server import LLMServer

import pytest_fapo as fapo
from pytest_fapo.core.trace import LLMCall, ToolCall

KEY = "sk-test-0123456789abcdef"
USER: Any = [{"role": "user", "content": "Where is it?"}]


class Desk:
    """A pipeline as a user writes it, with no step configured."""

    def __init__(self, url: str) -> None:
        self.client = openai.OpenAI(base_url=url, api_key=KEY)
        self.async_client = openai.AsyncOpenAI(base_url=url, api_key=KEY)

    def ask(self, text: str, temperature: float = 0.5) -> str:
        messages: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]
        answer = self.client.chat.completions.create(model="m", messages=messages, temperature=temperature)
        return answer.choices[0].message.content or ""

    async def ask_async(self, text: str) -> str:
        return (await self.async_client.responses.create(model="m", input=text)).output_text

    def ask_in_a_comprehension(self, texts: list[str]) -> list[str]:
        return [self.client.responses.create(model="m", input=text).output_text for text in texts]


class LoudDesk(Desk):
    pass


def triage(desk: Desk, text: str) -> str:
    return desk.client.responses.create(model="m", input=f"triage {text}").output_text


@fapo.step
def configured(desk: Desk) -> str:
    return desk.ask("inside")


def test_each_call_is_a_step_named_after_the_users_function(server: LLMServer, lab: Lab) -> None:
    desk, loud = Desk(server.base_url), LoudDesk(server.base_url)

    async def several() -> None:
        await asyncio.gather(desk.ask_async("a"), desk.ask_async("b"))

    lab.run(
        lambda: (
            desk.ask("hi"),
            loud.ask("hi", temperature=0),
            triage(desk, "x"),
            desk.ask_in_a_comprehension(["y"]),
            asyncio.run(several()),
        )
    )
    assert [step.key for step in lab.steps] == [
        "Desk.ask",
        "LoudDesk.ask",
        "triage",
        "Desk.ask_in_a_comprehension",
        "Desk.ask_async",
        "Desk.ask_async#2",
    ]
    assert [step.llm_calls for step in lab.steps] == [[number] for number in range(6)]
    first = lab.steps[0]
    assert (first.inputs, first.output) == ({"text": "hi", "temperature": 0.5}, "echo: hi")
    assert first.parent is None
    assert first.duration > 0


def test_calls_inside_a_configured_step_belong_to_it(server: LLMServer, lab: Lab) -> None:
    desk = Desk(server.base_url)
    lab.run(lambda: (desk.ask("before"), configured(desk)))
    assert [(step.name, step.llm_calls) for step in lab.steps] == [("Desk.ask", [0]), ("configured", [1])]
    trace = lab.recorder.trace()
    assert [call.answer for call in trace.calls_of(trace.steps[1])] == ["echo: inside"]


def test_a_call_on_a_thread_is_named_after_the_function_that_leads_to_it(server: LLMServer, lab: Lab) -> None:
    client = openai.AsyncOpenAI(base_url=server.base_url, api_key=KEY)

    async def pipeline() -> None:
        await asyncio.create_task(client.responses.create(model="m", input="x"))

    def on_another_thread() -> None:
        thread = threading.Thread(target=asyncio.run, args=(pipeline(),))
        thread.start()
        thread.join()

    lab.run(on_another_thread)
    assert [step.name for step in lab.steps] == ["pipeline"]


def test_times_follow_the_calls(server: LLMServer, lab: Lab) -> None:
    desk = Desk(server.base_url)
    lab.run(lambda: (desk.ask("a"), desk.ask("b")))
    one, two = lab.calls
    assert 0 <= one.start < one.start + one.duration <= two.start


def _openai(server: LLMServer) -> openai.OpenAI:
    return openai.OpenAI(base_url=server.base_url, api_key=KEY, max_retries=0)


def _anthropic(server: LLMServer) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=server.url, api_key=KEY, max_retries=0)


def _chat(server: LLMServer, **extra: Any) -> Any:
    result = _openai(server).chat.completions.create(model="gpt-test", messages=USER, **extra)
    return list(result) if extra.get("stream") else result


def _message(server: LLMServer, **extra: Any) -> Any:
    create: Any = _anthropic(server).messages.create
    result = create(model="claude-test", max_tokens=9, system="Be kind.", messages=USER, **extra)
    return list(result) if extra.get("stream") else result


def _response(server: LLMServer, **extra: Any) -> Any:
    create: Any = _openai(server).responses.create
    result = create(model="gpt-test", instructions="Be kind.", input="Where is it?", **extra)
    return list(result) if extra.get("stream") else result


BAD_ARGUMENTS = {"name": "f", "arguments": "{"}
KIND = {"role": "system", "content": "Be kind."}
WEATHER = ToolCall(id="call_9", name="weather", arguments={"city": "Zürich", "days": 2})
ANTHROPIC_WEATHER = ToolCall(id="toolu_1", name="weather", arguments={"city": "Zürich"})

READ: dict[str, tuple[Any, Any, dict[str, Any], dict[str, Any]]] = {
    "chat": (
        _chat,
        shapes.chat("Here."),
        {},
        {"answer": "Here.", "finish_reason": "stop", "messages": USER, "model": "gpt-test"},
    ),
    "chat refused": (
        _chat,
        shapes.chat(None, refusal="No."),
        {},
        {"answer": None, "refusal": "No.", "finish_reason": "stop"},
    ),
    "chat cut": (_chat, shapes.chat("He", finish="length"), {}, {"answer": "He", "finish_reason": "length"}),
    "chat tools": (
        _chat,
        shapes.chat(None, finish="tool_calls", tool_calls=shapes.CHAT_TOOL_CALLS),
        {},
        {"answer": None, "tool_calls": [WEATHER], "finish_reason": "tool_calls"},
    ),
    "chat bad tool arguments": (
        _chat,
        shapes.chat(None, tool_calls=[{"id": "1", "type": "function", "function": BAD_ARGUMENTS}]),
        {},
        {"tool_calls": [ToolCall(id="1", name="f", arguments="{")]},
    ),
    "chat stream": (
        _chat,
        shapes.chat_stream("He|re|."),
        {"stream": True},
        {"answer": "Here.", "finish_reason": "stop", "streamed": True},
    ),
    "chat tool stream": (
        _chat,
        shapes.chat_tool_stream(),
        {"stream": True},
        {"answer": None, "tool_calls": [WEATHER], "finish_reason": "tool_calls"},
    ),
    "message": (
        _message,
        shapes.message("Here."),
        {},
        {"answer": "Here.", "finish_reason": "stop", "messages": [KIND, *USER], "model": "claude-test"},
    ),
    "message cut": (_message, shapes.message("He", stop="max_tokens"), {}, {"finish_reason": "length"}),
    "message refused": (
        _message,
        shapes.message("I won't.", stop="refusal"),
        {},
        {"answer": "I won't.", "refusal": "I won't.", "finish_reason": "refusal"},
    ),
    "message tools": (
        _message,
        shapes.message("Look:", shapes.MESSAGE_TOOL, stop="tool_use"),
        {},
        {"answer": "Look:", "tool_calls": [ANTHROPIC_WEATHER], "finish_reason": "tool_calls"},
    ),
    "message stream": (
        _message,
        shapes.message_stream("Lo|ok:", tool=True),
        {"stream": True},
        {"answer": "Look:", "tool_calls": [ANTHROPIC_WEATHER], "finish_reason": "tool_calls"},
    ),
    "response": (
        _response,
        shapes.response("Here."),
        {},
        {"answer": "Here.", "finish_reason": "stop", "messages": [KIND, *USER]},
    ),
    "response cut": (
        _response,
        shapes.response("He", status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
        {},
        {"answer": "He", "finish_reason": "length"},
    ),
    "response tools": (
        _response,
        shapes.response(output=[shapes.RESPONSE_TOOL]),
        {},
        {
            "answer": None,
            "tool_calls": [ToolCall(id="call_7", name="weather", arguments={"city": "Bern"})],
            "finish_reason": "tool_calls",
        },
    ),
    "response refused": (
        _response,
        shapes.response(
            output=[
                {
                    "type": "message", "id": "m", "role": "assistant", "status": "completed",
                    "content": [{"type": "refusal", "refusal": "No."}],
                }
            ]
        ),
        {},
        {"answer": None, "refusal": "No."},
    ),
    "response stream": (_response, shapes.response_stream("He|re."), {"stream": True}, {"answer": "Here."}),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_what_is_read_of_requests_and_answers(name: str, server: LLMServer, lab: Lab) -> None:
    ask, answer, extra, expected = READ[name]
    server.respond = lambda request: answer
    lab.run(lambda: ask(server, **extra))
    (call,) = lab.calls
    assert {field: getattr(call, field) for field in expected} == expected
    assert (call.status, call.error) == (200, None)


USAGES: dict[str, tuple[tuple[int, ...], Any, Any, dict[str, Any]]] = {
    "chat": ((12, 5, 4, 0), shapes.chat("x"), _chat, {}),
    "chat stream": ((12, 5, 4, 0), shapes.chat_stream("x"), _chat, {"stream": True}),
    "message": ((20, 5, 7, 3), shapes.message("x"), _message, {}),
    "message stream": ((20, 5, 7, 3), shapes.message_stream("x"), _message, {"stream": True}),
    "response": ((20, 6, 8, 0), shapes.response("x"), _response, {}),
    "response stream": ((20, 6, 8, 0), shapes.response_stream("x"), _response, {"stream": True}),
}


@pytest.mark.parametrize("name", USAGES)
def test_tokens(name: str, server: LLMServer, lab: Lab) -> None:
    expected, answer, ask, extra = USAGES[name]
    server.respond = lambda request: answer
    lab.run(lambda: ask(server, **extra))
    usage = lab.calls[0].usage
    assert (
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_input_tokens,
        usage.cache_write_tokens,
    ) == expected


def test_embeddings_and_text_completions(server: LLMServer, lab: Lab) -> None:
    completion = {
        "id": "c", "object": "text_completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "text": "done", "finish_reason": "stop", "logprobs": None}],
        "usage": {"prompt_tokens": 2, "completion_tokens": 1, "total_tokens": 3},
    }  # fmt: skip
    server.script(shapes.embedding([0.5]), completion)
    client = _openai(server)
    lab.run(
        lambda: (
            client.embeddings.create(model="e", input=["a", "b"], encoding_format="float"),
            client.completions.create(model="m", prompt="do it"),
        )
    )
    embedding, text = lab.calls
    assert (embedding.api, embedding.answer, embedding.usage.input_tokens) == ("embeddings", None, 3)
    assert embedding.messages == [{"role": "user", "content": ["a", "b"]}]
    assert (text.api, text.answer, text.messages) == (
        "completions",
        "done",
        [{"role": "user", "content": "do it"}],
    )


GARBAGE: list[Any] = [
    {},
    {"choices": []},
    {"choices": "x", "usage": 7},
    {"choices": [{"message": "text"}], "usage": {"prompt_tokens": "many"}},
    {"choices": [{"message": {"content": 7, "tool_calls": [7]}}]},
    {"error": {"message": "odd but true"}},
    [shapes.sse("no json"), shapes.sse({"choices": [7]}), shapes.sse("[DONE]")],
    [b"\xff\xfe\n\n", b"data", b": {", b"\n\n"],
    [],
]


@pytest.mark.parametrize("answer", GARBAGE, ids=range(len(GARBAGE)))
@pytest.mark.parametrize("path", ["chat/completions", "messages", "responses", "embeddings", "completions"])
def test_an_answer_of_another_shape_reaches_the_caller_all_the_same(
    answer: Any, path: str, server: LLMServer, lab: Lab
) -> None:
    server.respond = lambda request: answer
    url, body = f"{server.base_url}/{path}", {"model": "m", "messages": 7, "input": 8}
    live = httpx.post(url, json=body)
    seen = lab.run(lambda: httpx.post(url, json=body))
    assert seen.content == live.content
    (call,) = lab.calls
    assert isinstance(call, LLMCall)
    assert call.status == 200


def test_long_texts_are_cut_in_the_trace_only(server: LLMServer, lab: Lab) -> None:
    long = "word " * 20_000
    server.respond = lambda request: shapes.chat(long)
    answer = lab.run(lambda: Desk(server.base_url).ask(long), limit=1000)
    assert answer == long
    trace = lab.recorder.trace(output=answer)
    assert len(trace.model_dump_json()) < 12_000
    assert trace.steps[0].output is not None
