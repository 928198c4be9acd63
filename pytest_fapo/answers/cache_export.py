"""Export recorded answers to one file that can be committed or sent, and import them from one.

Only what SDKs read of an answer leaves the machine, in plain text and without credentials.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from pytest_fapo.answers.cache import AnswerCache
from pytest_fapo.answers.exported_cache import (
    ANSWER_BYTES,
    CONTENT_TYPE,
    EXPORTED_HEADERS,
    HEADER_CHARACTERS,
    KEY,
    AnswerFile,
    to_line,
    write_lines,
)
from pytest_fapo.capture.answer_reading import api_of_answer, read_http_answer
from pytest_fapo.capture.exchange import Answers
from pytest_fapo.capture.http_answer import (
    RecordedAnswer,
    ServerSentEvent,
    decoded_body,
    events_of,
    is_event_stream,
)
from pytest_fapo.capture.redaction import Redactor
from pytest_fapo.core.errors import CacheFileError

TextRedaction = Callable[[str], str]


class NotPortable(ValueError):
    """The answer cannot be exported; the message says why, as the end of a sentence."""


class PortableAnswer(NamedTuple):
    """An answer that may travel."""

    answer: RecordedAnswer
    redacted: bool
    """True if something was taken out, so that it is no longer what the provider said."""


def portable_answer(answer: RecordedAnswer, redact: TextRedaction) -> PortableAnswer:
    """`answer` as it may be in a file that others read.

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
    plain = replace(
        answer,
        headers=_portable_headers(answer, redact),
        chunks=_portable_chunks(answer, body),
        imported=False,
    )
    clean = _without_secrets(plain, redact)
    _check_whole_text(clean, redact)
    return PortableAnswer(clean, redacted=clean is not plain)


def _portable_headers(answer: RecordedAnswer, redact: TextRedaction) -> tuple[tuple[bytes, bytes], ...]:
    kept = {}
    for name in sorted(EXPORTED_HEADERS):
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


def _portable_chunks(answer: RecordedAnswer, body: bytes) -> tuple[bytes, ...]:
    """Return the body in its pieces where they mean something: those of a stream."""
    if body != answer.body or not is_event_stream(answer):
        return (body,) if body else ()
    return tuple(chunk for chunk in answer.chunks if chunk)


def _without_secrets(answer: RecordedAnswer, redact: TextRedaction) -> RecordedAnswer:
    """Return the same object where nothing is secret."""
    body = answer.body
    if is_event_stream(answer):
        clean = _clean_events(body, redact)
    else:
        clean = _clean_text(body, redact)
    return answer if clean is None else replace(answer, chunks=(clean,))


def _clean_text(body: bytes, redact: TextRedaction) -> bytes | None:
    """Return the body without secrets; None where there is none in it."""
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


def _clean_json(text: str, redact: TextRedaction) -> str | None:
    """JSON without secrets in its texts: the same text where there is none; None where it is not JSON."""
    try:
        value = json.loads(text)
        clean = _redacted_value(value, redact)
    except (ValueError, RecursionError):
        return None
    return text if clean == value else json.dumps(clean)


def _redacted_value(value: Any, redact: TextRedaction) -> Any:
    if isinstance(value, str):
        text = redact(value)
        # Arguments of tool calls, and answers in JSON, are texts that hold JSON, quotes escaped once more.
        inner = _clean_json(text, redact) if text[:1] in ("{", "[") else None
        return text if inner is None else inner
    if isinstance(value, list):
        return [_redacted_value(part, redact) for part in value]
    if isinstance(value, dict):
        return {redact(key): _redacted_value(part, redact) for key, part in value.items()}
    return value


def _clean_events(body: bytes, redact: TextRedaction) -> bytes | None:
    events = list(events_of(body))
    clean = [_clean_event(event, redact) for event in events]
    if clean == events:
        text = body.decode("utf-8", "replace")
        if redact(text) == text:
            return None
    return b"".join(_event_text(event) for event in clean)


def _clean_event(event: ServerSentEvent, redact: TextRedaction) -> ServerSentEvent:
    data = _clean_json(event.data, redact)
    return ServerSentEvent(redact(event.name), redact(event.data) if data is None else data)


