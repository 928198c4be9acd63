"""Record the contents of a project's files at one moment, and find the files that differ at another."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from pydantic import Field

from pytest_fapo.core.record import Record
from pytest_fapo.shadow.tree_survey import TreeSurvey, survey_tree

_BY_TOOLS = ("*~", "*.sw?", ".#*", "#*#", "4913", ".DS_Store", ".coverage", ".coverage.*", ".fapo-*")
"""Files of these names come from editors, file managers and tools that watch the tests."""

_LINK = "link to "

_STEERING = ("*.py", "*.pyi", "*.pth", "*.so", "*.pyd", "*.toml", "*.ini", "*.cfg", ".env*")
"""Files of these names change what tests do from wherever they are found."""


class TreeState(Record):
    """The digest of every file that a copy of the project holds."""

    files: dict[str, str] = Field(default_factory=dict)
    """By relative POSIX path: SHA-256 of the content; of a link where it leads; of a file that is too large
    to copy its size and time."""
    ignored: list[str] = Field(default_factory=list)
    """Files and folders that git ignores."""
    written_here: list[str] = Field(default_factory=list)
    """Files that the session writes: `pytest > out.txt`, `pytest | tee out.txt`, a log."""

    @classmethod
    def now(cls, root: Path, exclude: Iterable[Path] = ()) -> TreeState:
        """Return the state of the project at `root` as it lies on the disk."""
        found = survey_tree(root, exclude)
        state = cls.of_linked_files(root, found)
        for path in found.files:
            try:
                state.files[path] = digest((root / path).read_bytes())
            except OSError:
                state.files[path] = ""
        return state

    @classmethod
    def of_linked_files(cls, root: Path, found: TreeSurvey) -> TreeState:
        """Return the state of what a copy has as links; the digests of its files are the copy's to add."""
        files = {path: f"{_LINK}{target}" for path, target in found.links.items()}
        for path in found.linked:
            place = root / path
            if place.is_file():
                seen = os.stat(place)
                files[path] = f"{seen.st_size} bytes of {seen.st_mtime_ns}"
        return cls(files=files, ignored=found.ignored, written_here=_written_here(root, found.files))

    def changes(self, now: TreeState, *, besides: Iterable[str] = ()) -> dict[str, str]:
        """Return by path what happened to each file that is another one now: "changed", "deleted" or "new".

        Not counted: new files that git ignores or that no test would come across, files that editors and the
        like make, what the session itself writes, and those of `besides`.
        """
        left_out = {*besides, *self.written_here, *now.written_here}
        found = {
            path: "changed" if path in now.files else "deleted"
            for path, digest in self.files.items()
            if now.files.get(path) != digest
        }
        kinds = {_kind(path) for path in self.files}
        new = {
            path: "new"
            for path in now.files
            if path not in self.files
            and not now._is_ignored(path)
            and (_kind(path) in kinds or _named(path, _STEERING) or now.files[path].startswith(_LINK))
        }
        return {
            path: word
            for path, word in sorted({**found, **new}.items())
            if path not in left_out and not _named(path, _BY_TOOLS)
        }

    def _is_ignored(self, path: str) -> bool:
        paths = {path, *(parent.as_posix() for parent in PurePosixPath(path).parents)}
        return not paths.isdisjoint(self.ignored)


def _written_here(root: Path, files: Iterable[str]) -> list[str]:
    """Return those of the files that this session writes."""
    output = files_open_for_writing()
    found = []
    for path in files if output else ():
        try:
            seen = os.stat(root / path)
        except OSError:
            continue
        if (seen.st_dev, seen.st_ino) in output:
            found.append(path)
    return found


def _kind(path: str) -> tuple[str, str]:
    """Return the key of tests that read all files of a kind: the folder in the project, and the suffix."""
    place = PurePosixPath(path)
    return (place.parts[0] if len(place.parts) > 1 else "", place.suffix)


def _named(path: str, patterns: Iterable[str]) -> bool:
    name = PurePosixPath(path).name
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def digest(content: bytes) -> str:
    """SHA-256 as hex."""
    return hashlib.sha256(content).hexdigest()


if sys.platform != "win32":
    import fcntl

Identity = tuple[int, int]
"""Device and inode."""

_DESCRIPTORS = 256

_PRINTED = (1, 2)


def files_open_for_writing() -> set[Identity]:
    """Return the regular files that this process has open for writing (`pytest > out.txt`, a log), and
    those that a program at the end of its output's pipe has (`pytest | tee out.txt`; on Linux)."""
    if sys.platform == "win32":
        return set()
    files: set[Identity] = set()
    pipes: set[Identity] = set()
    for number in range(_DESCRIPTORS):
        try:
            seen = os.fstat(number)
            writes = fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
        except OSError:
            continue
        if writes and stat.S_ISREG(seen.st_mode):
            files.add((seen.st_dev, seen.st_ino))
        elif number in _PRINTED and stat.S_ISFIFO(seen.st_mode):
            pipes.add((seen.st_dev, seen.st_ino))
    return files | _behind(pipes)


def _behind(pipes: set[Identity]) -> set[Identity]:
    """Return the files that are written by the programs that read from these pipes, or from theirs."""
    if not pipes:
        return set()
    processes = [_Opened(folder) for folder in _processes()]
    files: set[Identity] = set()
    reached: set[Identity] = set()
    while pipes:
        reached |= pipes
        readers = [process for process in processes if process.reads & pipes]
        files |= {each for process in readers for each in process.files}
        pipes = {each for process in readers for each in process.pipes} - reached
    return files


def _processes() -> Iterator[Path]:
    own = str(os.getpid())
    for folder in Path("/proc").glob("[0-9]*"):
        if folder.name != own:
            yield folder


class _Opened:
    """The files that another process of the user has open: the pipes it reads, and those it only writes."""

    def __init__(self, folder: Path) -> None:
        self.reads: set[Identity] = set()
        self.pipes: set[Identity] = set()
        self.files: set[Identity] = set()
        try:
            names = os.listdir(folder / "fd")
        except OSError:
            return  # another user's, or it has ended
        for name in names:
            try:
                seen = os.stat(folder / "fd" / name)
                mode = _mode(folder / "fdinfo" / name)
            except (OSError, ValueError):
                continue
            self._add(seen, mode)

    def _add(self, seen: os.stat_result, mode: int) -> None:
        identity = (seen.st_dev, seen.st_ino)
        if stat.S_ISFIFO(seen.st_mode):
            (self.reads if mode == os.O_RDONLY else self.pipes).add(identity)
        elif stat.S_ISREG(seen.st_mode) and mode == os.O_WRONLY:
            self.files.add(identity)


def _mode(info: Path) -> int:
    flags = next(line for line in info.read_text().splitlines() if line.startswith("flags:"))
    return int(flags.split()[1], 8) & os.O_ACCMODE


class PristineStore:
    """File contents, one behind the other in a single file: quicker to write than a second tree."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b")
        self._positions: dict[str, tuple[int, int]] = {}

    def add(self, path: str, content: bytes) -> None:
        self._positions[path] = (self._file.seek(0, 2), len(content))
        self._file.write(content)

    def __contains__(self, path: str) -> bool:
        return path in self._positions

    def __getitem__(self, path: str) -> bytes:
        offset, size = self._positions[path]
        self._file.seek(offset)
        return self._file.read(size)

    def close(self) -> None:
        self._file.close()
