"""HTTP on a free port of this machine: the frame of every provider that a benchmark or a test plays."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class LoopbackHandler(BaseHTTPRequestHandler):
    """Keeps connections open, sends at once and logs nothing; subclasses answer in `do_POST`."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""

    def content(self) -> bytes:
        """Return the request's body, in one piece or in chunks."""
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        content = b""
        while size := int(self.rfile.readline().strip(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def json_body(self) -> Any:
        """Return the request's body, which is JSON."""
        return json.loads(self.content())

    def send(self, status: int, data: bytes, *, kind: str = "application/json", missing: int = 0) -> None:
        """Send an answer.

        Args:
            status: of HTTP.
            data: the body.
            kind: its content type.
            missing: by so many bytes the announced length is longer than the body; the connection ends then.
        """
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data) + missing))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()
        if missing:
            self.close_connection = True

    def send_json(self, status: int, body: Any) -> None:
        """Send an answer of JSON."""
        self.send(status, json.dumps(body).encode())


class LoopbackServer(ThreadingHTTPServer):
    """Listens on a free port of 127.0.0.1; many clients may knock at once, and may hang up."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, handler: type[LoopbackHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that has gone."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


@contextmanager
def listening(handler: type[LoopbackHandler]) -> Iterator[str]:
    """Serve until the block ends; gives the server's URL without a slash at its end."""
    server = LoopbackServer(handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server.url
    finally:
        server.shutdown()
        server.server_close()
