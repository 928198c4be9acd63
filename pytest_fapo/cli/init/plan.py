"""Which files are made or added to, and what they hold then."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from pytest_fapo.cli.init.contents import Found, settings
from pytest_fapo.cli.init.layout import PROJECT_FILE, Layout
from pytest_fapo.config import Settings
from pytest_fapo.errors import ConfigError
from pytest_fapo.project_file import parse_toml
from pytest_fapo.whole_files import write_whole


@dataclass(frozen=True)
class PlannedFile:
    """One file as it will be."""

    path: str
    content: bytes
    what: str
    """What is new in it, in a few words."""
    creates: bool

    def write(self, root: Path) -> None:
        """Write it whole; one that is to be made is never written over another.

        Raises:
            OSError: it cannot be written, or was made meanwhile.
        """
        target = root / self.path
        if not self.creates:
            write_whole(target, self.content)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.write(self.content)


def plan_settings(layout: Layout, found: Found, pythonpath: Sequence[str]) -> PlannedFile:
    """pyproject.toml with `[tool.fapo]` at its end, and with `pythonpath` for pytest where that is needed.

    Args:
        layout: the project.
        found: what the settings are to say.
        pythonpath: folders that are missing in pytest's setting of that name.

    Raises:
        ConfigError: the file's form leaves no place for it; the message holds the lines to add by hand.
    """
    path = layout.root / PROJECT_FILE
    old = path.read_bytes() if path.exists() else b""
    text = old.decode("utf-8")
    newline = "\r\n" if "\r\n" in text else "\n"
    new, addition = _with_pythonpath(text, layout, pythonpath), settings(found)
    if not layout.pytest_file and (pythonpath or layout.needs_pytest_table):
        line = f"pythonpath = {list(pythonpath)}\n".replace("'", '"') if pythonpath else ""
        addition = f"[tool.pytest.ini_options]\n{line}\n{addition}"
    gap = "" if not new or new.endswith(newline * 2) else newline if new.endswith("\n") else newline * 2
    new += gap + addition.replace("\n", newline)
    _check(new, layout, addition)
    what = "[tool.fapo] added" if old else "made, with [tool.fapo]"
    if pythonpath:
        what += f", pythonpath for pytest: {', '.join(pythonpath)}"
    return PlannedFile(PROJECT_FILE, new.encode("utf-8"), what, creates=not old)


def _with_pythonpath(text: str, layout: Layout, pythonpath: Sequence[str]) -> str:
    if not pythonpath or layout.pytest_file != PROJECT_FILE:
        return text
    import tomlkit

    document = tomlkit.parse(text)
    table = document["tool"]["pytest"]
    table = table.get("ini_options", table)
    table["pythonpath"] = [*layout.pythonpath, *pythonpath]
    changed = tomlkit.dumps(document)
    whole_windows = text.count("\n") == text.count("\r\n")
    return re.sub(r"(?<!\r)\n", "\r\n", changed) if whole_windows else changed


def _check(text: str, layout: Layout, addition: str) -> None:
    """What is written must say what was meant, and nothing else may have changed."""
    advice = f"{layout.root / PROJECT_FILE}: these lines could not be added; add them yourself:\n\n{addition}"
    try:
        document = parse_toml(text)
        Settings.model_validate(document["tool"].pop("fapo"))
        before = {**layout.document, "tool": {**layout.document.get("tool", {}), "pytest": None}}
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError):
        raise ConfigError(advice) from None
    document["tool"]["pytest"] = None
    if document != before:
        raise ConfigError(advice)


def plan_conftest(layout: Layout, fixture: str) -> PlannedFile:
    """conftest.py with the fixture at its end.

    Raises:
        ConfigError: the one that is there is not Python; the message holds the lines to add by hand.
    """
    path = layout.root / layout.conftest
    if not path.exists():
        return PlannedFile(layout.conftest, f"import pytest\n\n\n{fixture}".encode(), "made", creates=True)
    old = path.read_bytes()
    try:
        tree = ast.parse(old)
        text = old.decode("utf-8")
    except (SyntaxError, ValueError):
        raise ConfigError(
            f"{path}: not valid Python in UTF-8; add the fixture yourself:\n\n{fixture}"
        ) from None
    newline = "\r\n" if "\r\n" in text else "\n"
    start = "" if _imports_pytest(tree) else "import pytest  # noqa: E402\n\n\n"
    gap = "" if not text.strip() else "\n\n" if text.endswith(("\n", "\r")) else "\n\n\n"
    new = text + (gap + start + fixture).replace("\n", newline)
    return PlannedFile(layout.conftest, new.encode("utf-8"), "fixture added", creates=False)


def _imports_pytest(tree: ast.Module) -> bool:
    return any(
        alias.name == "pytest" and alias.asname is None
        for node in tree.body
        if isinstance(node, ast.Import)
        for alias in node.names
    )


def unused_name(layout: Layout, folder: str, stem: str, suffix: str, taken: Sequence[str]) -> str:
    """A path in `folder` that is free, and whose name no other file of the project has.

    pytest refuses two test modules of one name in folders that are no packages.
    """
    names = {path.rpartition("/")[2] for path in taken}
    number = 1
    while True:
        name = f"{stem}{'' if number == 1 else f'_{number}'}{suffix}"
        if name not in names and not (layout.root / folder / name).exists():
            return f"{folder}/{name}" if folder not in ("", ".") else name
        number += 1
