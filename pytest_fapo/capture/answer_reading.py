"""Read an answer: text, tool calls, finish reason, tokens, and the API and model that it comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from typing import Any

from pytest_fapo.capture.answer_forms import assemble, ended_well, has_form, is_markup, reports_error
from pytest_fapo.capture.answer_readers import READERS, read_by_shape
from pytest_fapo.capture.http_answer import (
    RecordedAnswer,
    ServerSentEvent,
    decoded_body,
    events_of,
    gzip_end,
    is_event_stream,
)
from pytest_fapo.capture.wire.formats import FORMATS
from pytest_fapo.capture.wire.wire_format import AnswerReading, WireFormat, mapping
from pytest_fapo.core.text import parsed_json

CUT = "the answer ended before its end"
"""A flaw that an answer also has if its reader stops early; any other is the provider's."""

_ERROR = "an error came instead of an answer"


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
    wrong = "the answer has not the form of its endpoint"
    kind = recorded.header("content-type").lower()
    body = decoded_body(recorded)
    if "html" in kind or is_markup(body or b""):
        return "a web page came instead of an answer"
    packed = gzip_end(recorded)
    if packed == "broken":
        return "the answer cannot be unpacked"
    if body is None:
        return "the answer's content encoding is unknown"
    wire = FORMATS.get(api)
    if wire is not None:
        return _wire_flaw(wire, recorded, exhausted, wrong)
    if is_event_stream(recorded):
        events = list(events_of(body))
        if ended_well(api, events, exhausted=exhausted and packed == "whole"):
            return ""
        return _ERROR if reports_error(events) else CUT
    if not exhausted or not body.strip():
        return CUT
    if api == "other" and ("json" not in kind or "ndjson" in kind):
        return CUT if _ends_in_error(body) else ""
    value = recorded.json
    if value is None:
        return CUT if body.strip()[:1] in (b"{", b"[") else "the answer is not JSON"
    if _error_of(value):
        return _ERROR
    return "" if ("json" in kind or not kind) and has_form(api, value, asked) else wrong


def _wire_flaw(wire: WireFormat, recorded: RecordedAnswer, exhausted: bool, wrong: str) -> str:
    whole = wire.whole(recorded)
    if not whole.ended:
        return CUT
    if whole.error or _error_of(whole.value):
        return _ERROR
    if whole.value is None:
        return "the answer is not JSON" if exhausted else CUT
    return "" if wire.is_answer(whole.value) else wrong


def _ends_in_error(body: bytes) -> bool:
    """True if a body in lines of JSON breaks off or reports an error; False for any other text."""
    lines = body.splitlines()
    if not lines[0].lstrip().startswith(b"{"):
        return False
    try:
        values = [parsed_json(line) for line in lines if line.strip()]
    except ValueError:
        return True
    return any(map(_error_of, values)) or (isinstance(values[-1], dict) and values[-1].get("done") is False)


def read_http_answer(api: str, recorded: RecordedAnswer) -> AnswerReading:
    """Read an answer. Never raises: what has another shape than expected is left out."""
    try:
        if api in FORMATS:
            return _read_wire(FORMATS[api], recorded)
        value = _value_of(api, recorded)
        if recorded.status >= 400 or _error_of(value):
            return AnswerReading(error=_error_of(value) or "")
        reader = READERS.get(api, _read_other)
        return reader(value) if isinstance(value, dict) else AnswerReading()
    except Exception:  # a server may answer anything; the caller sees it as it is, the record has less of it
        return AnswerReading()


def _read_wire(wire: WireFormat, recorded: RecordedAnswer) -> AnswerReading:
    whole = wire.whole(recorded)
    error = whole.error or _error_of(whole.value)
    if recorded.status >= 400 or error:
        said = mapping(whole.value)  # AWS and Cohere say nothing else
        return AnswerReading(error=error or str(said.get("message") or said.get("Message") or ""))
    return wire.read(whole.value) if isinstance(whole.value, dict) else AnswerReading()


def _read_other(value: Mapping[str, Any]) -> AnswerReading:
    """Return an endpoint of the user's own: whichever of the known shapes it has."""
    return read_by_shape(value) or AnswerReading(answer=json.dumps(value, ensure_ascii=False))


def _value_of(api: str, recorded: RecordedAnswer) -> Any:
    if is_event_stream(recorded):
        body = decoded_body(recorded) or b""
        return assemble(api, [event for event in events_of(body) if not _is_done(event)])
    return recorded.json


def _is_done(event: ServerSentEvent) -> bool:
    return event.data.strip() == "[DONE]"


def _error_of(value: Any) -> str:
    if not isinstance(value, dict):
        return ""
    error = value.get("error")
    choices = value.get("choices")
    if not error and isinstance(choices, list) and choices and isinstance(choices[0], dict):
        error = choices[0].get("error")  # OpenRouter says so that the model behind it failed
    if isinstance(error, dict):
        return str(error.get("message") or error.get("type") or error)
    return str(error) if error else ""


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
    """Return the model's name as the provider gives it; empty where it does not."""
    return next((name for name in map(_model_of_value, _answer_values(answer)) if name), "")


def _answer_values(answer: RecordedAnswer) -> list[Mapping[str, Any]]:
    """Return the JSON objects in which an answer may say what it is."""
    if is_event_stream(answer):
        events = islice(events_of(decoded_body(answer) or b""), _EVENTS_LOOKED_AT)
        values = [event.value for event in events]
    else:
        values = [answer.json]
    return [value for value in values if isinstance(value, dict)]


def _api_of_value(value: Mapping[str, Any]) -> str:
    kind = value.get("object")
    if kind == "list" and isinstance(value.get("data"), list):
        return "embeddings"
    if isinstance(kind, str) and kind in _OBJECTS:
        return _OBJECTS[kind]
    named = next((api for api, wire in FORMATS.items() if wire.claims(value)), None)
    if named is not None:
        return named
    event = value.get("type")
    if event in ("message", "message_start"):
        return "messages"
    return "responses" if isinstance(event, str) and event.startswith("response.") else ""


def _model_of_value(value: Mapping[str, Any]) -> str:
    for holder in (value, value.get("message"), value.get("response")):
        name = holder.get("model", holder.get("modelVersion")) if isinstance(holder, dict) else None
        if isinstance(name, str) and name:
            return name
    return ""
