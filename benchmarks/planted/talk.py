"""The questions to a model and its answers, whatever the provider's shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Turn:
    """One message of a conversation."""

    role: str
    """`system`, `user`, `assistant` or `tool`."""
    text: str = ""
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    """Tools that the assistant asked for: name and arguments."""


@dataclass(frozen=True)
class Ask:
    """One request."""

    turns: tuple[Turn, ...]
    model: str = ""
    temperature: float = 1.0
    max_tokens: int | None = None
    tools: tuple[str, ...] = ()
    """Names of the tools that are offered."""
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """All that was said, system prompt first."""
        return "\n".join(turn.text for turn in self.turns if turn.text)

    @property
    def system(self) -> str:
        return "\n".join(turn.text for turn in self.turns if turn.role == "system")

    @property
    def user(self) -> str:
        return "\n".join(turn.text for turn in self.turns if turn.role == "user")

    @property
    def results(self) -> list[str]:
        """The results of the tools, in order."""
        return [turn.text for turn in self.turns if turn.role == "tool"]

    @property
    def called(self) -> list[tuple[str, dict[str, Any]]]:
        """The tool calls made so far, in order."""
        return [call for turn in self.turns for call in turn.calls]


@dataclass(frozen=True)
class Say:
    """An answer: text, or tools to call."""

    text: str = ""
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    cut: bool = False

    def within(self, tokens: int | None) -> Say:
        """The answer as a token limit leaves it; a token is taken to be four characters."""
        if tokens is None or self.calls or len(self.text) <= 4 * tokens:
            return self
        return Say(self.text[: 4 * tokens], cut=True)


def call(name: str, **arguments: Any) -> Say:
    """Asks for one tool."""
    return Say(calls=((name, arguments),))


def read(path: str, body: Mapping[str, Any]) -> Ask:
    """The request in one shape for all providers."""
    if path.endswith("/messages"):
        turns = _anthropic(body)
    elif path.endswith("/responses"):
        turns = _responses(body)
    else:
        turns = [turn for message in body["messages"] for turn in _chat(message)]
    limit = body.get("max_tokens") or body.get("max_completion_tokens") or body.get("max_output_tokens")
    names = tuple(tool.get("name") or tool["function"]["name"] for tool in body.get("tools") or [])
    heat = body.get("temperature")
    return Ask(tuple(turns), str(body["model"]), 1.0 if heat is None else float(heat), limit, names, body)


def write(path: str, ask: Ask, say: Say) -> dict[str, Any]:
    """The answer in the provider's shape."""
    if path.endswith("/messages"):
        return _as_message(ask, say)
    if path.endswith("/responses"):
        return _as_response(ask, say)
    return _as_chat(ask, say)


def _chat(message: Mapping[str, Any]) -> list[Turn]:
    calls = tuple(
        (entry["function"]["name"], _arguments(entry["function"]["arguments"]))
        for entry in message.get("tool_calls") or []
    )
    role = "system" if message["role"] == "developer" else message["role"]
    return [Turn(role, _flat(message.get("content")), calls)]


def _responses(body: Mapping[str, Any]) -> list[Turn]:
    turns = [Turn("system", body["instructions"])] if body.get("instructions") else []
    given = body["input"]
    for item in [{"role": "user", "content": given}] if isinstance(given, str) else given:
        if item.get("type") == "function_call":
            turns.append(Turn("assistant", calls=((item["name"], _arguments(item["arguments"])),)))
        elif item.get("type") == "function_call_output":
            turns.append(Turn("tool", _flat(item["output"])))
        elif "role" in item:
            turns.append(Turn(item["role"], _flat(item.get("content"))))
    return turns


def _anthropic(body: Mapping[str, Any]) -> list[Turn]:
    turns = [Turn("system", _flat(body["system"]))] if body.get("system") else []
    for message in body["messages"]:
        content = message["content"]
        blocks: list[Any] = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for block in blocks:
            if block["type"] == "text":
                turns.append(Turn(message["role"], block["text"]))
            elif block["type"] == "tool_use":
                turns.append(Turn("assistant", calls=((block["name"], block["input"]),)))
            elif block["type"] == "tool_result":
                turns.append(Turn("tool", _flat(block.get("content"))))
    return turns


def _flat(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(part.get("text", "") for part in content if isinstance(part, dict))
    return "" if content is None else str(content)


def _arguments(text: str) -> dict[str, Any]:
    value = json.loads(text or "{}")
    return value if isinstance(value, dict) else {}


def _as_chat(ask: Ask, say: Say) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None if say.calls else say.text}
    if say.calls:
        message["tool_calls"] = [
            {
                "id": f"call_{len(ask.called) + number}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(arguments)},
            }
            for number, (name, arguments) in enumerate(say.calls)
        ]
    reason = "tool_calls" if say.calls else "length" if say.cut else "stop"
    choice = {"index": 0, "message": message, "finish_reason": reason}
    used, made = _tokens(ask, say)
    usage = {"prompt_tokens": used, "completion_tokens": made, "total_tokens": used + made}
    answer = {"id": "c", "object": "chat.completion", "created": 1, "model": ask.model}
    return {**answer, "choices": [choice], "usage": usage}


def _as_response(ask: Ask, say: Say) -> dict[str, Any]:
    output: list[dict[str, Any]] = [
        {
            "type": "function_call",
            "id": f"fc_{len(ask.called) + number}",
            "call_id": f"call_{len(ask.called) + number}",
            "name": name,
            "arguments": json.dumps(arguments),
            "status": "completed",
        }
        for number, (name, arguments) in enumerate(say.calls)
    ]
    if not say.calls:
        part = {"type": "output_text", "text": say.text, "annotations": []}
        status = "incomplete" if say.cut else "completed"
        output = [{"type": "message", "id": "m", "role": "assistant", "status": status, "content": [part]}]
    used, made = _tokens(ask, say)
    return {
        "id": "r",
        "object": "response",
        "created_at": 1,
        "model": ask.model,
        "status": "incomplete" if say.cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if say.cut else None,
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": used,
            "output_tokens": made,
            "total_tokens": used + made,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
    }


def _as_message(ask: Ask, say: Say) -> dict[str, Any]:
    content: list[dict[str, Any]] = [
        {"type": "tool_use", "id": f"toolu_{len(ask.called) + number}", "name": name, "input": arguments}
        for number, (name, arguments) in enumerate(say.calls)
    ]
    if not say.calls:
        content = [{"type": "text", "text": say.text}]
    reason = "tool_use" if say.calls else "max_tokens" if say.cut else "end_turn"
    used, made = _tokens(ask, say)
    return {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": ask.model,
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": {"input_tokens": used, "output_tokens": made},
    }


def _tokens(ask: Ask, say: Say) -> tuple[int, int]:
    return max(1, len(ask.text) // 4), max(1, len(say.text) // 4)
