"""Rooms import downwards only, no modules import each other in a circle, every name is there once."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from support.documents import REPOSITORY

ROOMS = (
    "core",
    "capture",
    "answers",
    "source",
    "session",
    "shadow",
    "verdict",
    "diagnosis",
    "propose",
    "review",
    "loop",
    "views",
    "commands",
    "cli",
)
"""Each room imports only from those before it, and from itself."""
ABOVE = ("plugin", "options", "hookspecs", "__main__")
"""Modules above the rooms: they import any room, and no room imports them."""
MANY = {"__init__.py", "sitecustomize.py"}
"""File names that Python itself looks for."""


class Package:
    """The modules of a package and what they import, as their source says; nothing is imported."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self.folder = folder
        self.files = sorted(folder.rglob("*.py"))

    @cached_property
    def trees(self) -> dict[str, ast.Module]:
        """Return the syntax tree of each module, by the module's dotted name."""
        return {self._module(file): ast.parse(file.read_bytes()) for file in self.files}

    def _module(self, file: Path) -> str:
        parts = (self.name, *file.relative_to(self.folder).with_suffix("").parts)
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def imports(self) -> dict[str, set[str]]:
        """Return what each module imports of the package, inside functions and for types too."""
        return {module: set(self._imported(module, tree)) for module, tree in self.trees.items()}

    def _imported(self, module: str, tree: ast.Module) -> Iterator[str]:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names if self._is_own(alias.name))
            elif isinstance(node, ast.ImportFrom):
                source = self._absolute(module, node)
                if self._is_own(source):
                    for alias in node.names:
                        named = f"{source}.{alias.name}"
                        yield named if named in self.trees else source

    def _is_own(self, module: str) -> bool:
        return module.split(".")[0] == self.name

    def _absolute(self, module: str, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        is_package = any(other.startswith(f"{module}.") for other in self.trees)
        parts = module.split(".")
        parents = parts[: len(parts) - node.level + is_package]
        return ".".join([*parents, *([node.module] if node.module else [])])

    def place(self, module: str) -> str:
        """Return the room of a module, or its name for one above the rooms."""
        return module.removeprefix(self.name).lstrip(".").split(".")[0]

    def arrows_upwards(self) -> set[tuple[str, str]]:
        """Return the imports that lead from a room to a later one or to a module above the rooms."""
        return {
            (module, imported)
            for module, all_imported in self.imports.items()
            for imported in all_imported
            if self.place(module) in ROOMS and self._is_above(self.place(imported), self.place(module))
        }

    @staticmethod
    def _is_above(place: str, room: str) -> bool:
        return place in ABOVE or (place in ROOMS and ROOMS.index(place) > ROOMS.index(room))

    def circle(self) -> list[str]:
        """Return modules that import each other in a circle; none where there is no circle."""
        try:
            TopologicalSorter(self.imports).prepare()
        except CycleError as error:
            return list(error.args[1])
        return []

    def classes(self) -> Iterator[str]:
        """Return the name of each class, nested ones too."""
        for tree in self.trees.values():
            yield from (node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def _written(folder: Path, files: dict[str, str]) -> Package:
    package = folder / "pack"
    for name, text in files.items():
        file = package / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return Package(package)


@pytest.fixture(scope="module")
def package() -> Package:
    """Return the package itself, as it stands in the repository."""
    return Package(REPOSITORY / "pytest_fapo")


def _twice(names: Iterator[str]) -> list[str]:
    return sorted(name for name, times in Counter(names).items() if times > 1)


@pytest.mark.slow
def test_rooms_import_downwards_only(package: Package) -> None:
    assert sorted(package.arrows_upwards()) == []


def test_no_modules_import_each_other_in_a_circle(package: Package) -> None:
    assert package.circle() == []


def test_every_module_is_in_a_room_or_above_all_of_them(package: Package) -> None:
    places = {package.place(module) for module in package.trees} - {""}
    assert places == {*ROOMS, *ABOVE}


def test_what_is_imported_exists(package: Package) -> None:
    imported = set().union(*package.imports.values())
    assert len(imported) > 100
    assert sorted(imported - package.trees.keys()) == []


def test_every_file_has_a_name_of_its_own(package: Package) -> None:
    assert _twice(file.name for file in package.files if file.name not in MANY) == []


def test_every_class_has_a_name_of_its_own(package: Package) -> None:
    assert _twice(package.classes()) == []


def test_a_package_says_what_it_is_for_and_re_exports_nothing(package: Package) -> None:
    rooms = [file for file in package.files if file.name == "__init__.py" and file.parent != package.folder]
    assert len(rooms) >= len(ROOMS)
    for file in rooms:
        tree = ast.parse(file.read_bytes())
        words = ast.get_docstring(tree) or ""
        where = file.parent.relative_to(package.folder)
        assert len(tree.body) == 1, f"{where}: more than a docstring"
        assert re.search(r"\bIn:\s.*\bOut:\s", words, re.S), f"{where}: what goes in, what comes out"
        named = re.findall(r"`([\w/]+\.py)`", words)
        assert named, f"{where}: no file to open first"
        for name in named:
            assert (file.parent / name).is_file() or (package.folder / name).is_file(), f"{where}: {name}"


def test_the_tests_have_the_same_rooms() -> None:
    folders = {file.parent.name for file in (REPOSITORY / "tests").glob("*/test_*.py")}
    assert {*ROOMS} <= folders


# The reader of imports, on packages that break the rules.


@pytest.mark.parametrize(
    "line",
    [
        "import pack.views.screen",
        "from pack.views.screen import show",
        "from pack.views import screen",
        "from ..views.screen import show",
        "from ..views import screen",
        "def later():\n    from pack.views.screen import show",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pack.views.screen import show",
    ],
)
def test_every_way_to_import_upwards_is_seen(tmp_path: Path, line: str) -> None:
    package = _written(tmp_path, {"loop/search.py": line, "views/screen.py": "", "core/text.py": ""})
    assert package.arrows_upwards() == {("pack.loop.search", "pack.views.screen")}


def test_a_module_above_the_rooms_is_imported_by_none(tmp_path: Path) -> None:
    package = _written(
        tmp_path, {"cli/console.py": "from pack import plugin", "plugin.py": "import pack.cli.console"}
    )
    assert package.arrows_upwards() == {("pack.cli.console", "pack.plugin")}


def test_a_circle_of_types_is_a_circle(tmp_path: Path) -> None:
    files = {
        "core/__init__.py": "",
        "core/case.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .trace import Trace",
        "core/trace.py": "from pack.core import record",
        "core/record.py": "from pack.core.case import Case",
    }
    assert {"pack.core.case", "pack.core.trace", "pack.core.record"} == {*_written(tmp_path, files).circle()}
