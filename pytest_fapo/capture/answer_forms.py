"""Check that an answer is whole and has the form of its endpoint; only such answers are recorded.

A proxy's login page, an error in a 200, an empty list of choices: replaying one would turn a moment's trouble
into what the model has to say for good. Event streams are assembled to the body that the same request would
have got without streaming.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pytest_fapo.capture.http_answer import ServerSentEvent
from pytest_fapo.core.text import json_or_text

EMPTY_FINISH_REASONS = ("length", "content_filter")
"""Finish reasons with which a message may be empty: nothing was left to say it with, or it was withheld."""

_MARKUP = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|head|body|\?xml)", re.IGNORECASE)


def has_form(api: str, value: Any, asked: Any = None) -> bool:
    """True if the JSON body `value` is an answer that the endpoint gives when all is well.

    Args:
        api: as in `LLMCall.api`.
        value: the parsed body.
        asked: the body of the request, where it is known.
    """
    if api not in _FORMS:
        return value is not None
    return isinstance(value, dict) and _FORMS[api](value, asked if isinstance(asked, dict) else {})


def is_markup(body: bytes) -> bool:
    """True if a body is a page for a browser."""
    return _MARKUP.match(body) is not None


def _is_chat(value: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    return _all_good(value.get("choices"), _is_chat_choice)


def _is_chat_choice(choice: Mapping[str, Any]) -> bool:
    message = choice.get("message")
    if not isinstance(message, dict) or failed(choice):
        return False
    return says_something(message) or choice.get("finish_reason") in EMPTY_FINISH_REASONS


def says_something(message: Mapping[str, Any]) -> bool:
    """True if a chat message has a content, even an empty one, or anything else that a model gives: tool
    calls, a refusal, reasoning, sound."""
    return isinstance(message.get("content"), str) or any(
        bool(part) for name, part in message.items() if name not in ("role", "name")
    )


def _is_completion(value: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    return _all_good(
        value.get("choices"), lambda choice: isinstance(choice.get("text"), str) and not failed(choice)
    )


def failed(choice: Mapping[str, Any]) -> bool:
    """True if a choice reports that the model could not go on."""
    return bool(choice.get("error")) or choice.get("finish_reason") == "error"


def _is_embeddings(value: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    if value.get("embedding") or value.get("embeddings"):  # some servers' own form
        return True
    data, texts = value.get("data"), asked.get("input")
    if not _all_good(
        data, lambda entry: isinstance(entry.get("embedding"), list | str) and bool(entry["embedding"])
    ):
        return False
    several = isinstance(texts, list) and bool(texts) and not isinstance(texts[0], int)
    return not several or len(data) == len(texts)  # type: ignore[arg-type]


def _is_response(value: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    output, status = value.get("output"), value.get("status", "completed")
    if not isinstance(output, list) or not all(isinstance(item, dict) for item in output):
        return False
    return status == "incomplete" or (status == "completed" and bool(output))


def _is_message(value: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    """A turn may well be empty: the documentation says so, of turns after a tool's result."""
    content = value.get("content")
    known = isinstance(content, list) and all(isinstance(block, dict) for block in content)
    return known and isinstance(value.get("stop_reason"), str)


def _all_good(entries: Any, is_good: Callable[[Mapping[str, Any]], bool]) -> bool:
    """True if `entries` is a list of objects, not empty, and each is good."""
    if not isinstance(entries, Sequence) or isinstance(entries, str) or not entries:
        return False
    return all(isinstance(entry, dict) and is_good(entry) for entry in entries)


_FORMS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any]], bool]] = {
    "chat.completions": _is_chat,
    "completions": _is_completion,
    "embeddings": _is_embeddings,
    "responses": _is_response,
    "messages": _is_message,
}

_RESPONSES_END = ("response.completed", "response.incomplete", "response.failed")


def ended_well(api: str, events: Sequence[ServerSentEvent], *, exhausted: bool) -> bool:
    """True if a stream has the form of its API, reached its last event and reported no error on the way.

    Some compatible servers close a chat stream without `[DONE]`; there a finish reason and a clean end count.
    """
    values = [event.value for event in events]
    if reports_error(events):
        return False
    if api in ("chat.completions", "completions"):
        choices = [choice for value in values for choice in _choices(value)]
        if not any(map(_choice_says_something, choices)):
            return False
        done = any(event.data.strip() == "[DONE]" for event in events)
        return done or (exhausted and any(choice.get("finish_reason") for choice in choices))
    if api == "messages":
        kinds = {_type_of(value) for value in values}
        message = assembled_message([value for value in values if isinstance(value, dict)])
        return {"message_start", "message_stop"} <= kinds and has_form(api, message)
    if api == "responses":
        ends = [value for value in values if _type_of(value) in _RESPONSES_END[:2]]
        items = any(_type_of(value) == "response.output_item.done" for value in values)
        return any(items or has_form(api, end.get("response")) for end in ends)
    return api == "other" and exhausted and any(event.data for event in events)


