"""Decide for every path of a project whether the shadow tree copies it, links it or leaves it out."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pathspec

Ignored = Callable[[str, bool], bool]
"""Called with a path relative to the folder (POSIX) and whether it is a folder."""


def ignored_in(folder: Path) -> Ignored:
    """Return the files that git ignores below `folder`, read from the .gitignore files if git cannot be
    asked.
    """
    return _files_known_to_git(folder) or _by_rules(folder)


def nothing_ignored(_path: str, _is_folder: bool) -> bool:
    """For folders without rules."""
    return False


def repository_of(folder: Path) -> Path | None:
    """Return the top folder of the git repository that holds `folder`."""
    for place in (folder, *folder.parents):
        if (place / ".git").exists():
            return place
    return None


def _files_known_to_git(folder: Path) -> Ignored | None:
    if repository_of(folder) is None:
        return None
    command = ["git", "ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        answer = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    paths = {os.fsdecode(path).rstrip("/") for path in answer.stdout.split(b"\0") if path}

    def ignored(path: str, _is_folder: bool) -> bool:
        return path in paths

    return ignored


def _by_rules(folder: Path) -> Ignored:
    """Return the rules of the .gitignore files from the repository's top down, innermost last."""
    top = repository_of(folder) or folder
    specs: dict[str, pathspec.GitIgnoreSpec | None] = {}
    prefix = folder.relative_to(top).as_posix()
    prefix = "" if prefix == "." else prefix + "/"

    def spec_of(place: str) -> pathspec.GitIgnoreSpec | None:
        if place not in specs:
            specs[place] = _read_rules(top, place)
        return specs[place]

    def ignored(path: str, is_folder: bool) -> bool:
        parts = (prefix + path).split("/")
        verdict = False
        for count in range(len(parts)):
            spec = spec_of("/".join(parts[:count]))
            if spec is not None:
                tail = "/".join(parts[count:]) + ("/" if is_folder else "")
                include = spec.check_file(tail).include
                verdict = verdict if include is None else include
        return verdict

    return ignored


def _read_rules(top: Path, place: str) -> pathspec.GitIgnoreSpec | None:
    sources = [top / place / ".gitignore"]
    if not place:
        sources.insert(0, top / ".git" / "info" / "exclude")
    lines: list[str] = []
    for source in sources:
        try:
            lines += source.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
    return pathspec.GitIgnoreSpec.from_lines(lines) if lines else None


LEFT_OUT = frozenset(
    {".fapo", ".git", ".hg", ".svn", ".tox", ".nox", "__pycache__"}
    | {".pytest_cache", ".mypy_cache", ".ruff_cache"}
)
"""Names that are never copied: other tools' own folders, which their tools make again."""

LARGE_BYTES = 20_000_000

LARGE_COUNT = 2_000

IGNORED_BYTES = 100_000_000
"""An ignored folder past one of the first two, and all ignored files past the third in sum, are linked."""

SMALL_BYTES, COPIED_BYTES = 100_000, 200_000_000
"""Data that git does not ignore: files past the first are linked once all copied ones are past the second."""


@dataclass
class TreeSurvey:
    """Relative POSIX paths of a project by what the shadow does with them."""

    folders: list[str] = field(default_factory=list)
    """Folders to create, parents first."""
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
    copied_bytes: int = 0
    large: dict[str, int] = field(default_factory=dict)
    """Files of `linked` that are too large to copy, alone or in sum, and their bytes."""
    ignored: list[str] = field(default_factory=list)
    """Files and folders that git ignores."""


def survey_tree(root: Path, exclude: Iterable[Path] = ()) -> TreeSurvey:
    """Look through the project at `root`, as it lies on the disk now.

    Args:
        root: the project's folder.
        exclude: further paths that are left out.
    """
    found = TreeSurvey()
    excluded = {os.path.realpath(path) for path in exclude}
    _SurveyWalk(root, found, excluded).folder("", ignored_in(root), "")
    return found


class _SurveyWalk:
    def __init__(self, root: Path, found: TreeSurvey, excluded: set[str]) -> None:
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
        too_many = size > SMALL_BYTES and self._found.copied_bytes + size > COPIED_BYTES
        if is_ignored:
            too_many = self._found.ignored_bytes + size > IGNORED_BYTES
        if size > LARGE_BYTES or too_many:
            self._found.linked.append(path)
            self._found.large[path] = size
            return
        if is_ignored:
            self._found.ignored_bytes += size
        else:
            self._found.copied_bytes += size
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
    """True if a folder is a virtual environment of Python, of conda too."""
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
