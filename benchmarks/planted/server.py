"""The loopback provider: plays every pipeline's model, and the optimizers, over real HTTP."""

from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from benchmarks.planted import talk
from benchmarks.planted.talk import Ask, Say

Answerer = Callable[[Ask], Say]


class Server:
    """Answers `http://127.0.0.1:<port>/<name>/v1/…` with whatever is registered under that name.

    Models whose name begins with `opt` are the optimizer's and go to a second answerer.
    """

    def __init__(self) -> None:
        self.models: dict[str, Answerer] = {}
        self.optimizers: dict[str, Answerer] = {}
        self.calls: Counter[str] = Counter()
        """Requests to the pipeline's model, by name."""
        self.base = ""
        self._lock = threading.Lock()

    def url(self, name: str) -> str:
        return f"{self.base}/{name}"

    def respond(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one request, in the shape of its provider."""
        name, _, rest = path.strip("/").partition("/")
        ask = talk.read(rest if rest.startswith("/") else f"/{rest}", body)
        if ask.model.startswith("opt"):
            return talk.write(path, ask, self.optimizers[name](ask))
        with self._lock:
            self.calls[name] += 1
        return talk.write(path, ask, self.models[name](ask))


@contextmanager
def serving() -> Iterator[Server]:
    """A running server on a free port of this machine."""
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16

        def setup(self) -> None:
            super().setup()
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                status, answer = 200, server.respond(urlsplit(self.path).path, json.loads(raw))
            except Exception as error:  # the client should see it, not this thread's end
                status, answer = 500, {"error": {"message": f"{type(error).__name__}: {error}"}}
            data = json.dumps(answer).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
                self.wfile.flush()
            except OSError:
                self.close_connection = True  # the client is gone

    class Listener(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    httpd = Listener(("127.0.0.1", 0), Handler)
    server.base = f"http://127.0.0.1:{httpd.server_address[1]}"
    threading.Thread(target=httpd.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()
