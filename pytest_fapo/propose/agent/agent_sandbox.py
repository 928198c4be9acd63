"""Run a program that sees neither the project nor other private folders. Standard library only; Linux.

It is started as a script of its own, so that what is given up is given up by it and the program alone. Two
locks:

- Landlock (Linux 5.13) refuses every access that was not granted, and cannot be taken back. Alone it leaves
  names, sizes and modes of files visible and modes changeable, and before Linux 6.2 files can be cut.
- A mount namespace, in which empty folders lie over the hidden ones: whatever can be done to a file, there
  is none. Not every system allows it to unprivileged users.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import Any

CANNOT = 120
"""Exit code: the system offers no lock."""

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446

_READ = 0b1101  # execute, read a file, list a folder

_OF_FILES = 0b1100000000000111  # rights that apply to single files, truncation and ioctl among them

_RIGHTS_OF_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}

_NEWEST_RIGHTS = (1 << 16) - 1

_SAFE_ABI = 3
"""From here on truncating a file needs a right too."""

_NEW_USER, _NEW_MOUNTS = 0x10000000, 0x00020000

_BIND, _REC, _PRIVATE, _REMOUNT, _READ_ONLY = 0x1000, 0x4000, 1 << 18, 0x20, 0x1

_NO_NEW_PRIVILEGES, _DEATH_SIGNAL, _SUBREAPER = 38, 1, 36

_libc: Any = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def landlock_version() -> int:
    """The version of Landlock that the kernel has; 0 where it has none."""
    if _libc is None:
        return 0
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))))


def main(path: str) -> int:
    """Run the program that a file of JSON describes; returns its exit code.

    Its keys: `hidden` (folders that are to be out of sight), `kept` (paths in them that are not), `read` and
    `write` (what may be read and written), `home` (may be written where hiding works), `folder`, `command`.
    """
    with open(path, encoding="utf-8") as file:
        spec = json.load(file)
    os.unlink(path)
    _prctl(_DEATH_SIGNAL, signal.SIGTERM)
    version = landlock_version()
    hidden = _can_hide(spec["hidden"], spec["kept"])
    if hidden:
        _hide(spec["hidden"], spec["kept"])
    if version < 1 or (version < _SAFE_ABI and not hidden):
        print("this system offers no way to lock the program out of the project", file=sys.stderr)
        return CANNOT
    write = [*spec["write"], *(spec["home"] if hidden else ())]
    _restrict(version, spec["read"], write)
    return _supervised(spec["command"], spec["folder"])


# --- Landlock -----------------------------------------------------------------------------------------------


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Rule(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def _restrict(version: int, read: Iterable[str], write: Iterable[str]) -> None:
    """Refuse every access to files but those granted; signals and abstract sockets to the outside, too."""
    rights = _RIGHTS_OF_ABI.get(version, _NEWEST_RIGHTS)
    ruleset = _Ruleset(rights, 0, 0b11 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    number = _checked_call(_libc.syscall(_CREATE_RULESET, ctypes.byref(ruleset), ctypes.c_size_t(size), 0))
    for granted, paths in ((_READ, read), (rights, write)):
        for path in paths:
            _grant(number, path, granted, rights)
    _prctl(_NO_NEW_PRIVILEGES, 1)
    _checked_call(_libc.syscall(_RESTRICT_SELF, number, 0))
    os.close(number)


def _grant(ruleset: int, path: str, granted: int, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # gone, or hidden
    if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
        granted &= _OF_FILES
    rule = _Rule(granted & rights, descriptor)
    _libc.syscall(_ADD_RULE, ruleset, 1, ctypes.byref(rule), 0)
    os.close(descriptor)


# --- mounts -------------------------------------------------------------------------------------------------


def _can_hide(hidden: list[str], kept: list[str]) -> bool:
    """Tried in a process that ends at once: half a try would leave this one without any rights."""
    child = os.fork()
    if child == 0:
        try:
            _hide(hidden, kept)
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def _hide(hidden: list[str], kept: list[str]) -> None:
    """Lay empty folders over `hidden`, in a mount namespace of its own.

    Raises:
        OSError: the system does not allow it.
    """
    user, group = os.getuid(), os.getgid()
    _checked_call(_libc.unshare(_NEW_USER | _NEW_MOUNTS))
    with contextlib.suppress(OSError):
        _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{user} {user} 1")
    _write("/proc/self/gid_map", f"{group} {group} 1")
    _mount("none", "/", "", _REC | _PRIVATE)
    descriptors = {path: os.open(path, os.O_PATH) for path in kept if os.path.exists(path)}
    covered = []
    for path in sorted(hidden, key=len):
        if os.path.isdir(path):
            _mount("none", path, "tmpfs", 0)
            covered.append(path)
    for path in sorted(descriptors, key=len):
        if not os.path.exists(path):
            _make_mount_point(path, descriptors[path])
            _mount(f"/proc/self/fd/{descriptors[path]}", path, "", _BIND | _REC)
        os.close(descriptors[path])
    for path in covered:
        _mount("none", path, "", _REMOUNT | _READ_ONLY)


def _make_mount_point(path: str, descriptor: int) -> None:
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        os.makedirs(path)
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.close(os.open(path, os.O_CREAT))


def _mount(source: str, target: str, kind: str, flags: int) -> None:
    _checked_call(_libc.mount(source.encode(), os.fsencode(target), kind.encode() or None, flags, None))


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


# --- the program --------------------------------------------------------------------------------------------


def _supervised(command: list[str], folder: str) -> int:
    """Run the program; when it ends, or this process is told to, everything that it started ends too."""
    _prctl(_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(CANNOT + 8))
    try:
        return subprocess.Popen(command, cwd=folder, start_new_session=True).wait()
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return 127
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _end_all()


def _end_all() -> None:
    """End the children; theirs become ours, and end next."""
    while True:
        for child in _children():
            with contextlib.suppress(OSError):
                os.kill(child, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except OSError:
            return


def _children() -> Iterator[int]:
    with contextlib.suppress(OSError), open(f"/proc/self/task/{os.getpid()}/children") as file:
        yield from map(int, file.read().split())


def _prctl(option: int, value: int) -> None:
    _checked_call(_libc.prctl(option, ctypes.c_ulong(value), *(ctypes.c_ulong(0),) * 3))


def _checked_call(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
