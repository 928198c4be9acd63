"""A coding agent's copy of the project: as of the parent, without the cases of val and holdout."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from pytest_fapo.answers.exported_cache import is_exported_cache
from pytest_fapo.core.case import Case
from pytest_fapo.diagnosis.loose_values import strings_in


@contextmanager
def agent_folder() -> Iterator[Path]:
    """A new folder that nobody else may enter; removed at the end, whatever is in it by then."""
    path = Path(tempfile.mkdtemp(prefix="fapo-agent-")).resolve()
    try:
        yield path
    finally:
        shutil.rmtree(path, onerror=_retry_writable)


def _retry_writable(function: Any, path: str, _error: Any) -> None:
    """A folder without write or search permission keeps its entries from being removed."""
    for each in (os.path.dirname(path), path):
        if os.path.isdir(each) and not os.path.islink(each):
            os.chmod(each, stat.S_IRWXU)
    if function in (os.unlink, os.rmdir):
        with suppress(OSError):
            function(path)
    else:
        shutil.rmtree(path, ignore_errors=True)


_PREFIX = 12
"""So many characters of an input tell it from other text; a shorter one is not searched for."""

_BY_LINE = (".jsonl", ".csv", ".tsv")

_DATA = (*_BY_LINE, ".json", ".yaml", ".yml", ".parquet", ".xlsx", ".txt", ".db", ".sqlite", ".xml", ".log")

_PLACE = re.compile(r"(?P<path>.+\.\w+):(?P<line>\d+)$")


class HiddenCases:
    """Decides which parts of a file may be shown.

    Case files keep the lines of train cases (JSON and YAML files are withheld whole). Every other file in
    which the text of a hidden case stands is withheld. Where hidden cases come from no file that is known (a
    list or a function in Python), test files and data files outside the scope are withheld too.

    Args:
        cases: of all splits.
        editable: paths in the scope.
        is_record: whether a path holds what earlier runs gave on all splits; withheld whole.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        editable: Sequence[str],
        is_record: Callable[[str], bool] = lambda path: False,
    ) -> None:
        self._is_record = is_record
        self._editable = frozenset(editable)
        hidden = [case for case in cases if case.split != "train"]
        shown = {text for case in cases if case.split == "train" for text in strings_in(case.inputs)}
        self._lines = _case_lines(cases)
        self._unplaced = any(_PLACE.match(case.origin) is None for case in hidden)
        self._texts: dict[str, set[str]] = {}
        for case in hidden:
            for text in set(strings_in(case.inputs)) - shown:
                for form in _spellings(text):
                    if len(form) >= _PREFIX:
                        self._texts.setdefault(form[:_PREFIX], set()).add(form)

    def filtered(self, path: str, content: bytes) -> bytes | None:
        """Return the part of a file that may be shown; None for nothing."""
        if self._is_record(path) or is_exported_cache(content):
            return None
        if path in self._lines:
            kept = self._train_lines(path, content)
            return kept if kept is None or not self._holds_hidden(kept) else None
        if self._unplaced and path not in self._editable and _may_hold_cases(path):
            return None
        return None if self._holds_hidden(content) else content

    def _train_lines(self, path: str, content: bytes) -> bytes | None:
        """Return a case file's lines up to the first case, and those of train cases."""
        if PurePosixPath(path).suffix.lower() not in _BY_LINE:
            return None
        is_train = self._lines[path]
        first = min(is_train)
        kept, keep = [], not path.endswith(".jsonl")
        for number, line in enumerate(content.split(b"\n"), start=1):
            if number >= first:
                keep = is_train.get(number, keep and not path.endswith(".jsonl"))
            if keep:
                kept.append(line)
        return b"\n".join(kept).rstrip(b"\n") + b"\n"

    def _holds_hidden(self, content: bytes) -> bool:
        text = content.decode("utf-8", errors="replace")
        prefixes = self._texts
        if not prefixes:
            return False
        for start in range(len(text) - _PREFIX + 1):
            found = prefixes.get(text[start : start + _PREFIX])
            if found and any(text.startswith(form, start) for form in found):
                return True
        return False


def _case_lines(cases: Sequence[Case]) -> dict[str, dict[int, bool]]:
    """Case file to the lines at which cases begin, with whether only train cases begin there."""
    lines_of: dict[str, dict[int, bool]] = {}
    for case in cases:
        match = _PLACE.match(case.origin)
        if match:
            lines = lines_of.setdefault(match["path"], {})
            number = int(match["line"])
            lines[number] = case.split == "train" and lines.get(number, True)
    return lines_of


def _may_hold_cases(path: str) -> bool:
    name = PurePosixPath(path).name
    tests = name.startswith("test_") or name.endswith("_test.py") or name == "conftest.py"
    return tests or "tests" in PurePosixPath(path).parts or path.lower().endswith(_DATA)


def _spellings(text: str) -> set[str]:
    """Return the ways in which a text may be written in a file: bare, and in JSON or Python source."""
    written = {json.dumps(text, ensure_ascii=ascii)[1:-1] for ascii in (True, False)}
    return {text, text.strip(), repr(text)[1:-1], *written}


MOST_BYTES = 2_000_000
"""Larger files are left out: they are data, not text to work on."""

_LEFT_OUT = frozenset(
    {".git", ".hg", ".svn", ".fapo", ".tox", ".nox", ".venv", "venv", "node_modules", "__pycache__"}
    | {".pytest_cache", ".mypy_cache", ".ruff_cache", ".idea", ".vscode", ".netrc"}
)


@dataclass
class ProjectCopy:
    """The files that are in the copy, and those that are not."""

    files: dict[str, bytes] = field(default_factory=dict)
    """Relative POSIX path to content."""
    withheld: list[str] = field(default_factory=list)
    """Files that hold, or may hold, cases of val or holdout."""


def copy_project(root: Path, own: Path, over: Mapping[str, bytes], secrecy: HiddenCases) -> ProjectCopy:
    """Copy the project's files into the folder `own`.

    Args:
        root: the project.
        own: an empty folder.
        over: contents laid over the project's, those of the parent candidate.
        secrecy: decides what is withheld.
    """
    copied = ProjectCopy()
    for path in sorted({*_paths(root), *over}):
        content = over.get(path)
        if content is None:
            content = _read(root / path)
        kept = secrecy.filtered(path, content) if content is not None else None
        if kept is not None:
            copied.files[path] = kept
            target = own / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(kept)
        elif content is not None:
            copied.withheld.append(path)
    return copied


def left_out(path: str) -> bool:
    """True if a file is no part of the project's text: other tools' folders, environment files."""
    parts = path.split("/")
    return not _LEFT_OUT.isdisjoint(parts) or parts[-1].startswith(".env") or parts[-1].endswith(".pyc")


def _paths(root: Path) -> Iterator[str]:
    tracked = _known_to_git(root)
    for path in tracked if tracked is not None else _walked(root):
        if not left_out(path):
            yield path


def _known_to_git(root: Path) -> list[str] | None:
    """Return the files that git tracks or would track; None if the project is in no repository, or ignored by
    it.
    """
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
    """Return a plain file's content; None for what is no part of the copy."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MOST_BYTES:
            return None
        return path.read_bytes()
    except OSError:
        return None
