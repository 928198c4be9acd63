"""An offline model's answer in the shape of each API: as one JSON body, or as the API's stream of events."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pytest_fapo.llm.recorded import Recorded
from pytest_fapo.llm.wire import write_chat, write_embeddings, write_messages, write_responses
from pytest_fapo.llm.wire.pieces import Frame, Said, dump, words
from pytest_fapo.llm.wire.requests import messages_of

JSON = b"application/json"
EVENTS = b"text/event-stream"


def write(api: str, body: Mapping[str, Any], answer: Any) -> tuple[bytes, list[bytes]]:
    """Content type and body chunks for what an offline model returned.

    Token counts are counts of words, as no tokenizer is asked.

    Args:
        api: as in `LLMCall.api`.
        body: the request's body.
        answer: see `pytest_fapo.llm.offline`.

    Raises:
        TypeError, ValueError: the answer does not fit the API.
    """
    frame = _frame(api, body)
    if api == "embeddings":
        whole = answer if isinstance(answer, Mapping) else write_embeddings.body(frame, body, answer)
        return JSON, [dump(whole)]
    streams = body.get("stream") is True
    said = _said(answer)
    if said is None:
        if streams:
            raise ValueError(
                "a whole response body cannot be streamed; return a text, or text and tool_calls"
            )
        return JSON, [dump(answer)]
    if api not in _WRITERS:
        raise ValueError("an endpoint of your own needs the whole response body: return a mapping")
    write_whole, write_events = _WRITERS[api]
    if streams:
        return EVENTS, list(write_events(frame, body, said))
    return JSON, [dump(write_whole(frame, said))]


def written(api: str, body: Any, output: Any) -> Recorded:
    """The HTTP answer of a model that said `output`; data other than text is told as JSON.

    Args:
        api: as in `LLMCall.api`, none of `embeddings` and `other`.
        body: the request's body.
        output: what is to be said.
    """
    text = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
    content_type, chunks = write(api, body if isinstance(body, Mapping) else {}, text)
    headers = ((b"content-type", content_type),)
    return Recorded(status=200, headers=headers, chunks=tuple(chunks), reason=b"OK")


def failure(api: str, message: str) -> tuple[bytes, list[bytes]]:
    """Content type and body chunks of an error in the API's shape."""
    error = {"type": "api_error", "message": message}
    return JSON, [dump({"type": "error", "error": error} if api == "messages" else {"error": error})]


def _frame(api: str, body: Mapping[str, Any]) -> Frame:
    text = json.dumps(body, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:24]
    spoken = sum(words(json.dumps(message)) for message in messages_of(api, body))
    return Frame(id=f"offline-{digest}", model=str(body.get("model") or "offline"), input_tokens=spoken)


def _said(answer: Any) -> Said | None:
    if isinstance(answer, str):
        return Said(answer)
    if not isinstance(answer, Mapping):
        raise TypeError(f"it returned {type(answer).__name__}; a text or a mapping was expected")
    if "text" not in answer and "tool_calls" not in answer:
        return None
    calls = [dict(call) for call in answer.get("tool_calls") or []]
    finish = answer.get("finish_reason") or ("tool_calls" if calls else "stop")
    return Said(answer.get("text"), calls, str(finish))


_Events = Callable[[Frame, Mapping[str, Any], Said], Iterator[bytes]]
_WRITERS: dict[str, tuple[Callable[[Frame, Said], dict[str, Any]], _Events]] = {
    "chat.completions": (write_chat.body, write_chat.events),
    "completions": (write_chat.text_body, write_chat.text_events),
    "responses": (write_responses.body, write_responses.events),
    "messages": (write_messages.body, write_messages.events),
}
