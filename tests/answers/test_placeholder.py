"""The placeholder fills in the form that a request asks for, so that code which reads it works."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_fapo.answers.offline import OfflineRequest
from pytest_fapo.answers.placeholder import TEXT, reply

SCHEMA = {
    "type": "object",
    "properties": {
        "team": {"enum": ["billing", "delivery"]},
        "urgent": {"type": "boolean"},
        "score": {"type": "integer", "minimum": 1},
        "tags": {"type": "array", "items": {"type": "string"}},
        "places": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/Place"}},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "parent": {"type": ["null", "string"]},
    },
    "$defs": {"Place": {"type": "object", "properties": {"name": {"type": "string"}}}},
}
FILLED = {
    "team": "billing",
    "urgent": False,
    "score": 1,
    "tags": [],
    "places": [{"name": TEXT}],
    "note": TEXT,
    "parent": None,
}


def answer(api: str = "chat.completions", said: str = "Hello", **body: Any) -> Any:
    messages = [{"role": "user", "content": said}]
    return reply(OfflineRequest(api=api, model="m", messages=messages, body=body))


def test_words_for_words() -> None:
    assert answer() == TEXT
    assert answer(tools=[{"name": "find"}], tool_choice={"type": "auto"}) == TEXT
    assert answer(tools=[{"name": "find"}], tool_choice="auto") == TEXT


@pytest.mark.parametrize(
    "body",
    [
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}},
        {"text": {"format": {"type": "json_schema", "name": "x", "schema": SCHEMA}}},
    ],
    ids=["chat", "responses"],
)
def test_a_schema_is_filled_in(body: dict[str, Any]) -> None:
    assert json.loads(answer(**body)) == FILLED


@pytest.mark.parametrize(
    "body",
    [
        {
            "tools": [
                {"type": "function", "function": {"name": "other", "parameters": {}}},
                {"type": "function", "function": {"name": "sort", "parameters": SCHEMA}},
            ],
            "tool_choice": {"type": "function", "function": {"name": "sort"}},
        },
        {
            "tools": [{"name": "sort", "input_schema": SCHEMA}],
            "tool_choice": {"type": "tool", "name": "sort"},
        },
        {"tools": [{"name": "sort", "input_schema": SCHEMA}], "tool_choice": {"type": "any"}},
    ],
    ids=["openai", "anthropic", "any tool"],
)
def test_a_forced_tool_is_called(body: dict[str, Any]) -> None:
    assert answer(**body) == {"tool_calls": [{"name": "sort", "arguments": FILLED}]}


def test_json_that_a_prompt_describes() -> None:
    text = 'Answer as JSON: {"team": "...", "reason": "..."}'
    assert json.loads(answer(said=text)) == {"team": TEXT, "reason": TEXT}


def test_embeddings_are_vectors_and_endless_schemas_end() -> None:
    assert answer("embeddings") == [0.5, 0.5, 0.5, 0.5]
    endless = {"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}}}
    schema = {**endless, "$defs": {"N": endless}}
    assert json.loads(answer(response_format={"json_schema": {"schema": schema}}))["next"]
