"""Which project a command is about: found from the folder that it is typed in."""

from __future__ import annotations

from pathlib import Path

from pytest_fapo.errors import ConfigError
from pytest_fapo.project_file import SettingsFiles, find_home

_MARKS = ("pyproject.toml", "pytest.ini", "setup.cfg", "tox.ini", "setup.py")


def find_root(start: Path | None = None) -> Path:
    """The folder where the project keeps `.fapo`.

    As in a session of pytest the nearest `[tool.fapo]` decides, here or above, else the only one below;
    without any it is the nearest folder with `.fapo`, else the nearest that looks like the top of a project,
    else where we are.

    Args:
        start: a folder in the project; default: the current one.

    Raises:
        ConfigError: there are several projects below.
    """
    here = (start or Path.cwd()).resolve()
    kept = next((folder for folder in (here, *here.parents) if (folder / ".fapo").is_dir()), None)
    files = SettingsFiles(None, here, here)
    home = find_home(files, [here], below=kept is None)
    if home.several:
        folders = ", ".join(str(file.parent.relative_to(here)) for file in home.several)
        raise ConfigError(f"several projects below have a [tool.fapo]: {folders}; change into one of them")
    return home.folder if home.file is not None else kept or find_top(here)


def find_top(start: Path | None = None) -> Path:
    """The folder where a project would be set up: the nearest that looks like the top of one, else where we
    are."""
    here = (start or Path.cwd()).resolve()
    return next((folder for folder in (here, *here.parents) if _is_top(folder)), here)


def _is_top(folder: Path) -> bool:
    return any((folder / mark).exists() for mark in _MARKS)
