"""A cache that travels: exported to one file that can be committed or sent, and imported from one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from pytest_fapo.errors import CacheFileError
from pytest_fapo.llm.answer_file import AnswerFile
from pytest_fapo.llm.answer_lines import ANSWER_BYTES, KEY, to_line
from pytest_fapo.llm.answer_writing import write_lines
from pytest_fapo.llm.cache import Cache
from pytest_fapo.llm.layers import Answers
from pytest_fapo.llm.portable import NotPortable, portable
from pytest_fapo.llm.recorded import Recorded
from pytest_fapo.trace.redact import Redactor


@dataclass(frozen=True)
class ExportResult:
    """What an export has written."""

    answers: int
    """How many answers the file holds."""
    bytes: int
    """The file's size."""
    redacted: int = 0
    """Answers from which a credential, or what the setting `redact` matches, was taken out: what replays them
    gets `[redacted]` in its place."""
    left_out: tuple[str, ...] = ()
    """A sentence for each answer that could not be exported, with its key and why."""


@dataclass(frozen=True)
class ImportResult:
    """What an import has brought."""

    added: int
    """Answers that are new here."""
    known: int
    """Answers to questions that are answered here already; those were left as they are."""


def export_cache(
    cache: Answers,
    path: Path,
    *,
    keys: Collection[str] | None = None,
    redact: Callable[[str], str] | None = None,
) -> ExportResult:
    """Write recorded answers to one JSON file, all or nothing. Equal answers give an equal file.

    Args:
        cache: where the answers are; with layers, theirs are exported too.
        path: the file; an earlier export there is replaced.
        keys: of the answers that are wanted; None for all. Keys without an answer are passed over.
        redact: takes out of every text what must not leave the machine; default: a plain `Redactor`, which
            knows the credentials in the environment and the usual forms of keys.

    Raises:
        CacheFileError: there is no answer to export, or the file cannot be written.
    """
    recorded = cache.keys() if keys is None else sorted(set(keys).intersection(cache.keys()))
    wanted = [key for key in recorded if KEY.fullmatch(key)]
    export = _Export(cache, redact or Redactor())
    lines = export.lines(wanted)
    first = next(lines, None)
    if first is None:
        raise CacheFileError(_nothing(path, export.left_out))
    size = write_lines(path, chain([first], lines))
    return ExportResult(export.count, size, export.redacted, tuple(export.left_out))


def import_cache(cache: Cache, path: Path) -> ImportResult:
    """Take the answers of an exported cache into the local one, all or none.

    What the local cache has already stays as it is.

    Raises:
        CacheFileError: the file cannot be used; nothing was imported.
    """
    with closing(AnswerFile(path)) as file:
        keys = set(file.keys())
        new = sorted(keys.difference(cache.keys()))
        cache.put_all((key, found) for key in new if (found := file.get(key)) is not None)
    return ImportResult(added=len(new), known=len(keys) - len(new))


class _Export:
    """Counts while the answers pass, so that never all of them are in memory."""

    def __init__(self, cache: Answers, redact: Callable[[str], str]) -> None:
        self._cache = cache
        self._redact = redact
        self.count = 0
        self.redacted = 0
        self.left_out: list[str] = []

    def lines(self, keys: Iterable[str]) -> Iterator[bytes]:
        """The lines of the answers that there are, in the order of the keys."""
        for key in keys:
            found = self._cache.get(key)
            if found is None:
                continue
            try:
                yield self._line(key, found)
            except NotPortable as error:
                self.left_out.append(f"the answer {key[:12]}… was left out: {error}")

    def _line(self, key: str, found: Recorded) -> bytes:
        ready = portable(found, self._redact)
        line = to_line(key, ready.answer)
        if len(line) >= ANSWER_BYTES:
            raise NotPortable(f"it is larger than {ANSWER_BYTES // 2**20} MiB")
        self.count += 1
        self.redacted += ready.redacted
        return line


def _nothing(path: Path, left_out: list[str]) -> str:
    why = "; ".join(left_out[:3]) or "no answer is recorded; run pytest first"
    return f"{path} was not written: {why}"
