"""Read an answer: text, tool calls, finish reason, tokens, and the API and model that it comes from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from pytest_fapo.capture.answer_forms import assemble, ended_well, has_form, is_markup
from pytest_fapo.capture.http_answer import (
    RecordedAnswer,
    ServerSentEvent,
    decoded_body,
    events_of,
    is_event_stream,
)
from pytest_fapo.core.record import json_or_text
from pytest_fapo.core.trace import ToolCall, Usage

_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
}


@dataclass
class AnswerReading:
    """The parts of an answer that could be read; fields that it does not have keep their defaults."""

    answer: str | None = None
    tool_calls: list[ToolCall] = field(default_factory=list)
    finish_reason: str | None = None
    refusal: str | None = None
    usage: Usage = field(default_factory=Usage)
    error: str | None = None
    """The provider's own words where the answer is an error."""


def answer_flaw(api: str, recorded: RecordedAnswer, *, exhausted: bool, asked: Any = None) -> str:
    """Return why a 2xx answer is incomplete or not of its endpoint's form, as text; empty for a good answer.

    Only what has no flaw is recorded, and only that is an answer of the model.

    Args:
        api: as in `LLMCall.api`.
        recorded: what arrived.
        exhausted: whether the body was read to its end without an error. A caller may stop reading after the
            last event of a stream; a broken connection may look like an end.
        asked: the body of the request, where it is known.
    """
    cut, wrong = "the answer ended before its end", "the answer has not the form of its endpoint"
    kind = recorded.header("content-type").lower()
    body = decoded_body(recorded)
    if "html" in kind or is_markup(body or b""):
        return "a web page came instead of an answer"
    if body is None:
        return "the answer's content encoding is unknown"
    if is_event_stream(recorded):
        return "" if ended_well(api, list(events_of(body)), exhausted=exhausted) else cut
    if not exhausted or not body.strip():
        return cut
    if api == "other" and ("json" not in kind or "ndjson" in kind):
        return cut if _ends_in_error(body) else ""
    value = json_of(recorded)
    if value is None:
        return cut if body.strip()[:1] in (b"{", b"[") else "the answer is no JSON"
    if _error_of(value):
        return "an error came instead of an answer"
    return "" if ("json" in kind or not kind) and has_form(api, value, asked) else wrong


def _ends_in_error(body: bytes) -> bool:
    """True if a body in lines of JSON breaks off or reports an error; False for any other text."""
    lines = body.splitlines()
    if not lines[0].lstrip().startswith(b"{"):
        return False
    try:
        values = [json.loads(line) for line in lines if line.strip()]
    except (ValueError, RecursionError):
        return True
    return any(map(_error_of, values)) or (isinstance(values[-1], dict) and values[-1].get("done") is False)


def read_http_answer(api: str, recorded: RecordedAnswer) -> AnswerReading:
    """Read an answer. Never raises: what has another shape than expected is left out."""
    try:
        value = _value_of(api, recorded)
        if recorded.status >= 400 or _error_of(value):
            return AnswerReading(error=_error_of(value) or "")
        reader = _READERS.get(api, _read_other)
        return reader(value) if isinstance(value, Mapping) else AnswerReading()
    except Exception:  # a server may answer anything; the caller sees it as it is, the record has less of it
        return AnswerReading()


def _value_of(api: str, recorded: RecordedAnswer) -> Any:
    if is_event_stream(recorded):
        body = decoded_body(recorded) or b""
        return assemble(api, [event for event in events_of(body) if not _is_done(event)])
    return json_of(recorded)


def _is_done(event: ServerSentEvent) -> bool:
    return event.data.strip() == "[DONE]"


