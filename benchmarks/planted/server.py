"""The loopback provider: plays every pipeline's model, and the optimizers, over real HTTP."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from benchmarks.loopback import LoopbackHandler, listening
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

    class Handler(LoopbackHandler):
        def do_POST(self) -> None:
            body = self.json_body()
            try:
                status, answer = 200, server.respond(urlsplit(self.path).path, body)
            except Exception as error:  # the client should see it, not this thread's end
                status, answer = 500, {"error": {"message": f"{type(error).__name__}: {error}"}}
            self.send_json(status, answer)

    with listening(Handler) as server.base:
        yield server
