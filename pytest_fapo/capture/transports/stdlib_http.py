"""`http.client`, and with it `urllib.request`: connections of the standard library.

The library's own code runs in a replay too, over a socket that swallows the request and gives the recorded
bytes. Its connections are also where the answers to requests of urllib3 arrive, and are watched here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from pytest_fapo.capture.exchange import Exchange
from pytest_fapo.capture.http_answer import RecordedAnswer, keepable_headers
from pytest_fapo.capture.transports.http_bytes import BodyReader, ReplayingSocket
from pytest_fapo.capture.transports.transport import (
    Gate,
    Patch,
    answer_without_sending,
    lower_names,
    patience_of,
    sending,
)

MODULES = ("http.client",)

_SENT = "_fapo_sent"

_OWN_SOCKET = "_fapo_own_socket"


def patches(module: ModuleType, gate: Gate) -> Iterator[Patch]:
    """Replace the two halves of a request: what sends it, and what begins to read the answer."""
    connection: Any = vars(module)["HTTPConnection"]
    yield Patch(connection, "request", _requesting(connection.request, gate))
    yield Patch(connection, "getresponse", _responding(connection.getresponse))


def _requesting(original: Callable[..., None], gate: Gate) -> Callable[..., None]:
    def request(
        connection: Any, method: str, url: str, body: Any = None, headers: Any = None, **options: Any
    ) -> None:
        headers = {} if headers is None else headers
        api = gate.api(method, url.partition("?")[0])
        content = None
        if api is not None:
            content, body = readable_body(body)
        exchange = None
        if api is not None and content is not None:
            whole = _whole_url(connection, url)
            exchange = gate.exchange(api, method, whole, lower_names(headers.items()), content)
        if exchange is None:
            return original(connection, method, url, body, headers, **options)
        with exchange.guarded():
            answer = answer_without_sending(exchange, patience_of(connection.timeout))
            if answer is not None:
                setattr(connection, _OWN_SOCKET, connection.sock)
                connection.sock = ReplayingSocket(answer)
                return original(connection, method, url, body, headers, **options)
            with sending():
                original(connection, method, url, body, headers, **options)
        expect_answer(connection, exchange)
        return None

    return request


def _responding(original: Callable[..., Any]) -> Callable[..., Any]:
    def getresponse(connection: Any, *args: Any, **kwargs: Any) -> Any:
        if args or kwargs:  # a TypeError: urllib3 before 2 tries what Python 2 took, then asks without
            return original(connection, *args, **kwargs)
        if _OWN_SOCKET in vars(connection):
            try:
                return original(connection)
            finally:
                connection.sock = vars(connection).pop(_OWN_SOCKET)
        sent = vars(connection).pop(_SENT, None)
        if sent is None:
            return original(connection)
        with sent.exchange.guarded():
            response = original(connection)
        sent.answered(response)
        return response

    return getresponse


def expect_answer(connection: Any, exchange: Exchange) -> None:
    """Watch the answer that the connection reads next: it is this exchange's."""
    setattr(connection, _SENT, _SentRequest(exchange))


def readable_body(body: Any) -> tuple[bytes | None, Any]:
    """Return a request's body as bytes, and as it is to be sent now that it has been read.

    The bytes are None where it is too unusual for a request to a model: nothing has been read of it then.
    """
    if body is None:
        return b"", None
    if isinstance(body, str):
        return body.encode("utf-8", "replace"), body
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body), body
    if hasattr(body, "read"):
        data = body.read()
        data = data.encode() if isinstance(data, str) else data
        return data, data
    return None, body


def _whole_url(connection: Any, url: str) -> str:
    """Return the URL of a request, which a connection is given from the path on; through a proxy the whole of
    it.
    """
    if "://" in url.partition("?")[0]:
        return url
    scheme = "https" if connection.default_port == 443 else "http"
    host, port = connection.host, connection.port
    if getattr(connection, "_tunnel_host", None):
        host, port = connection._tunnel_host, connection._tunnel_port
    return f"{origin(scheme, host, port)}{url}"


