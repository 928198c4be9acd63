"""Recorded answers on disk, one folder for all processes of a project."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from pytest_fapo.errors import ConfigError
from pytest_fapo.llm.recorded import Recorded

if TYPE_CHECKING:
    from pytest_fapo.llm.disk import TextStore

_NO_LIMIT = 2**62
_PATIENCE = 60.0
"""Seconds to wait for other processes that write."""


class Cache:
    """Answers by key, shared safely by threads and processes; what `put` returned from survives a kill.

    The folder is opened on first use, and private to the user. Nothing in it is ever executed or unpickled:
    an entry that was tampered with counts as absent.

    Args:
        folder: where the cache lives; made when the first answer is looked up.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._store: TextStore | None = None
        self._opening = Lock()

    def get(self, key: str) -> Recorded | None:
        """The answer under `key`; None where there is none that can be used."""
        from pytest_fapo.llm.disk import BadRow

        store = self._open()
        with store.lock:
            try:
                text = store.get(key, retry=True)
            except BadRow:
                return None
            except sqlite3.Error as error:
                raise self._damaged(error) from error
        if text is None:
            return None
        try:
            return Recorded.from_text(text)
        except ValueError:
            return None

    def put(self, key: str, recorded: Recorded) -> None:
        """Keep an answer; when this returns, it is on disk."""
        text = recorded.to_text()
        store = self._open()
        with store.lock:
            store.set(key, text, retry=True)

    def put_all(self, answers: Iterable[tuple[str, Recorded]]) -> None:
        """Keep many answers, all or none of them."""
        with self._whole() as store, store.transact(retry=True):
            for key, recorded in answers:
                store.set(key, recorded.to_text(), retry=True)

    def exists(self) -> bool:
        """Whether there is a cache on disk; asking does not make one."""
        return (self.folder / "cache.db").is_file()

    def __len__(self) -> int:
        with self._whole() as store:
            return len(store)

    def keys(self) -> list[str]:
        """All keys, sorted."""
        with self._whole() as store:
            return sorted(key for key in store.iterkeys() if key)

    def recorded_between(self) -> tuple[float, float] | None:
        """When the first and the last answer were recorded, in epoch seconds; None without any."""
        with self._whole() as store:
            return store.times()

    def clear(self) -> None:
        """Forget every answer, and give the space on disk back."""
        with self._whole() as store:
            store.clear(retry=True)
            store.shrink()

    def close(self) -> None:
        """Close the database; the next use opens it again."""
        store, self._store = self._store, None
        if store is not None:
            with store.lock:
                store.close()

    @contextmanager
    def _whole(self) -> Iterator[TextStore]:
        """The store, for what concerns all of its rows.

        Raises:
            ConfigError: the database is damaged.
        """
        store = self._open()
        try:
            with store.lock:
                yield store
        except sqlite3.Error as error:
            raise self._damaged(error) from error

    def _damaged(self, error: sqlite3.Error) -> ConfigError:
        if isinstance(error, sqlite3.OperationalError):  # locked, read-only, no space left
            return ConfigError(f"the cache in {self.folder} cannot be used ({error})")
        return ConfigError(f"the cache in {self.folder} is damaged ({error}); delete that folder")

    def _open(self) -> TextStore:
        if self._store is None:
            with self._opening:
                if self._store is None:
                    self._store = self._create()
        return self._store

    def _create(self) -> TextStore:
        deadline = time.monotonic() + _PATIENCE
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder.chmod(0o700)
            while True:
                try:
                    return self._connect()
                except sqlite3.OperationalError as error:
                    # Two processes that both turn a new database to WAL: one is told so at once.
                    if "locked" not in str(error) or time.monotonic() > deadline:
                        raise
                    time.sleep(0.005)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(
                f"the cache in {self.folder} cannot be opened ({error}); "
                "delete that folder, or run with --fapo-cache=off"
            ) from error

    def _connect(self) -> TextStore:
        from pytest_fapo.llm.disk import TextStore

        return TextStore(
            str(self.folder), timeout=_PATIENCE, size_limit=_NO_LIMIT, cull_limit=0, eviction_policy="none"
        )
