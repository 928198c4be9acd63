"""Exported caches: one JSON file, one answer a line, sorted; read without ever being loaded as a whole.

    {"format":"fapo-answers 2",
    "0a3f…":{"status":200,"headers":{"content-type":"application/json"},"body":"{…}"},
    "0b77…":{…},
    "end":true}

The last line tells a whole file from one that was cut off, and lets every answer's line end alike, so that
two branches that add answers merge without a conflict of commas.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pytest_fapo.errors import CacheFileError
from pytest_fapo.llm.answer_lines import ANSWER_BYTES, BadLine, read_answer, split_line
from pytest_fapo.llm.question import KEY_FORMAT
from pytest_fapo.llm.recorded import Recorded

FILE_BYTES = 512 * 2**20
ANSWERS = 500_000
"""Limits of what is read: a file of a stranger must not fill the memory."""

MARK = b'{"format":"fapo-answers '
HEAD = MARK + f'{KEY_FORMAT}",'.encode()
TAIL = b'"end":true}'


class _Place(NamedTuple):
    line: int
    offset: int
    length: int


class AnswerFile:
    """The answers in an exported cache, read-only. Threads, processes and forks may share it.

    Args:
        path: the file.
        check: look at every answer now; else at each only when it is asked for.

    Raises:
        CacheFileError: it is no exported cache, or holds something that no export has written; the message
            names file and line.
    """

    def __init__(self, path: Path, *, check: bool = True) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._file: BinaryIO | None = _open(path)
        try:
            self._places = dict(self._index(self._file, check))
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return len(self._places)

    def keys(self) -> list[str]:
        """All keys, sorted."""
        return sorted(self._places)

    def get(self, key: str) -> Recorded | None:
        """The answer under `key`, if there is one.

        Raises:
            CacheFileError: the file was changed since it was opened, or that answer cannot be used.
        """
        place = self._places.get(key)
        if place is None:
            return None
        line = self._bytes_at(place)
        try:
            if not line.startswith(f'"{key}":'.encode()):
                raise BadLine("the file was changed while it was in use")
            return read_answer(split_line(line)[1])
        except BadLine as error:
            raise _bad(self.path, place.line, str(error)) from None

    def close(self) -> None:
        """Close the file; no answer can be read any more."""
        with self._lock:
            file, self._file = self._file, None
        if file is not None:
            file.close()

    def _bytes_at(self, place: _Place) -> bytes:
        with self._lock:
            if self._file is None:
                raise CacheFileError(f"{self.path} is closed")
            if hasattr(os, "pread"):  # a forked child has the same file position
                return os.pread(self._file.fileno(), place.length, place.offset)
            self._file.seek(place.offset)
            return self._file.read(place.length)

    def _index(self, file: BinaryIO, check: bool) -> Iterator[tuple[str, _Place]]:
        seen: dict[str, tuple[int, int]] = {}
        for place, line in _body(self.path, file):
            try:
                key, text = split_line(line)
                first, content = seen.get(key, (0, 0))
                if first and content == hash(line):
                    continue  # both sides of a merge had added it
                if first:
                    raise BadLine(f"the same question is answered in line {first}; keep one of them")
                if len(seen) == ANSWERS:
                    raise BadLine(f"more than {ANSWERS} answers are not read")
                if check:
                    read_answer(text)
            except BadLine as error:
                raise _bad(self.path, place.line, str(error)) from None
            seen[key] = (place.line, hash(line))
            yield key, place


def is_exported_cache(content: bytes) -> bool:
    """Whether a file that begins so is an exported cache, of whichever version."""
    return content.startswith(MARK)


def _open(path: Path) -> BinaryIO:
    try:
        if path.exists() and not path.is_file():
            raise CacheFileError(f"{path} is no file")
        size = path.stat().st_size
        if size > FILE_BYTES:
            raise CacheFileError(f"{path} is larger than {FILE_BYTES // 2**20} MiB; it was not read")
        return path.open("rb")
    except FileNotFoundError:
        raise CacheFileError(
            f"{path} does not exist; `fapo cache export {path}` writes it from the answers recorded here"
        ) from None
    except OSError as error:
        raise CacheFileError(f"{path} cannot be read: {error.strerror or error}") from None


def _body(path: Path, file: BinaryIO) -> Iterator[tuple[_Place, bytes]]:
    """The lines between head and tail, with their places."""
    head = file.readline(len(HEAD) + 100)
    _check_head(path, head.rstrip(b"\r\n"))
    offset, number = len(head), 1
    while True:
        raw = file.readline(ANSWER_BYTES + 1)
        number += 1
        line = raw.rstrip(b"\r\n")
        if line == TAIL:
            if file.read(100).strip():
                raise _bad(path, number + 1, "nothing may follow the end")
            return
        if not raw:
            raise CacheFileError(
                f"{path} is cut off after line {number - 1}; get the whole file, or export again"
            )
        if len(raw) > ANSWER_BYTES:
            raise _bad(path, number, f"the line is longer than {ANSWER_BYTES // 2**20} MiB")
        yield _Place(number, offset, len(line)), line
        offset += len(raw)


def _check_head(path: Path, head: bytes) -> None:
    if head == HEAD:
        return
    version = head[len(MARK) :].rstrip(b'",')
    if head.startswith(MARK) and version.isdigit() and int(version) < KEY_FORMAT:
        raise CacheFileError(
            f"{path} was written by an earlier version of pytest-fapo, which could replay "
            f"the answer to another request; record the answers again (run pytest with a key), then "
            f"`fapo cache export {path}`"
        )
    if head.startswith(MARK):
        raise CacheFileError(
            f"{path} was written by a later version of pytest-fapo; update pytest-fapo, or export it again"
        )
    raise CacheFileError(
        f"{path} is no exported cache: its first line is not {HEAD.decode()}; "
        f"`fapo cache export` writes such files"
    )


def _bad(path: Path, line: int, words: str) -> CacheFileError:
    return CacheFileError(f"{path}, line {line}: {words}")
