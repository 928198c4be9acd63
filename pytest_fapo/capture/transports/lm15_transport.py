"""The transports of lm15, the client that DSPy brings along."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from pytest_fapo.capture.exchange import Exchange
from pytest_fapo.capture.http_answer import RecordedAnswer, keepable_headers
from pytest_fapo.capture.transports.transport import (
    AnswerWatch,
    Gate,
    Patch,
    answer_without_sending,
    answer_without_sending_async,
    lower_names,
    patience_of,
    sending,
)

_PACKAGES = ("lm15.transports", "dspy._vendor.lm15.transports")

MODULES = tuple(f"{package}.{module}" for package in _PACKAGES for module in ("_sync", "_async"))

_DECODED = (b"content-encoding", b"content-length")


def patches(module: ModuleType, gate: Gate) -> Iterator[Patch]:
    """Replace the method that sends one request and returns its answer."""
    found: Any = module
    if module.__name__.endswith("_sync"):
        transport = found.StdlibTransport
        yield Patch(transport, "stream", _streaming(transport.stream, found.TransportResponse, gate))
    else:
        transport, response = found.StdlibAsyncTransport, found.AsyncTransportResponse
        yield Patch(transport, "_do_stream", _streaming_async(transport._do_stream, response, gate))


def _streaming(original: Callable[..., Any], response_class: Any, gate: Gate) -> Callable[..., Any]:
    def stream(transport: Any, request: Any) -> Any:
        exchange = _exchange(gate, request)
        if exchange is None:
            return original(transport, request)
        with exchange.guarded():
            answer = answer_without_sending(exchange, _patience(transport, request))
            if answer is not None:
                return response_class(chunks=iter(answer.chunks), release=_nothing, **_head(answer))
            with sending():
                response = original(transport, request)
        watch, release = _watch(exchange, response), response._release

        def released(consumed: bool) -> None:
            try:
                release(consumed)
            finally:
                watch.end(exhausted=False)

        response._chunks, response._release = watch.watched(response._chunks), released
        return response

    return stream


def _streaming_async(original: Callable[..., Any], response_class: Any, gate: Gate) -> Callable[..., Any]:
    async def _do_stream(transport: Any, request: Any) -> Any:
        exchange = _exchange(gate, request)
        if exchange is None:
            return await original(transport, request)
        with exchange.guarded():
            answer = await answer_without_sending_async(exchange, _patience(transport, request))
            if answer is not None:
                chunks = _each(answer.chunks)
                return response_class(chunks=chunks, release=_nothing_async, **_head(answer))
            with sending():
                response = await original(transport, request)
        watch, release = _watch(exchange, response), response._release

        async def released(consumed: bool) -> None:
            try:
                await release(consumed)
            finally:
                watch.end(exhausted=False)

        response._chunks, response._release = watch.watched_async(response._chunks), released
        return response

    return _do_stream


def _exchange(gate: Gate, request: Any) -> Exchange | None:
    api = gate.api(request.method, urlsplit(request.url).path)
    if api is None:
        return None
    return gate.exchange(api, request.method, request.url, lower_names(request.headers), request.body or b"")


def _watch(exchange: Exchange, response: Any) -> AnswerWatch:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    if any(name.lower() == b"content-encoding" for name, _ in headers):
        # The body is given without its encoding, so it is recorded without that.
        headers = [(name, value) for name, value in headers if name.lower() not in _DECODED]
    head = RecordedAnswer(
        status=response.status,
        headers=keepable_headers(headers),
        chunks=(),
        http_version=response.http_version.encode("latin-1"),
        reason=response.reason.encode("latin-1"),
    )
    return AnswerWatch(exchange, head)


def _head(answer: RecordedAnswer) -> dict[str, Any]:
    return {
        "status": answer.status,
        "reason": answer.reason.decode("latin-1"),
        "headers": [(name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.headers],
        "http_version": answer.http_version.decode("latin-1"),
    }


def _patience(transport: Any, request: Any) -> float:
    return patience_of(request.read_timeout or transport._read_timeout)


def _nothing(consumed: bool) -> None: ...


async def _nothing_async(consumed: bool) -> None: ...


async def _each(chunks: tuple[bytes, ...]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
