"""Tool calls and their results in the trace, through the real SDKs, and as messages tell them."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import openai
import pytest
from support import llm_shapes as shapes
from support.handmade import call
from support.llm_lab import Lab
from support.llm_server import LLMServer

from pytest_fapo.core.trace import ToolUse, tool_error_of, tool_error_of_exception, tool_uses

KEY = "sk-test-0123456789abcdef"
TOOLS = {"weather": lambda city: {"Oslo": "4 degrees"}[city]}


def run_tool(name: str, arguments: dict[str, Any]) -> tuple[str, bool]:
    try:
        return TOOLS[name](**arguments), False
    except Exception as error:
        return f"Error: {type(error).__name__}: {error}", True


def chat_agent(url: str) -> str:
    client = openai.OpenAI(base_url=url, api_key=KEY)
    messages: list[Any] = [{"role": "user", "content": "Weather in Oslo and Bergen?"}]
    tools: Any = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    while True:
        answer = client.chat.completions.create(model="m", messages=messages, tools=tools, max_tokens=90)
        message = answer.choices[0].message
        if not message.tool_calls:
            return message.content or ""
        messages.append(message)
        for asked in message.tool_calls:
            function: Any = asked.function  # type: ignore[union-attr]
            result, _ = run_tool(function.name, json.loads(function.arguments))
            messages.append({"role": "tool", "tool_call_id": asked.id, "content": result})


def messages_agent(url: str) -> str:
    client = anthropic.Anthropic(base_url=url.removesuffix("/v1"), api_key=KEY)
    messages: list[Any] = [{"role": "user", "content": "Weather in Oslo and Bergen?"}]
    tools: Any = [{"name": "weather", "input_schema": {"type": "object"}}]
    while True:
        answer = client.messages.create(model="m", messages=messages, tools=tools, max_tokens=90)
        if answer.stop_reason != "tool_use":
            return "".join(block.text for block in answer.content if block.type == "text")
        messages.append({"role": "assistant", "content": answer.content})
        results: list[Any] = []
        for block in answer.content:
            if block.type == "tool_use":
                result, failed = run_tool(block.name, dict(block.input))
                done = {"type": "tool_result", "tool_use_id": block.id, "content": result}
                results.append({**done, "is_error": failed})
        messages.append({"role": "user", "content": results})


def responses_agent(url: str) -> str:
    client = openai.OpenAI(base_url=url, api_key=KEY)
    items: list[Any] = [{"role": "user", "content": "Weather in Oslo and Bergen?"}]
    tools: Any = [{"type": "function", "name": "weather", "parameters": {}, "strict": False}]
    while True:
        answer = client.responses.create(model="m", input=items, tools=tools, max_output_tokens=90)
        asked = [item for item in answer.output if item.type == "function_call"]
        if not asked:
            return answer.output_text
        items += [item.model_dump() for item in answer.output]
        for item in asked:
            result, _ = run_tool(item.name, json.loads(item.arguments))
            items.append({"type": "function_call_output", "call_id": item.call_id, "output": result})


def _offline(number: int) -> Any:
    """Return the model's answers: two calls, one with a city that the tool does not know, then text."""
    if number == 1:
        return {
            "tool_calls": [
                {"name": "weather", "arguments": {"city": "Oslo"}},
                {"name": "weather", "arguments": {"city": "Bergen"}},
            ]
        }
    if number == 2:
        return {"tool_calls": [{"name": "wether", "arguments": {"city": "Oslo"}}]}
    return "It is cold."


@pytest.mark.parametrize("agent", [chat_agent, messages_agent, responses_agent])
def test_the_tools_of_an_agent_are_in_its_trace(server: LLMServer, lab: Lab, agent: Any) -> None:
    from pytest_fapo.answers.offline import OfflineModel

    numbers = iter(range(1, 9))
    model = OfflineModel(lambda request: _offline(next(numbers)), name="m", fingerprint="1")
    lab.capture(offline=model)
    assert lab.run(lambda: agent(server.base_url)) == "It is cold."
    trace = lab.recorder.trace()
    uses = trace.tools()
    assert [(use.name, use.arguments, use.error, use.call) for use in uses] == [
        ("weather", {"city": "Oslo"}, None, 0),
        ("weather", {"city": "Bergen"}, "error", 0),
        ("wether", {"city": "Oslo"}, "error", 1),
    ]
    assert uses[0].result == "4 degrees"
    assert all(use.answered for use in uses)
    assert [call.offered for call in trace.llm_calls] == [["weather"]] * 3
    limits = [set(call.parameters.values()) for call in trace.llm_calls]
    assert all(90 in found for found in limits)
    assert len(server.requests) == 0


def test_streamed_tool_calls_without_a_result(server: LLMServer, lab: Lab) -> None:
    client = openai.OpenAI(base_url=server.base_url, api_key=KEY)
    function = {"name": "find", "arguments": '{"q": 1}'}
    server.script(shapes.chat(None, tool_calls=[{"id": "c1", "type": "function", "function": function}]))
    user: Any = [{"role": "user", "content": "Find it."}]
    lab.run(lambda: client.chat.completions.create(model="m", messages=user))
    assert lab.recorder.trace().tools() == [ToolUse(name="find", arguments={"q": 1}, call=0)]


def test_equal_calls_of_two_conversations_are_two_uses() -> None:
    def turn(question: str, result: str) -> Any:
        asked = {"id": "call_0", "function": {"name": "add", "arguments": '{"a": 1}'}}
        return call("", "done").model_copy(
            update={
                "messages": [
                    {"role": "user", "content": question},
                    {"role": "assistant", "tool_calls": [asked]},
                    {"role": "tool", "tool_call_id": "call_0", "content": result},
                    {"role": "assistant", "tool_calls": [asked]},
                    {"role": "tool", "tool_call_id": "call_0", "content": result + "!"},
                ]
            }
        )

    uses = tool_uses([turn("one", "2"), turn("two", "3")])
    assert [use.result for use in uses] == ["2", "2!", "3", "3!"]


def test_odd_messages_are_passed_over() -> None:
    odd: Any = ["text", None, {"role": "tool"}, {"tool_calls": ["x", {"id": 3}]}, {"content": ["x", {}]}]
    uses = tool_uses([call("", "x").model_copy(update={"messages": odd})])
    assert [(use.name, use.answered) for use in uses] == [("", True), ("", False)]


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        ("Error: TypeError: f() missing 1 required positional argument: 'city'", "invalid arguments"),
        ({"error": "Unknown tool: wether"}, "unknown tool"),
        ("PermissionError: not yours", "permission"),
        ({"is_error": True, "content": "deadline exceeded"}, "timeout"),
        ("TimeoutError: 5 s", "timeout"),
        ("tool 'x' not found", "unknown tool"),
        ("Traceback (most recent call last): boom", "error"),
        ({"error": False, "rows": []}, None),
        ("The error rate is 4 %", None),
        ("Report on timeouts in 2024", None),
        (None, None),
    ],
)
def test_what_kind_of_failure_a_result_reports(result: Any, kind: str | None) -> None:
    assert tool_error_of(result) == kind


def test_what_kind_of_failure_an_exception_is() -> None:
    assert tool_error_of_exception("ReadTimeout: timed out") == "timeout"
    assert tool_error_of_exception("KeyError: 'x'") == "error"
