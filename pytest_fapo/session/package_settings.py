"""The settings of a session's tests, which may differ between packages."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import pytest

from pytest_fapo.core.errors import ConfigError, SettingsConflict
from pytest_fapo.core.project_file import (
    SettingsFiles,
    SettingsHome,
    argument_path,
    find_settings_home,
    misplaced_table,
    similar_table,
)
from pytest_fapo.core.settings import Settings, home_settings, read_settings

_COMMANDS = {
    "fapo_optimize": "--fapo-optimize",
    "fapo_resume": "--fapo-resume",
    "fapo_diagnose": "--fapo-diagnose",
    "fapo_gate": "--fapo-gate",
    "fapo_update_baseline": "--fapo-update-baseline",
    "fapo_review": "--fapo-review",
}
"""Options that work on one project, with one file of settings."""


class Packages:
    """Find the `[tool.fapo]` that applies to each test.

    Args:
        config: pytest's.

    Raises:
        ConfigError: a file of settings cannot be used.
    """

    def __init__(self, config: pytest.Config) -> None:
        misplaced = misplaced_table(config.inipath, config.rootpath)
        if misplaced is not None and (name := similar_table(misplaced)):
            raise ConfigError(f"{misplaced}: [{name}] is not read; did you mean [tool.fapo]?")
        if misplaced is not None:
            raise ConfigError(
                f"{misplaced}: settings of pytest-fapo are read from pyproject.toml only: "
                f"move them to [tool.fapo] there"
            )
        self.command = next((text for name, text in _COMMANDS.items() if getattr(config.option, name)), "")
        """The command that needs all tests to have the same settings; empty in a plain session."""
        self._config = config
        self._start = config.invocation_params.dir
        self._files = settings_files(config)
        arguments = [argument_path(argument, self._start) for argument in config.args]
        skipped = config.getini("norecursedirs")
        self.home: SettingsHome = find_settings_home(self._files, arguments, below=True, skipped=skipped)
        """The location of the settings that apply to the whole session."""
        self.problem = self._conflict(self.home.several) if self.command and self.home.several else None
        """The reason why the command cannot work on these tests; known when they are collected, if not
        before.
        """
        self.main: Settings = home_settings(self.home)
        """The settings that hold for the whole session."""
        self._read: dict[Path | None, Settings] = {self.home.file: self.main}
        self._folders: dict[Path, Path | None] = {}
        self.used: dict[Path | None, Settings] = {}
        """Those that hold for a test that was collected, by file."""

    def of(self, test_file: Path) -> Settings:
        """Return the settings of a test.

        Raises:
            ConfigError: they cannot be used.
        """
        folder = test_file.parent
        if folder not in self._folders:
            self._folders[folder] = self._files.of(folder)
        file = self._folders[folder]
        if file not in self._read:
            self._read[file] = read_settings(file) if file is not None else Settings()
        self.used[file] = self._read[file]
        return self._read[file]

    def check(self, test_files: Iterable[Path]) -> None:
        """Raise an error where a command would have to go by other settings for some of its tests.

        Raises:
            SettingsConflict: names the files of settings and what to type.
        """
        if self.command and self.problem is None:
            folders = dict.fromkeys(test_file.parent for test_file in test_files)
            files = [self._folders.get(folder, self.home.file) for folder in folders]
            strange = [file for file in files if not _same(file, self.home.file)]
            if strange:
                every = dict.fromkeys(each for each in (*files, self.home.file) if each is not None)
                self.problem = self._conflict(list(every))
        if self.problem is not None:
            raise self.problem

    def _conflict(self, files: Sequence[Path]) -> SettingsConflict:
        """Return the error that several files would have to hold for one command."""
        shown = [self.shown(file) for file in files]
        folders = [file.parent for file in files]
        inner = next(
            (each for each in folders if any(other in each.parents for other in folders)), folders[0]
        )
        command = f"pytest {shlex.quote(self.shown(inner))} {self.command}"
        if len(shown) > 1:
            message = (
                f"{self.command} works with one [tool.fapo], and the tests have several: {', '.join(shown)}; "
                f"name one project's tests: {command}"
            )
        else:
            message = (
                f"{self.command} works with one [tool.fapo]: that of {shown[0]} does not hold for all tests; "
                f"name those that it holds for: {command}"
            )
        return SettingsConflict(message, command)

    def merged(self) -> Settings:
        """Return what tracing and capture go by: the settings of all packages together.

        Raises:
            ConfigError: two packages name different stand-ins.
        """
        if self.command:
            return self.main
        every = [self.main]
        for file in self.home.others:
            try:
                every.append(read_settings(file))
            except ConfigError:
                continue  # told when a test of that package is collected
        offline = {each.offline.model: each.offline for each in every if each.offline is not None}
        if len(offline) > 1:
            files = ", ".join(self.shown(file) for file in (self.home.file, *self.home.others) if file)
            raise ConfigError(
                f"the packages name different stand-ins ({', '.join(offline)}): {files}; "
                f"run the tests of one package at a time"
            )
        return self.main.model_copy(
            update={
                "steps": _union([each.steps for each in every]),
                "endpoints": _union([each.endpoints for each in every]),
                "redact": _union([each.redact for each in every]),
                "trace_limit": max(each.trace_limit for each in every),
                "concurrency": min(each.concurrency for each in every),
                "offline": next(iter(offline.values()), None),
            }
        )

    def shown(self, path: Path) -> str:
        """Return a path as seen from where pytest was started."""
        return str(path.relative_to(self._start) if path.is_relative_to(self._start) else path)

    def advice(self, text: str) -> str:
        """Return a text whose `pytest --fapo-...` and `fapo ...` commands work where this session was
        started: with the options and the folder without which they would go by other settings.
        """
        if "pytest --fapo" in text and self._needed_arguments:
            text = text.replace("pytest --fapo", f"pytest {self._needed_arguments} --fapo")
        if self.named_file:
            named = shlex.join(["-c", self.named_file])
            text = _ON_A_RUN.sub(lambda command: f"{command[0]} {named}", text)
        return text

    @property
    def named_file(self) -> str:
        """The file that `fapo` must be given with `-c` here; empty where it finds it by itself."""
        return self.shown(self.home.file) if self.home.file is not None and self._needed_arguments else ""

    @cached_property
    def _needed_arguments(self) -> str:
        known = self._config.known_args_namespace
        options = (
            ("-c", getattr(known, "inifilename", None)),
            ("--rootdir", getattr(known, "rootdir", None)),
        )
        words = [word for option, value in options if value for word in (option, str(value))]
        if not self._start.is_relative_to(self.home.folder):
            words.append(self.shown(self.home.folder))
        return shlex.join(words)


_ON_A_RUN = re.compile(r"\bfapo (?:apply|diff|undo)\b")


def settings_files(config: pytest.Config) -> SettingsFiles:
    """Return the finder of a session's settings files."""
    named = bool(getattr(config.known_args_namespace, "inifilename", None))
    return SettingsFiles(config.inipath, config.rootpath, config.invocation_params.dir, named)


def _same(one: Path | None, other: Path | None) -> bool:
    if one is None or other is None:
        return one is other
    return one == other or one.resolve() == other.resolve()


def _union(lists: Sequence[list[str]]) -> list[str]:
    return list(dict.fromkeys(entry for entries in lists for entry in entries))
