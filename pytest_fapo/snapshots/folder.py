"""The folder of the snapshots: names that any file system takes, files written whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from pytest_fapo.errors import ConfigError
from pytest_fapo.models import text_digest
from pytest_fapo.snapshots.state import is_snapshot
from pytest_fapo.whole_files import write_whole

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}(?<![.-])")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d|readme|index)(\..*)?", re.I)


def file_names(pipelines: Iterable[str]) -> dict[str, str]:
    """A file name for each pipeline: its own name where that is safe and unlike all others."""
    names = sorted(pipelines)
    folded = [name.casefold() for name in names]
    return {
        name: f"{name}.md" if _is_plain(name) and folded.count(name.casefold()) == 1 else _safe(name)
        for name in names
    }


def read(path: Path) -> str | None:
    """A snapshot's text; None where there is none.

    Raises:
        ConfigError: it is there and cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from None


def write_file(path: Path, text: str) -> bool:
    """Write the text, all or nothing; False where the file holds it already.

    Raises:
        ConfigError: it cannot be written there.
    """
    if read(path) == text:
        return False
    try:
        write_whole(path, text.encode())
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from None
    return True


def remove(path: Path) -> None:
    """Remove a snapshot.

    Raises:
        ConfigError: it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"{path} cannot be removed: {error.strerror or error}") from None


def others(folder: Path, names: Iterable[str]) -> list[Path]:
    """Snapshots in the folder that are none of `names`; files that are no snapshots are not ours."""
    if not folder.is_dir():
        return []
    known = set(names)
    found = (path for path in sorted(folder.glob("*.md")) if path.name not in known)
    return [path for path in found if is_snapshot(read(path) or "")]


def _is_plain(name: str) -> bool:
    return bool(_PLAIN.fullmatch(name)) and not _RESERVED.fullmatch(name)


def _safe(name: str) -> str:
    return f"{re.sub(r'[^A-Za-z0-9_]+', '-', name).strip('-')[:60] or 'pipeline'}-{text_digest(name)[:8]}.md"
