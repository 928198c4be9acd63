"""Whether a new file can have a path, on this machine and on those of others."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

_AWKWARD = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|\Z)", re.I)


def objection_to(root: Path, path: str, files: Iterable[str]) -> str:
    """Why no file can be created at `path`; empty where one can.

    Args:
        root: the project's folder.
        path: relative POSIX path.
        files: paths of files that are not on the disk yet, but are there for the edit.
    """
    pure = PurePosixPath(path)
    for part in pure.parts:
        if _AWKWARD.search(part) or _RESERVED.match(part) or part.endswith((" ", ".")):
            return f"{part!r} is no file name that every system takes"
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
