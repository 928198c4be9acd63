"""Which project a command is about: found from the folder that it is typed in."""

from __future__ import annotations

from pathlib import Path

from pytest_fapo.project_file import read_toml

_MARKS = ("pyproject.toml", "pytest.ini", "setup.cfg", "tox.ini", "setup.py")


def find_root(start: Path | None = None) -> Path:
    """The project's folder: the nearest with `.fapo` or `[tool.fapo]`, else the nearest that looks like the
    top of a project, else where we are.

    Args:
        start: a folder in the project; default: the current one.
    """
    here = (start or Path.cwd()).resolve()
    return next((folder for folder in (here, *here.parents) if _is_ours(folder)), None) or find_top(here)


def find_top(start: Path | None = None) -> Path:
    """The folder where a project would be set up: the nearest that looks like the top of one, else where we
    are."""
    here = (start or Path.cwd()).resolve()
    return next((folder for folder in (here, *here.parents) if _is_top(folder)), here)


def _is_ours(folder: Path) -> bool:
    if (folder / ".fapo").is_dir():
        return True
    try:
        return "fapo" in read_toml(folder / "pyproject.toml").get("tool", {})
    except (OSError, ValueError, AttributeError, TypeError):
        return False


def _is_top(folder: Path) -> bool:
    return any((folder / mark).exists() for mark in _MARKS)
