"""Absolute paths of the real tree open, list and change the shadow's files."""

from __future__ import annotations

import builtins
import functools
import io
import os
import pathlib
import sys
from collections.abc import Callable
from typing import Any

from pytest_fapo.evaluate.inside.guard import WRITING, absolute
from pytest_fapo.evaluate.inside.paths import TreeMap

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
    opener = _one(tree, builtins.open)
    builtins.open = io.open = opener
    replaced: dict[Any, Any] = {}
    for names, wrap in ((_ONE_PATH, _one), (_TWO_PATHS, _two), (_SECOND_PATH, _second), (_OPEN, _open)):
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

    connect = _one(tree, sqlite3.connect)
    sqlite3.connect = sqlite3.dbapi2.connect = connect


def _one(tree: TreeMap, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        if args:
            return function(tree.map(args[0]), *args[1:], **kwargs)
        for name in ("path", "file", "database"):
            if name in kwargs:
                kwargs[name] = tree.map(kwargs[name])
        return function(**kwargs)

    return mapped


def _open(tree: TreeMap, function: Callable[..., int]) -> Callable[..., int]:
    """`os.open`; for writing below a folder's descriptor by the full path, which the guard can judge."""

    @functools.wraps(function)
    def opened(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if dir_fd is not None and flags & WRITING:
            return function(absolute(path, dir_fd), flags, mode)
        return function(tree.map(path), flags, mode, dir_fd=dir_fd)

    return opened


def _two(tree: TreeMap, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def mapped(src: Any, dst: Any, **kwargs: Any) -> Any:
        return function(tree.map(src), tree.map(dst), **kwargs)

    return mapped


def _second(tree: TreeMap, function: Callable[..., Any]) -> Callable[..., Any]:
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
