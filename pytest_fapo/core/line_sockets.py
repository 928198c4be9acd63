"""JSON lines over a Unix socket: one line asks, one line answers. Standard library only."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

LONGEST = 64 << 20
"""Bytes of a line; a longer one ends its connection."""


class LineServer:
    """Answers at `path`, each connection in a thread of its own, until it is closed.

    Args:
        path: of the socket; must not exist.
        answer: gives the answer to a question; what it raises ends the connection.
    """

    def __init__(self, path: Path, answer: Callable[[Any], Any]) -> None:
        self.path = path
        self._answer = answer
        self._socket = socket.socket(socket.AF_UNIX)
        unheard = path.with_name(path.name + "-")
        self._socket.bind(os.fspath(unheard))
        self._socket.listen(128)
        unheard.rename(path)  # whoever sees it can connect
        threading.Thread(target=self._accept, name="fapo-lines", daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.path.unlink(missing_ok=True)

    def _accept(self) -> None:
        with suppress(OSError):  # it was closed
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(
                    target=self._serve, args=(connection,), name="fapo-line", daemon=True
                ).start()

    def _serve(self, connection: socket.socket) -> None:
        # Whoever asks nonsense, or gets an answer that is none, loses the connection and nothing more.
        with suppress(Exception), connection, connection.makefile("rwb") as stream:
            while line := _line_of(stream):
                stream.write(json.dumps(self._answer(json.loads(line))).encode() + b"\n")
                stream.flush()


class LineClient:
    """Asks a `LineServer`; every thread of every process has a connection of its own.

    Args:
        path: of the socket.
        timeout: seconds to wait for an answer; None for as long as it takes.
    """

    def __init__(self, path: str, timeout: float | None = None) -> None:
        self._path = path
        self._timeout = timeout
        self._kept = threading.local()

    def ask(self, question: Any) -> Any:
        """Return the answer.

        Raises:
            OSError: nobody answers.
            ValueError: what is answered is not JSON.
        """
        stream = self._stream()
        try:
            stream.write(json.dumps(question).encode() + b"\n")
            stream.flush()
            line = _line_of(stream)
        except BaseException:
            self._kept.stream = None
            raise
        if not line:
            self._kept.stream = None
            raise ConnectionError("the connection was closed without an answer")
        try:
            return json.loads(line)
        except RecursionError:
            raise ValueError("the answer is nested too deeply") from None

    def _stream(self) -> Any:
        kept = getattr(self._kept, "stream", None)
        if kept is None or self._kept.process != os.getpid():
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(self._timeout)
            connection.connect(self._path)
            kept = self._kept.stream = connection.makefile("rwb")
            self._kept.process = os.getpid()
            connection.close()  # the stream keeps it open
        return kept


def _line_of(stream: Any) -> bytes:
    line: bytes = stream.readline(LONGEST)
    if line and not line.endswith(b"\n"):
        raise ValueError("the line is too long, or was cut")
    return line
