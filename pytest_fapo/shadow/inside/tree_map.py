"""Map a path of the user's project to the shadow's path."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, AnyStr

_lstat, _readlink, _getcwd = os.lstat, os.readlink, os.getcwd

_MAX_LINKS = 40


class TreeMap:
    """Maps paths of the real tree onto the shadow tree.

    Args:
        root: the real tree's folder.
        shadow: its copy's folder, free of symlinks.
        base: the private folder that holds all that belongs to the shadow tree; never mapped.
        area: the part of `base` in which the shadow and links to the real tree's surroundings lie.
        kept: relative paths that were not copied (linked folders, caches); they stay where they are.
    """

    def __init__(self, root: str, shadow: str, base: str, area: str, kept: Iterable[str] = ()) -> None:
        self.shadow = shadow
        self.base = base
        self.area = area
        self.kept = frozenset(kept)
        self.roots = tuple(dict.fromkeys((os.path.abspath(root), resolve(root))))
        self._folders: dict[str, str] = {}

    def relative(self, path: str) -> str | None:
        """Return the path inside the real tree, "" for its root; None for every other path.

        Args:
            path: absolute, or relative to the current folder.
        """
        if not path.startswith("/"):
            path = f"{_getcwd()}/{path}"
        if inside(path, self.area):
            return None
        for form in (path, self._resolved(path)):
            normal = os.path.normpath(form)
            for root in self.roots:
                if inside(normal, root) and not inside(normal, self.base):
                    return normal[len(root) + 1 :]
        return None

    def to_shadow(self, path: str) -> str:
        """Return the shadow's counterpart of a path of the real tree; any other path as it is."""
        relative = self.relative(path)
        if relative is None or self.is_kept(relative):
            return path
        return f"{self.shadow}/{relative}" if relative else self.shadow

    def map(self, path: Any) -> Any:
        """`to_shadow` for whatever `open` accepts: str, bytes, path objects, file descriptors."""
        if isinstance(path, int):
            return path
        try:
            name: str | bytes = os.fspath(path)
        except TypeError:
            return path
        text = os.fsdecode(name)
        mapped = self.to_shadow(text)
        if mapped is text:
            return path
        return os.fsencode(mapped) if isinstance(name, bytes) else mapped

    def is_kept(self, relative: str) -> bool:
        """True if this path of the real tree has no copy in the shadow."""
        parts = relative.split("/")
        if "__pycache__" in parts:
            return False
        return any("/".join(parts[: count + 1]) in self.kept for count in range(len(parts)))

    def _resolved(self, path: str) -> str:
        """`path` with the links of its folder resolved; folders are remembered."""
        folder, name = os.path.split(path)
        real = self._folders.get(folder)
        if real is None:
            real = self._folders[folder] = resolve(folder)
        return f"{real}/{name}"


def inside(path: AnyStr, folder: AnyStr) -> bool:
    """True if a normalized path is `folder` or lies in it."""
    return path.startswith(folder) and path[len(folder) : len(folder) + 1] in (
        ("", "/") if isinstance(path, str) else (b"", b"/")
    )


def resolve(path: str) -> str:
    """`os.path.realpath` by the system's own functions, whatever was put in the place of `os.lstat`."""
    if not path.startswith("/"):
        path = f"{_getcwd()}/{path}"
    rest = [part for part in reversed(path.split("/")) if part and part != "."]
    done = ""
    links = 0
    while rest:
        part = rest.pop()
        if part == "..":
            done = done.rpartition("/")[0]
            continue
        step = f"{done}/{part}"
        target = _link_target(step) if links < _MAX_LINKS else None
        if target is None:
            done = step
            continue
        links += 1
        if target.startswith("/"):
            done = ""
        rest.extend(part for part in reversed(target.split("/")) if part and part != ".")
    return done or "/"


def _link_target(path: str) -> str | None:
    try:
        return _readlink(path)
    except (OSError, ValueError):
        return None


def exists(path: str) -> bool:
    """True if something, a dangling link included, lies at this very path."""
    try:
        _lstat(path)
    except (OSError, ValueError):
        return False
    return True