def origin(scheme: str, host: str, port: int | None) -> str:
    """Return the part of a URL before its path."""
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    usual = port is None or port == {"http": 80, "https": 443}[scheme]
    return f"{scheme}://{host}" if usual else f"{scheme}://{host}:{port}"


class _SentRequest:
    """A request on its way, until its answer begins to be read."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self._taken_over = False

    def answered(self, response: Any) -> None:
        """Watch the body of an answer whose head has been read."""
        self._taken_over = True
        head = RecordedAnswer(
            status=response.status,
            headers=keepable_headers(
                (name.encode("latin-1"), value.encode("latin-1", "replace"))
                for name, value in response.headers.items()
            ),
            chunks=(),
            http_version=b"HTTP/1.0" if response.version == 10 else b"HTTP/1.1",
            reason=(response.reason or "").encode("latin-1", "replace"),
        )
        watch = _BodyWatch(self.exchange, head)
        if response.fp is None:
            watch.close()
        else:
            response.fp = _WatchedFile(response.fp, watch)

    def __del__(self) -> None:
        # Nobody has asked for the answer: nobody may wait for it any longer.
        try:
            if not self._taken_over and not self.exchange.finished:
                self.exchange.fail(ConnectionError("the answer was never read"))
        except Exception:
            pass


class _BodyWatch:
    """Reads the body along with the caller, and ends the exchange."""

    def __init__(self, exchange: Exchange, head: RecordedAnswer) -> None:
        self._exchange = exchange
        self._head = head
        self._body = BodyReader(head.status, head.headers)

    def feed(self, data: bytes) -> None:
        """The caller has read more."""
        if self._exchange.finished:
            return
        try:
            self._body.feed(data)
        except ValueError as error:
            self._finish(error)
            return
        if self._body.complete:
            self._finish()

    def ended(self) -> None:
        """There is no more to read."""
        self._body.end()
        cut = None if self._body.complete else ConnectionError("the connection ended within the answer")
        self._finish(cut)

    def failed(self, error: BaseException) -> None:
        """Reading on is impossible."""
        self._finish(error)

    def close(self) -> None:
        """The caller reads no further."""
        self._finish()

    def _finish(self, error: BaseException | None = None) -> None:
        if not self._exchange.finished:
            answer = RecordedAnswer(
                status=self._head.status,
                headers=self._head.headers,
                chunks=tuple(self._body.chunks),
                http_version=self._head.http_version,
                reason=self._head.reason,
            )
            self._exchange.finish(answer, exhausted=error is None and self._body.complete, error=error)


class _WatchedFile:
    """The file that a response reads its body from, with the watch reading along."""

    def __init__(self, file: Any, watch: _BodyWatch) -> None:
        self._file = file
        self._watch = watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def read(self, size: int | None = -1) -> bytes:
        size = -1 if size is None else size
        data = self._seen(self._file.read, size)
        if data and (size < 0 or len(data) < size):
            self._watch.ended()
        return data

    def read1(self, size: int = -1) -> bytes:
        return self._seen(self._file.read1, size)

    def readline(self, size: int = -1) -> bytes:
        return self._seen(self._file.readline, size)

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = self.read(len(view)) if len(view) else b""
        view[: len(data)] = data
        return len(data)

    def readinto1(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = self.read1(len(view)) if len(view) else b""
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        try:
            self._file.close()
        finally:
            self._watch.close()

    def _seen(self, read: Callable[[int], bytes], size: int) -> bytes:
        try:
            data = read(size)
        except BaseException as error:
            self._watch.failed(error)
            raise
        if data:
            self._watch.feed(data)
        elif size:
            self._watch.ended()
        return data

    def __del__(self) -> None:
        try:  # noqa: SIM105 - when the interpreter ends, the name `suppress` may be gone before this object
            self._watch.close()
        except Exception:
            pass
