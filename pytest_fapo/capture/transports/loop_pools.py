"""A pool of connections for each event loop that shares an async client of httpx or httpx2.

A connection works on the event loop that opened it, and on no other. Where a synchronous method stands on an
async client (`Agent.run_sync` of pydantic-ai), or a pipeline calls `asyncio.run` with a client of its module,
each case brings an event loop of its own and the pool of the client is shared by all of them.
"""

from __future__ import annotations

import copy
import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary, ref

from pytest_fapo.capture.single_flight import running_loop

Send = Callable[[Any, Any], Any]


def sent_by_loop(send: Send) -> Send:
    """Return `handle_async_request` of a transport, with a pool for each event loop."""
    pools = _LoopPools()

    def handle_async_request(transport: Any, request: Any) -> Any:
        return send(pools.transport_of(transport, running_loop()), request)

    return handle_async_request


class _LoopPools:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._first: WeakKeyDictionary[Any, ref[AbstractEventLoop]] = WeakKeyDictionary()
        self._others: WeakKeyDictionary[Any, dict[AbstractEventLoop, Any]] = WeakKeyDictionary()

    def transport_of(self, transport: Any, loop: AbstractEventLoop | None) -> Any:
        """Return the transport itself for the first loop that sends by it, a copy for each other one."""
        if loop is None:
            return transport
        with self._lock:
            if self._first.setdefault(transport, ref(loop))() is loop:
                return transport
            others = self._others.setdefault(transport, {})
            if loop not in others:
                # Connections hold their loop, so a closed one would never go by itself.
                for closed in [each for each in others if each.is_closed()]:
                    del others[closed]
                others[loop] = _with_pool_of_its_own(transport)
            return others[loop]


def _with_pool_of_its_own(transport: Any) -> Any:
    pool: Any = copy.copy(getattr(transport, "_pool", None))
    if not hasattr(pool, "_connections") or not hasattr(pool, "_requests"):
        return transport  # another version of the library
    pool._connections, pool._requests = [], []
    own = copy.copy(transport)
    own._pool = pool
    return own
