"""Exported caches: one JSON file, one answer per line, sorted, and read without loading the whole file.

    {"format":"fapo-answers 2",
    "0a3f…":{"status":200,"headers":{"content-type":"application/json"},"body":"{…}"},
    "0b77…":{…},
    "end":true}

The last line tells a whole file from one that was cut off, and lets every answer's line end alike, so that
two branches that add answers merge without a conflict of commas. Nothing that a file says is trusted.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from pytest_fapo.capture.cache_key import KEY_FORMAT
from pytest_fapo.capture.http_answer import OFFLINE_HEADER, RecordedAnswer, chunk_from_json, chunk_to_json
from pytest_fapo.core.atomic_files import atomic_file
from pytest_fapo.core.errors import CacheFileError
from pytest_fapo.core.text import parsed_json

EXPORTED_HEADERS = frozenset({"content-type", "request-id", "x-request-id", OFFLINE_HEADER.decode()})
"""Names of the headers that an exported answer may have: those that SDKs read, none that tells who asked."""

CONTENT_TYPE = re.compile(
    r'[\w.+-]{1,60}/[\w.+-]{1,60}(;\s*charset="?(utf-8|us-ascii|iso-8859-1)"?)?', re.IGNORECASE | re.ASCII
)

HEADER_CHARACTERS = 200

ANSWER_BYTES = 32 * 2**20
"""Longest line, in bytes."""

KEY = re.compile("[0-9a-f]{64}")

_LINE = re.compile(rb'"([0-9a-f]{64})":(\{.*\}),')

_BEGIN = re.compile(rb'"[^"]*":\{')

_FIELDS = {"status", "headers", "body"}

# What a terminal, an editor or a review page would act on instead of showing it.
_INVISIBLE = re.compile(
    "[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


class BadLine(ValueError):
    """A line that is no answer; the message says what is wrong with it, as the end of a sentence."""


def to_line(key: str, answer: RecordedAnswer) -> bytes:
    """Return the answer as a line, without the line's end. It must have passed `portable`."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
    chunks = [chunk_to_json(chunk) for chunk in answer.chunks]
    value = {
        "status": answer.status,
        "headers": dict(sorted(headers.items())),
        "body": chunks[0] if len(chunks) == 1 else chunks,
    }
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return f'"{key}":{_INVISIBLE.sub(_escaped, text)},'.encode()


def split_line(line: bytes) -> tuple[str, bytes]:
    """Return the key and the answer's JSON in a line without its end.

    Raises:
        BadLine: it has another form.
    """
    match = _LINE.fullmatch(line)
    if match is None:
        raise BadLine(_what_is_wrong(line))
    return match[1].decode(), match[2]


def answer_of_line(text: bytes) -> RecordedAnswer:
    """Return the answer in the JSON of a line, checked in every part.

    Raises:
        BadLine: no answer that could have been recorded.
    """
    try:
        value = parsed_json(text.decode())
    except ValueError as error:
        raise BadLine(f"the answer is not JSON ({_short_ascii(error)})") from None
    if not isinstance(value, dict) or set(value) != _FIELDS:
        raise BadLine("an answer has the fields status, headers and body, and no others")
    status = value["status"]
    if type(status) is not int or not 200 <= status <= 299:
        raise BadLine(f"status {_short_ascii(status)} is none of 200 to 299; only good answers are recorded")
    return RecordedAnswer(
        status=status,
        headers=_checked_headers(value["headers"]),
        chunks=_checked_chunks(value["body"]),
        imported=True,
    )


def _checked_headers(value: Any) -> tuple[tuple[bytes, bytes], ...]:
    if not isinstance(value, dict):
        raise BadLine("headers is not an object of names and texts")
    for name, content in value.items():
        if name not in EXPORTED_HEADERS:
            raise BadLine(f"a recorded answer has no header {_short_ascii(name)}")
        if not isinstance(content, str) or len(content) > HEADER_CHARACTERS or not _printable(content):
            raise BadLine(f"the header {name!r} is not a short printable text")
        if name == "content-type" and not CONTENT_TYPE.fullmatch(content):
            raise BadLine(f"the content type {_short_ascii(content)} is not one that can be replayed")
    return tuple((name.encode(), content.encode()) for name, content in value.items())


def _checked_chunks(value: Any) -> tuple[bytes, ...]:
    return tuple(_checked_chunk(part) for part in (value if isinstance(value, list) else [value]))


def _checked_chunk(value: Any) -> bytes:
    try:
        if isinstance(value, str) or set(value) == {"base64"}:
            return chunk_from_json(value)
    except (ValueError, TypeError):
        pass
    raise BadLine("the body is neither text nor base64 nor a list of these")


def _escaped(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1] if match[0] > "\x7f" else "\\u007f"


