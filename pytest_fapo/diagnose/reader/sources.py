"""The sources that a reader is shown: the pipeline's modules, and the test of a failing item."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from pytest_fapo.config import Settings


class Sources:
    """Texts of the project's Python files.

    Args:
        root: the project's folder.
        settings: their step patterns and structure scope name the pipeline's modules.
        files: contents in place of those on the disk, by relative POSIX path.
    """

    def __init__(self, root: Path, settings: Settings, files: Mapping[str, bytes]) -> None:
        self._root = root
        self._settings = settings
        self._files = files

    def with_files(self, files: Mapping[str, bytes]) -> Sources:
        """The same project with other contents of some files."""
        return Sources(self._root, self._settings, {**self._files, **files})

    def pipeline(self) -> dict[str, str]:
        """Path to text of the modules that hold steps or editable functions."""
        found = {}
        for path in self._paths():
            text = self._text(path)
            if text is not None:
                found[path] = text
        return found

    def test(self, nodeid: str) -> str:
        """Source of the function that an item runs; empty where it cannot be found."""
        path, _, rest = nodeid.partition("::")
        name = rest.split("[", 1)[0].rpartition("::")[2]
        text = self._text(path)
        if text is None or not name:
            return ""
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError):
            return ""
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
                return ast.get_source_segment(text, node) or ""
        return ""

    def _paths(self) -> Iterable[str]:
        wanted: dict[str, None] = {}
        for pattern in self._settings.steps:
            module = pattern.partition(":")[0].replace(".", "/")
            for head in ("", "src/"):
                wanted[f"{head}{module}.py"] = None
                wanted[f"{head}{module}/__init__.py"] = None
        for entry in self._settings.scope.structure:
            pattern = entry.partition("::")[0].strip()
            if "*" not in pattern:
                wanted[pattern] = None
                continue
            try:
                matches = sorted(self._root.glob(pattern))
            except (ValueError, NotImplementedError):
                continue
            wanted |= dict.fromkeys(path.relative_to(self._root).as_posix() for path in matches)
        return wanted

    def _text(self, path: str) -> str | None:
        if ".." in PurePosixPath(path).parts:
            return None
        if path in self._files:
            return self._files[path].decode("utf-8", errors="replace")
        try:
            return (self._root / path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
