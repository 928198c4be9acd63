"""Decides for every path of a project whether the shadow tree copies it, links it or leaves it out."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pytest_fapo.evaluate.ignored import Ignored, ignored_in, nothing_ignored

LEFT_OUT = frozenset(
    {".fapo", ".git", ".hg", ".svn", ".tox", ".nox", "__pycache__"}
    | {".pytest_cache", ".mypy_cache", ".ruff_cache"}
)
"""Names that are never copied: other tools' own folders, which their tools make anew."""

LARGE_BYTES = 20_000_000
LARGE_COUNT = 2_000
IGNORED_BYTES = 100_000_000
"""An ignored folder past one of the first two, and all ignored files past the third in sum, are linked."""


@dataclass
class Survey:
    """Relative POSIX paths of a project by what the shadow does with them."""

    folders: list[str] = field(default_factory=list)
    """Made anew, parents first."""
    files: list[str] = field(default_factory=list)
    """Copied."""
    links: dict[str, str] = field(default_factory=dict)
    """The project's own symlinks, with their targets."""
    linked: list[str] = field(default_factory=list)
    """Large files and folders, environments: links to the originals."""
    left_out: list[str] = field(default_factory=list)
    repositories: list[str] = field(default_factory=list)
    """Folders that have a `.git`."""
    environments: list[str] = field(default_factory=list)
    """Those of `linked` that are virtual environments."""
    ignored_bytes: int = 0
    ignored: list[str] = field(default_factory=list)
    """Files and folders that git ignores."""


def survey(root: Path, exclude: Iterable[Path] = ()) -> Survey:
    """Look through the project at `root`, as it lies on the disk now.

    Args:
        root: the project's folder.
        exclude: further paths that are left out.
    """
    found = Survey()
    excluded = {os.path.realpath(path) for path in exclude}
    _Walk(root, found, excluded).folder("", ignored_in(root), "")
    return found


class _Walk:
    def __init__(self, root: Path, found: Survey, excluded: set[str]) -> None:
        self._root = os.fspath(root)
        self._found = found
        self._real_root = os.path.realpath(root)
        self._excluded = excluded

    def folder(self, relative: str, ignored: Ignored, repository: str) -> None:
        """Sort the entries of a folder; `ignored` judges paths relative to `repository`."""
        entries = list(_entries(os.path.join(self._root, relative)))
        if relative and any(entry.name == ".git" for entry in entries):
            repository, ignored = relative + "/", ignored_in(Path(self._root, relative))
        for entry in entries:
            path = f"{relative}/{entry.name}" if relative else entry.name
            if entry.name == ".git":
                self._found.repositories.append(relative)
            if entry.name in LEFT_OUT or os.path.join(self._real_root, path) in self._excluded:
                self._found.left_out.append(path)
            elif entry.is_symlink():
                self._found.links[path] = self._target(entry.path)
            elif entry.is_dir():
                self._enter(path, entry.path, ignored, repository)
            elif entry.is_file():
                self._file(path, entry, ignored(path[len(repository) :], False))

    def _enter(self, path: str, place: str, ignored: Ignored, repository: str) -> None:
        environment = is_environment(place)
        if environment or os.path.basename(place) == "node_modules":
            self._found.linked.append(path)
            if environment:
                self._found.environments.append(path)
            return
        if ignored is not nothing_ignored and ignored(path[len(repository) :], True):
            self._found.ignored.append(path)
            size = _size_up_to(place)
            if size is None or self._found.ignored_bytes + size > IGNORED_BYTES:
                self._found.linked.append(path)
                return
            self._found.ignored_bytes += size
            ignored = nothing_ignored
        self._found.folders.append(path)
        self.folder(path, ignored, repository)

    def _file(self, path: str, entry: os.DirEntry[str], is_ignored: bool) -> None:
        try:
            size = entry.stat(follow_symlinks=False).st_size
        except FileNotFoundError:
            return  # gone meanwhile, as editors' temporary files are
        if is_ignored:
            self._found.ignored.append(path)
        if size > LARGE_BYTES or (is_ignored and self._found.ignored_bytes + size > IGNORED_BYTES):
            self._found.linked.append(path)
            return
        self._found.ignored_bytes += size if is_ignored else 0
        self._found.files.append(path)

    def _target(self, link: str) -> str:
        """Inside the project: relative, so that it leads into the copy; else absolute."""
        target = os.readlink(link)
        folder = os.path.realpath(os.path.dirname(link))
        reached = os.path.normpath(os.path.join(folder, target))
        if reached == self._real_root or reached.startswith(self._real_root + os.sep):
            return os.path.relpath(reached, folder)
        return reached


def is_environment(folder: str) -> bool:
    """Whether a folder is a virtual environment of Python, of conda too."""
    return any(os.path.exists(os.path.join(folder, name)) for name in ("pyvenv.cfg", "conda-meta"))


def _entries(folder: str) -> Iterable[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except PermissionError:
        return


def _size_up_to(folder: str) -> int | None:
    """Bytes in a folder; None as soon as it is seen to be large."""
    size = count = 0
    pending = [folder]
    while pending:
        for entry in _entries(pending.pop()):
            count += 1
            if entry.is_dir(follow_symlinks=False):
                pending.append(entry.path)
            elif entry.is_file(follow_symlinks=False):
                size += entry.stat(follow_symlinks=False).st_size
            if size > LARGE_BYTES or count > LARGE_COUNT:
                return None
    return size
