"""Which paths of a folder its version control ignores."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pathspec

Ignored = Callable[[str, bool], bool]
"""Called with a path relative to the folder (POSIX) and whether it is a folder."""


def ignored_in(folder: Path) -> Ignored:
    """What git ignores below `folder`; read from the .gitignore files where git cannot be asked."""
    return _asked_git(folder) or _by_rules(folder)


def nothing_ignored(_path: str, _is_folder: bool) -> bool:
    """For folders without rules."""
    return False


def repository_of(folder: Path) -> Path | None:
    """The top folder of the git repository that holds `folder`."""
    for place in (folder, *folder.parents):
        if (place / ".git").exists():
            return place
    return None


def _asked_git(folder: Path) -> Ignored | None:
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
    """The rules of the .gitignore files from the repository's top down, innermost last."""
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