def _printable(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _what_is_wrong(line: bytes) -> str:
    if line.startswith((b"<<<<<<<", b"=======", b">>>>>>>", b"|||||||")):
        return "a merge conflict is not resolved; keep the answers of both sides"
    if not _BEGIN.match(line) or not line.endswith(b"},"):
        return "expected one answer on this line; was the file reformatted? Restore it, or export again"
    return "the key is not 64 hexadecimal digits"


def _short_ascii(value: object, limit: int = 60) -> str:
    """For a message: without anything that a terminal would act on."""
    text = ascii(str(value))[1:-1] if isinstance(value, Exception) else ascii(value)
    return text if len(text) <= limit else f"{text[:limit]}…"


FILE_BYTES = 512 * 2**20

MOST_ANSWERS = 500_000
"""Limits of what is read: a file of a stranger must not fill the memory."""

MARK = b'{"format":"fapo-answers '

HEAD = MARK + f'{KEY_FORMAT}",'.encode()

TAIL = b'"end":true}'


class _LineSpan(NamedTuple):
    line: int
    offset: int
    length: int


class AnswerFile:
    """The answers in an exported cache, read-only. Threads, processes and forks may share it.

    Args:
        path: the file.
        check: look at every answer now; else at each only when it is asked for.

    Raises:
        CacheFileError: it is not an exported cache, or holds what no export writes; names file and line.
    """

    def __init__(self, path: Path, *, check: bool = True) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._file: BinaryIO | None = _open_file(path)
        try:
            self._positions = dict(self._index(self._file, check))
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return len(self._positions)

    def keys(self) -> list[str]:
        """Return all keys, sorted."""
        return sorted(self._positions)

    def get(self, key: str) -> RecordedAnswer | None:
        """Return the answer under `key`, if there is one.

        Raises:
            CacheFileError: the file was changed since it was opened, or that answer cannot be used.
        """
        span = self._positions.get(key)
        if span is None:
            return None
        line = self._bytes_at(span)
        try:
            if not line.startswith(f'"{key}":'.encode()):
                raise BadLine("the file was changed while it was in use")
            return answer_of_line(split_line(line)[1])
        except BadLine as error:
            raise _bad_line(self.path, span.line, str(error)) from None

    def close(self) -> None:
        """Close the file; no answer can be read any more."""
        with self._lock:
            file, self._file = self._file, None
        if file is not None:
            file.close()

    def _bytes_at(self, span: _LineSpan) -> bytes:
        with self._lock:
            if self._file is None:
                raise CacheFileError(f"{self.path} is closed")
            if hasattr(os, "pread"):  # a forked child has the same file position
                return os.pread(self._file.fileno(), span.length, span.offset)
            self._file.seek(span.offset)
            return self._file.read(span.length)

    def _index(self, file: BinaryIO, check: bool) -> Iterator[tuple[str, _LineSpan]]:
        seen: dict[str, tuple[int, int]] = {}
        for span, line in _answer_lines(self.path, file):
            try:
                key, text = split_line(line)
                first, content = seen.get(key, (0, 0))
                if first and content == hash(line):
                    continue  # both sides of a merge had added it
                if first:
                    raise BadLine(f"the same question is answered in line {first}; keep one of them")
                if len(seen) == MOST_ANSWERS:
                    raise BadLine(f"more than {MOST_ANSWERS} answers are not read")
                if check:
                    answer_of_line(text)
            except BadLine as error:
                raise _bad_line(self.path, span.line, str(error)) from None
            seen[key] = (span.line, hash(line))
            yield key, span


def is_exported_cache(content: bytes) -> bool:
    """True if a file that begins so is an exported cache, of whichever version."""
    return content.startswith(MARK)


def _open_file(path: Path) -> BinaryIO:
    try:
        if path.exists() and not path.is_file():
            raise CacheFileError(f"{path} is not a file")
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


def _answer_lines(path: Path, file: BinaryIO) -> Iterator[tuple[_LineSpan, bytes]]:
    """Yield the lines between head and tail, with their places."""
    head = file.readline(len(HEAD) + 100)
    _check_head(path, head.rstrip(b"\r\n"))
    offset, number = len(head), 1
    while True:
        raw = file.readline(ANSWER_BYTES + 1)
        number += 1
        line = raw.rstrip(b"\r\n")
        if line == TAIL:
            if file.read(100).strip():
                raise _bad_line(path, number + 1, "nothing may follow the end")
            return
        if not raw:
            raise CacheFileError(
                f"{path} is cut off after line {number - 1}; get the whole file, or export again"
            )
        if len(raw) > ANSWER_BYTES:
            raise _bad_line(path, number, f"the line is longer than {ANSWER_BYTES // 2**20} MiB")
        yield _LineSpan(number, offset, len(line)), line
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
        f"{path} is not an exported cache: its first line is not {HEAD.decode()}; "
        f"`fapo cache export` writes such files"
    )


def _bad_line(path: Path, line: int, message: str) -> CacheFileError:
    return CacheFileError(f"{path}, line {line}: {message}")


def write_lines(path: Path, lines: Iterable[bytes]) -> int:
    """Write an exported cache, all or nothing.

    Args:
        path: where; an earlier export is replaced, another file is not.
        lines: as `to_line` gives them, sorted.

    Returns:
        The file's size in bytes.

    Raises:
        CacheFileError: it cannot be written there, or would be too large to be read again.
    """
    target = path.resolve()
    try:
        _check_target(path, target)
        with atomic_file(target) as file:
            size = _write_all(path, file, lines)
    except OSError as error:
        raise CacheFileError(f"{path} cannot be written: {error.strerror or error}") from None
    return size


def _write_all(path: Path, file: BinaryIO, lines: Iterable[bytes]) -> int:
    size = file.write(HEAD + b"\n")
    for line in lines:
        size += file.write(line + b"\n")
        if size > FILE_BYTES - 100:
            limit = FILE_BYTES // 2**20
            raise CacheFileError(f"{path} would be larger than {limit} MiB; nothing was written")
    return size + file.write(TAIL + b"\n")


def _check_target(path: Path, target: Path) -> None:
    nearest = next(folder for folder in target.parents if folder.exists())
    if not nearest.is_dir():
        raise CacheFileError(f"{path} cannot be written: {nearest} is not a folder")
    if target.is_dir():
        raise CacheFileError(f"{path} is a folder; give the name of a file, such as {path / 'answers.json'}")
    if target.exists():
        with target.open("rb") as file:
            begin = file.read(len(MARK))
        if begin and not is_exported_cache(begin):
            raise CacheFileError(
                f"{path} exists and is not an exported cache; it was left as it is. Give another name"
            )
