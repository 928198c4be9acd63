"""The common parts of commands: the project's folder, the streams for output and input, the exit codes."""

from __future__ import annotations

import json
import os
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from pytest_fapo.core.errors import ConfigError
from pytest_fapo.core.project_file import SettingsFiles, find_settings_home, has_settings

if TYPE_CHECKING:
    from pytest_fapo.core.printable import Part
    from pytest_fapo.views.terminal import Terminal

OK = 0

NOTHING_DONE = 1
"""Nothing was done: no such run, a conflict, an answer of no, an error that the message names."""

INTERRUPTED = 130

_MARKS = ("pyproject.toml", "pytest.ini", "setup.cfg", "tox.ini", "setup.py")


def find_root(start: Path | None = None, settings: str | None = None) -> Path:
    """Return the folder where the project keeps `.fapo`.

    As in a session of pytest the nearest `[tool.fapo]` decides, here or above, else the only one below;
    without any it is the nearest folder with `.fapo`, else the nearest that looks like the top of a project,
    else where we are.

    Args:
        start: a folder in the project; default: the current one.
        settings: the file with `[tool.fapo]` that pytest was given with `-c`.

    Raises:
        ConfigError: there are several projects below, or the file named has no such table.
    """
    if settings is not None:
        return _folder_of(Path(settings))
    here = (start or Path.cwd()).resolve()
    kept = next((folder for folder in (here, *here.parents) if (folder / ".fapo").is_dir()), None)
    files = SettingsFiles(None, here, here)
    home = find_settings_home(files, [here], below=kept is None)
    if home.several:
        folders = ", ".join(str(file.parent.relative_to(here)) for file in home.several)
        raise ConfigError(f"several projects below have a [tool.fapo]: {folders}; change into one of them")
    return home.folder if home.file is not None else kept or find_top(here)


def _folder_of(settings: Path) -> Path:
    if not has_settings(settings):
        raise ConfigError(f"{settings}: no [tool.fapo] in this file; name the one that pytest -c was given")
    return settings.resolve().parent


def find_top(start: Path | None = None) -> Path:
    """Return the folder where a project would be set up: the nearest that looks like the top of one, else
    where we are.
    """
    here = (start or Path.cwd()).resolve()
    return next((folder for folder in (here, *here.parents) if _is_top(folder)), here)


def _is_top(folder: Path) -> bool:
    return any((folder / mark).exists() for mark in _MARKS)


class CommandConsole:
    """The standard streams of one command.

    Args:
        file: where results are written.
    """

    def __init__(self, file: TextIO) -> None:
        self.file = file

    @cached_property
    def terminal(self) -> Terminal:
        """As the reports write to it: colored and folded on a terminal, plain in a pipe."""
        from pytest_fapo.views.terminal import Terminal

        tty = self.file.isatty()
        return Terminal(self.file, tty=tty, color=tty or bool(os.environ.get("FORCE_COLOR")))

    def line(self, *parts: Part, indent: int = 0) -> None:
        """Write one line, folded on a terminal."""
        self.terminal.line(*parts, indent=indent)

    def verbatim(self, *parts: Part) -> None:
        """Write one line that is never folded: a command to paste, a line of a diff."""
        self.terminal.verbatim(*parts)

    def json(self, value: Any) -> None:
        """Write a JSON document."""
        self.terminal.file.write(json.dumps(value, indent=1, ensure_ascii=False) + "\n")

    def ask(self, question: str) -> str:
        """One line of the keyboard, white space at its ends taken off.

        Raises:
            EOFError: the input has ended.
        """
        self.terminal.file.write(question)
        self.terminal.file.flush()
        line = sys.stdin.readline()
        if not line:
            self.terminal.file.write("\n")
            raise EOFError
        return line.strip()

    def confirm(self, question: str, *, default: bool) -> bool:
        """Ask for yes or no until there is an answer; an empty one is the default.

        Raises:
            EOFError: the input has ended.
        """
        while True:
            answer = self.ask(f"{question} [{'Y/n' if default else 'y/N'}] ").lower()
            if not answer:
                return default
            if answer in ("y", "yes", "n", "no"):
                return answer.startswith("y")

    def close(self) -> None:
        """Flush; a reader that has gone away (`fapo runs | head`) is no error."""
        try:
            self.file.flush()
        except (OSError, ValueError):
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # or the interpreter complains at its end
