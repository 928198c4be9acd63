"""Bodies as they come over the wire: content encodings and server-sent events."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from importlib import import_module
from typing import Any, NamedTuple

from pytest_fapo.llm.recorded import Recorded

_LINE_END = re.compile(rb"\r\n|\n|\r")
_WBITS = {"gzip": 31, "x-gzip": 31}


class Event(NamedTuple):
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


def decoded_body(recorded: Recorded) -> bytes | None:
    """The body without its content encodings, as far as it came; None where an encoding is unknown here."""
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


def is_event_stream(recorded: Recorded) -> bool:
    """Whether the answer is a stream of server-sent events."""
    return recorded.header("content-type").lower().startswith("text/event-stream")


def events_of(body: bytes) -> Iterator[Event]:
    """The server-sent events in `body`; by the standard, one that no blank line ends does not count."""
    name = ""
    data: list[bytes] = []
    for line in _LINE_END.split(body)[:-1]:
        if not line:
            if data or name:
                yield Event(name, b"\n".join(data).decode("utf-8", "replace"))
            name, data = "", []
            continue
        key, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if key == b"event":
            name = value.decode("utf-8", "replace")
        elif key == b"data":
            data.append(value)
