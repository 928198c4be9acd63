"""Find `[tool.fapo]` and the tests that it applies to. Standard library only: start-up needs it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAME = "pyproject.toml"

_SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__", "site-packages", "build", "dist", "venv"})

_SECTION = re.compile(rb"^\s*\[+\s*(tool[.:])?fapo\b", re.MULTILINE)

_INI_NAMES = ("pytest.ini", ".pytest.ini", "tox.ini", "setup.cfg")

_TOML_NAMES = ("pytest.toml", ".pytest.toml", NAME)

_MISNAMED = re.compile(rb"^[ \t]*\[+[ \t]*(fapo|(?:tool\.)?\"?pytest[-_.]fapo)\b", re.MULTILINE)
"""The head of a table of TOML that is meant for us, and is none of ours."""

_TOOL_TABLE = re.compile(rb"^[ \t]*\[+[ \t]*tool\.[\"']?(\w+)", re.MULTILINE)

_SIMILAR = 0.85
"""Likeness of a table's name to ours from which on it is taken for a slip of the pen: `fappo`, `fapoo`."""


def project_file(inipath: Path | None, rootpath: Path) -> Path:
    """Return the pyproject.toml of the project that pytest runs in; there may be none.

    Args:
        inipath: the configuration file that pytest chose, if any.
        rootpath: pytest's rootdir; its pyproject.toml counts where `inipath` is another file (pytest.ini).
    """
    if inipath is not None and inipath.name == NAME:
        return inipath
    return rootpath / NAME


@dataclass(frozen=True)
class SettingsFiles:
    """Finds the files with `[tool.fapo]` that hold for the tests of a session."""

    inipath: Path | None
    """The configuration file that pytest chose, if any."""
    rootpath: Path
    """pytest's rootdir."""
    start: Path
    """The folder in which pytest was started."""
    named: bool = False
    """True if the configuration file was named on the command line (`-c`)."""
    _known: dict[Path, bool] = field(default_factory=dict, compare=False, repr=False)

    def of(self, folder: Path) -> Path | None:
        """Return the file that holds for the tests in a folder; None if there is none.

        The nearest pyproject.toml with `[tool.fapo]` in the folder or above it, unless `-c` names a TOML file
        with such a table. Tests that have none above them go by the rootdir, then by where pytest started.
        """
        own = self.inipath
        if own is None or own.suffix != ".toml" or not self._holds(own):
            own = None
        if own is not None and self.named:
            return own
        return self._above(folder) or own or self._above(self.rootpath) or self._above(self.start)

    def below(self, folder: Path, skipped: Sequence[str] = ()) -> Iterator[Path]:
        """Yield the files in a folder's subfolders, those of links too, as pytest would collect there.

        Args:
            folder: where to begin.
            skipped: patterns of names that pytest does not enter (`norecursedirs`).
        """
        seen: set[str] = set()
        for parent, folders, files in os.walk(folder, followlinks=True):
            real = os.path.realpath(parent)
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            folders[:] = sorted(name for name in folders if not _is_skipped(Path(parent, name), skipped))
            if NAME in files and self._holds(Path(parent, NAME)):
                yield Path(parent, NAME)

    def _above(self, folder: Path) -> Path | None:
        for lowest in dict.fromkeys((folder, folder.resolve())):
            for parent in (lowest, *lowest.parents):
                if self._holds(parent / NAME):
                    return parent / NAME
                if (parent / ".git").exists() and self.rootpath not in parent.parents:
                    break  # the top of a repository: what lies above it is another project's
        return None

    def _holds(self, path: Path) -> bool:
        if path not in self._known:
            self._known[path] = has_settings(path)
        return self._known[path]


@dataclass(frozen=True)
class SettingsHome:
    """The folder of a project's files, with the settings that apply to it."""

    file: Path | None
    """The file with `[tool.fapo]`; None where there is none."""
    rootpath: Path
    """pytest's rootdir."""
    others: tuple[Path, ...] = ()
    """Further files, which hold for the tests of their own folders."""

    @property
    def several(self) -> tuple[Path, ...]:
        """Files that would all have to hold, where none of them holds for all tests."""
        return self.others if self.file is None else ()

    @property
    def folder(self) -> Path:
        """Folder of the settings: `.fapo` and the baseline are kept there."""
        return self.file.parent if self.file is not None else self.rootpath

    @property
    def root(self) -> Path:
        """Folder that a copy for a candidate holds: the rootdir, or that of settings beyond it."""
        return self.rootpath if self.folder.is_relative_to(self.rootpath) else self.folder

    @property
    def prefix(self) -> str:
        """The settings' folder as seen from `root`, POSIX; empty where they are the same."""
        return "" if self.folder == self.root else self.folder.relative_to(self.root).as_posix()


