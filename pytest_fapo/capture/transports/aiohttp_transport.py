"""aiohttp: the connections of its client.

aiohttp's own code runs in a replay too, on a connection that swallows the request and gives the recorded
bytes. What comes in over a real connection is read along, byte by byte.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from pytest_fapo.capture.exchange import Exchange
from pytest_fapo.capture.http_answer import RecordedAnswer
from pytest_fapo.capture.transports.http_bytes import AnswerReader, answer_pieces
from pytest_fapo.capture.transports.transport import (
    Gate,
    Patch,
    answer_without_sending_async,
    lower_names,
    patience_of,
    sending,
)

MODULES = ("aiohttp.connector",)

_WATCH = "_fapo_watch"


def patches(module: ModuleType, gate: Gate) -> Iterator[Patch]:
    """Replace what gives a request its connection, and where the connection's bytes come in."""
    found: Any = module
    connector, handler = found.BaseConnector, found.ResponseHandler
    replaying = _replaying_handler(handler)
    yield Patch(connector, "connect", _connecting(connector.connect, gate, found.Connection, replaying))
    yield Patch(handler, "data_received", _receiving(handler.data_received))
    yield Patch(handler, "connection_lost", _losing(handler.connection_lost))


def _connecting(
    original: Callable[..., Any], gate: Gate, connection_class: Any, handler_class: Any
) -> Callable[..., Any]:
    async def connect(connector: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = _exchange(gate, request)
        if exchange is None:
            return await original(connector, request, *args, **kwargs)
        with exchange.guarded():
            timeout = kwargs.get("timeout") or (args[1] if len(args) > 1 else None)
            answer = await answer_without_sending_async(exchange, patience_of(_read_timeout(timeout)))
            if answer is not None:
                loop = asyncio.get_running_loop()
                protocol = handler_class(loop)
                _Replay(loop, protocol, answer).start()
                return connection_class(_NoConnector(), None, protocol, loop)
            with sending():
                connection = await original(connector, request, *args, **kwargs)
        protocol = connection.protocol
        watch = _ConnectionWatch(exchange)
        setattr(protocol, _WATCH, watch)
        connection.add_callback(lambda: watch.released(protocol.exception()))
        return connection

    return connect


def _exchange(gate: Gate, request: Any) -> Exchange | None:
    api = gate.api(request.method, request.url.path)
    if api is None:
        return None
    content = _content_of(request.body)
    if content is None:
        return None
    return gate.exchange(api, request.method, str(request.url), lower_names(request.headers.items()), content)


def _content_of(body: Any) -> bytes | None:
    """Return a request's body as bytes; None for one that comes in pieces, as no request to a model does."""
    value = getattr(body, "_value", body)
    if isinstance(value, io.BytesIO):
        return value.getvalue()
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    return b"" if value is None else None


def _read_timeout(timeout: Any) -> Any:
    return getattr(timeout, "sock_read", None) or getattr(timeout, "total", None)


def _receiving(original: Callable[..., None]) -> Callable[..., None]:
    def data_received(protocol: Any, data: bytes) -> None:
        watch = vars(protocol).get(_WATCH)
        if watch is not None:
            watch.feed(data)
        original(protocol, data)

    return data_received


def _losing(original: Callable[..., None]) -> Callable[..., None]:
    def connection_lost(protocol: Any, error: BaseException | None) -> None:
        watch = vars(protocol).get(_WATCH)
        if watch is not None:
            watch.lost(error)
        original(protocol, error)

    return connection_lost


class _ConnectionWatch:
    """Reads the answer along with aiohttp, and ends the exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._reader = AnswerReader()

    def feed(self, data: bytes) -> None:
        """More has arrived."""
        if self._exchange.finished:
            return
        try:
            self._reader.feed(data)
        except ValueError as error:
            self._end(error)
        else:
            if self._reader.complete:
                self._end()

    def lost(self, error: BaseException | None) -> None:
        """The connection has ended."""
        self._reader.end()
        self._end(error or ConnectionError("the connection ended before the answer did"))

    def released(self, error: BaseException | None) -> None:
        """The caller reads no further, because of an error or by its own will."""
        self._end(error)

    def _end(self, error: BaseException | None = None) -> None:
        if self._exchange.finished:
            return
        answer = self._reader.answer
        if answer is None:
            self._exchange.fail(error or ConnectionError("the request was given up before an answer came"))
        elif self._reader.complete:
            self._exchange.finish(answer, exhausted=True)
        else:
            self._exchange.finish(answer, exhausted=False, error=error)


def _replaying_handler(handler: Any) -> Any:
    class ReplayingHandler(handler):  # type: ignore[misc]
        """The reader of an answer's bytes, which a replay keeps waiting for none."""

        def _reschedule_timeout(self) -> None: ...

    return ReplayingHandler


class _NoConnector:
    """Takes a connection back that was never opened."""

    force_close = False

    def _release(self, key: Any, protocol: Any, **_: Any) -> None:
        protocol.close()


class _Replay(asyncio.Transport):
    """Stands in for an open connection: swallows the request, gives the answer piece by piece."""

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: Any, answer: RecordedAnswer) -> None:
        super().__init__()
        self._loop = loop
        self._protocol = protocol
        self._pieces = iter(answer_pieces(answer, sized=True))
        self._closed = False

    def start(self) -> None:
        """Begin to answer, once the caller is ready to read."""
        self._protocol.connection_made(self)
        self._loop.call_soon(self._give)

    def _give(self) -> None:
        piece = next(self._pieces, None)
        if piece is not None and not self._closed:
            self._protocol.data_received(piece)
            self._loop.call_soon(self._give)

    def write(self, data: Any) -> None: ...

    def writelines(self, list_of_data: Any) -> None: ...

    def is_closing(self) -> bool:
        return self._closed

    def close(self) -> None:
        self._closed = True

    def abort(self) -> None:
        self._closed = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...
