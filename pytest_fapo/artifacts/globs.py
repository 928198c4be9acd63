"""Path patterns of the scope contract: `*`, `?`, `[…]` inside one path part, `**` across parts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

NEVER = frozenset(
    {".git", ".hg", ".svn", ".fapo", ".venv", ".tox", ".nox", "__pycache__", "node_modules", "site-packages"}
)
"""Folders that belong to tools: nothing in them is ever an artifact, whatever a pattern says."""


def has_wildcard(pattern: str) -> bool:
    """Whether `pattern` stands for several names."""
    return any(character in pattern for character in "*?[")


def matches_path(path: str, pattern: str) -> bool:
    """Whether the relative POSIX `path` is one that `pattern` stands for."""
    parts = path.split("/")
    if any(part in NEVER for part in parts[:-1]):
        return False
    return _matches(parts, _parts_of(pattern))


def matches_name(name: str, pattern: str) -> bool:
    """Whether `name` fits `pattern` part by part: `*_PROMPT` stands for module constants only,
    `*.*_PROMPT` for class attributes."""
    parts, wanted = name.split("."), pattern.split(".")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def in_environment(root: Path, path: str) -> bool:
    """Whether `path` lies in a virtual environment of whatever name."""
    folders = path.split("/")[:-1]
    return any((root.joinpath(*folders[:end]) / "pyvenv.cfg").exists() for end in range(1, len(folders) + 1))


def find_paths(root: Path, pattern: str, extra: Iterable[str] = ()) -> list[str]:
    """Relative POSIX paths of the files below `root` that `pattern` stands for, sorted.

    Args:
        root: the project's folder.
        pattern: a relative path, maybe with wildcards.
        extra: paths that exist only in an overlay and are matched as if they stood on the disk.
    """
    found = set(_walk(root, "", _parts_of(pattern)))
    found.update(path for path in extra if matches_path(path, pattern))
    return sorted(found)


def all_paths(root: Path, limit: int = 5000) -> list[str]:
    """Up to `limit` files of the project, for naming near misses."""
    paths = []
    for path in _walk(root, "", ["**"]):
        paths.append(path)
        if len(paths) >= limit:
            break
    return paths


def _parts_of(pattern: str) -> list[str]:
    return [part for part in pattern.replace("\\", "/").split("/") if part not in ("", ".")]


def _matches(parts: list[str], wanted: list[str]) -> bool:
    if not wanted:
        return not parts
    if wanted[0] == "**":
        if len(wanted) == 1:
            return bool(parts) and not any(part.startswith(".") for part in parts)
        return _matches(parts, wanted[1:]) or (
            bool(parts) and not parts[0].startswith(".") and _matches(parts[1:], wanted)
        )
    return bool(parts) and _fits(parts[0], wanted[0]) and _matches(parts[1:], wanted[1:])


def _fits(part: str, wanted: str) -> bool:
    if part.startswith(".") and not wanted.startswith("."):
        return False
    return fnmatchcase(part, wanted)


def _walk(root: Path, prefix: str, wanted: list[str]) -> Iterator[str]:
    """Files below `root`/`prefix` that fit; folders that cannot fit are never opened."""
    if not wanted:
        return
    folder = root / prefix if prefix else root
    head, rest = wanted[0], wanted[1:]
    if head == "**" and rest:
        yield from _walk(root, prefix, rest)
    for entry in _entries(folder):
        path = f"{prefix}/{entry.name}" if prefix else entry.name
        if head == "**":
            # A linked folder is not followed here: it may lead back to where we are.
            if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                if _may_enter(entry):
                    yield from _walk(root, path, wanted)
            elif not rest and entry.is_file() and not entry.name.startswith("."):
                yield path
        elif _fits(entry.name, head):
            if rest and entry.is_dir() and _may_enter(entry):
                yield from _walk(root, path, rest)
            elif not rest and entry.is_file():
                yield path


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []


def _may_enter(entry: os.DirEntry[str]) -> bool:
    return entry.name not in NEVER and not os.path.exists(os.path.join(entry.path, "pyvenv.cfg"))
