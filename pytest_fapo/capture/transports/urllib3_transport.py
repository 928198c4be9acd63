"""urllib3, and with it requests and botocore: each attempt of a connection pool.

urllib3's own code runs in a replay too, on a connection whose socket gives the recorded bytes. Sent requests
are answered on connections of `http.client`, where `stdlib_http.py` watches them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

from pytest_fapo.capture.exchange import Exchange
from pytest_fapo.capture.http_answer import RecordedAnswer
from pytest_fapo.capture.recorder import current_recorder
from pytest_fapo.capture.transports.http_bytes import ReplayingSocket
from pytest_fapo.capture.transports.stdlib_http import expect_answer, origin, readable_body
from pytest_fapo.capture.transports.transport import (
    Gate,
    Patch,
    answer_without_sending,
    lower_names,
    patience_of,
    sending,
)

MODULES = ("urllib3.connectionpool",)

_POSTPONED = "_fapo_postponed"


def patches(module: ModuleType, gate: Gate) -> Iterator[Patch]:
    """Replace what makes one attempt, and what connects to a proxy before it."""
    found: Any = module
    pool, secure = found.HTTPConnectionPool, found.HTTPSConnectionPool
    yield Patch(pool, "_make_request", _attempting(pool._make_request, gate, secure._prepare_proxy))
    yield Patch(secure, "_prepare_proxy", _postponing(secure._prepare_proxy))


def _attempting(
    original: Callable[..., Any], gate: Gate, prepare_proxy: Callable[..., None]
) -> Callable[..., Any]:
    def _make_request(pool: Any, connection: Any, method: str, url: str, *args: Any, **options: Any) -> Any:
        def attempt() -> Any:
            if vars(connection).pop(_POSTPONED, False):
                _connect_to_proxy(pool, connection, prepare_proxy)
            return original(pool, connection, method, url, *args, **options)

        exchange = _exchange(gate, pool, method, url, options)
        if exchange is None:
            return attempt()
        with exchange.guarded():
            answer = answer_without_sending(exchange, patience_of(_read_timeout(options)))
            if answer is not None:
                vars(connection).pop(_POSTPONED, None)
                replaying = _replaying_connection(pool, answer)
                with sending():  # urllib3 before 2 asks through `http.client`, which is watched too
                    return original(pool, replaying, method, url, *args, **options)
            expect_answer(connection, exchange)
            with sending():
                return attempt()

    return _make_request


def _exchange(gate: Gate, pool: Any, method: str, url: str, options: dict[str, Any]) -> Exchange | None:
    path = str(url).partition("?")[0]
    api = gate.api(method, path)
    if api is None:
        return None
    content, options["body"] = readable_body(options.get("body"))
    if content is None:
        return None
    whole = str(url) if "://" in path else f"{origin(pool.scheme, pool.host, pool.port)}{url}"
    return gate.exchange(api, method, whole, lower_names((options.get("headers") or {}).items()), content)


def _postponing(original: Callable[..., None]) -> Callable[..., None]:
    def _prepare_proxy(pool: Any, connection: Any) -> None:
        if current_recorder() is None:
            original(pool, connection)
        else:  # the answer may be on record
            setattr(connection, _POSTPONED, True)

    return _prepare_proxy


def _connect_to_proxy(pool: Any, connection: Any, prepare_proxy: Callable[..., None]) -> None:
    try:
        prepare_proxy(pool, connection)
    except OSError as error:  # as urllib3 does where it connects
        pool._raise_timeout(err=error, url=pool.proxy.url, timeout_value=connection.timeout)
        raise


def _replaying_connection(pool: Any, answer: RecordedAnswer) -> Any:
    """Return a connection of urllib3's own that has a socket already."""
    connection: Any = import_module("urllib3.connection").HTTPConnection(pool.host, pool.port)
    connection.sock = ReplayingSocket(answer)
    connection.is_verified = True
    return connection


def _read_timeout(options: dict[str, Any]) -> Any:
    timeout = options.get("timeout")
    return getattr(timeout, "read_timeout", timeout)
