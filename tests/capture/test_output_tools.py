"""An answer that must come by a tool is an answer: its arguments, in every API."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from support.llm_lab import Lab
from support.llm_server import LLMServer

from pytest_fapo.capture.answer_reading import read_http_answer
from pytest_fapo.capture.answer_writing import written_answer
from pytest_fapo.capture.endpoints import output_tools


def functions(*names: str) -> list[dict[str, Any]]:
    return [{"type": "function", "function": {"name": name, "parameters": {}}} for name in names]


TICKET: dict[str, Any] = {"name": "Ticket", "input_schema": {}}


@pytest.mark.parametrize(
    ("body", "tools"),
    [
        ({"tools": functions("Ticket", "look"), "tool_choice": {"function": {"name": "Ticket"}}}, ["Ticket"]),
        ({"tools": [TICKET], "tool_choice": {"type": "function", "name": "Ticket"}}, ["Ticket"]),
        ({"tools": [TICKET], "tool_choice": {"type": "tool", "name": "Ticket"}}, ["Ticket"]),
        ({"tools": [TICKET], "tool_choice": {"type": "any"}}, ["Ticket"]),
        ({"tools": functions("Ticket"), "tool_choice": "required"}, ["Ticket"]),
        ({"tools": functions("look", "final_result"), "tool_choice": "required"}, ["final_result"]),
        ({"tools": functions("look", "find"), "tool_choice": "required"}, []),
        ({"tools": functions("Ticket"), "tool_choice": "auto"}, []),
        ({"tools": functions("Ticket")}, []),
        (
            {"toolConfig": {"tools": [{"toolSpec": TICKET}], "toolChoice": {"tool": {"name": "Ticket"}}}},
            ["Ticket"],
        ),
        ({"toolConfig": {"tools": [{"toolSpec": TICKET}], "toolChoice": {"any": {}}}}, ["Ticket"]),
        (
            {
                "tools": [{"functionDeclarations": [TICKET]}],
                "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["Ticket"]}},
            },
            ["Ticket"],
        ),
        (
            {
                "tools": [{"functionDeclarations": [TICKET]}],
                "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
            },
            ["Ticket"],
        ),
        ("no mapping", []),
        ({"tool_choice": {"type": "auto"}}, []),
    ],
)
def test_which_tool_the_answer_must_come_by(body: Any, tools: list[str]) -> None:
    assert output_tools(body) == tools


@pytest.mark.parametrize("api", ["chat.completions", "messages", "responses"])
@pytest.mark.parametrize("output", [{"team": "billing"}, '{"team": "billing"}'])
def test_a_prepared_answer_comes_by_that_tool(api: str, output: Any) -> None:
    body = {"model": "m", "tools": functions("Ticket"), "tool_choice": "required"}
    (call,) = read_http_answer(api, written_answer(api, body, output)).tool_calls
    assert (call.name, call.arguments) == ("Ticket", {"team": "billing"})
    free = read_http_answer(api, written_answer(api, {"model": "m"}, output))
    assert (json.loads(free.answer or ""), free.tool_calls) == ({"team": "billing"}, [])


@pytest.mark.parametrize("forced", [True, False])
def test_its_arguments_are_the_answer_of_the_call_and_the_output_of_the_step(
    lab: Lab, server: LLMServer, forced: bool
) -> None:
    lab.capture(offline=_Clerk())

    def answer() -> None:
        choice: Any = {"type": "function", "function": {"name": "Ticket"}} if forced else "auto"
        openai.OpenAI(base_url=server.base_url, api_key="sk-test-0123456789abcdef").chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": "Where is my refund?"}],
            tools=functions("Ticket"),  # type: ignore[arg-type]
            tool_choice=choice,
        )

    lab.run(answer)
    (call,) = lab.calls
    assert [tool.name for tool in call.tool_calls] == ["Ticket"]
    (step,) = lab.recorder.trace().steps
    if forced:
        assert json.loads(call.answer or "") == {"team": "billing"}
        assert step.output == call.answer
    else:
        assert call.answer is None
        assert step.output == [{"name": "Ticket", "arguments": {"team": "billing"}}]


class _Clerk:
    """A stand-in that answers by the tool."""

    fingerprint = "clerk"

    def answer(self, question: Any) -> Any:
        forced = {"model": "m", "tools": functions("Ticket"), "tool_choice": "required"}
        return written_answer(question.api, forced, {"team": "billing"})
