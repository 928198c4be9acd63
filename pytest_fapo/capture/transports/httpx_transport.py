"""The transports of httpx and httpx2, also where aiohttp is below them."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from types import ModuleType
from typing import Any

from pytest_fapo.capture.cache_key import READ_HEADERS
from pytest_fapo.capture.exchange import Exchange
from pytest_fapo.capture.http_answer import RecordedAnswer, keepable_headers
from pytest_fapo.capture.transports.loop_pools import sent_by_loop
from pytest_fapo.capture.transports.transport import (
    AnswerWatch,
    Gate,
    Patch,
    answer_without_sending,
    answer_without_sending_async,
    patience_of,
    sending,
)

_LIBRARIES = ("httpx", "httpx2")

_AIOHTTP_BELOW = (
    "httpx_aiohttp.transport",
    "openai._vendor.httpx_aiohttp.transport",
    "anthropic._vendor.httpx_aiohttp.transport",
    "litellm.llms.custom_httpx.aiohttp_transport",
)
"""Modules whose classes put aiohttp below a client of httpx or httpx2."""

MODULES = (*_LIBRARIES, *_AIOHTTP_BELOW)


def patches(module: ModuleType, gate: Gate) -> Iterator[Patch]:
    """Replace the methods by which transports reach the network."""
    found: Any = module
    if module.__name__ in _LIBRARIES:
        library = _HttpxLibrary(found, gate)
        original = found.HTTPTransport.handle_request
        yield Patch(found.HTTPTransport, "handle_request", library.handler(original))
        original = sent_by_loop(found.AsyncHTTPTransport.handle_async_request)
        yield Patch(found.AsyncHTTPTransport, "handle_async_request", library.handler_async(original))
        return
    for name, value in list(vars(module).items()):
        if name.endswith("AiohttpTransport") and "handle_async_request" in vars(value):
            below = next(
                base.__module__.split(".")[0]
                for base in value.__mro__
                if base.__name__ == "AsyncBaseTransport"
            )
            library = _HttpxLibrary(sys.modules[below], gate)
            yield Patch(value, "handle_async_request", library.handler_async(value.handle_async_request))


class _HttpxLibrary:
    """One of the two libraries, with stream classes made for it."""

    def __init__(self, module: Any, gate: Gate) -> None:
        self._module = module
        self._gate = gate
        self._watched, self._watched_async = _watching_streams(module)
        self._replaying, self._replaying_async = _replaying_streams(module)

    def handler(self, original: Any) -> Any:
        """Return the replacement of `handle_request`."""

        def handle_request(transport: Any, request: Any) -> Any:
            api = self._gate.api(request.method, request.url.path)
            if api is None:
                return original(transport, request)
            request.read()
            exchange = self._exchange(api, request)
            if exchange is None:
                return original(transport, request)
            with exchange.guarded():
                answer = answer_without_sending(exchange, patience_of(_read_timeout(request)))
                if answer is not None:
                    return self._replay(answer, self._replaying)
                with sending():
                    response = original(transport, request)
            response.stream = self._watched(exchange, response)
            return response

        return handle_request

    def handler_async(self, original: Any) -> Any:
        """Return the replacement of `handle_async_request`."""

        async def handle_async_request(transport: Any, request: Any) -> Any:
            api = self._gate.api(request.method, request.url.path)
            if api is None:
                return await original(transport, request)
            await request.aread()
            exchange = self._exchange(api, request)
            if exchange is None:
                return await original(transport, request)
            with exchange.guarded():
                answer = await answer_without_sending_async(exchange, patience_of(_read_timeout(request)))
                if answer is not None:
                    return self._replay(answer, self._replaying_async)
                with sending():
                    response = await original(transport, request)
            response.stream = self._watched_async(exchange, response)
            return response

        return handle_async_request

    def _exchange(self, api: str, request: Any) -> Exchange | None:
        headers = _read_headers(request.headers.raw)
        return self._gate.exchange(api, request.method, str(request.url), headers, request.content)

    def _replay(self, answer: RecordedAnswer, stream: type) -> Any:
        """Return a response that looks to the client as the recorded one did."""
        return self._module.Response(
            status_code=answer.status,
            headers=list(answer.headers),
            stream=stream(answer.chunks),
            extensions={"http_version": answer.http_version, "reason_phrase": answer.reason},
        )


_READ = {name.encode(): name for name in READ_HEADERS}


def _read_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return what the library's own mapping gives for each name that is looked at."""
    found: dict[str, str] = {}
    for key, value in raw:
        name = _READ.get(key.lower())
        if name is None:
            continue
        try:
            text = value.decode()
        except UnicodeDecodeError:
            text = value.decode("latin-1")
        found[name] = f"{found[name]}, {text}" if name in found else text
    return found


def _read_timeout(request: Any) -> Any:
    return (request.extensions.get("timeout") or {}).get("read")


class _StreamWatch(AnswerWatch):
    """Watches the stream of a response, in its place."""

    def __init__(self, exchange: Exchange, response: Any) -> None:
        self._source = response.stream
        head = RecordedAnswer(
            status=response.status_code,
            headers=keepable_headers(response.headers.raw),
            chunks=(),
            http_version=response.extensions.get("http_version", b"HTTP/1.1"),
            reason=response.extensions.get("reason_phrase", b""),
        )
        super().__init__(exchange, head)


def _watching_streams(module: Any) -> tuple[type, type]:
    class Watched(_StreamWatch, module.SyncByteStream):  # type: ignore[misc]
        def __iter__(self) -> Iterator[bytes]:
            yield from self.watched(self._source)

        def close(self) -> None:
            try:
                self._source.close()
            finally:
                self.end(exhausted=False)

    class WatchedAsync(_StreamWatch, module.AsyncByteStream):  # type: ignore[misc]
        def __aiter__(self) -> AsyncIterator[bytes]:
            return self.watched_async(self._source)  # type: ignore[no-any-return]

        async def aclose(self) -> None:
            try:
                await self._source.aclose()
            finally:
                self.end(exhausted=False)

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
