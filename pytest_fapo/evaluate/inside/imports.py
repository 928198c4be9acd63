"""Imports of the real tree's modules find the shadow's: editable installs, .pth files, `src/` layouts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
    SourcelessFileLoader,
)
from importlib.util import spec_from_file_location
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pytest_fapo.evaluate.inside.paths import TreeMap, exists

if TYPE_CHECKING:
    from _typeshed.importlib import PathEntryFinderProtocol as PathEntryFinder

OWN_PACKAGE = "pytest_fapo"


class ShadowFinder:
    """First on `sys.meta_path`: asks the other finders and moves what they find into the shadow."""

    def __init__(self, tree: TreeMap) -> None:
        self._tree = tree

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] == OWN_PACKAGE:
            return None
        for finder in self._others():
            spec = finder(fullname, path, target)
            if spec is not None:
                return moved(spec, self._tree)
        return None

    def _others(self) -> list[Callable[..., ModuleSpec | None]]:
        finders: list[Any] = list(sys.meta_path)
        own = finders.index(self) if self in finders else -1
        return [finder.find_spec for finder in finders[own + 1 :] if hasattr(finder, "find_spec")]


def moved(spec: ModuleSpec, tree: TreeMap) -> ModuleSpec:
    """The spec of the same module in the shadow; the spec itself where it has no copy there."""
    locations = spec.submodule_search_locations
    mapped = [tree.to_shadow(place) for place in locations] if locations is not None else None
    origin = spec.origin if spec.has_location else None
    if origin is None or (new_origin := tree.to_shadow(origin)) == origin or not exists(new_origin):
        if mapped is not None and list(locations or ()) != mapped:
            spec.submodule_search_locations = mapped
        return spec
    new = spec_from_file_location(spec.name, new_origin, submodule_search_locations=mapped)
    return new or spec


def path_hook(tree: TreeMap) -> Callable[[str], PathEntryFinder]:
    """First in `sys.path_hooks`: a folder of the real tree on any search path is looked up in the shadow."""
    loaders: list[tuple[Any, list[str]]] = [
        (ExtensionFileLoader, EXTENSION_SUFFIXES),
        (SourceFileLoader, SOURCE_SUFFIXES),
        (SourcelessFileLoader, BYTECODE_SUFFIXES),
    ]
    make = FileFinder.path_hook(*loaders)

    def hook(path: str) -> PathEntryFinder:
        mapped = tree.to_shadow(path)
        if mapped == path:
            raise ImportError("not a folder of the judged project", path=path)
        return make(mapped)

    return hook


def install_imports(tree: TreeMap) -> None:
    """Make this process import the shadow's modules in place of the real tree's."""
    sys.path[:] = [tree.to_shadow(entry) if entry.startswith("/") else entry for entry in sys.path]
    sys.path_hooks.insert(0, path_hook(tree))
    sys.path_importer_cache.clear()
    sys.meta_path.insert(0, ShadowFinder(tree))
