"""An HTTP answer as it is recorded, with its decoded body and its server-sent events, without secrets."""

from __future__ import annotations

import base64
import json
import re
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz
from importlib import import_module
from typing import Any, Literal, NamedTuple

from pytest_fapo.core.text import parsed_json

_DROPPED = frozenset({b"set-cookie", b"set-cookie2", b"authorization", b"x-api-key", b"api-key"})

LONGEST_WAIT = 60.0

_UNREAD = object()

OFFLINE_HEADER = b"x-fapo-offline"


@dataclass(frozen=True)
class RecordedAnswer:
    """Status line, headers and raw body chunks (still content-encoded) in the order of their arrival."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    chunks: tuple[bytes, ...]
    http_version: bytes = b"HTTP/1.1"
    reason: bytes = b""
    imported: bool = False
    """True if it came in a file or from another machine, and so may be anything."""
    duration: float | None = None
    """Seconds that the live call took; None where that is not on record."""

    def with_chunks(self, chunks: Iterable[bytes]) -> RecordedAnswer:
        """Return the same with another body."""
        return self._updated(chunks=tuple(chunks), _json=_UNREAD)

    def with_duration(self, seconds: float) -> RecordedAnswer:
        """Return the same as one that took so long."""
        return self._updated(duration=seconds)

    def _updated(self, **fields: Any) -> RecordedAnswer:
        """As `dataclasses.replace`, in a tenth of its time."""
        made = object.__new__(RecordedAnswer)
        made.__dict__.update(self.__dict__, **fields)
        return made

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def offline(self) -> bool:
        """True if the project's offline model gave this answer."""
        return OFFLINE_HEADER.decode() in self._header_texts

    def header(self, name: str) -> str:
        """Return the first header of this name, lower case; empty where there is none."""
        return self._header_texts.get(name.lower(), "")

    # Not `cached_property`: before Python 3.12 it makes all threads wait for one lock.

    @property
    def _header_texts(self) -> dict[str, str]:
        known: dict[str, Any] = self.__dict__
        if "_texts" not in known:
            pairs = reversed(self.headers)
            known["_texts"] = {
                name.lower().decode("latin-1"): value.decode("latin-1") for name, value in pairs
            }
        found: dict[str, str] = known["_texts"]
        return found

    @property
    def json(self) -> Any:
        """The JSON in the body, to be read only; None where it is none."""
        known: dict[str, Any] = self.__dict__
        if known.get("_json", _UNREAD) is _UNREAD:
            body = decoded_body(self)
            try:
                known["_json"] = None if body is None else parsed_json(body)
            except ValueError:
                known["_json"] = None
        return known["_json"]

    @property
    def retry_after(self) -> float:
        """Seconds after which to come again, as the provider says, a minute at most; 0 where it does not."""
        milliseconds, said = self.header("retry-after-ms"), self.header("retry-after")
        try:
            seconds = float(milliseconds) / 1000 if milliseconds else float(said)
        except ValueError:
            when = parsedate_tz(said)
            seconds = mktime_tz(when) - time.time() if when is not None else 0.0
        return min(seconds, LONGEST_WAIT) if seconds > 0 else 0.0

    def to_text(self) -> str:
        """As JSON text."""
        value = {
            "status": self.status,
            "http_version": self.http_version.decode("latin-1"),
            "reason": self.reason.decode("latin-1"),
            "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in self.headers],
            "chunks": [chunk_to_json(chunk) for chunk in self.chunks],
            **({"imported": True} if self.imported else {}),
            **({} if self.duration is None else {"duration": self.duration}),
        }
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> RecordedAnswer:
        """Read the text that `to_text` returned.

        Raises:
            ValueError: the text is no recorded answer.
        """
        try:
            data = parsed_json(text)
            took = data.get("duration")
            return cls(
                status=int(data["status"]),
                headers=tuple(
                    (name.encode("latin-1"), value.encode("latin-1")) for name, value in data["headers"]
                ),
                chunks=tuple(chunk_from_json(chunk) for chunk in data["chunks"]),
                http_version=data["http_version"].encode("latin-1"),
                reason=data["reason"].encode("latin-1"),
                imported="imported" in data,
                duration=float(took) if isinstance(took, int | float) and 0 <= took < 1e9 else None,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a recorded answer: {error!r}") from None


def keepable_headers(headers: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
    """`headers` without cookies and credentials."""
    return tuple((bytes(name), bytes(value)) for name, value in headers if name.lower() not in _DROPPED)


def chunk_to_json(chunk: bytes) -> str | dict[str, str]:
    """Return a piece of a body as JSON: text where it is text, else base64."""
    try:
        return chunk.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(chunk).decode()}


def chunk_from_json(chunk: Any) -> bytes:
    """Read the value that `chunk_to_json` returned.

    Raises:
        ValueError, KeyError, TypeError: it is neither.
    """
    if isinstance(chunk, str):
        return chunk.encode()
    return base64.b64decode(chunk["base64"], validate=True)


_LINE_END = re.compile(rb"\r\n|\n|\r")

_WBITS = {"gzip": 31, "x-gzip": 31}


class ServerSentEvent(NamedTuple):
    """One server-sent event."""

    name: str
    data: str

    @property
    def value(self) -> Any:
        """The data as JSON; None where it is none."""
        try:
            return json.loads(self.data)
        except ValueError:
            return None


def decoded_body(recorded: RecordedAnswer) -> bytes | None:
    """Return the body without its content encodings, as far as it came; None where an encoding is unknown
    here.
    """
    body = recorded.body
    for encoding in reversed(recorded.header("content-encoding").lower().split(",")):
        name = encoding.strip()
        if name in ("", "identity"):
            continue
        try:
            body = _decode(name, body)
        except Exception:  # each codec has errors of its own
            return None
    return body


def gzip_end(recorded: RecordedAnswer) -> Literal["whole", "cut", "broken"]:
    """Return how a packed body ended; `broken` if it is not in the encoding that its header names.

    Clients unpack what came and do not look for the end. Other encodings than gzip are not looked at.
    """
    encoding = recorded.header("content-encoding").lower().rpartition(",")[2].strip()
    if encoding not in _WBITS or not recorded.body:
        return "whole"
    unpacked = zlib.decompressobj(_WBITS[encoding])
    try:
        unpacked.decompress(recorded.body)
    except zlib.error:
        return "broken"
    return "whole" if unpacked.eof else "cut"


def _decode(encoding: str, body: bytes) -> bytes:
    if encoding in _WBITS:
        return zlib.decompressobj(_WBITS[encoding]).decompress(body)
    if encoding == "deflate":
        try:
            return zlib.decompressobj().decompress(body)
        except zlib.error:
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(body)
    if encoding == "br":
        return bytes(import_module("brotli").decompress(body))
    if encoding == "zstd":
        decompressor = import_module("zstandard").ZstdDecompressor().decompressobj()
        return bytes(decompressor.decompress(body))
    raise ValueError(f"unknown content encoding {encoding!r}")


def is_event_stream(recorded: RecordedAnswer) -> bool:
    """True if the answer is a stream of server-sent events."""
    return recorded.header("content-type").lower().startswith("text/event-stream")


def events_of(body: bytes) -> Iterator[ServerSentEvent]:
    """Yield the server-sent events in `body`; by the standard, one that no blank line ends does not count."""
    name = ""
    data: list[bytes] = []
    for line in _LINE_END.split(body)[:-1]:
        if not line:
            if data or name:
                yield ServerSentEvent(name, b"\n".join(data).decode("utf-8", "replace"))
            name, data = "", []
            continue
        key, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if key == b"event":
            name = value.decode("utf-8", "replace")
        elif key == b"data":
            data.append(value)
