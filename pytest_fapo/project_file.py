"""Where `[tool.fapo]` stands. Standard library only: start-up asks it too."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any


def project_file(inipath: Path | None, rootpath: Path) -> Path:
    """The pyproject.toml of the project that pytest runs in; there may be none.

    Args:
        inipath: the configuration file that pytest chose, if any.
        rootpath: pytest's rootdir; its pyproject.toml counts where `inipath` is another file (pytest.ini).
    """
    if inipath is not None and inipath.name == "pyproject.toml":
        return inipath
    return rootpath / "pyproject.toml"


def read_toml(path: Path) -> dict[str, Any]:
    """The document in a TOML file.

    Raises:
        ValueError: it is not TOML, or not UTF-8.
    """
    return parse_toml(path.read_text(encoding="utf-8"))


def parse_toml(text: str) -> dict[str, Any]:
    """The document that a text is.

    Raises:
        ValueError: it is not TOML.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:  # pragma: no cover - the branch depends on the interpreter
        import tomli as tomllib
    return tomllib.loads(text)  # type: ignore[no-any-return,unused-ignore]
