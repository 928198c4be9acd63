"""Redirect paths and imports of the real tree into the shadow: `open`, `os`, sqlite, editable installs,
`src/`.
"""

from __future__ import annotations

import builtins
import functools
import io
import os
import pathlib
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

from pytest_fapo.shadow.inside.tree_map import TreeMap, exists
from pytest_fapo.shadow.inside.write_guard import WRITING, absolute

if TYPE_CHECKING:
    from _typeshed.importlib import PathEntryFinderProtocol as PathEntryFinder

_ONE_PATH = (
    "access",
    "chdir",
    "chmod",
    "chown",
    "getxattr",
    "lchown",
    "listdir",
    "listxattr",
    "lstat",
    "mkdir",
    "mkfifo",
    "mknod",
    "pathconf",
    "readlink",
    "remove",
    "removexattr",
    "rmdir",
    "scandir",
    "setxattr",
    "stat",
    "statvfs",
    "truncate",
    "unlink",
    "utime",
)

_TWO_PATHS = ("link", "rename", "replace")

_SECOND_PATH = ("symlink",)

_OPEN = ("open",)

_SUPPORT_SETS = ("supports_dir_fd", "supports_effective_ids", "supports_fd", "supports_follow_symlinks")


def install_files(tree: TreeMap) -> None:
    """Replace `open` and the functions of `os` that take a path by ones that map it first."""
    opener = _map_first(tree, builtins.open)
    builtins.open = io.open = opener
    replaced: dict[Any, Any] = {}
    for names, wrap in (
        (_ONE_PATH, _map_first),
        (_TWO_PATHS, _map_both),
        (_SECOND_PATH, _map_second),
        (_OPEN, _map_open),
    ):
        for name in names:
            function = getattr(os, name, None)
            if function is not None:
                replaced[function] = wrap(tree, function)
                setattr(os, name, replaced[function])
    _keep_support_sets(replaced)
    _patch_private_references(replaced, opener)


def install_databases(tree: TreeMap) -> None:
    """Let `sqlite3.connect`, which opens files on its own, map its path too."""
    import sqlite3

    connect = _map_first(tree, sqlite3.connect)
    sqlite3.connect = sqlite3.dbapi2.connect = connect


def _map_first(tree: TreeMap, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        if args:
            return function(tree.map(args[0]), *args[1:], **kwargs)
        for name in ("path", "file", "database"):
            if name in kwargs:
                kwargs[name] = tree.map(kwargs[name])
        return function(**kwargs)

    return mapped


def _map_open(tree: TreeMap, function: Callable[..., int]) -> Callable[..., int]:
    """`os.open`; for writing below a folder's descriptor by the full path, which the guard can judge."""

    @functools.wraps(function)
    def opened(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if dir_fd is not None and flags & WRITING:
            return function(absolute(path, dir_fd), flags, mode)
        return function(tree.map(path), flags, mode, dir_fd=dir_fd)

    return opened


def _map_both(tree: TreeMap, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def mapped(src: Any, dst: Any, **kwargs: Any) -> Any:
        return function(tree.map(src), tree.map(dst), **kwargs)

    return mapped


def _map_second(tree: TreeMap, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def mapped(src: Any, dst: Any, *args: Any, **kwargs: Any) -> Any:
        return function(src, tree.map(dst), *args, **kwargs)

    return mapped


def _keep_support_sets(replaced: dict[Any, Any]) -> None:
    """`os.stat in os.supports_fd` and the like must go on being true."""
    for name in _SUPPORT_SETS:
        functions: set[Any] = getattr(os, name, set())
        functions |= {new for old, new in replaced.items() if old in functions}


def _patch_private_references(replaced: dict[Any, Any], opener: Any) -> None:
    """pathlib keeps references of its own to some of these functions."""
    accessor: Any = getattr(pathlib, "_NormalAccessor", None)
    if accessor is not None:  # Python 3.10
        _replace_static(accessor, {**replaced, accessor.open: opener})
    globber: Any = getattr(sys.modules.get("glob"), "_StringGlobber", None)
    if globber is not None:  # Python 3.13 and later
        _replace_static(globber, replaced)


def _replace_static(holder: type, replaced: dict[Any, Any]) -> None:
    for name, value in list(vars(holder).items()):
        function = value.__func__ if isinstance(value, staticmethod) else value
        if callable(function) and function in replaced:
            setattr(holder, name, staticmethod(replaced[function]))


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
        for finder in self._other_finders():
            spec = finder(fullname, path, target)
            if spec is not None:
                return moved(spec, self._tree)
        return None

    def _other_finders(self) -> list[Callable[..., ModuleSpec | None]]:
        finders: list[Any] = list(sys.meta_path)
        own = finders.index(self) if self in finders else -1
        return [finder.find_spec for finder in finders[own + 1 :] if hasattr(finder, "find_spec")]


def moved(spec: ModuleSpec, tree: TreeMap) -> ModuleSpec:
    """Return the spec of the same module in the shadow; the spec itself where it has no copy there."""
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
