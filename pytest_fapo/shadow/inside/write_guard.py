"""An audit hook that refuses writes into the user's project and notes reads of the watched files."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pytest_fapo.shadow.inside.tree_map import TreeMap, exists, inside, resolve

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_CHANGES: dict[str, tuple[tuple[int, int | None], ...]] = {
    "os.chmod": ((0, 2),),
    "os.chown": ((0, 3),),
    "os.link": ((1, 3),),
    "os.mkdir": ((0, 2),),
    "os.remove": ((0, 1),),
    "os.rename": ((0, 2), (1, 3)),
    "os.removexattr": ((0, None),),
    "os.rmdir": ((0, 1),),
    "os.setxattr": ((0, None),),
    "os.symlink": ((1, 2),),
    "os.truncate": ((0, None),),
    "os.utime": ((0, 3),),
}
"""Audit events that change files: positions of each path and of the descriptor of its folder."""


class GuardLog:
    """Append-only file of what the guard saw; each line is written at once, from any process."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._seen: set[str] = set()

    def add(self, kind: str, text: str) -> None:
        line = f"{kind}\t{text}"
        if line in self._seen:
            return
        self._seen.add(line)
        data = (line.replace("\n", " ") + "\n").encode("utf-8", "surrogateescape")
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, data)
        finally:
            os.close(descriptor)


@dataclass
class GuardRules:
    """The writes that one evaluation forbids and the reads that it notes; folders and files are resolved
    paths.
    """

    guarded: Sequence[str]
    """Folders in which nothing may change: the project."""
    allowed: Sequence[str]
    """Folders or files inside them in which changes are welcome: the run's own."""
    compiled: Sequence[str]
    """Folders where Python may go on keeping its bytecode: virtual environments."""
    watch: frozenset[str]
    """Relative paths of the files whose reading is noted."""
    log: GuardLog
    """The log for notes."""
    known: Sequence[str] | None = None
    """Folders of which reading is not noted; None where nothing outside of the tree is noted."""

    def __post_init__(self) -> None:
        self.watched_names = frozenset(path.rpartition("/")[2] for path in self.watch)
        self.known_beginnings = tuple(f"{folder}/" for folder in self.known or ())