def reports_error(events: Sequence[ServerSentEvent]) -> bool:
    """True if a stream says itself that it failed, in an event or in a choice."""
    values = [event.value for event in events]
    if any(event.name == "error" for event in events) or any(map(_is_error, values)):
        return True
    return any(failed(choice) for value in values for choice in _choices(value))


def _choices(value: Any) -> list[Mapping[str, Any]]:
    choices = value.get("choices") if isinstance(value, dict) else None
    return [choice for choice in choices or [] if isinstance(choice, dict)]


def _choice_says_something(choice: Mapping[str, Any]) -> bool:
    delta = choice.get("delta")
    said = isinstance(delta, dict) and says_something(delta)
    return said or isinstance(choice.get("text"), str) or choice.get("finish_reason") in EMPTY_FINISH_REASONS


def assemble(api: str, events: Sequence[ServerSentEvent]) -> Any:
    """Return the body as one JSON value, as far as the events go."""
    values = [value for event in events if isinstance(value := event.value, dict)]
    failed = next((value for value in values if _is_error(value)), None)
    if failed is not None:
        inner = failed.get("error") or (failed.get("response") or {}).get("error")
        return {"error": inner or dict(failed)}
    if api == "messages":
        return assembled_message(values)
    if api == "responses":
        return _assembled_response(values)
    if api in ("chat.completions", "completions", "other"):
        return assembled_completion(values)
    return values[-1] if values else None


def _type_of(value: Any) -> Any:
    return value.get("type") if isinstance(value, dict) else None


def _is_error(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    return bool(value.get("error")) or value.get("type") in ("error", "response.failed")


def assembled_completion(values: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Chat and text completions: the first choice's deltas in a row."""
    message: dict[str, Any] = {"content": None, "refusal": None}
    text, finish, usage = "", None, None
    calls: dict[int, dict[str, Any]] = {}
    for value in values:
        usage = value.get("usage") or usage
        for choice in value.get("choices") or []:
            if choice.get("index") not in (0, None):
                continue
            finish = choice.get("finish_reason") or finish
            text += choice.get("text") or ""
            delta = choice.get("delta") or {}
            for name in ("content", "refusal"):
                if isinstance(delta.get(name), str):
                    message[name] = (message[name] or "") + delta[name]
            for call in delta.get("tool_calls") or []:
                _merge_call(calls.setdefault(call.get("index") or 0, {}), call)
    message["tool_calls"] = [calls[index] for index in sorted(calls)]
    return {"choices": [{"message": message, "text": text, "finish_reason": finish}], "usage": usage}


def _merge_call(call: dict[str, Any], delta: Mapping[str, Any]) -> None:
    call["id"] = call.get("id") or delta.get("id")
    function = call.setdefault("function", {"name": "", "arguments": ""})
    for name in ("name", "arguments"):
        function[name] += (delta.get("function") or {}).get(name) or ""


def _assembled_response(values: Sequence[Mapping[str, Any]]) -> Any:
    """Return the last event brings the whole response; where it is missing, the finished items so far."""
    for value in reversed(values):
        if value.get("type") in _RESPONSES_END:
            return value.get("response")
    items = [value.get("item") for value in values if value.get("type") == "response.output_item.done"]
    return {"output": items, "status": "in_progress"}


def assembled_message(values: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Anthropic's events as one message."""
    message: dict[str, Any] = {"usage": {}}
    blocks: dict[int, dict[str, Any]] = {}
    inputs: dict[int, str] = {}
    for value in values:
        kind, index = value.get("type"), value.get("index") or 0
        if kind == "message_start":
            message = {"usage": {}, **value["message"]}
        elif kind == "content_block_start":
            blocks[index] = dict(value["content_block"])
        elif kind == "content_block_delta":
            delta = value["delta"]
            if delta.get("type") == "text_delta":
                block = blocks.setdefault(index, {"type": "text"})
                block["text"] = (block.get("text") or "") + delta["text"]
            elif delta.get("type") == "input_json_delta":
                inputs[index] = inputs.get(index, "") + delta["partial_json"]
        elif kind == "message_delta":
            message.update(value.get("delta") or {})
            message["usage"] = {**(message.get("usage") or {}), **(value.get("usage") or {})}
    for index, text in inputs.items():
        if index in blocks and text:
            blocks[index]["input"] = json_or_text(text)
    return {**message, "content": [blocks[index] for index in sorted(blocks)]}
