"""The base of all transports: the gate that a request goes through, the answer before sending, the watch over
what arrives."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol

from pytest_fapo.capture.exchange import Exchange
from pytest_fapo.capture.http_answer import RecordedAnswer
from pytest_fapo.capture.single_flight import Flight, running_loop

_ADMISSION_POLL = 0.01

_FLIGHT_PATIENCE = 30.0

_PUT_OFF_POLL, _PUT_OFF_PATIENCE = 0.05, 60.0

READ_TIMEOUT = 600.0
"""Seconds that a caller without a timeout of its own waits for an identical request under way."""

_SENDING: ContextVar[bool] = ContextVar("pytest_fapo_sending", default=False)


def is_sending() -> bool:
    """True while a captured request is being sent, so that a library below lets it pass."""
    return _SENDING.get()


@contextmanager
def sending() -> Iterator[None]:
    """Send a captured request in the body."""
    token = _SENDING.set(True)
    try:
        yield
    finally:
        _SENDING.reset(token)


class Gate(Protocol):
    """Decides which requests are captured."""

    def api(self, method: str, path: str) -> str | None:
        """Return the API of a request that is to be captured; None for all others."""

    def exchange(
        self, api: str, method: str, url: str, headers: Mapping[str, str], content: bytes
    ) -> Exchange | None:
        """Begin the exchange of a captured request; None where its body asks no model.

        Args:
            api: as `api` gave it.
            method: the HTTP method.
            url: the whole URL.
            headers: with names in lower case, or a mapping that ignores case.
            content: the whole body.
        """


class Patch(NamedTuple):
    """One attribute of a library that is replaced while capture is on."""

    owner: Any
    name: str
    replacement: Callable[..., Any]


def lower_names(headers: Iterable[tuple[Any, Any]]) -> dict[str, str]:
    """Return headers as texts, with their names in lower case."""
    return {_text(name).lower(): _text(value) for name, value in headers}


def patience_of(timeout: Any) -> float:
    """Return the seconds that a caller with this timeout waits; a long time for one that has none."""
    return float(timeout) if isinstance(timeout, int | float) and timeout > 0 else READ_TIMEOUT


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def answer_without_sending(exchange: Exchange, patience: float = READ_TIMEOUT) -> RecordedAnswer | None:
    """Return the answer that is on record, that an identical request under way brings, or that the project's
    offline model gives; None where the request is to be sent, which the budget then allows.

    To be called in `exchange.guarded()`.

    Args:
        exchange: of the request.
        patience: seconds that the caller would wait for an answer of its own.
    """
    move = exchange.next_move(None)
    while isinstance(move, Flight):
        landed = move.can_wait() and move.wait(patience)
        move = exchange.next_move(move, alone=not landed)
    if move is not None:
        exchange.replayed(move)
        return move
    if exchange.offline is None:
        patient_until = time.monotonic() + _PUT_OFF_PATIENCE
        while exchange.put_off() and running_loop() is None and time.monotonic() < patient_until:
            time.sleep(_PUT_OFF_POLL)
    exchange.admit()
    return _offline_answer(exchange)


async def answer_without_sending_async(
    exchange: Exchange, patience: float = READ_TIMEOUT
) -> RecordedAnswer | None:
    """As `answer_without_sending`, without ever blocking the event loop."""
    move = exchange.next_move(None)
    while isinstance(move, Flight):
        landed = move.can_wait_async() and await move.wait_async(patience)
        move = exchange.next_move(move, alone=not landed)
    if move is not None:
        exchange.replayed(move)
        return move
    await _admitted(exchange)
    return _offline_answer(exchange)


def _offline_answer(exchange: Exchange) -> RecordedAnswer | None:
    if exchange.offline is None:
        return None
    answer = exchange.offline.answer(exchange.question)
    exchange.finish(answer, exhausted=True)
    return answer


async def _admitted(exchange: Exchange) -> None:
    """Wait for the provider and ask the budget, without ever blocking the event loop."""
    import asyncio

    known = running_loop() is not None  # else it is another kind of event loop
    patient_until = time.monotonic() + (_PUT_OFF_PATIENCE if known else 0.0)
    while exchange.offline is None and exchange.put_off() and time.monotonic() < patient_until:
        await asyncio.sleep(_PUT_OFF_POLL)
    patient_until = time.monotonic() + (_FLIGHT_PATIENCE if known else 0.0)
    while time.monotonic() < patient_until:
        if exchange.try_admit():
            return
        await asyncio.sleep(_ADMISSION_POLL)
    exchange.admit()


class AnswerWatch:
    """Collects the chunks of an answer while the caller reads them, and ends the exchange after the last.

    Args:
        exchange: of the request.
        head: the answer without its chunks. No response object is held: it may hold this, and a cycle would
            outlive its last user.
    """

    def __init__(self, exchange: Exchange, head: RecordedAnswer) -> None:
        self._exchange = exchange
        self._head = head
        self._chunks: list[bytes] = []

    def end(self, *, exhausted: bool, error: BaseException | None = None) -> None:
        """No more will be read; only the first call counts."""
        if not self._exchange.finished:
            answer = self._head.with_chunks(self._chunks)
            self._exchange.finish(answer, exhausted=exhausted, error=error)

    def watched(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Pass `chunks` on to the reader."""
        try:
            for chunk in chunks:
                self._chunks.append(chunk)
                yield chunk
        except GeneratorExit:
            self.end(exhausted=False)
            raise
        except BaseException as error:
            self.end(exhausted=False, error=error)
            raise
        self.end(exhausted=True)

    async def watched_async(self, chunks: Any) -> Any:
        """As `watched`, for an asynchronous reader."""
        try:
            async for chunk in chunks:
                self._chunks.append(chunk)
                yield chunk
        except GeneratorExit:
            self.end(exhausted=False)
            raise
        except BaseException as error:
            self.end(exhausted=False, error=error)
            raise
        self.end(exhausted=True)

    def __del__(self) -> None:
        # An answer that was never read nor closed: nobody may wait for it any longer.
        try:  # noqa: SIM105 - when the interpreter ends, the name `suppress` may be gone before this object
            self.end(exhausted=False)
        except Exception:
            pass