class WriteGuard:
    """Refuses changes in the guarded folders and notes reads.

    Args:
        tree: the map from the real tree to the shadow.
        rules: may be replaced while the guard is in force.
    """

    def __init__(self, tree: TreeMap, rules: GuardRules) -> None:
        self.tree = tree
        self.rules = rules
        self._handlers: dict[str, Callable[[Sequence[Any]], None]] = {
            "open": self._on_open,
            "sqlite3.connect": self._on_database,
            **{event: self._on_change(positions) for event, positions in _CHANGES.items()},
            "socket.connect": self._on_connect,
            "subprocess.Popen": self._on_program,
            "os.posix_spawn": self._on_program,
            "os.exec": self._on_program,
            "os.system": self._on_shell,
        }

    def install(self) -> None:
        sys.addaudithook(self._hook)

    def _hook(self, event: str, args: Sequence[Any]) -> None:
        handler = self._handlers.get(event)
        if handler is not None:
            handler(args)

    # --- writing --------------------------------------------------------------------------------------

    def _on_change(self, positions: tuple[tuple[int, int | None], ...]) -> Callable[[Sequence[Any]], None]:
        def handler(args: Sequence[Any]) -> None:
            for position, folder in positions:
                path = absolute(args[position], args[folder] if folder is not None else None)
                if path is not None:
                    self._refuse_change(path)

        return handler

    def _on_database(self, args: Sequence[Any]) -> None:
        name = _text(args[0])
        if name and "mode=ro" not in name and "immutable=1" not in name:
            path = absolute(name.removeprefix("file:").partition("?")[0])
            if path is not None:
                self._refuse_change(path)

    def _refuse_change(self, path: str) -> None:
        folder, name = os.path.split(path)
        place = f"{resolve(folder)}/{name}"
        for real in (os.path.normpath(path), place, resolve(place)):
            if self._is_guarded(real):
                shown = place if inside(real, self.tree.area) else real
                self._note("refused", shown)
                raise PermissionError(
                    errno.EACCES,
                    f"pytest-fapo judges a copy of this project and keeps the project itself unchanged: "
                    f"writing to {shown} was refused",
                )

    def _is_guarded(self, path: str) -> bool:
        tree = self.tree
        if inside(path, tree.area) and not inside(path, tree.shadow):
            return True
        if not any(inside(path, folder) for folder in self.rules.guarded):
            return False
        if any(inside(path, place) for place in self.rules.allowed):
            return False
        return not ("/__pycache__" in path and any(inside(path, folder) for folder in self.rules.compiled))

    # --- reading --------------------------------------------------------------------------------------

    def _on_open(self, args: Sequence[Any]) -> None:
        path = absolute(args[0])
        if path is None or isinstance(args[0], int):
            return
        flags = args[2] if len(args) > 2 and isinstance(args[2], int) else 0
        if flags & WRITING:
            self._refuse_change(path)
        else:
            self._note_read(_source_of(path))
            self._note_outside(path)

    def _note_read(self, path: str) -> None:
        if path.rpartition("/")[2] not in self.rules.watched_names:
            self._note_missing(path)
            return
        path = resolve(path)
        for kind, root in (("loaded", self.tree.shadow), *(("real", root) for root in self.tree.roots)):
            if inside(path, root) and path[len(root) + 1 :] in self.rules.watch:
                self._note(kind, path[len(root) + 1 :])

    def _note_missing(self, path: str) -> None:
        """A relative path that leaves the shadow tree leads, in the real tree, to a file beside it."""
        if not inside(path, self.tree.area):
            return
        path = os.path.normpath(path)
        if inside(path, self.tree.area) and not inside(path, self.tree.shadow) and not exists(path):
            self._note("outside", os.path.relpath(path, self.tree.shadow))

    # --- the outside ----------------------------------------------------------------------------------

    def _note_outside(self, path: str) -> None:
        """A file is read that belongs neither to the project nor to Python or the system."""
        known = self.rules.known
        if known is None or path.startswith(self.rules.known_beginnings):
            return
        real = resolve(path)
        places = (*known, self.tree.base, *self.tree.roots)
        if not any(inside(real, folder) for folder in places) and os.path.isfile(real):
            self._note("read", real)

    def _on_connect(self, args: Sequence[Any]) -> None:
        if self.rules.known is None or len(args) < 2:
            return
        address = args[1]
        if isinstance(address, tuple) and len(address) >= 2:
            host = f"[{address[0]}]" if ":" in str(address[0]) else address[0]
            self._note("connect", f"{host}:{address[1]}")
        elif isinstance(address, str) and address.startswith("/"):
            self._note("connect", address)

    def _on_program(self, args: Sequence[Any]) -> None:
        name = _text(args[0])
        if self.rules.known is None or not name:
            return
        path = name if "/" in name else shutil.which(name)
        if path is not None:
            self._note("program", os.path.abspath(path))

    def _on_shell(self, args: Sequence[Any]) -> None:
        if self.rules.known is not None:
            self._note("program", "/bin/sh")

    def _note(self, kind: str, text: str) -> None:
        with suppress(OSError):
            self.rules.log.add(kind, text)


def absolute(path: Any, folder: int | None = None) -> str | None:
    """Return the absolute path that a system call names; None for what is no path.

    Args:
        path: str, bytes, a path object or an open file's descriptor.
        folder: descriptor of the folder that a relative path starts from; -1 or None: the current folder.
    """
    if isinstance(path, int):
        return _path_of(path)
    text = _text(path)
    if text is None or text.startswith("/"):
        return text
    base = _path_of(folder) if folder is not None and folder >= 0 else None
    return f"{base or os.getcwd()}/{text}"


def _path_of(descriptor: int) -> str | None:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return None


def _text(path: Any) -> str | None:
    try:
        return os.fsdecode(os.fspath(path))
    except TypeError:
        return None


def _source_of(path: str) -> str:
    """Return the source of a bytecode file, also of the ones that pytest writes; any other path as it is."""
    if not path.endswith(".pyc"):
        return path
    folder, _, name = path.rpartition("/")
    source = f"{name.partition('.')[0]}.py"
    if sys.pycache_prefix and inside(folder, os.path.abspath(sys.pycache_prefix)):
        return f"{folder[len(os.path.abspath(sys.pycache_prefix)) :]}/{source}"
    parent, _, last = folder.rpartition("/")
    return f"{parent}/{source}" if last == "__pycache__" else path
