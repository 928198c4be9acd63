"""A real `redis-server` on a free port, which tests stop, kill and start again."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

BINARY = shutil.which("redis-server") or ""


class RedisServer:
    """One server; its data is gone when it ends.

    Args:
        folder: its working folder.
        arguments: of `redis-server`, beside the port.
    """

    def __init__(self, folder: Path, *arguments: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self.folder = folder
        self.arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        port = [] if "--tls-port" in self.arguments else ["--port", str(self.port)]
        given = [text.replace("{port}", str(self.port)) for text in self.arguments]
        self._process = subprocess.Popen(
            [BINARY, *port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", *given],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.01)
        pytest.fail("redis-server does not begin")

    def kill(self) -> None:
        """As a crash: at once, with nothing saved."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A running server."""
    needs_redis()
    server = RedisServer(tmp_path)
    yield server
    server.kill()


def needs_redis() -> None:
    """Skip a test where the server or the client is not installed."""
    if not BINARY:
        pytest.skip("redis-server is not installed (Debian: apt-get install redis-server)")
    pytest.importorskip("redis", reason="needs pytest-fapo[redis]")
