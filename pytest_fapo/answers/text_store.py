"""A diskcache that is safe to read: it stores text only, unpickles nothing, and opens or deletes no other
file.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import suppress
from typing import Any

import diskcache
from diskcache.core import DBNAME, MODE_RAW, UNKNOWN

_INHERITED: list[sqlite3.Connection | None] = []

_READ = "SELECT mode, filename, value FROM Cache WHERE key = ? AND raw = 1 AND expire_time IS NULL"
"""As diskcache reads, for rows that never expire."""

_WRITE = (
    "INSERT INTO Cache (key, raw, store_time, access_time, size, mode, value) VALUES (?, 1, ?, ?, ?, ?, ?)"
    " ON CONFLICT (key, raw) DO UPDATE SET store_time = excluded.store_time, expire_time = NULL,"
    " access_time = excluded.access_time, access_count = 0, tag = NULL, size = excluded.size,"
    " mode = excluded.mode, filename = NULL, value = excluded.value"
)

BAD_KEY = ""
"""The value returned for a key that is not a text; never a key of ours."""


class BadRow(ValueError):
    """A row that no version of this package has written."""


class TextDisk(diskcache.Disk):  # type: ignore[misc]
    """Stores texts under texts, inside the database only."""

    def put(self, key: Any) -> tuple[str, bool]:
        if type(key) is not str:
            raise TypeError(f"cache keys are texts, not {type(key).__name__}")
        return key, True

    def get(self, key: Any, raw: Any) -> str:
        return key if raw and type(key) is str else BAD_KEY

    def store(self, value: Any, read: bool, key: Any = UNKNOWN) -> tuple[int, int, None, str]:
        if type(value) is not str or read:
            raise TypeError(f"cache values are texts, not {type(value).__name__}")
        return len(value), MODE_RAW, None, value

    def fetch(self, mode: Any, filename: Any, value: Any, read: bool) -> str:
        if mode != MODE_RAW or filename is not None or type(value) is not str or read:
            raise BadRow(f"mode {mode!r}, file {filename!r}, {type(value).__name__}")
        return value

    def remove(self, file_path: str) -> None:
        """Nothing: no row of ours has a file, so any name here comes from a stranger."""


class TextStore(diskcache.Cache):  # type: ignore[misc]
    """A diskcache with one connection for all that write, serialized by `lock`, and further ones for `read`,
    which needs no lock.

    diskcache itself keeps a connection per thread and leaves closing it to the garbage collector, which under
    Python 3.13+ warns about each; with `-W error` that would fail the tests of the user.
    """

    def __init__(self, directory: str, **settings: Any) -> None:
        self.lock = threading.RLock()
        self._shared: sqlite3.Connection | None = None
        self._idle: list[sqlite3.Connection] = []
        """Connections that read, and that no thread uses just now."""
        self._index = os.path.join(directory, f"{DBNAME}-shm")
        self._pid = os.getpid()
        self._index_size = 0
        try:
            # No memory map: a file that is cut off meanwhile would end the process with SIGBUS.
            super().__init__(directory, disk=TextDisk, sqlite_mmap_size=0, **settings)
        except BaseException:
            self.close()
            raise

    @property
    def _con(self) -> sqlite3.Connection:
        self._leave_to_parent()
        if self._shared is None:
            self._shared = self._connect()
            # journal_mode is a property of the file; these two belong to the connection
            self._shared.execute("PRAGMA synchronous = 1")
            self._shared.execute("PRAGMA cache_size = 8192")
        return self._shared

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(
            os.path.join(self._directory, DBNAME),
            timeout=self._timeout,
            isolation_level=None,
            check_same_thread=False,
        )

    def _leave_to_parent(self) -> None:
        """A connection must neither be used nor closed in a forked child."""
        if self._pid != os.getpid():
            _INHERITED.extend([self._shared, *self._idle])
            self._shared, self._idle, self._pid = None, [], os.getpid()

    def read(self, key: str) -> str | None:
        """Return the text under a key; None where there is none. Any number of threads may read at once.

        Raises:
            BadRow: the row is none of ours.
        """
        self._leave_to_parent()
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        try:
            row = connection.execute(_READ, (key,)).fetchone()
        finally:
            self._idle.append(connection)
        return None if row is None else self._disk.fetch(*row, read=False)

    def set(self, key: str, value: str) -> None:
        """Keep a text, as diskcache does, in one statement where that takes four.

        Raises:
            diskcache.Timeout: the file cannot be written.
        """
        size, mode, _, text = self._disk.store(value, read=False)
        now = time.time()
        try:
            self._con.execute(_WRITE, (self._disk.put(key)[0], now, now, size, mode, text))
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                raise
            raise diskcache.Timeout from error

    def times(self) -> tuple[float, float] | None:
        """When the oldest and the newest row were stored, in epoch seconds; None without rows."""
        first, last = self._con.execute("SELECT MIN(store_time), MAX(store_time) FROM Cache").fetchone()
        return (float(first), float(last)) if isinstance(first, float) and isinstance(last, float) else None

    def repair_index(self) -> None:
        """Give the memory-mapped index of the write-ahead log its size back where somebody has cut it off:
        SQLite rebuilds it from zeros, while reading past its end would end the process with SIGBUS."""
        with suppress(OSError):
            size = os.stat(self._index).st_size
            if size < self._index_size:
                os.truncate(self._index, self._index_size)
            self._index_size = max(size, self._index_size)

    def outdated_by(self, form: int) -> int:
        """Return the number of answers whose keys have an earlier form than `form`, and mark the database as
        current, so that nobody hears of them twice.
        """
        if self._con.execute("PRAGMA user_version").fetchone()[0] >= form:
            return 0
        count = self._con.execute("SELECT COUNT(*) FROM Cache").fetchone()[0]
        self._con.execute(f"PRAGMA user_version = {form:d}")
        return int(count)

    def shrink(self) -> None:
        """Give the space of deleted rows back to the file system; not while another process uses it."""
        with suppress(sqlite3.OperationalError):
            self._con.execute("VACUUM")
            self._con.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the connections; the next use opens others."""
        if self._pid == os.getpid():
            idle, self._idle = self._idle, []
            connection, self._shared = self._shared, None
            self.repair_index()
            for each in [*idle, *([connection] if connection is not None else [])]:
                each.close()

    def __del__(self) -> None:
        if getattr(self, "_shared", None) is not None or getattr(self, "_idle", None):
            self.close()