def json_of(recorded: RecordedAnswer) -> Any:
    """The JSON in a body; None where it is none."""
    body = decoded_body(recorded)
    if body is None:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _error_of(value: Any) -> str:
    if not isinstance(value, Mapping):
        return ""
    error = value.get("error")
    choices = value.get("choices")
    if not error and isinstance(choices, list) and choices and isinstance(choices[0], Mapping):
        error = choices[0].get("error")  # OpenRouter says so that the model behind it failed
    if isinstance(error, Mapping):
        return str(error.get("message") or error.get("type") or error)
    return str(error) if error else ""


# --- one reader for each API ----------------------------------------------------------------------------


def _read_chat(value: Mapping[str, Any]) -> AnswerReading:
    choice = value["choices"][0]
    message = choice.get("message") or {}
    calls = [_openai_call(call) for call in message.get("tool_calls") or []]
    if message.get("function_call"):
        calls.append(_openai_call({"function": message["function_call"]}))
    return AnswerReading(
        answer=_text_of(message.get("content")),
        tool_calls=calls,
        finish_reason=_finish_reason(choice.get("finish_reason")),
        refusal=message.get("refusal") or None,
        usage=_openai_usage(value.get("usage")),
    )


def _openai_call(call: Mapping[str, Any]) -> ToolCall:
    function = call.get("function") or call.get("custom") or {}
    arguments = function.get("arguments", function.get("input"))
    return ToolCall(
        id=str(call.get("id") or ""), name=str(function.get("name") or ""), arguments=json_or_text(arguments)
    )


def _read_completion(value: Mapping[str, Any]) -> AnswerReading:
    choice = value["choices"][0]
    return AnswerReading(
        answer=choice.get("text"),
        finish_reason=_finish_reason(choice.get("finish_reason")),
        usage=_openai_usage(value.get("usage")),
    )


def _read_embedding(value: Mapping[str, Any]) -> AnswerReading:
    return AnswerReading(usage=_openai_usage(value.get("usage")))


def _read_response(value: Mapping[str, Any]) -> AnswerReading:
    texts, refusals, calls = [], [], []
    for item in value.get("output") or []:
        kind = item.get("type")
        if kind == "message":
            parts = item.get("content") or []
            texts += [part.get("text") or "" for part in parts if part.get("type") == "output_text"]
            refusals += [part.get("refusal") or "" for part in parts if part.get("type") == "refusal"]
        elif kind in ("function_call", "custom_tool_call"):
            arguments = json_or_text(item.get("arguments", item.get("input")))
            calls.append(
                ToolCall(id=str(item.get("call_id") or ""), name=str(item.get("name")), arguments=arguments)
            )
    reason = (value.get("incomplete_details") or {}).get("reason")
    finish = _finish_reason(reason) or ("tool_calls" if calls else "stop")
    return AnswerReading(
        answer="".join(texts) if texts else None,
        tool_calls=calls,
        finish_reason=finish if value.get("status") in ("completed", "incomplete") else value.get("status"),
        refusal="".join(refusals) or None,
        usage=_responses_usage(value.get("usage")),
    )


def _read_message(value: Mapping[str, Any]) -> AnswerReading:
    blocks = value.get("content") or []
    texts = [block.get("text") or "" for block in blocks if block.get("type") == "text"]
    calls = [
        ToolCall(id=str(block.get("id") or ""), name=str(block.get("name")), arguments=block.get("input"))
        for block in blocks
        if block.get("type") == "tool_use"
    ]
    answer = "".join(texts) if texts else None
    refused = value.get("stop_reason") == "refusal"
    return AnswerReading(
        answer=answer,
        tool_calls=calls,
        finish_reason=_finish_reason(value.get("stop_reason")),
        refusal=(answer or "refused without a text") if refused else None,
        usage=_anthropic_usage(value.get("usage")),
    )


def _read_other(value: Mapping[str, Any]) -> AnswerReading:
    """An endpoint of the user's own: whichever of the known shapes it has."""
    for key, reader in (("choices", _read_chat), ("output", _read_response), ("content", _read_message)):
        if isinstance(value.get(key), list):
            reading = reader(value)
            if reading.answer is not None or reading.tool_calls:
                return reading
    return AnswerReading(answer=json.dumps(value, ensure_ascii=False))


