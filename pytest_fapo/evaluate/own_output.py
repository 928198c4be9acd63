"""The files that a session itself writes: what it has open, and where a pipe takes what it prints."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

if sys.platform != "win32":
    import fcntl

Identity = tuple[int, int]
"""Device and inode."""

_DESCRIPTORS = 256
_PRINTED = (1, 2)


def own_output() -> set[Identity]:
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
    """What another process of the user has open: the pipes it reads, and what it only writes."""

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
