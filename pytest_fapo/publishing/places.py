"""Where a remark belongs: a file's path from the top of the repository, and the line."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from pytest_fapo.artifacts import ArtifactStore
from pytest_fapo.errors import ArtifactError
from pytest_fapo.models import Edit

_ORIGIN = re.compile(r"(?P<path>.+?)(?::(?P<line>\d+)| #\d+)?")


def repository_top(root: Path, environment: Mapping[str, str]) -> Path:
    """The folder that a code host's paths are relative to.

    Args:
        root: pytest's rootdir.
        environment: of this process.
    """
    for name in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
        place = Path(environment[name]).resolve() if environment.get(name) else None
        if place is not None and root.resolve().is_relative_to(place):
            return place
    return next((place for place in (root, *root.parents) if (place / ".git").exists()), root)


class Places:
    """Turns what the records know into paths and lines of the repository.

    Args:
        root: pytest's rootdir.
        store: the project's artifacts.
        environment: of this process.
    """

    def __init__(self, root: Path, store: ArtifactStore, environment: Mapping[str, str]) -> None:
        self._root = root
        self._store = store
        self._top = repository_top(root, environment)

    def path(self, path: str) -> str:
        """A path (relative to the rootdir) from the top of the repository; empty where it is not inside."""
        if not path:
            return ""
        full = Path(os.path.abspath(self._root / path))
        for top in (self._top, self._top.resolve()):
            if full.is_relative_to(top):
                return full.relative_to(top).as_posix()
        return ""

    def of_case(self, origin: str, nodeid: str) -> tuple[str, int]:
        """Path and line of a case; the test's file where its origin is not known.

        Args:
            origin: `file:line`, `file #3`, or nothing.
            nodeid: the item's.
        """
        found = _ORIGIN.fullmatch(origin)
        path = self.path(found["path"]) if found else ""
        if found and path and (self._root / found["path"]).is_file():
            return path, int(found["line"] or 0)
        return self.path(nodeid.partition("::")[0]), 0

    def of_artifact(self, address: str) -> tuple[str, int]:
        """Path and line at which an artifact begins; line 0 where that cannot be told."""
        try:
            artifact = self._store.get(address)
        except ArtifactError:
            return self.path(address.partition("::")[0]), 0
        if artifact.kind == "file":
            return self.path(artifact.path), 1
        other = Edit(address=address, before=artifact.text, after=f"x{artifact.text}")
        return self.path(artifact.path), first_difference(self._store, other, artifact.path, unknown=0)


def first_difference(store: ArtifactStore, edit: Edit, path: str, *, unknown: int) -> int:
    """The line, from 1, at which an edit first changes its file; `unknown` where it cannot be carried out."""
    try:
        changed = store.render([edit])[path].split(b"\n")
        lines = store.read(path).split(b"\n")
    except (ArtifactError, KeyError, OSError):
        return unknown
    for number, (line, other) in enumerate(zip(lines, changed, strict=False), 1):
        if line != other:
            return number
    return max(1, min(len(lines), len(changed)))
