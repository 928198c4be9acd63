"""Under `only` nothing leaves from a case, by whichever client; what is none of a case's is left alone."""

from __future__ import annotations

import asyncio
import http.client
import multiprocessing
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
import requests
from support.llm_server import LLMServer

from pytest_fapo.capture.network_guard import NetworkGuard
from pytest_fapo.capture.recorder import Recorder, recording
from pytest_fapo.capture.thread_context import propagating
from pytest_fapo.core.allowed_hosts import AllowedHosts, Target, check_entry
from pytest_fapo.core.errors import NetworkRefused
from pytest_fapo.core.settings import Settings


@pytest.fixture
def guarded() -> Iterator[Callable[..., NetworkGuard]]:
    """Installs a guard with these allowed hosts."""
    made: list[NetworkGuard] = []

    def install(*allow: str) -> NetworkGuard:
        made.append(NetworkGuard(allow))
        made[-1].install()
        return made[-1]

    with propagating():
        yield install
        for guard in reversed(made):
            guard.uninstall()


def test_libraries_that_load_tables_when_imported_use_their_own_meanwhile(
    guarded: Callable[..., NetworkGuard], monkeypatch: pytest.MonkeyPatch
) -> None:
    """LiteLLM is often first imported inside a case, which would be refused and count as not answered."""
    name = "LITELLM_LOCAL_MODEL_COST_MAP"
    monkeypatch.delenv(name, raising=False)
    guard = guarded()
    assert os.environ[name] == "True"
    guard.uninstall()
    assert name not in os.environ
    monkeypatch.setenv(name, "False")
    guarded()
    assert os.environ[name] == "False"


def _case(name: str = "K-1") -> Recorder:
    return Recorder(pipeline="pipeline", case_id=name)


async def _aiohttp(url: str) -> int:
    async with aiohttp.ClientSession() as session, session.post(url, json={"messages": []}) as answer:
        return answer.status


async def _streams(url: str) -> None:
    host, port = url.split("/")[2].split(":")
    await asyncio.open_connection(host, int(port))


async def _in_a_thread(url: str) -> None:
    await asyncio.to_thread(requests.get, url, timeout=5)


