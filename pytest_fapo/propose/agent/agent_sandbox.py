"""Run a program that sees neither the project nor other private folders. Standard library only; Linux.

It is started as a process of its own, so that what is given up is given up by it and the program alone. Two
locks:

- Landlock refuses every access that was not granted, and cannot be taken back. Alone it leaves names, sizes
  and modes of files visible and modes changeable, and before Linux 6.2 files can be cut.
- A mount namespace, in which empty folders lie over the hidden ones: whatever can be done to a file, there
  is none. Not every system allows it to unprivileged users.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator

from pytest_fapo.shadow.inside.landlock import checked, landlock_version, libc, prctl, restrict_files

CANNOT = 120
"""Exit code: the system offers no lock."""

_SAFE_ABI = 3
"""From here on truncating a file needs a right too."""

_NEW_USER, _NEW_MOUNTS = 0x10000000, 0x00020000

_BIND, _REC, _PRIVATE, _REMOUNT, _READ_ONLY = 0x1000, 0x4000, 1 << 18, 0x20, 0x1

_DEATH_SIGNAL, _SUBREAPER = 1, 36


def main(path: str) -> int:
    """Run the program that a file of JSON describes; returns its exit code.

    Its keys: `hidden` (folders that are to be out of sight), `kept` (paths in them that are not), `read` and
    `write` (what may be read and written), `home` (may be written where hiding works), `folder`, `command`.
    """
    with open(path, encoding="utf-8") as file:
        spec = json.load(file)
    os.unlink(path)
    prctl(_DEATH_SIGNAL, signal.SIGTERM)
    version = landlock_version()
    hidden = _can_hide(spec["hidden"], spec["kept"])
    if hidden:
        _hide(spec["hidden"], spec["kept"])
    if version < 1 or (version < _SAFE_ABI and not hidden):
        print("this system offers no way to lock the program out of the project", file=sys.stderr)
        return CANNOT
    write = [*spec["write"], *(spec["home"] if hidden else ())]
    restrict_files([], write, [*spec["read"], *write])
    return _supervised(spec["command"], spec["folder"])


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
    checked(libc.unshare(_NEW_USER | _NEW_MOUNTS))
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
    checked(libc.mount(source.encode(), os.fsencode(target), kind.encode() or None, flags, None))


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


# --- the program --------------------------------------------------------------------------------------------


def _supervised(command: list[str], folder: str) -> int:
    """Run the program; when it ends, or this process is told to, everything that it started ends too."""
    prctl(_SUBREAPER, 1)
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
