"""Atomic file writes: a reader, even after a kill, finds either the old or the new content."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def write_atomically(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Replace a file's content in one step; see `whole_file`."""
    with atomic_file(path, durable=durable) as file:
        file.write(content)


@contextmanager
def atomic_file(path: Path, *, durable: bool = False) -> Iterator[BinaryIO]:
    """A file to write into, which takes the place of `path` when the block is left without an error.

    Folders above it are made. A link stays a link: what it leads to is replaced. What is no regular file, a
    device for one, is written to. Permissions stay; a new file has those that any new file has.

    Args:
        path: the file.
        durable: whether it survives a power cut from the end of the block on.

    Raises:
        OSError: it cannot be written; the old content is whole.
    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        with target.open("wb") as file:
            yield file
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.tmp")
    try:
        with draft.open("xb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if target.exists():
            draft.chmod(target.stat().st_mode & 0o777)
        draft.replace(target)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
