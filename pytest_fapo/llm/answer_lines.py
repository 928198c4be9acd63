"""One recorded answer as one line of an exported cache, and back, trusting nothing that it says."""

from __future__ import annotations

import json
import re
from typing import Any

from pytest_fapo.llm.recorded import OFFLINE_HEADER, Recorded, chunk_from_json, chunk_to_json

TRAVELLING_HEADERS = frozenset({"content-type", "request-id", "x-request-id", OFFLINE_HEADER.decode()})
"""Names of the headers that an exported answer may have: those that SDKs read, none that tells who asked."""
CONTENT_TYPE = re.compile(
    r'[\w.+-]{1,60}/[\w.+-]{1,60}(;\s*charset="?(utf-8|us-ascii|iso-8859-1)"?)?', re.IGNORECASE | re.ASCII
)
HEADER_CHARACTERS = 200
ANSWER_BYTES = 32 * 2**20
"""Longest line, in bytes."""

KEY = re.compile("[0-9a-f]{64}")

_LINE = re.compile(rb'"([0-9a-f]{64})":(\{.*\}),')
_BEGIN = re.compile(rb'"[^"]*":\{')
_FIELDS = {"status", "headers", "body"}
# What a terminal, an editor or a review page would act on instead of showing it.
_INVISIBLE = re.compile(
    "[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


class BadLine(ValueError):
    """A line that is no answer; the message says what is wrong with it, as the end of a sentence."""


def to_line(key: str, answer: Recorded) -> bytes:
    """The answer as a line, without the line's end. It must have passed `portable`."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
    chunks = [chunk_to_json(chunk) for chunk in answer.chunks]
    value = {
        "status": answer.status,
        "headers": dict(sorted(headers.items())),
        "body": chunks[0] if len(chunks) == 1 else chunks,
    }
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return f'"{key}":{_INVISIBLE.sub(_escaped, text)},'.encode()


def split_line(line: bytes) -> tuple[str, bytes]:
    """The key and the answer's JSON in a line without its end.

    Raises:
        BadLine: it has another form.
    """
    match = _LINE.fullmatch(line)
    if match is None:
        raise BadLine(_what_is(line))
    return match[1].decode(), match[2]


def read_answer(text: bytes) -> Recorded:
    """The answer in the JSON of a line, checked in every part.

    Raises:
        BadLine: no answer that could have been recorded.
    """
    try:
        value = json.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise BadLine(f"the answer is not JSON ({_short(error)})") from None
    if not isinstance(value, dict) or set(value) != _FIELDS:
        raise BadLine("an answer has the fields status, headers and body, and no others")
    status = value["status"]
    if type(status) is not int or not 200 <= status <= 299:
        raise BadLine(f"status {_short(status)} is none of 200 to 299; only good answers are recorded")
    return Recorded(
        status=status, headers=_headers(value["headers"]), chunks=_chunks(value["body"]), imported=True
    )


def _headers(value: Any) -> tuple[tuple[bytes, bytes], ...]:
    if not isinstance(value, dict):
        raise BadLine("headers is not an object of names and texts")
    for name, content in value.items():
        if name not in TRAVELLING_HEADERS:
            raise BadLine(f"a recorded answer has no header {_short(name)}")
        if not isinstance(content, str) or len(content) > HEADER_CHARACTERS or not _printable(content):
            raise BadLine(f"the header {name!r} is not a short printable text")
        if name == "content-type" and not CONTENT_TYPE.fullmatch(content):
            raise BadLine(f"the content type {_short(content)} is not one that can be replayed")
    return tuple((name.encode(), content.encode()) for name, content in value.items())


def _chunks(value: Any) -> tuple[bytes, ...]:
    return tuple(_chunk(part) for part in (value if isinstance(value, list) else [value]))


def _chunk(value: Any) -> bytes:
    try:
        if isinstance(value, str) or set(value) == {"base64"}:
            return chunk_from_json(value)
    except (ValueError, TypeError):
        pass
    raise BadLine("the body is neither text nor base64 nor a list of these")


def _escaped(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1] if match[0] > "\x7f" else "\\u007f"


def _printable(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _what_is(line: bytes) -> str:
    if line.startswith((b"<<<<<<<", b"=======", b">>>>>>>", b"|||||||")):
        return "a merge conflict is not resolved; keep the answers of both sides"
    if not _BEGIN.match(line) or not line.endswith(b"},"):
        return "expected one answer on this line; was the file reformatted? Restore it, or export again"
    return "the key is not 64 hexadecimal digits"


def _short(value: object, limit: int = 60) -> str:
    """For a message: without anything that a terminal would act on."""
    text = ascii(str(value))[1:-1] if isinstance(value, Exception) else ascii(value)
    return text if len(text) <= limit else f"{text[:limit]}…"
