"""The project's own Python modules, parsed and never imported."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pytest_fapo.artifacts.constants import Constant, parse_module
from pytest_fapo.artifacts.globs import all_paths
from pytest_fapo.errors import ArtifactError

_APART = re.compile(
    r"(?:^|/)(?:tests?|testing|docs?|examples?|benchmarks?|build|dist|migrations|notebooks?|env|venv)/"
)
_TESTS = re.compile(r"(?:^|/)(?:test_[^/]*|[^/]*_test|conftest|setup|noxfile|fapo_stand_in)\.py$")
_ENDPOINT = re.compile(r"/(?:chat/completions|completions|responses|embeddings|messages)/?$")
_MOST_FILES = 20_000


@dataclass(frozen=True)
class SourceModule:
    """One module of the application."""

    path: str
    """Relative to the project, POSIX."""
    name: str
    """As it is imported: `app.pipeline`."""
    import_root: str
    """Folder that must be on `sys.path` for that, relative to the project; `.` for the project itself."""
    tree: ast.Module = field(repr=False)
    constants: dict[str, Constant] = field(repr=False)

    @cached_property
    def imports(self) -> dict[str, str]:
        """Local name to what it stands for, `app.llm.ask`, of every import in the module."""
        names: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    names[alias.asname or alias.name.split(".")[0]] = (
                        alias.name if alias.asname else alias.name.split(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom):
                start = self._absolute(node)
                for alias in node.names:
                    names[alias.asname or alias.name] = f"{start}.{alias.name}" if start else alias.name
        return names

    @cached_property
    def libraries(self) -> frozenset[str]:
        """Top-level names of everything that the module imports."""
        return frozenset(name.split(".")[0] for name in self.imports.values())

    @cached_property
    def texts(self) -> list[str]:
        """Every literal text, those inside of f-strings too."""
        return [
            node.value
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]

    @cached_property
    def spells_an_endpoint(self) -> bool:
        """Whether a text in the module ends like the URL of a model's endpoint."""
        return any(_ENDPOINT.search(text) for text in self.texts)

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.name.split(".")
        if not self.path.endswith("/__init__.py"):
            package = package[:-1]
        package = package[: len(package) - node.level + 1]
        return ".".join([*package, *([node.module] if node.module else [])])


def project_paths(root: Path) -> list[str]:
    """Every file that could be the project's own, relative and POSIX."""
    return all_paths(root, limit=_MOST_FILES)


def application_modules(root: Path, paths: list[str]) -> list[SourceModule]:
    """The modules of the application: no tests, documents, builds. What is not Python is passed over."""
    modules = []
    for path in paths:
        if not path.endswith(".py") or _TESTS.search(path) or _APART.search(path):
            continue
        try:
            parsed = parse_module((root / path).read_bytes(), path)
        except (ArtifactError, OSError, RecursionError):
            continue
        name, import_root = importable(root, path)
        if all(part.isidentifier() for part in name.split(".")):
            modules.append(SourceModule(path, name, import_root, parsed.tree, parsed.constants))
    return modules


def importable(root: Path, path: str) -> tuple[str, str]:
    """How a file is imported: its dotted name, and the folder that must be on `sys.path` for it.

    Packages with an `__init__.py` decide; without one, `src` and `lib` are such folders, else the project is.
    """
    parts = path.removesuffix(".py").split("/")
    top = len(parts) - 1
    while top > 0 and (root.joinpath(*parts[:top]) / "__init__.py").is_file():
        top -= 1
    if top == len(parts) - 1:
        top = 1 if parts[0] in ("src", "lib") and len(parts) > 1 else 0
    name = parts[top:-1] if parts[-1] == "__init__" and len(parts) > top + 1 else parts[top:]
    return ".".join(name), "/".join(parts[:top]) or "."
