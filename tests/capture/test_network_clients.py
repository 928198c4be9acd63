"""Clients that open connections past Python's sockets reach no server from a case under `only`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from multiprocessing.pool import ThreadPool
from typing import Any

import pytest
from support.llm_lab import Lab
from support.llm_server import LLMServer

from pytest_fapo.capture.network_guard import NetworkGuard
from pytest_fapo.capture.recorder import Recorder, recording
from pytest_fapo.core.errors import NetworkRefused


def _grpc(url: str) -> Any:
    grpc = pytest.importorskip("grpc")
    with grpc.insecure_channel(url.removeprefix("http://")) as channel:
        return channel.unary_unary("/a/b")(b"", timeout=5)


def _uvloop(url: str) -> Any:
    uvloop = pytest.importorskip("uvloop")
    host, port = url.removeprefix("http://").split(":")
    loop = uvloop.new_event_loop()
    try:
        return loop.run_until_complete(loop.create_connection(asyncio.Protocol, host, int(port)))
    finally:
        loop.close()


CLIENTS = [_grpc, _uvloop]


@pytest.fixture
def guard(lab: Lab) -> Iterator[NetworkGuard]:
    lab.capture("only")
    made = NetworkGuard()
    made.install()
    yield made
    made.uninstall()


@pytest.mark.parametrize("ask", CLIENTS)
def test_it_is_refused(ask: Callable[[str], Any], server: LLMServer, guard: NetworkGuard) -> None:
    case = Recorder(pipeline="pipeline", case_id="K-1")
    with recording(case), pytest.raises(BaseException) as caught:  # anyio puts it into a group
        ask(server.url)
    if isinstance(caught.value, pytest.skip.Exception):
        raise caught.value
    assert server.count == 0
    assert f"connected to 127.0.0.1:{server.port}" in str(case.refusal())


def test_a_refusal_in_a_pool_of_threads_does_not_wait_for_ever(
    server: LLMServer, guard: NetworkGuard
) -> None:
    """Such a pool forgets a job that ends in no plain Exception."""
    import urllib.request

    case = Recorder(pipeline="pipeline", case_id="K-1")
    with recording(case), ThreadPool(1) as pool, pytest.raises(BaseException, match="refused"):
        pool.map_async(urllib.request.urlopen, [server.url]).get(timeout=20)
    assert server.count == 0
    assert isinstance(case.refusal(), NetworkRefused)