_READERS: dict[str, Callable[[Mapping[str, Any]], AnswerReading]] = {
    "chat.completions": _read_chat,
    "completions": _read_completion,
    "embeddings": _read_embedding,
    "responses": _read_response,
    "messages": _read_message,
}


# --- pieces ----------------------------------------------------------------------------------------------


def _finish_reason(reason: Any) -> str | None:
    return _FINISH_REASONS.get(reason, str(reason)) if reason else None


def _text_of(content: Any) -> str | None:
    if isinstance(content, list):  # some compatible servers answer in parts
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, Mapping))
    return content if isinstance(content, str) else None


def _openai_usage(usage: Any) -> Usage:
    if not isinstance(usage, Mapping):
        return Usage()
    details = usage.get("prompt_tokens_details") or {}
    return Usage(
        input_tokens=_token_count(usage, "prompt_tokens"),
        output_tokens=_token_count(usage, "completion_tokens"),
        cached_input_tokens=_token_count(details, "cached_tokens"),
    )


def _responses_usage(usage: Any) -> Usage:
    if not isinstance(usage, Mapping):
        return Usage()
    return Usage(
        input_tokens=_token_count(usage, "input_tokens"),
        output_tokens=_token_count(usage, "output_tokens"),
        cached_input_tokens=_token_count(usage.get("input_tokens_details") or {}, "cached_tokens"),
    )


def _anthropic_usage(usage: Any) -> Usage:
    """Anthropic counts the tokens read from and written to its prompt cache apart from the rest."""
    if not isinstance(usage, Mapping):
        return Usage()
    read = _token_count(usage, "cache_read_input_tokens")
    written = _token_count(usage, "cache_creation_input_tokens")
    return Usage(
        input_tokens=_token_count(usage, "input_tokens") + read + written,
        output_tokens=_token_count(usage, "output_tokens"),
        cached_input_tokens=read,
        cache_write_tokens=written,
    )


def _token_count(usage: Mapping[str, Any], name: str) -> int:
    value = usage.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


_OBJECTS = {
    "chat.completion": "chat.completions",
    "chat.completion.chunk": "chat.completions",
    "text_completion": "completions",
    "response": "responses",
}

_EVENTS_LOOKED_AT = 5


def api_of_answer(answer: RecordedAnswer) -> str:
    """As in `LLMCall.api`; `other` where the answer does not say."""
    return next((api for api in map(_api_of_value, _answer_values(answer)) if api), "other")


def model_of_answer(answer: RecordedAnswer) -> str:
    """The model's name as the provider gives it; empty where it does not."""
    return next((name for name in map(_model_of_value, _answer_values(answer)) if name), "")


def _answer_values(answer: RecordedAnswer) -> list[Mapping[str, Any]]:
    """The JSON objects in which an answer may say what it is."""
    if is_event_stream(answer):
        events = islice(events_of(decoded_body(answer) or b""), _EVENTS_LOOKED_AT)
        values = [event.value for event in events]
    else:
        values = [json_of(answer)]
    return [value for value in values if isinstance(value, Mapping)]


def _api_of_value(value: Mapping[str, Any]) -> str:
    kind = value.get("object")
    if kind == "list" and isinstance(value.get("data"), list):
        return "embeddings"
    if isinstance(kind, str) and kind in _OBJECTS:
        return _OBJECTS[kind]
    event = value.get("type")
    if event in ("message", "message_start"):
        return "messages"
    return "responses" if isinstance(event, str) and event.startswith("response.") else ""


def _model_of_value(value: Mapping[str, Any]) -> str:
    for holder in (value, value.get("message"), value.get("response")):
        name = holder.get("model") if isinstance(holder, Mapping) else None
        if isinstance(name, str) and name:
            return name
    return ""
