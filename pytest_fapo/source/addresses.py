"""Addresses: the names of artifacts (`path` or `path::name`), and the patterns that match several.

Paths are relative to the root and POSIX. A name is made of keys: `agents.triage`, `messages[0].content`,
`models."gpt-4.1".k`. In patterns `*`, `?` and `[…]` stay inside one part of a path or one key, `**` goes
across them.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pytest_fapo.core.errors import ArtifactError


class Address(NamedTuple):
    """A path and the name of a piece inside the file; an empty name means the whole file."""

    path: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.path}::{self.name}" if self.name else self.path


def split_pattern(text: str) -> Address:
    """Split `path::name` as it is in the scope, where both parts may hold patterns."""
    path, _, name = text.strip().partition("::")
    return Address(path.strip(), name.strip())


def parse_address(text: str) -> Address:
    """Split an address and bring its path into the one canonical spelling.

    Raises:
        ArtifactError: the path is empty, absolute or leads out of the project.
    """
    path, name = split_pattern(text)
    parts = PurePosixPath(path.replace("\\", "/"))
    too_long = any(len(part.encode(errors="replace")) > 255 for part in parts.parts)
    if (
        not path
        or "\0" in path
        or too_long
        or parts.is_absolute()
        or ".." in parts.parts
        or parts == PurePosixPath(".")
    ):
        raise ArtifactError(
            f"{text!r} is not an address: expected 'path' or 'path::NAME', the path below the root"
        )
    return Address(str(parts), name)


NEVER = frozenset(
    {".git", ".hg", ".svn", ".fapo", ".venv", ".tox", ".nox", "__pycache__", "node_modules", "site-packages"}
)
"""Folders that belong to tools: nothing in them is ever an artifact, whatever a pattern says."""


_WILDCARD = re.compile(r"[*?]|\[(?!\d+\])")


def has_wildcard(pattern: str) -> bool:
    """True if `pattern` stands for several names; `[0]` is a place in a list."""
    return bool(_WILDCARD.search(pattern))


def matches_path(path: str, pattern: str) -> bool:
    """True if the relative POSIX `path` is one that `pattern` stands for."""
    parts = path.split("/")
    if any(part in NEVER for part in parts[:-1]):
        return False
    return _matches(parts, _parts_of(pattern))


_BARE = re.compile(r'[^.\s"=*?\[\]]+')

_POSITION = re.compile(r"\[(?:\d+|\*)\]")

_KEY = re.compile(r'"(?:\\.|[^"\\])*"|\[(?:\d+|\*)\]|(?:\{[^{}]*\}|\([^()]*\)|[^."\[]|\[(?!(?:\d+|\*)\]))+')


def dotted(keys: Sequence[str | int]) -> str:
    """Return keys as the name in an address: `a.b[0]`; those with dots, blanks or signs of patterns are
    quoted.
    """
    parts = []
    for key in keys:
        if isinstance(key, int):
            parts.append(f"[{key}]")
        else:
            parts += [".", key if _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False)]
    return "".join(parts).removeprefix(".")


@lru_cache(maxsize=4096)
def keys_of(name: str) -> tuple[str, ...]:
    """Return the keys of a name or a pattern, places in lists as digits: `[0]` and `.0` are the same."""
    return tuple(map(_key, _KEY.findall(name)))


def _key(part: str) -> str:
    if part.startswith('"'):
        with contextlib.suppress(ValueError):  # not JSON: taken as it stands
            return str(json.loads(part))
    return part[1:-1] if _POSITION.fullmatch(part) else part.strip()


def matches_name(name: str, pattern: str) -> bool:
    """True if `name` fits `pattern` key by key: `*_PROMPT` stands for module constants only, `*.*_PROMPT` for
    class attributes, `**.content` for that key at any depth."""
    return name == pattern or _matches_keys(keys_of(name), keys_of(pattern))


def _matches_keys(keys: Sequence[str], wanted: Sequence[str]) -> bool:
    if not wanted:
        return not keys
    if wanted[0] == "**":
        return any(_matches_keys(keys[start:], wanted[1:]) for start in range(len(keys) + 1))
    return bool(keys) and (
        (keys[0] == wanted[0] or fnmatchcase(keys[0], wanted[0])) and _matches_keys(keys[1:], wanted[1:])
    )


_NUMBER = re.compile(r"#\d+\Z")

_PLACES = re.compile(r"(?:\[\d+\])+\Z")

_LABEL = re.compile(r"[a-z0-9_]*|[A-Z0-9_]*|\w*[\d_/\\@:.=-]\S*\w|\W*")


def matches_text(name: str, pattern: str) -> bool:
    """True if the name of a text in Python code fits `pattern`.

    It need not say `#2`, nor a place at the end: `*` fits `prompt[0]` too. Docstrings fit only what says
    `__doc__`.
    """
    if name == pattern:
        return True
    short = name if "#" in pattern else _NUMBER.sub("", name)
    wanted = keys_of(pattern)
    if not wanted or (short.endswith("__doc__") and not wanted[-1].startswith("__")):
        return False
    return matches_name(short, pattern) or matches_name(_PLACES.sub("", short), pattern)


def passes_over(pattern: str, text: str) -> bool:
    """True if a pattern that ends in a wildcard leaves `text` out: a single word such as a model's name, a
    role or a key.
    """
    return has_wildcard(keys_of(pattern)[-1]) and _LABEL.fullmatch(text.strip()) is not None


def in_environment(root: Path, path: str) -> bool:
    """True if `path` lies in a virtual environment of whatever name."""
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


_AWKWARD = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\]')

_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|\Z)", re.I)


def creation_problem(root: Path, path: str, files: Iterable[str]) -> str:
    """Return the reason why no file can be created at `path`; empty if one can.

    Args:
        root: the project's folder.
        path: relative POSIX path.
        files: paths of files that are not on the disk yet, but are there for the edit.
    """
    pure = PurePosixPath(path)
    for part in pure.parts:
        if _AWKWARD.search(part) or _RESERVED.match(part) or part.endswith((" ", ".")):
            return f"{part!r} is not a file name that every system takes"
        if len(part.encode(errors="replace")) > 200:
            return "its name is longer than 200 bytes"
    laid = set(files)
    for folder in map(str, list(pure.parents)[:-1]):
        if folder in laid or (root / folder).is_file():
            return f"{folder} is a file, not a folder"
    beside = {other.rpartition("/")[2] for other in laid if PurePosixPath(other).parent == pure.parent}
    if (root / pure.parent).is_dir():
        beside.update(os.listdir(root / pure.parent))
    twin = next((name for name in sorted(beside) if name.casefold() == pure.name.casefold()), "")
    return f"{twin} differs from it in nothing but case" if twin else ""
