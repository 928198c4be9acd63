"""Messages of all providers as text, without what differs from run to run."""

from __future__ import annotations

from typing import Any

import pytest
from support.handmade import call

from pytest_fapo.core.trace import ToolCall
from pytest_fapo.views.snapshots.prompt_messages import answer_text, parts_of

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
USE = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"b": 2, "a": 1}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "found"}]}
FUNCTION = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"b": 2, "a": 1}'}}
REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}
CALLED = {"type": "function_call", "call_id": "call_1", "id": "fc_1", "name": "look", "arguments": "{}"}
TOLD = {"type": "function_call_output", "call_id": "call_1", "output": "found"}


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        ({"role": "system", "content": "Be kind."}, [("system", "Be kind.")]),
        (
            {"role": "user", "content": [{"type": "text", "text": "What is it?"}, IMAGE]},
            [("user", "What is it?\n\n(image)")],
        ),
        ({"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}, [("user", "Hi")]),
        (
            {"role": "system", "content": [{"type": "text", "text": "A", "cache_control": {}}]},
            [("system", "A")],
        ),
        (
            {"role": "assistant", "content": None, "tool_calls": [FUNCTION]},
            [("assistant", 'look({"a": 1, "b": 2})')],
        ),
        ({"role": "tool", "tool_call_id": "call_1", "content": "found"}, [("tool", "found")]),
        (
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "x"}, USE]},
            [("assistant", '(thinking)\n\nlook({"a": 1, "b": 2})')],
        ),
        (
            {"role": "user", "content": [RESULT, {"type": "text", "text": "Go on."}]},
            [("tool", "found"), ("user", "Go on.")],
        ),
        (CALLED, [("assistant", "look({})")]),
        (TOLD, [("tool", "found")]),
        (REASONING, [("assistant", "(thinking)")]),
        ({"role": "user", "content": ["one text", "another"]}, [("user", "one text\n\nanother")]),
        (
            {"role": "user", "content": [{"type": "new", "id": "x1", "data": 3}]},
            [("user", '{"data": 3, "type": "new"}')],
        ),
        ({"role": "user", "content": ""}, []),
        ("plain", [("user", "plain")]),
        (None, [("user", "null")]),
        ({"prompt": {"of": "another API"}}, [("user", '{"prompt": {"of": "another API"}}')]),
    ],
)
def test_parts(message: Any, parts: list[tuple[str, str]]) -> None:
    assert [tuple(part) for part in parts_of(call("", None, messages=[message]))] == parts


def test_what_a_model_said_is_told_apart_without_its_ids() -> None:
    def asked(number: int, **arguments: Any) -> str:
        return answer_text(
            call("", None, tool_calls=[ToolCall(id=f"call_{number}", name="look", arguments=arguments)])
        )

    assert asked(1, at="shelf") == asked(2, at="shelf")
    assert asked(1, at="shelf") != asked(1, at="box")
    assert answer_text(call("", "yes")) != answer_text(call("", "no"))
    assert answer_text(call("", None, error="HTTP 500")) != answer_text(call("", None))