def _udp(url: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", ("127.0.0.1", 9))


def _connect_ex(url: str) -> None:
    host, port = url.split("/")[2].split(":")
    with socket.socket() as sock:
        sock.connect_ex((host, int(port)))


def _http_client(url: str) -> None:
    connection = http.client.HTTPConnection(url.split("/")[2], timeout=5)
    try:
        connection.request("GET", "/")
    finally:
        connection.close()


def _pool(url: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(urllib.request.urlopen, url, timeout=5).result()


WAYS: dict[str, Callable[[str], Any]] = {
    "requests": lambda url: requests.post(url, json={}, timeout=5),
    "aiohttp": lambda url: asyncio.run(_aiohttp(url)),
    "urllib": lambda url: urllib.request.urlopen(url, timeout=5),
    "http.client": _http_client,
    "httpx to another path": lambda url: httpx.get(url, verify=False),
    "connect_ex": _connect_ex,
    "datagram": _udp,
    "asyncio streams": lambda url: asyncio.run(_streams(url)),
    "a thread of a pool": _pool,
    "asyncio.to_thread": lambda url: asyncio.run(_in_a_thread(url)),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_case_reaches_no_server(way: str, server: LLMServer, guarded: Callable[..., NetworkGuard]) -> None:
    guarded()
    case = _case()
    with recording(case), pytest.raises(NetworkRefused) as caught:
        WAYS[way](f"{server.url}/search")
    assert server.count == 0
    assert case.violations == [caught.value]
    port = 9 if way == "datagram" else server.port
    assert str(caught.value).startswith(f"--fapo-cache=only: case 'K-1' connected to 127.0.0.1:{port}, ")
    assert f'allow_hosts = ["127.0.0.1:{port}"]' in str(caught.value)


@pytest.mark.parametrize("way", ["requests", "aiohttp", "urllib"])
def test_what_is_no_case_is_left_alone(
    way: str, server: LLMServer, guarded: Callable[..., NetworkGuard]
) -> None:
    server.respond = lambda request: {"fine": True}
    guarded()
    WAYS[way](f"{server.url}/search")
    with recording(Recorder(pipeline="", case_id="optimizer")):
        WAYS[way](f"{server.url}/search")
    assert server.count == 2


@pytest.mark.parametrize("allow", ["127.0.0.1", "localhost", "127.0.0.*", "127.0.0.1:{port}", "*:{port}"])
def test_an_allowed_host_is_reached(
    allow: str, server: LLMServer, guarded: Callable[..., NetworkGuard]
) -> None:
    server.respond = lambda request: {"fine": True}
    guarded(allow.format(port=server.port))
    case = _case()
    with recording(case):
        for host in ("127.0.0.1", "localhost"):
            if allow != "127.0.0.1:{port}" or host != "localhost":
                requests.get(f"http://{host}:{server.port}/search", timeout=5)
    assert server.count > 0
    assert case.violations == []


@pytest.mark.parametrize("allow", ["127.0.0.2", "127.0.0.1:1", "db.internal", "*.internal:{port}"])
def test_another_hosts_permission_is_none(
    allow: str, server: LLMServer, guarded: Callable[..., NetworkGuard]
) -> None:
    guarded(allow.format(port=server.port))
    with recording(_case()), pytest.raises(NetworkRefused):
        requests.get(server.url, timeout=5)
    assert server.count == 0


def test_a_name_is_not_even_looked_up(guarded: Callable[..., NetworkGuard]) -> None:
    guarded()
    with recording(_case()), pytest.raises(NetworkRefused, match=r"to api\.model\.invalid:8443, "):
        requests.get("http://api.model.invalid:8443/v1", timeout=5)


def test_a_connection_from_before_the_case_is_not_used_by_it(
    server: LLMServer, guarded: Callable[..., NetworkGuard]
) -> None:
    server.respond = lambda request: {"fine": True}
    guarded()
    with requests.Session() as session:
        session.get(f"{server.url}/health", timeout=5)
        with recording(_case()), pytest.raises(NetworkRefused):
            session.post(f"{server.url}/api/chat", json={}, timeout=5)
    assert server.count == 1


def test_a_thread_of_nobody_fails_the_cases_that_run(
    server: LLMServer, guarded: Callable[..., NetworkGuard]
) -> None:
    """As of a queue whose worker was started before: it cannot be told for whom it asks."""
    guarded()
    asked, seen = threading.Event(), []

    def work() -> None:
        asked.wait(10)
        try:
            requests.get(server.url, timeout=5)
        except BaseException as error:
            seen.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    case = _case()
    with recording(case):
        asked.set()
        worker.join()
    assert server.count == 0
    assert [type(error) for error in seen] == [NetworkRefused]
    assert "a thread of no case connected while case 'K-1' ran" in str(case.refusal())


def test_a_swallowed_refusal_is_still_known(server: LLMServer, guarded: Callable[..., NetworkGuard]) -> None:
    guarded()
    case = _case()
    with recording(case), suppress(BaseException):
        requests.get(server.url, timeout=5)
    assert isinstance(case.refusal(), NetworkRefused)


def test_pipes_of_the_process_itself_go_on(guarded: Callable[..., NetworkGuard]) -> None:
    guarded()
    case = _case()

    async def program() -> str:
        started = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "print('from a child')", stdout=asyncio.subprocess.PIPE
        )
        return (await started.communicate())[0].decode().strip()

    with recording(case):
        one, other = socket.socketpair()
        with one, other:
            one.sendall(b"hello")
            assert other.recv(5) == b"hello"
        receive, send = multiprocessing.Pipe()
        send.send("hello")
        assert receive.recv() == "hello"
        assert asyncio.run(program()) == "from a child"
        with socket.create_server(("127.0.0.1", 0)):
            pass
    assert case.refusal() is None


def test_a_unix_socket_is_a_host_by_its_path(tmp_path: Path, guarded: Callable[..., NetworkGuard]) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        for allow, allowed in (((), False), ((path,), True)):
            guarded(*allow)
            with recording(_case()), socket.socket(socket.AF_UNIX) as sock:
                if allowed:
                    sock.connect(path)
                else:
                    with pytest.raises(NetworkRefused, match=path):
                        sock.connect(path)


# --- programs that a case starts --------------------------------------------------------------------------

SWALLOW = """
import urllib.request
try:
    urllib.request.urlopen({url!r}, timeout=5)
except BaseException:
    pass
"""
ASK = "import urllib.request; urllib.request.urlopen({url!r}, timeout=5)"


@pytest.mark.parametrize("swallowed", [False, True])
def test_a_python_program_inherits_the_refusal(
    swallowed: bool, server: LLMServer, guarded: Callable[..., NetworkGuard]
) -> None:
    guard = guarded()
    case = _case()
    case.late_violations = guard.collect
    code = (SWALLOW if swallowed else ASK).format(url=server.url)
    with recording(case):
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode == 0) is swallowed
    assert server.count == 0
    assert f"a program of it connected while case 'K-1' ran to 127.0.0.1:{server.port}" in str(case.refusal())
    assert guard.children.started.total() == 1
    (said,) = guard.children.warnings()
    assert "cases started 1 program(s)" in said


def test_a_program_outside_of_a_case_inherits_nothing(
    server: LLMServer, guarded: Callable[..., NetworkGuard]
) -> None:
    server.respond = lambda request: {"fine": True}
    guard = guarded()
    subprocess.run([sys.executable, "-c", ASK.format(url=server.url)], check=True)
    assert server.count == 1
    assert guard.children.warnings() == []


def test_the_users_own_sitecustomize_still_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guarded: Callable[..., NetworkGuard]
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import builtins\nbuiltins.OWN = 'ran'\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    guarded()
    with recording(_case()):
        said = subprocess.check_output([sys.executable, "-c", "print(OWN)"], text=True)
    assert said == "ran\n"


def _get(url: str) -> None:
    with suppress(BaseException):
        urllib.request.urlopen(url, timeout=5)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_process_of_multiprocessing_refuses_too(
    method: str, server: LLMServer, guarded: Callable[..., NetworkGuard]
) -> None:
    guard = guarded()
    case = _case()
    case.late_violations = guard.collect
    with recording(case):
        process = multiprocessing.get_context(method).Process(target=_get, args=(server.url,))  # type: ignore[attr-defined]
        process.start()
        process.join()
    assert server.count == 0
    assert f"to 127.0.0.1:{server.port}" in str(case.refusal())


def test_a_shell_is_counted(guarded: Callable[..., NetworkGuard]) -> None:
    guard = guarded()
    with recording(_case()):
        os.system("true")
    (said,) = guard.children.warnings()
    assert "(true x1)" in said


# --- the setting ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "host", "port", "admitted"),
    [
        ("db", "db", 5432, True),
        ("DB.Internal", "db.internal", 1, True),
        ("db:5432", "db", 5432, True),
        ("db:5432", "db", 5433, False),
        ("*.internal", "a.b.internal", 1, True),
        ("*.internal", "internal", 1, False),
        ("10.0.*:443", "10.0.3.4", 443, True),
        ("::1", "::1", 80, True),
        ("[::1]:80", "::1", 80, True),
        ("[::1]:80", "::1", 81, False),
        ("localhost", "::1", 80, True),
        ("localhost:80", "127.0.0.1", 80, True),
        ("127.0.0.1", "::ffff:127.0.0.1", 80, True),
        ("*", "anything.example", 80, True),
        ("/run/pg/*", "/run/pg/.s.PGSQL.5432", None, True),
        ("/run/pg/*", "/run/docker.sock", None, False),
    ],
)
def test_which_hosts_an_entry_admits(entry: str, host: str, port: int | None, admitted: bool) -> None:
    check_entry(entry)
    assert AllowedHosts([entry]).admit(Target(host, port)) is admitted


@pytest.mark.parametrize("entry", ["http://db", "", " ", "db:port", "db:70000", "db/path", "user@db"])
def test_an_entry_that_can_never_match_is_an_error(entry: str) -> None:
    with pytest.raises(ValueError, match="allow_hosts"):
        Settings(allow_hosts=[entry])
