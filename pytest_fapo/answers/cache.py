"""Recorded answers on disk, in one folder for all processes of a project, and their statistics."""

from __future__ import annotations

import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from zlib import crc32

from pytest_fapo.capture.answer_reading import api_of_answer, model_of_answer
from pytest_fapo.capture.cache_key import KEY_FORMAT
from pytest_fapo.capture.http_answer import RecordedAnswer
from pytest_fapo.core.errors import ConfigError

if TYPE_CHECKING:
    from pytest_fapo.answers.text_store import TextStore

_NO_LIMIT = 2**62

_PATIENCE = 10.0
"""Seconds to wait for other processes that write."""


class AnswerCache:
    """Answers by key, shared safely by threads and processes; what `put` returned from survives a kill.

    The folder is opened on first use, and private to the user. Nothing in it is ever executed or unpickled:
    an entry that was tampered with counts as absent. A database that turns out to be damaged, deleted or
    locked is reported once, by a ConfigError; from then on it counts as empty.

    Args:
        folder: where the cache lives; made when the first answer is looked up.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.outdated = 0
        """Answers that a version with another form of keys left here, and that cannot be found any more;
        counted by the first process of this version that opens them."""
        self._file = str(folder / "cache.db")
        self._store: TextStore | None = None
        self._opening = Lock()
        self._opened: tuple[int, int] | None = None
        self._unreadable = ""
        self._unwritable = ""

    def get(self, key: str) -> RecordedAnswer | None:
        """Return the answer under `key`; None where there is none that can be used."""
        if self._unreadable:
            return None
        try:
            store = self._open()
            self._check(store)
            text = store.read(key)
            return None if text is None else _answer_of_row(key, text)
        except (ConfigError, sqlite3.Error) as error:
            found = error if isinstance(error, ConfigError) else self._damaged(error)
            with self._opening:  # all that read just now hear the same words
                self._unreadable = self._unreadable or str(found)
            raise ConfigError(self._unreadable) from error
        except ValueError:  # not as it was recorded, or none of our rows
            return None

    def put(self, key: str, recorded: RecordedAnswer) -> None:
        """Keep an answer; when this returns, it is on disk."""
        if self._unreadable or self._unwritable:
            return
        text = _row(key, recorded)
        try:
            with self._in_use() as store:
                if not self._unwritable:
                    store.set(key, text)
        except ConfigError as error:
            self._unwritable = self._unwritable or str(error)
            raise

    def put_all(self, answers: Iterable[tuple[str, RecordedAnswer]]) -> None:
        """Keep many answers, all or none of them."""
        with self._whole() as store, store.transact():
            for key, recorded in answers:
                store.set(key, _row(key, recorded))

    def exists(self) -> bool:
        """True if there is a cache on disk; asking does not make one."""
        return os.path.isfile(self._file)

    def __len__(self) -> int:
        with self._whole() as store:
            return len(store)

    def keys(self) -> list[str]:
        """Return all keys, sorted."""
        with self._whole() as store:
            return sorted(key for key in store.iterkeys() if key)

    def recorded_between(self) -> tuple[float, float] | None:
        """When the first and the last answer were recorded, in epoch seconds; None without any."""
        with self._whole() as store:
            return store.times()

    def clear(self) -> None:
        """Forget every answer, and give the space on disk back."""
        with self._whole() as store:
            store.clear()
            store.shrink()

    def close(self) -> None:
        """Close the database; the next use opens it again."""
        store, self._store = self._store, None
        if store is not None:
            with store.lock:
                store.close()

    @contextmanager
    def _in_use(self) -> Iterator[TextStore]:
        """The store, for one answer.

        Raises:
            ConfigError: it cannot be used; to all that wait for it with the same words.
        """
        with self._whole() as store:
            self._check(store)
            yield store

    def _check(self, store: TextStore) -> None:
        """Raise where the file is not, or no longer, the one that was opened."""
        store.repair_index()
        if self._identity() != self._opened:
            self._unreadable = f"the cache in {self.folder} was deleted or replaced while it was in use"
        if self._unreadable:
            raise ConfigError(self._unreadable)

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._file)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    @contextmanager
    def _whole(self) -> Iterator[TextStore]:
        """The store, for what concerns all of its rows.

        Raises:
            ConfigError: the database is damaged.
        """
        from diskcache import Timeout as Busy

        store = self._open()
        try:
            with store.lock:
                yield store
        except (sqlite3.Error, Busy) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> ConfigError:
        if not isinstance(error, sqlite3.Error):
            return ConfigError(
                f"the cache in {self.folder} cannot be written: another process has locked it for more than "
                f"{_PATIENCE:g} s, or the disk is full or read-only"
            )
        if isinstance(error, sqlite3.OperationalError) and "no such table" not in str(error):
            return ConfigError(f"the cache in {self.folder} cannot be used ({error})")
        return ConfigError(f"the cache in {self.folder} is damaged ({error}); delete that folder")

    def _open(self) -> TextStore:
        if self._store is None:
            with self._opening:
                if self._unreadable:
                    raise ConfigError(self._unreadable)
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
                    store = self._connect()
                    self._opened = self._identity()
                    self.outdated = store.outdated_by(KEY_FORMAT)
                    return store
                except sqlite3.OperationalError as error:
                    # Two processes that both turn a new database to WAL: one is told so at once.
                    if "locked" not in str(error) or time.monotonic() > deadline:
                        raise
                    time.sleep(0.005)
        except Exception as error:  # diskcache takes its settings from the file, whatever is there
            raise ConfigError(
                f"the cache in {self.folder} cannot be opened ({error}); "
                "delete that folder, or run with --fapo-cache=off"
            ) from error

    def _connect(self) -> TextStore:
        from pytest_fapo.answers.text_store import TextStore

        return TextStore(
            str(self.folder), timeout=_PATIENCE, size_limit=_NO_LIMIT, cull_limit=0, eviction_policy="none"
        )


@dataclass(frozen=True)
class CacheStats:
    """The contents of a cache, in figures."""

    answers: int = 0
    bytes: int = 0
    """Size of the folder."""
    models: dict[str, int] = field(default_factory=dict)
    """Model, as the answers name it, to number of answers, the most first; empty name where they do not."""
    apis: dict[str, int] = field(default_factory=dict)
    """API as in `LLMCall.api` to number of answers, the most first."""
    offline: int = 0
    """Answers that the stand-in model gave."""
    imported: int = 0
    """Answers that came in a file, or from other machines."""
    oldest: datetime | None = None
    """When the first of the answers was recorded, in UTC; None where there is none."""
    newest: datetime | None = None


def cache_stats(cache: AnswerCache) -> CacheStats:
    """Count what is in the local cache; a cache that is not there yet is not made.

    Raises:
        ConfigError: the cache cannot be opened.
    """
    if not cache.exists():
        return CacheStats()
    models: Counter[str] = Counter()
    apis: Counter[str] = Counter()
    offline = imported = 0
    for answer in map(cache.get, cache.keys()):
        if answer is None:
            continue
        models[model_of_answer(answer)] += 1
        apis[api_of_answer(answer)] += 1
        offline += answer.offline
        imported += answer.imported
    oldest, newest = map(_moment, cache.recorded_between() or (None, None))
    return CacheStats(
        answers=apis.total(),
        bytes=sum(file.stat().st_size for file in cache.folder.iterdir() if file.is_file()),
        models=_most_frequent_first(models),
        apis=_most_frequent_first(apis),
        offline=offline,
        imported=imported,
        oldest=oldest,
        newest=newest,
    )


def clear_cache(cache: AnswerCache) -> int:
    """Forget every answer and give the space back; returns how many answers there were.

    Raises:
        ConfigError: the cache cannot be opened.
    """
    if not cache.exists():
        return 0
    count = len(cache)
    cache.clear()
    return count


def _row(key: str, answer: RecordedAnswer) -> str:
    """Return the text under a key: a checksum that binds it to the key, and the answer."""
    text = answer.to_text()
    return f"{_checksum(key, text)} {text}"


def _answer_of_row(key: str, row: str) -> RecordedAnswer:
    """Read what `_row` returned, or what versions without checksums have written.

    Raises:
        ValueError: it is damaged.
    """
    if row.startswith("{"):
        return RecordedAnswer.from_text(row)
    checksum, _, text = row.partition(" ")
    if checksum != _checksum(key, text):
        raise ValueError("not as it was recorded")
    return RecordedAnswer.from_text(text)


def _checksum(key: str, text: str) -> str:
    return f"{crc32(text.encode('utf-8', 'surrogatepass'), crc32(key.encode('utf-8', 'replace'))):08x}"


def _most_frequent_first(counter: Counter[str]) -> dict[str, int]:
    return dict(sorted(counter.items(), key=lambda item: (-item[1], item[0])))


def _moment(seconds: float | None) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, tz=timezone.utc) if seconds is not None else None
    except (OverflowError, ValueError, OSError):  # a damaged row
        return None
