"""The copy of the project that a coding agent works in: as of the parent, without other splits' cases."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pytest_fapo.propose.command.secrecy import Secrecy

MOST_BYTES = 2_000_000
"""Larger files are left out: they are data, not text to work on."""
_LEFT_OUT = frozenset(
    {".git", ".hg", ".svn", ".fapo", ".tox", ".nox", ".venv", "venv", "node_modules", "__pycache__"}
    | {".pytest_cache", ".mypy_cache", ".ruff_cache", ".idea", ".vscode", ".netrc"}
)


@dataclass
class Copied:
    """What stands in the copy, and what does not."""

    files: dict[str, bytes] = field(default_factory=dict)
    """Relative POSIX path to content."""
    withheld: list[str] = field(default_factory=list)
    """Files that hold, or may hold, cases of val or holdout."""


def make_copy(root: Path, own: Path, over: Mapping[str, bytes], secrecy: Secrecy) -> Copied:
    """Copy the project's files into the folder `own`.

    Args:
        root: the project.
        own: an empty folder.
        over: contents laid over the project's, those of the parent candidate.
        secrecy: decides what is withheld.
    """
    copied = Copied()
    for path in sorted({*_paths(root), *over}):
        content = over.get(path)
        if content is None:
            content = _read(root / path)
        kept = secrecy.filtered(path, content) if content is not None else None
        if kept is not None:
            copied.files[path] = kept
            place = own / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(kept)
        elif content is not None:
            copied.withheld.append(path)
    return copied


def left_out(path: str) -> bool:
    """Whether a file is no part of the project's text: other tools' folders, environment files."""
    parts = path.split("/")
    return not _LEFT_OUT.isdisjoint(parts) or parts[-1].startswith(".env") or parts[-1].endswith(".pyc")


def _paths(root: Path) -> Iterator[str]:
    found = _known_to_git(root)
    for path in found if found is not None else _walked(root):
        if not left_out(path):
            yield path


def _known_to_git(root: Path) -> list[str] | None:
    """What git tracks or would track; None where the project is in no repository, or ignored by it."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        answer = subprocess.run(command, cwd=root, env=environment, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return [os.fsdecode(path) for path in answer.stdout.split(b"\0") if path] or None


def _walked(root: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(root):
        inside = [
            name
            for name in folders
            if name not in _LEFT_OUT and not os.path.exists(os.path.join(folder, name, "pyvenv.cfg"))
        ]
        folders[:] = sorted(inside)
        for name in names:
            yield Path(folder, name).relative_to(root).as_posix()


def _read(path: Path) -> bytes | None:
    """A plain file's content; None for what is no part of the copy."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MOST_BYTES:
            return None
        return path.read_bytes()
    except OSError:
        return None
