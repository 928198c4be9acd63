"""An HTTP/1.1 answer as bytes: written for a replay below a library's own parser, read as it arrives."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

from pytest_fapo.capture.http_answer import RecordedAnswer, keepable_headers

_NO_BODY = (204, 304)


def answer_bytes(answer: RecordedAnswer) -> bytes:
    """Return the bytes in which an HTTP/1.1 server would send `answer`."""
    return b"".join(answer_pieces(answer))


def answer_pieces(answer: RecordedAnswer, *, sized: bool = False) -> list[bytes]:
    """Return those bytes as they would arrive: the head, and each chunk of the body.

    Args:
        answer: what is sent.
        sized: add the length of a body whose end only the end of the connection would tell.
    """
    chunked = answer.header("transfer-encoding").lower().endswith("chunked")
    headers = list(answer.headers)
    if sized and not chunked and not answer.header("content-length"):
        headers.append((b"Content-Length", str(len(answer.body)).encode()))
    version = answer.http_version if answer.http_version.startswith(b"HTTP/1.") else b"HTTP/1.1"
    lines = [version + b" " + str(answer.status).encode() + b" " + answer.reason]
    lines += [name + b": " + value for name, value in headers]
    head = b"\r\n".join(lines) + b"\r\n\r\n"
    chunks = [chunk for chunk in answer.chunks if chunk]
    if answer.status in _NO_BODY:
        return [head]
    if not chunked:
        return [head, *chunks]
    return [head, *(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks), b"0\r\n\r\n"]


class BodyReader:
    """Takes the framing off a body as its bytes arrive.

    Args:
        status: of the answer.
        headers: of the answer.
    """

    def __init__(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        named = {name.lower(): value.strip() for name, value in headers}
        self._chunked = named.get(b"transfer-encoding", b"").lower().endswith(b"chunked")
        length = named.get(b"content-length", b"")
        self._left = int(length) if length.isdigit() and not self._chunked else None
        self._rest = b""
        self.chunks: list[bytes] = []
        self.complete = status in _NO_BODY or self._left == 0

    def feed(self, data: bytes) -> None:
        """More of the body has arrived."""
        if self.complete or not data:
            return
        if self._chunked:
            self._rest += data
            while self._take_chunk():
                pass
            return
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
            self.complete = self._left == 0
        self.chunks.append(data)

    def end(self) -> None:
        """The connection has ended; where nothing else says so, that is the body's end."""
        self.complete = self.complete or (not self._chunked and self._left is None)

    def _take_chunk(self) -> bool:
        line, found, after = self._rest.partition(b"\r\n")
        if not found:
            return False
        size = int(line.split(b";")[0], 16)
        if size == 0:
            self.complete = True
            return False
        if len(after) < size + 2:
            return False
        self.chunks.append(after[:size])
        self._rest = after[size + 2 :]
        return True


class AnswerReader:
    """Reads one whole answer as its bytes arrive, without the interim ones (100 Continue) before it."""

    def __init__(self) -> None:
        self._head = b""
        self._answer: RecordedAnswer | None = None
        self._body: BodyReader | None = None

    @property
    def complete(self) -> bool:
        """True if the answer's last byte has arrived."""
        return self._body is not None and self._body.complete

    @property
    def answer(self) -> RecordedAnswer | None:
        """Return what has arrived so far; None before the end of its head."""
        if self._answer is None or self._body is None:
            return None
        return RecordedAnswer(
            status=self._answer.status,
            headers=keepable_headers(self._answer.headers),
            chunks=tuple(self._body.chunks),
            http_version=self._answer.http_version,
            reason=self._answer.reason,
        )

    def feed(self, data: bytes) -> None:
        """More has arrived.

        Raises:
            ValueError: it is no HTTP/1.1 answer.
        """
        while self._body is None:
            self._head += data
            head, found, data = self._head.partition(b"\r\n\r\n")
            if not found:
                return
            self._head = b""
            answer = _parsed_head(head)
            if answer.status >= 200:
                self._answer = answer
                self._body = BodyReader(answer.status, answer.headers)
        self._body.feed(data)

    def end(self) -> None:
        """The connection has ended."""
        if self._body is not None:
            self._body.end()


def _parsed_head(head: bytes) -> RecordedAnswer:
    first, *lines = head.split(b"\r\n")
    version, _, rest = first.partition(b" ")
    status, _, reason = rest.partition(b" ")
    headers = []
    for line in lines:
        name, _, value = line.partition(b":")
        headers.append((name, value.strip()))
    return RecordedAnswer(int(status), tuple(headers), (), http_version=version, reason=reason)


class ReplayingSocket:
    """Stands in for a connected socket: swallows the request, gives the answer's bytes."""

    def __init__(self, answer: RecordedAnswer) -> None:
        self._bytes = answer_bytes(answer)

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        return io.BufferedReader(io.BytesIO(self._bytes))

    def sendall(self, *_: Any) -> None: ...

    def settimeout(self, *_: Any) -> None: ...

    def setsockopt(self, *_: Any) -> None: ...

    def shutdown(self, *_: Any) -> None: ...

    def close(self) -> None: ...
