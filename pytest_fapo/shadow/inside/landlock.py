"""Landlock and what stands beside it: the kernel refuses access to files. Linux; standard library only.

Landlock (Linux 5.13; kernel.org, userspace-api/landlock) refuses every access to files that was not granted,
and from version 6 on signals and abstract sockets to processes outside. It cannot be taken back, and all that
the process starts inherits it.
"""

from __future__ import annotations

import ctypes
import os
import stat
import sys
from collections.abc import Iterable
from typing import Any

libc: Any = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446

_EXECUTE, _READ = 0b1, 0b1100

_OF_FILES = 0b1100000000000111
"""Rights that apply to single files, truncation and ioctl among them."""

_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}

_NEWEST_RIGHTS = (1 << 16) - 1

_NO_NEW_PRIVILEGES = 38


def landlock_version() -> int:
    """Return the version of Landlock that the kernel has; 0 where it has none."""
    if libc is None:
        return 0
    return max(0, int(libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))))


class _LandlockRules(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _LandlockRule(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def restrict_files(read: Iterable[str], write: Iterable[str], execute: Iterable[str]) -> None:
    """Refuse every access to files but those granted.

    Args:
        read: paths of files and folders to be read.
        write: those to be read and changed.
        execute: those to be read and started.

    Raises:
        OSError: the kernel refused.
    """
    version = landlock_version()
    rights = _RIGHTS.get(version, _NEWEST_RIGHTS)
    ruleset = _LandlockRules(rights, 0, 0b11 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    number = checked(libc.syscall(_CREATE_RULESET, ctypes.byref(ruleset), ctypes.c_size_t(size), 0))
    for granted, paths in (
        (_READ, read),
        (rights & ~_EXECUTE, write),
        (_EXECUTE | _READ, execute),
    ):
        for path in paths:
            _grant(number, path, granted & rights)
    refuse_new_privileges()
    checked(libc.syscall(_RESTRICT_SELF, number, 0))
    os.close(number)


def _grant(ruleset: int, path: str, granted: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # it is not there, so there is nothing to grant
    if not stat.S_ISDIR(os.fstat(place).st_mode):
        granted &= _OF_FILES
    rule = _LandlockRule(granted, place)
    libc.syscall(_ADD_RULE, ruleset, 1, ctypes.byref(rule), 0)
    os.close(place)


def refuse_new_privileges() -> None:
    """Give up what a program with the mark of another user would bring; Landlock and seccomp ask for it."""
    prctl(_NO_NEW_PRIVILEGES, 1)


def prctl(option: int, value: int) -> None:
    """Call prctl(2).

    Raises:
        OSError: it was refused.
    """
    checked(libc.prctl(option, ctypes.c_ulong(value), *(ctypes.c_ulong(0),) * 3))


def lone_python(module: str, call: str) -> list[str]:
    """Return the command of a Python without packages that calls a function of one of our modules.

    Args:
        module: dotted name of a module that imports the standard library only.
        call: the function with its arguments.
    """
    package = __name__.partition(".")[0]
    home = os.path.dirname(os.path.dirname(os.path.abspath(sys.modules[package].__file__ or "")))
    code = (
        f"import sys; sys.path.insert(0, {home!r}); import {module} as m; del sys.path[0]; sys.exit(m.{call})"
    )
    return [sys.executable, "-I", "-S", "-c", code]


def checked(result: int) -> int:
    """Return the result of a call of the C library.

    Raises:
        OSError: the result stands for a failure.
    """
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(result)
