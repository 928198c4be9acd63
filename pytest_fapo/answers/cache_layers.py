"""The local cache, with read-only exported caches and answers that machines share below it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

from pytest_fapo.answers.cache import AnswerCache
from pytest_fapo.answers.exported_cache import AnswerFile
from pytest_fapo.answers.shared_answers import SharedAnswers
from pytest_fapo.capture.http_answer import RecordedAnswer
from pytest_fapo.core.errors import FapoError


class LayeredCache:
    """Answers of the local cache, and where it has none those of the first layer that has one.

    New answers are kept in the local cache and shared; what others have shared is kept in the local cache,
    too. Files are never written.
    """

    def __init__(
        self, local: AnswerCache | None, layers: Sequence[AnswerFile], shared: SharedAnswers | None = None
    ) -> None:
        self.local = local
        self.layers = tuple(layers)
        self.shared = shared
        self.problems: list[str] = []
        """The problems with the local cache when a layer had the answer anyway."""

    def get(self, key: str) -> RecordedAnswer | None:
        """Return the answer under `key`; None where no layer has one that can be used."""
        found, broken = None, None
        try:
            found = self.local.get(key) if self.local is not None else None
        except (FapoError, OSError, sqlite3.Error) as error:
            broken = error
        for layer in self.layers:
            if found is not None:
                break
            found = layer.get(key)
        if found is None and self.shared is not None:
            found = self._shared_answer(key, self.shared, usable=broken is None)
        if broken is not None:
            if found is None:
                raise broken
            self.problems.append(str(broken))
        return found

    def _shared_answer(self, key: str, shared: SharedAnswers, *, usable: bool) -> RecordedAnswer | None:
        found = shared.get(key)
        if found is not None and usable and shared.writable and self.local is not None:
            try:
                self.local.put(key, found)
            except (FapoError, OSError, sqlite3.Error) as error:
                self.problems.append(str(error))
        return found

    def put(self, key: str, recorded: RecordedAnswer) -> None:
        """Keep an answer in the local cache, and share it."""
        if self.shared is not None:
            self.shared.put(key, recorded)
        if self.local is not None:
            self.local.put(key, recorded)

    def claim(self, key: str) -> bool:
        """See `SharedAnswers.claim`."""
        return self.shared is None or self.shared.claim(key)

    def release(self, key: str) -> None:
        """See `SharedAnswers.release`."""
        if self.shared is not None:
            self.shared.release(key)

    def keys(self) -> list[str]:
        """Return the keys of all layers, sorted."""
        keys = set(self.local.keys()) if self.local is not None else set()
        return sorted(keys.union(*(layer.keys() for layer in self.layers)))

    def close(self) -> None:
        """Let go of all files and connections."""
        if self.shared is not None:
            self.shared.close()
        if self.local is not None:
            self.local.close()
        for layer in self.layers:
            layer.close()


def layered_cache(
    local: AnswerCache | None,
    paths: Iterable[Path],
    *,
    check: bool = True,
    shared: SharedAnswers | None = None,
) -> LayeredCache:
    """`local` with the exported caches at `paths` below it, the first on top.

    Args:
        local: None for no local cache.
        paths: of the files.
        check: look at every answer of the files now, not only when it is asked for.
        shared: answers of other machines.

    Raises:
        CacheFileError: a file cannot be used.
    """
    with ExitStack() as opened:
        layers = []
        for path in paths:
            layer = AnswerFile(path, check=check)
            opened.callback(layer.close)
            layers.append(layer)
        opened.pop_all()
    return LayeredCache(local, layers, shared)


def project_cache(root: Path, files: Iterable[str]) -> LayeredCache:
    """Return the cache of a project as its sessions see it.

    Args:
        root: the project's folder.
        files: the setting `cache_files`; those that do not exist (yet) count for nothing.

    Raises:
        CacheFileError: a file cannot be used.
    """
    local = local_cache(root)
    paths = [path for path in (root / name for name in files) if path.exists()]
    return layered_cache(local if local.exists() else None, paths)


def local_cache(root: Path) -> AnswerCache:
    """Return the cache in the project's folder `root`; made when it is first used."""
    return AnswerCache(root / ".fapo" / "cache")