def _event_text(event: ServerSentEvent) -> bytes:
    name = f"event: {event.name}\n" if event.name else ""
    data = "".join(f"data: {line}\n" for line in event.data.split("\n"))
    return f"{name}{data}\n".encode()


def _check_whole_text(answer: RecordedAnswer, redact: TextRedaction) -> None:
    """A secret may be spread over the events of a stream, each of which looks harmless.

    Raises:
        NotPortable: the text that the caller would put together holds one.
    """
    if not is_event_stream(answer):
        return
    reading = read_http_answer(api_of_answer(answer), answer)
    texts = [reading.answer or "", reading.refusal or ""]
    texts += [json.dumps(call.arguments, ensure_ascii=False) for call in reading.tool_calls]
    if any(redact(text) != text for text in texts):
        raise NotPortable("a credential is spread over the events of its stream")


@dataclass(frozen=True)
class ExportResult:
    """The result of an export."""

    answers: int
    """The number of answers in the file."""
    bytes: int
    """The file's size."""
    redacted: int = 0
    """Answers from which a credential, or what the setting `redact` matches, was taken out: what replays them
    gets `[redacted]` in its place."""
    left_out: tuple[str, ...] = ()
    """A sentence for each answer that could not be exported, with its key and why."""


@dataclass(frozen=True)
class ImportResult:
    """The result of an import."""

    added: int
    """Answers that are new here."""
    known: int
    """Answers to questions that are answered here already; those were left as they are."""


def export_cache(
    cache: Answers,
    path: Path,
    *,
    keys: Collection[str] | None = None,
    redact: Callable[[str], str] | None = None,
) -> ExportResult:
    """Write recorded answers to one JSON file, all or nothing. Equal answers give an equal file.

    Args:
        cache: where the answers are; with layers, theirs are exported too.
        path: the file; an earlier export there is replaced.
        keys: of the answers that are wanted; None for all. Keys without an answer are passed over.
        redact: takes out of every text what must not leave the machine; default: a plain `Redactor`, which
            knows the credentials in the environment and the usual forms of keys.

    Raises:
        CacheFileError: there is no answer to export, or the file cannot be written.
    """
    recorded = cache.keys() if keys is None else sorted(set(keys).intersection(cache.keys()))
    wanted = [key for key in recorded if KEY.fullmatch(key)]
    export = _ExportCount(cache, redact or Redactor())
    lines = export.lines(wanted)
    first = next(lines, None)
    if first is None:
        raise CacheFileError(_nothing_exported(path, export.left_out))
    size = write_lines(path, chain([first], lines))
    return ExportResult(export.count, size, export.redacted, tuple(export.left_out))


def import_cache(cache: AnswerCache, path: Path) -> ImportResult:
    """Take the answers of an exported cache into the local one, all or none.

    What the local cache has already stays as it is.

    Raises:
        CacheFileError: the file cannot be used; nothing was imported.
    """
    with closing(AnswerFile(path)) as file:
        keys = set(file.keys())
        new = sorted(keys.difference(cache.keys()))
        cache.put_all((key, found) for key in new if (found := file.get(key)) is not None)
    return ImportResult(added=len(new), known=len(keys) - len(new))


class _ExportCount:
    """Counts while the answers pass, so that never all of them are in memory."""

    def __init__(self, cache: Answers, redact: Callable[[str], str]) -> None:
        self._cache = cache
        self._redact = redact
        self.count = 0
        self.redacted = 0
        self.left_out: list[str] = []

    def lines(self, keys: Iterable[str]) -> Iterator[bytes]:
        """Yield the lines of the answers that there are, in the order of the keys."""
        for key in keys:
            found = self._cache.get(key)
            if found is None:
                continue
            try:
                yield self._line(key, found)
            except NotPortable as error:
                self.left_out.append(f"the answer {key[:12]}… was left out: {error}")

    def _line(self, key: str, found: RecordedAnswer) -> bytes:
        ready = portable_answer(found, self._redact)
        line = to_line(key, ready.answer)
        if len(line) >= ANSWER_BYTES:
            raise NotPortable(f"it is larger than {ANSWER_BYTES // 2**20} MiB")
        self.count += 1
        self.redacted += ready.redacted
        return line


def _nothing_exported(path: Path, left_out: list[str]) -> str:
    why = "; ".join(left_out[:3]) or "no answer is recorded; run pytest first"
    return f"{path} was not written: {why}"