def find_settings_home(
    files: SettingsFiles, paths: Iterable[Path], *, below: bool, skipped: Sequence[str] = ()
) -> SettingsHome:
    """Return where the settings are that hold for the tests of these files and folders.

    Args:
        files: of the session.
        paths: what pytest was told to collect.
        below: look in subfolders too.
        skipped: see `SettingsFiles.below`.
    """
    folders = list(dict.fromkeys(path if path.is_dir() else path.parent for path in paths))
    above = _distinct_files(file for folder in folders if (file := files.of(folder)) is not None)
    inner: list[Path] = []
    if below and not (files.named and above and above[0] == files.inipath):
        inner = _distinct_files(file for folder in folders for file in files.below(folder, skipped))
    everywhere = _distinct_files([*above, *inner])
    first = above[0] if len(above) == 1 else everywhere[0] if len(everywhere) == 1 else None
    return SettingsHome(first, files.rootpath, tuple(file for file in everywhere if file is not first))


def misplaced_table(inipath: Path | None, rootpath: Path) -> Path | None:
    """Return the file of settings that has a section meant for us which nobody would read.

    Args:
        inipath: the configuration file that pytest chose, if any.
        rootpath: pytest's rootdir; the other files that may configure pytest are looked up there.
    """
    beside = [rootpath / name for name in (*_INI_NAMES, *_TOML_NAMES)]
    for path in dict.fromkeys([*([inipath] if inipath is not None else []), *beside]):
        section = _MISNAMED if path.suffix == ".toml" else _SECTION
        try:
            if section.search(path.read_bytes()) or similar_table(path):
                return path
        except OSError:
            continue
    return None


def similar_table(path: Path) -> str:
    """Return the name of a table that is a slip of the pen for `tool.fapo`; empty where there is none."""
    if path.suffix != ".toml":
        return ""
    from difflib import SequenceMatcher

    content = path.read_bytes()
    misnamed = _MISNAMED.search(content) if path.name == "pyproject.toml" else None
    names = [name.decode() for name in _TOOL_TABLE.findall(content)]
    likely = (name for name in names if SequenceMatcher(None, name.lower(), "fapo").ratio() >= _SIMILAR)
    found = next((f"tool.{name}" for name in likely if name != "fapo"), "")
    return misnamed[1].decode() if misnamed else found


def argument_path(argument: str, start: Path) -> Path:
    """Return the path in an argument of pytest's, which may be a node id."""
    return Path(os.path.normpath(start / argument.split("::", 1)[0]))


def _distinct_files(files: Iterable[Path]) -> list[Path]:
    return list({file.resolve(): file for file in reversed(list(files))}.values())[::-1]


def _is_skipped(folder: Path, patterns: Sequence[str]) -> bool:
    name = folder.name
    if name.startswith(".") or name in _SKIPPED_FOLDERS or (folder / "pyvenv.cfg").exists():
        return True
    return any(Path(name).match(pattern) for pattern in patterns)


def has_settings(path: Path) -> bool:
    """True if a file has `[tool.fapo]`, or may have: what cannot be read is told when it is used."""
    try:
        content = path.read_bytes()
    except OSError:
        return False
    if b"fapo" not in content:
        return False
    try:
        tool = parse_toml(content.decode()).get("tool")
    except ValueError:
        return _SECTION.search(content) is not None
    return isinstance(tool, dict) and "fapo" in tool


def read_toml(path: Path) -> dict[str, Any]:
    """Return the document in a TOML file.

    Raises:
        ValueError: it is not TOML, or not UTF-8.
    """
    return parse_toml(path.read_text(encoding="utf-8"))


def parse_toml(text: str) -> dict[str, Any]:
    """Return the document that a text is.

    Raises:
        ValueError: it is not TOML.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:  # pragma: no cover - the branch depends on the interpreter
        import tomli as tomllib
    return tomllib.loads(text)  # type: ignore[no-any-return,unused-ignore]
