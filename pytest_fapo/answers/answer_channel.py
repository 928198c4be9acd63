"""Recorded answers for a process that may not read the cache: it asks for one key at a time.

A key is the digest of a whole question, so a process gets the answers to what it can ask a model itself, and
nothing else. What it has paid for is kept, unless there is an answer already.
"""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from pytest_fapo.answers.cache import AnswerCache
from pytest_fapo.answers.cache_layers import layered_cache
from pytest_fapo.answers.shared_answers import SharedAnswers
from pytest_fapo.capture.http_answer import RecordedAnswer
from pytest_fapo.core.errors import ConfigError, FapoError
from pytest_fapo.core.line_sockets import LineClient, LineServer


class AnswerDesk:
    """Serves a process from the cache; a context manager.

    Args:
        base: folder to make the socket in.
        folder: the cache's.
        files: exported caches below it.
        writable: keep new answers.
        url: of answers that machines share; empty for none. Its password stays in this process.
    """

    def __init__(self, base: Path, folder: Path, files: list[Path], *, writable: bool, url: str = "") -> None:
        path = Path(tempfile.mkdtemp(prefix="s", dir=base)) / "a"
        self.socket = str(path)
        shared = SharedAnswers(url, writable=writable) if url else None
        self._cache = layered_cache(AnswerCache(folder), files, check=False, shared=shared)
        self._writable = writable
        self._server = LineServer(path, self._answer)

    def close(self) -> None:
        self._server.close()
        self._cache.close()
        with suppress(OSError):  # it was closed before
            Path(self.socket).parent.rmdir()

    def __enter__(self) -> AnswerDesk:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def remarks(self) -> list[str]:
        """See `SharedAnswers.remarks`."""
        return self._cache.shared.remarks() if self._cache.shared is not None else []

    def _answer(self, question: Any) -> Any:
        if "claim" in question:
            return {"claimed": self._cache.claim(str(question["key"]))}
        if "release" in question:
            return self._cache.release(str(question["key"]))
        try:
            found = self._cache.get(str(question["key"]))
            if "answer" in question and found is None and self._writable:
                self._cache.put(str(question["key"]), RecordedAnswer.from_text(str(question["answer"])))
        except (FapoError, OSError, sqlite3.Error) as error:
            return {"problem": str(error)}
        shares = self._cache.shared is not None
        return {"answer": found.to_text() if found is not None else None, "shares": shares}


class ChanneledAnswers:
    """The cache as such a process sees it.

    Args:
        path: of the socket.
    """

    def __init__(self, path: Path) -> None:
        self._client = LineClient(str(path))
        self._shares = False

    def get(self, key: str) -> RecordedAnswer | None:
        """Return the answer under `key`; None where there is none."""
        text = self._ask({"key": key})
        return RecordedAnswer.from_text(text) if text is not None else None

    def put(self, key: str, recorded: RecordedAnswer) -> None:
        """Have an answer kept."""
        self._ask({"key": key, "answer": recorded.to_text()})

    def claim(self, key: str) -> bool:
        """See `SharedAnswers.claim`."""
        if not self._shares:
            return True
        try:
            return bool(self._client.ask({"key": key, "claim": True})["claimed"])
        except OSError:
            return True

    def release(self, key: str) -> None:
        """See `SharedAnswers.release`."""
        if self._shares:
            with suppress(OSError):
                self._client.ask({"key": key, "release": True})

    def keys(self) -> list[str]:
        """None: who asks here may not know what else there is."""
        return []

    def close(self) -> None:
        """Nothing is open but connections, which end with their threads."""

    def _ask(self, question: dict[str, str]) -> str | None:
        try:
            answer = self._client.ask(question)
        except OSError as error:
            raise ConfigError(f"the recorded answers cannot be asked for: {error}") from None
        if "problem" in answer:
            raise ConfigError(answer["problem"])
        self._shares = answer["shares"]
        text: str | None = answer["answer"]
        return text
