"""What of a recorded answer may leave the machine: what SDKs read of it, plain, without credentials."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from pytest_fapo.llm.answer_lines import CONTENT_TYPE, HEADER_CHARACTERS, TRAVELLING_HEADERS
from pytest_fapo.llm.recorded import Recorded
from pytest_fapo.llm.wire import api_of_answer, decoded_body, is_event_stream, read
from pytest_fapo.llm.wire.bodies import Event, events_of

Redact = Callable[[str], str]


class NotPortable(ValueError):
    """The answer cannot be exported; the message says why, as the end of a sentence."""


class Portable(NamedTuple):
    """An answer that may travel."""

    answer: Recorded
    redacted: bool
    """Whether something was taken out, so that it is no longer what the provider said."""


def portable(answer: Recorded, redact: Redact) -> Portable:
    """`answer` as it may stand in a file that others read.

    Content encodings are taken off, so that what is in it can be seen, and no file of a stranger can hold a
    small text that unfolds into a large one.

    Args:
        answer: as it was recorded.
        redact: takes credentials out of a text.

    Raises:
        NotPortable: what is secret in it cannot be taken out, or it cannot be read at all.
    """
    if not 200 <= answer.status <= 299:
        raise NotPortable(f"its status is {answer.status}")
    body = decoded_body(answer)
    if body is None:
        raise NotPortable(f"its content encoding {answer.header('content-encoding')!r} cannot be read here")
    plain = replace(answer, headers=_headers(answer, redact), chunks=_chunks(answer, body), imported=False)
    clean = _without_secrets(plain, redact)
    _check_whole_text(clean, redact)
    return Portable(clean, redacted=clean is not plain)


def _headers(answer: Recorded, redact: Redact) -> tuple[tuple[bytes, bytes], ...]:
    kept = {}
    for name in sorted(TRAVELLING_HEADERS):
        value = answer.header(name).strip()
        if name == "content-type" and value and not CONTENT_TYPE.fullmatch(value):
            if "charset" in value.lower():
                raise NotPortable(f"its content type is {value!r}")
            value = value.partition(";")[0].strip()
            value = value if CONTENT_TYPE.fullmatch(value) else ""
        usable = value.isascii() and value.isprintable() and len(value) <= HEADER_CHARACTERS
        if value and usable and redact(value) == value:
            kept[name.encode()] = value.encode()
    return tuple(kept.items())


def _chunks(answer: Recorded, body: bytes) -> tuple[bytes, ...]:
    """The body in its pieces where they mean something: those of a stream."""
    if body != answer.body or not is_event_stream(answer):
        return (body,) if body else ()
    return tuple(chunk for chunk in answer.chunks if chunk)


def _without_secrets(answer: Recorded, redact: Redact) -> Recorded:
    """The same object where nothing is secret."""
    body = answer.body
    if is_event_stream(answer):
        clean = _clean_events(body, redact)
    else:
        clean = _clean_text(body, redact)
    return answer if clean is None else replace(answer, chunks=(clean,))


def _clean_text(body: bytes, redact: Redact) -> bytes | None:
    """The body without secrets; None where there is none in it."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = body.decode("latin-1")
        if redact(text) != text:
            raise NotPortable("it is binary and holds a credential") from None
        return None
    clean = _clean_json(text, redact)
    if clean is None:
        clean = redact(text)
    return None if clean == text else clean.encode()


def _clean_json(text: str, redact: Redact) -> str | None:
    """JSON without secrets in its texts: the same text where there is none; None where it is no JSON."""
    try:
        value = json.loads(text)
        clean = _redacted(value, redact)
    except (ValueError, RecursionError):
        return None
    return text if clean == value else json.dumps(clean)


def _redacted(value: Any, redact: Redact) -> Any:
    if isinstance(value, str):
        text = redact(value)
        # Arguments of tool calls, and answers in JSON, are texts that hold JSON, quotes escaped once more.
        inner = _clean_json(text, redact) if text[:1] in ("{", "[") else None
        return text if inner is None else inner
    if isinstance(value, list):
        return [_redacted(part, redact) for part in value]
    if isinstance(value, dict):
        return {redact(key): _redacted(part, redact) for key, part in value.items()}
    return value


def _clean_events(body: bytes, redact: Redact) -> bytes | None:
    events = list(events_of(body))
    clean = [_clean_event(event, redact) for event in events]
    if clean == events:
        text = body.decode("utf-8", "replace")
        if redact(text) == text:
            return None
    return b"".join(_event_text(event) for event in clean)


def _clean_event(event: Event, redact: Redact) -> Event:
    data = _clean_json(event.data, redact)
    return Event(redact(event.name), redact(event.data) if data is None else data)


def _event_text(event: Event) -> bytes:
    name = f"event: {event.name}\n" if event.name else ""
    data = "".join(f"data: {line}\n" for line in event.data.split("\n"))
    return f"{name}{data}\n".encode()


def _check_whole_text(answer: Recorded, redact: Redact) -> None:
    """A secret may be spread over the events of a stream, each of which looks harmless.

    Raises:
        NotPortable: the text that the caller would put together holds one.
    """
    if not is_event_stream(answer):
        return
    reading = read(api_of_answer(answer), answer)
    texts = [reading.answer or "", reading.refusal or ""]
    texts += [json.dumps(call.arguments, ensure_ascii=False) for call in reading.tool_calls]
    if any(redact(text) != text for text in texts):
        raise NotPortable("a credential is spread over the events of its stream")
