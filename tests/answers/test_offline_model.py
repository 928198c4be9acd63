"""The offline model answers at the transport, in every API's shape, and never reaches the network."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
from support.llm_lab import Lab

from pytest_fapo.answers.offline import offline_model
from pytest_fapo.capture.exchange import optimizer_calls
from pytest_fapo.core.errors import CacheMiss, ConfigError

URL = "https://provider.invalid/v1"
KEY = "sk-test-0123456789abcdef"
SOURCE = """
def answer(request):
    if request.api == "embeddings":
        return [0.5, 0.25]
    if "explode" in request.text:
        raise RuntimeError("nothing to say")
    if request.body.get("tools"):
        return {"text": "let me look", "tool_calls": [{"name": "look", "arguments": {"q": "x"}}]}
    if "cut" in request.text:
        return {"text": "half of", "finish_reason": "length"}
    if "whole" in request.text:
        message = {"role": "assistant", "content": "w"}
        return {"choices": [{"index": 0, "finish_reason": "stop", "message": message}]}
    if "number" in request.text:
        return 7
    return f"{request.model} says one two three four five six seven eight nine to: {request.text}"
"""


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "stand_in_under_test.py"
    path.write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    yield path
    sys.modules.pop("stand_in_under_test", None)


@pytest.fixture
def offline(source: Path, lab: Lab) -> Lab:
    lab.capture(offline=offline_model("stand_in_under_test:answer"))
    return lab


def _user(text: str) -> Any:
    return [{"role": "user", "content": text}]


CHAT = openai.OpenAI(base_url=URL, api_key=KEY)
CLAUDE = anthropic.Anthropic(base_url=URL, api_key=KEY)
SAID = "m says one two three four five six seven eight nine to: hi"


def _stream(result: Any, text: Any) -> str:
    return "".join(text(item) or "" for item in result)


ASK: dict[str, Any] = {
    "chat": lambda: CHAT.chat.completions.create(model="m", messages=_user("hi")).choices[0].message.content,
    "chat stream": lambda: _stream(
        CHAT.chat.completions.create(model="m", messages=_user("hi"), stream=True),
        lambda chunk: chunk.choices[0].delta.content,
    ),
    "chat helper": lambda: _final(CHAT.chat.completions.stream(model="m", messages=_user("hi"))),
    "responses": lambda: CHAT.responses.create(model="m", input="hi").output_text,
    "responses stream": lambda: _stream(
        CHAT.responses.create(model="m", input="hi", stream=True), lambda event: getattr(event, "delta", "")
    ),
    "completions": lambda: CHAT.completions.create(model="m", prompt="hi").choices[0].text,
    "completions stream": lambda: _stream(
        CHAT.completions.create(model="m", prompt="hi", stream=True), lambda chunk: chunk.choices[0].text
    ),
    "messages": lambda: _block(
        CLAUDE.messages.create(model="m", max_tokens=9, messages=_user("hi")).content[0]
    ),
    "messages stream": lambda: _claude_stream(),
    "chat async": lambda: asyncio.run(_async_chat()),
}


def _final(manager: Any) -> Any:
    with manager as stream:
        return stream.get_final_completion().choices[0].message.content


def _block(block: Any) -> Any:
    return block.text


def _claude_stream() -> str:
    with CLAUDE.messages.stream(model="m", max_tokens=9, messages=_user("hi")) as stream:
        return "".join(stream.text_stream)


async def _async_chat() -> Any:
    client = openai.AsyncOpenAI(base_url=URL, api_key=KEY)
    return (await client.chat.completions.create(model="m", messages=_user("hi"))).choices[0].message.content


@pytest.mark.parametrize("name", ASK)
def test_a_text_takes_the_shape_of_every_api(name: str, offline: Lab) -> None:
    assert offline.run(ASK[name]) == SAID
    assert offline.run(ASK[name]) == SAID
    (call,) = offline.calls
    assert (call.answer, call.offline, call.cache_hit, call.status) == (SAID, True, True, 200)
    assert call.finish_reason == "stop"
    assert call.url.startswith(URL)


def test_embeddings(offline: Lab) -> None:
    one = offline.run(lambda: CHAT.embeddings.create(model="e", input="a"))  # base64 on the wire
    two = offline.run(lambda: CHAT.embeddings.create(model="e", input=["a", "b"], encoding_format="float"))
    assert one.data[0].embedding == [0.5, 0.25]
    assert [item.embedding for item in two.data] == [[0.5, 0.25]] * 2


def test_tool_calls_in_every_api_streamed_or_not(offline: Lab) -> None:
    function: Any = {"name": "look", "parameters": {"type": "object"}}
    tools: Any = [{"type": "function", "function": function}]
    flat: Any = [{"type": "function", "strict": None, **function}]

    def pipeline() -> None:
        CHAT.chat.completions.create(model="m", messages=_user("x"), tools=tools)
        list(CHAT.chat.completions.create(model="m", messages=_user("x"), tools=tools, stream=True))
        CHAT.responses.create(model="m", input="x", tools=flat)
        with CHAT.responses.stream(model="m", input="x", tools=flat) as stream:
            assert stream.get_final_response().output[1].type == "function_call"
        claude: Any = [{"name": "look", "input_schema": {"type": "object"}}]
        CLAUDE.messages.create(model="m", max_tokens=9, messages=_user("x"), tools=claude)
        with CLAUDE.messages.stream(model="m", max_tokens=9, messages=_user("x"), tools=claude) as other:
            assert other.get_final_message().stop_reason == "tool_use"

    offline.run(pipeline)
    assert len(offline.calls) == 6
    for call in offline.calls:
        assert (call.answer, call.finish_reason) == ("let me look", "tool_calls")
        assert [(tool.name, tool.arguments) for tool in call.tool_calls] == [("look", {"q": "x"})]


def test_a_finish_reason_and_a_whole_body(offline: Lab) -> None:
    offline.run(
        lambda: (
            CHAT.chat.completions.create(model="m", messages=_user("cut")),
            CHAT.responses.create(model="m", input="cut"),
            CLAUDE.messages.create(model="m", max_tokens=9, messages=_user("cut")),
            httpx.post(f"{URL}/chat/completions", json={"model": "m", "messages": _user("whole")}),
        )
    )
    assert [call.finish_reason for call in offline.calls] == ["length", "length", "length", "stop"]
    assert offline.calls[3].answer == "w"


@pytest.mark.parametrize(
    ("text", "words"), [("explode", "RuntimeError: nothing to say"), ("number", "it returned int")]
)
def test_a_failing_stand_in_says_so_at_once(text: str, words: str, offline: Lab) -> None:
    with pytest.raises(openai.InternalServerError, match=f"offline model stand_in.*{words}"):
        offline.run(lambda: CHAT.chat.completions.create(model="m", messages=_user(text)))
    with pytest.raises(anthropic.InternalServerError, match=words):
        offline.run(lambda: CLAUDE.messages.create(model="m", max_tokens=9, messages=_user(text)))
    assert len(offline.calls) == 1  # not retried


def test_editing_the_stand_in_asks_it_again(source: Path, offline: Lab) -> None:
    before = offline.run(ASK["chat"])
    source.write_text(SOURCE.replace("says one", "says zero one"))
    del sys.modules["stand_in_under_test"]
    offline.capture(offline=offline_model("stand_in_under_test:answer"))
    after = offline.run(ASK["chat"])
    assert before != after
    assert "zero one" in after
    offline.capture("only", offline=offline_model("stand_in_under_test:answer"))
    assert offline.run(ASK["chat"]) == after
    with pytest.raises(CacheMiss):
        offline.run(lambda: CHAT.responses.create(model="m", input="never checked"))


def test_the_optimizer_is_never_answered_by_the_stand_in(offline: Lab) -> None:
    client = openai.OpenAI(base_url="http://127.0.0.1:9/v1", api_key=KEY, max_retries=0, timeout=1)
    with optimizer_calls(), pytest.raises(openai.APIConnectionError):
        client.chat.completions.create(model="m", messages=_user("hi"))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("nonsense", "not of the form"),
        ("no_such_module_at_all:answer", "No module named"),
        ("stand_in_under_test:nothing", "has no function 'nothing'"),
        ("stand_in_under_test:__doc__", "has no function"),
    ],
)
def test_a_wrong_setting_is_named(spec: str, words: str, source: Path) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        offline_model(spec)
    assert "tool.fapo.offline.model" in str(caught.value)
