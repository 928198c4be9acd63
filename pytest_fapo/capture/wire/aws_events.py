"""The event stream of AWS (`application/vnd.amazon.eventstream`): messages with headers and checksums."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from pytest_fapo.core.text import parsed_json

CONTENT_TYPE = "application/vnd.amazon.eventstream"

_FIXED_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Type of a header's value to its size, for those of a fixed one; texts and bytes say theirs."""


class AwsEvent(NamedTuple):
    """One message of a stream."""

    kind: str
    """`event`, or `exception` and `error`."""
    name: str
    """The name of the event or exception."""
    payload: bytes

    @property
    def value(self) -> Any:
        """The payload as JSON; None where it is none."""
        try:
            return parsed_json(self.payload)
        except ValueError:
            return None


def aws_events(body: bytes) -> Iterator[AwsEvent]:
    """Yield the messages of a body, as far as they are whole and their checksums right."""
    at = 0
    while len(body) - at >= 16:
        size, headers_size, checksum = struct.unpack_from(">III", body, at)
        message = body[at : at + size]
        if size < 16 + headers_size or len(message) < size or zlib.crc32(message[:8]) != checksum:
            return
        if zlib.crc32(message[:-4]) != struct.unpack(">I", message[-4:])[0]:
            return
        try:
            headers = _headers(message[12 : 12 + headers_size])
        except (struct.error, IndexError):
            return
        kind = headers.get(":message-type", "event")
        name = headers.get(":exception-type" if kind == "exception" else ":event-type", "")
        yield AwsEvent(kind, name or headers.get(":error-code", ""), message[12 + headers_size : -4])
        at += size


def aws_event_bytes(name: str, value: Any) -> bytes:
    """One event with a JSON payload."""
    headers = b"".join(
        _text_header(key, text)
        for key, text in (
            (":event-type", name),
            (":content-type", "application/json"),
            (":message-type", "event"),
        )
    )
    payload = json.dumps(value, ensure_ascii=False).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


def _headers(data: bytes) -> dict[str, str]:
    found, at = {}, 0
    while at < len(data):
        size = data[at]
        name = data[at + 1 : at + 1 + size].decode("utf-8", "replace")
        at += 1 + size
        kind = data[at]
        at += 1
        if kind in _FIXED_SIZES:
            at += _FIXED_SIZES[kind]
            continue
        length = struct.unpack_from(">H", data, at)[0]
        found[name] = data[at + 2 : at + 2 + length].decode("utf-8", "replace")
        at += 2 + length
    return found


def _text_header(name: str, text: str) -> bytes:
    key, value = name.encode(), text.encode()
    return bytes([len(key)]) + key + b"\x07" + struct.pack(">H", len(value)) + value
