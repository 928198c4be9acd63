"""The transports of httpx and httpx2: read requests, watch answers and replay them."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

from pytest_fapo.capture.exchange import Exchange
from pytest_fapo.capture.http_answer import RecordedAnswer, keepable_headers
from pytest_fapo.capture.single_flight import Flight

NAMES = ("httpx", "httpx2")

AIOHTTP_NAMES = (
    "httpx_aiohttp.transport",
    "openai._vendor.httpx_aiohttp.transport",
    "anthropic._vendor.httpx_aiohttp.transport",
    "litellm.llms.custom_httpx.aiohttp_transport",
)
"""Modules whose classes put aiohttp below a client of httpx or httpx2."""

_ADMISSION_POLL = 0.01

_FLIGHT_PATIENCE = 30.0

_READ_TIMEOUT = 600.0


class HttpLibrary:
    """One of the two libraries, with stream classes made for it."""

    def __init__(self, module: ModuleType) -> None:
        self.module: Any = module
        self.watched, self.watched_async = _watching_streams(self.module)
        self.replaying, self.replaying_async = _replaying_streams(self.module)

    def send(self, exchange: Exchange, request: Any, send: Callable[[], Any]) -> Any:
        """Answer a request of a synchronous client: recorded, from another's flight, or sent."""
        with exchange.guarded():
            move = exchange.next_move(None)
            while isinstance(move, Flight):
                landed = move.can_wait() and move.wait(_patience_of(request))
                move = exchange.next_move(move, alone=not landed)
            if move is not None:
                exchange.replayed(move)
                return self.replay(move, self.replaying)
            exchange.admit()
            if exchange.offline is not None:
                return self._answer_offline(exchange, self.replaying)
            response = send()
        response.stream = self.watched(exchange, response)
        return response

    async def send_async(self, exchange: Exchange, request: Any, send: Callable[[], Awaitable[Any]]) -> Any:
        """As `send`, for an asynchronous client."""
        with exchange.guarded():
            move = exchange.next_move(None)
            while isinstance(move, Flight):
                landed = move.can_wait_async() and await move.wait_async(_patience_of(request))
                move = exchange.next_move(move, alone=not landed)
            if move is not None:
                exchange.replayed(move)
                return self.replay(move, self.replaying_async)
            await _admitted(exchange)
            if exchange.offline is not None:
                return self._answer_offline(exchange, self.replaying_async)
            response = await send()
        response.stream = self.watched_async(exchange, response)
        return response

    def _answer_offline(self, exchange: Exchange, stream: type) -> Any:
        assert exchange.offline is not None
        answer = exchange.offline.answer(exchange.question)
        exchange.finish(answer, exhausted=True)
        return self.replay(answer, stream)

    def replay(self, answer: RecordedAnswer, stream: type) -> Any:
        """A response that looks to the client as the recorded one did."""
        return self.module.Response(
            status_code=answer.status,
            headers=list(answer.headers),
            stream=stream(answer.chunks),
            extensions={"http_version": answer.http_version, "reason_phrase": answer.reason},
        )


def transports_of(module: ModuleType) -> Iterator[tuple[Any, type, str]]:
    """The transports that reach the network: their library's module, the class, and its method."""
    found: Any = module
    if module.__name__ in NAMES:
        yield found, found.HTTPTransport, "handle_request"
        yield found, found.AsyncHTTPTransport, "handle_async_request"
        return
    for name, value in list(vars(module).items()):
        if name.endswith("AiohttpTransport") and "handle_async_request" in vars(value):
            library = next(
                base.__module__.split(".")[0]
                for base in value.__mro__
                if base.__name__ == "AsyncBaseTransport"
            )
            yield sys.modules[library], value, "handle_async_request"


async def _admitted(exchange: Exchange) -> None:
    """Ask the budget without ever blocking the event loop."""
    import asyncio

    patient_until = time.monotonic() + _FLIGHT_PATIENCE
    try:
        asyncio.get_running_loop()
    except RuntimeError:  # another kind of event loop
        patient_until = 0.0
    while time.monotonic() < patient_until:
        if exchange.try_admit():
            return
        await asyncio.sleep(_ADMISSION_POLL)
    exchange.admit()


def _patience_of(request: Any) -> float:
    """Return the seconds that the caller would wait for an answer of its own."""
    timeout = (request.extensions.get("timeout") or {}).get("read")
    return float(timeout) if timeout else _READ_TIMEOUT


class _AnswerWatch:
    """Collects the chunks of a response while the caller reads them."""

    def __init__(self, exchange: Exchange, response: Any) -> None:
        self._exchange = exchange
        self._source = response.stream
        self._chunks: list[bytes] = []
        # No reference to the response itself: it holds this, and a cycle would outlive its last user.
        self._head = RecordedAnswer(
            status=response.status_code,
            headers=keepable_headers(response.headers.raw),
            chunks=(),
            http_version=response.extensions.get("http_version", b"HTTP/1.1"),
            reason=response.extensions.get("reason_phrase", b""),
        )

    def _end(self, *, exhausted: bool, error: BaseException | None = None) -> None:
        if not self._exchange.finished:
            answer = replace(self._head, chunks=tuple(self._chunks))
            self._exchange.finish(answer, exhausted=exhausted, error=error)

    def __del__(self) -> None:
        # A response that was never read nor closed: nobody may wait for it any longer.
        try:  # noqa: SIM105 - when the interpreter ends, the name `suppress` may be gone before this object
            self._end(exhausted=False)
        except Exception:
            pass


def _watching_streams(module: Any) -> tuple[type, type]:
    class Watched(_AnswerWatch, module.SyncByteStream):  # type: ignore[misc]
        def __iter__(self) -> Iterator[bytes]:
            try:
                for chunk in self._source:
                    self._chunks.append(chunk)
                    yield chunk
            except GeneratorExit:
                self._end(exhausted=False)
                raise
            except BaseException as error:
                self._end(exhausted=False, error=error)
                raise
            self._end(exhausted=True)

        def close(self) -> None:
            try:
                self._source.close()
            finally:
                self._end(exhausted=False)

    class WatchedAsync(_AnswerWatch, module.AsyncByteStream):  # type: ignore[misc]
        async def __aiter__(self) -> AsyncIterator[bytes]:
            try:
                async for chunk in self._source:
                    self._chunks.append(chunk)
                    yield chunk
            except GeneratorExit:
                self._end(exhausted=False)
                raise
            except BaseException as error:
                self._end(exhausted=False, error=error)
                raise
            self._end(exhausted=True)

        async def aclose(self) -> None:
            try:
                await self._source.aclose()
            finally:
                self._end(exhausted=False)

    return Watched, WatchedAsync


def _replaying_streams(module: Any) -> tuple[type, type]:
    class Replaying(module.SyncByteStream):  # type: ignore[misc]
        def __init__(self, chunks: tuple[bytes, ...]) -> None:
            self._chunks = chunks

        def __iter__(self) -> Iterator[bytes]:
            yield from self._chunks

    class ReplayingAsync(module.AsyncByteStream):  # type: ignore[misc]
        def __init__(self, chunks: tuple[bytes, ...]) -> None:
            self._chunks = chunks

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for chunk in self._chunks:
                yield chunk

    return Replaying, ReplayingAsync
