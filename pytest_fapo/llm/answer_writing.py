"""Writing an exported cache: all or nothing, and never over a file that is none."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from pytest_fapo.errors import CacheFileError
from pytest_fapo.llm.answer_file import FILE_BYTES, HEAD, MARK, TAIL, is_exported_cache
from pytest_fapo.whole_files import whole_file


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
        with whole_file(target) as file:
            size = _write(path, file, lines)
    except OSError as error:
        raise CacheFileError(f"{path} cannot be written: {error.strerror or error}") from None
    return size


def _write(path: Path, file: BinaryIO, lines: Iterable[bytes]) -> int:
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
        raise CacheFileError(f"{path} cannot be written: {nearest} is no folder")
    if target.is_dir():
        raise CacheFileError(f"{path} is a folder; give the name of a file, such as {path / 'answers.json'}")
    if target.exists():
        with target.open("rb") as file:
            begin = file.read(len(MARK))
        if begin and not is_exported_cache(begin):
            raise CacheFileError(
                f"{path} exists and is no exported cache; it was left as it is. Give another name"
            )
