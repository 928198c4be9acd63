"""Answer for the connections of a caged child: each is made here, in its place, or refused.

The child's seccomp filter stops it at `connect` and asks here (see seccomp_unotify(2)). The address is
read once and used from here, so that no other thread of the child can change it after it was judged.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from pytest_fapo.core.allowed_hosts import AllowedHosts, Target
from pytest_fapo.shadow.inside import cage
from pytest_fapo.shadow.inside.landlock import checked, libc, lone_python

_RECEIVE, _SEND, _STILL_THERE = 0xC0502100, 0xC0182101, 0x40082102

_CONTINUE = 1

_PIDFD_OPEN, _PIDFD_GETFD = 434, 438

_QUESTION = struct.Struct("=QIIiIQ6Q")
_ANSWER = struct.Struct("=QqiI")

_LONGEST_ADDRESS = 128

_POLL = 0.002


class Connections:
    """Serves one child until it and all that it started are gone, in a thread of its own.

    Args:
        allowed: `host`, `host:port`, patterns, paths of Unix sockets.
        folder: Unix sockets below it are the child's own.
    """

    def __init__(self, allowed: Iterable[str], folder: Path) -> None:
        self._allowed = AllowedHosts(allowed)
        self._folder = os.path.realpath(folder)
        self._own_ports: set[int] = set()
        self._lock = threading.Lock()
        self.refused: dict[str, None] = {}
        """The destinations that were refused, in order."""

    def serve_when_asked(self, pid: int, path: Path, ended: Callable[[], int | None]) -> None:
        """Begin to serve as soon as the child has said on which descriptor it asks.

        Args:
            pid: the child.
            path: the file in which it says so.
            ended: gives None while it runs.
        """

        def wait() -> None:
            while ended() is None:
                said = ""
                with suppress(OSError):  # not there yet, or not any more
                    said = path.read_text()
                if said.endswith("\n"):
                    if said.strip().isdigit():
                        with suppress(OSError):  # it has ended
                            self.serve(pid, int(said))
                    return
                time.sleep(_POLL)

        threading.Thread(target=wait, name="fapo-connections-wait", daemon=True).start()

    def serve(self, pid: int, number: int) -> None:
        """Begin to serve.

        Args:
            pid: the child.
            number: its descriptor on which it asks.

        Raises:
            OSError: the descriptor cannot be had.
        """
        listener = _descriptor_of(pid, number)
        threading.Thread(target=self._run, args=(listener,), name="fapo-connections", daemon=True).start()

    def _run(self, listener: int) -> None:
        ready = select.poll()
        ready.register(listener, select.POLLIN)
        try:
            while True:
                events = ready.poll()
                if any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in events):
                    return
                self._answer_one(listener)
        finally:
            os.close(listener)

    def _answer_one(self, listener: int) -> None:
        import fcntl

        question = bytearray(_QUESTION.size)
        try:
            fcntl.ioctl(listener, _RECEIVE, question, True)
        except OSError:
            return  # who asked is gone
        cookie, thread, _, number, _, _, *arguments = _QUESTION.unpack(question)
        if number in _LISTENS:
            self._note_listening(thread, arguments[0])
            _reply(listener, cookie, 0, flags=_CONTINUE)
            return
        address = _read(thread, arguments[1], min(arguments[2], _LONGEST_ADDRESS))
        if address is None or not _is_waiting(listener, cookie):
            _reply(listener, cookie, errno.EACCES)
            return
        if not self._may(address):
            _reply(listener, cookie, errno.EACCES)
            return
        # A connection may take its time; other questions do not wait for it.
        threading.Thread(
            target=_connect_for, args=(listener, cookie, thread, arguments[0], address), daemon=True
        ).start()

    def _note_listening(self, thread: int, number: int) -> None:
        with suppress(OSError):
            descriptor = _descriptor_of(_process_of(thread), number)
            with socket.socket(fileno=descriptor) as listening:
                name = listening.getsockname()
                if isinstance(name, tuple):
                    self._own_ports.add(name[1])

    def _may(self, address: bytes) -> bool:
        target, own = self._target(address)
        if own or (target is not None and self._allowed.admit(target)):
            return True
        if target is not None and target.host.endswith("/nscd/socket"):
            return False  # every lookup of a name asks there first, and does without
        with self._lock:
            self.refused.setdefault(str(target) if target is not None else "an address of an unknown kind")
        return False

    def _target(self, address: bytes) -> tuple[Target | None, bool]:
        """Return the destination, and True if it is something of the child's own."""
        family = struct.unpack("=H", address[:2])[0] if len(address) >= 2 else -1
        if family == socket.AF_UNIX:
            path = address[2:].partition(b"\0")[0]
            if not path:
                return Target("@" + address[3:].decode("utf-8", "replace")), False
            real = os.path.realpath(os.fsdecode(path))
            return Target(real), real.startswith(self._folder + os.sep)
        if family == socket.AF_INET and len(address) >= 8:
            host, port = socket.inet_ntop(family, address[4:8]), struct.unpack("!H", address[2:4])[0]
        elif family == socket.AF_INET6 and len(address) >= 24:
            host, port = socket.inet_ntop(family, address[8:24]), struct.unpack("!H", address[2:4])[0]
        else:
            return None, False
        here = host.startswith(("127.", "::ffff:127.")) or host in ("::1", "0.0.0.0", "::")
        return Target(host, port), here and port in self._own_ports


_LISTENS = (50, 201)
"""The number of `listen` on x86_64 and aarch64; of nothing that is asked about on the other one."""


def _connect_for(listener: int, cookie: int, thread: int, number: int, address: bytes) -> None:
    """Connect the child's socket; it is the same one here, with its options."""
    try:
        descriptor = _descriptor_of(_process_of(thread), number)
    except OSError:
        _reply(listener, cookie, errno.EACCES)
        return
    try:
        failed = libc.connect(descriptor, address, len(address)) != 0
        _reply(listener, cookie, ctypes.get_errno() if failed else 0)
    finally:
        os.close(descriptor)


def _reply(listener: int, cookie: int, error: int, *, flags: int = 0) -> None:
    import fcntl

    with suppress(OSError):  # who asked may be gone by now
        fcntl.ioctl(listener, _SEND, _ANSWER.pack(cookie, 0, -error, flags))


def _is_waiting(listener: int, cookie: int) -> bool:
    """True if the process that was read from is still the one that asked."""
    import fcntl

    try:
        fcntl.ioctl(listener, _STILL_THERE, struct.pack("=Q", cookie))
    except OSError:
        return False
    return True


def _read(thread: int, at: int, size: int) -> bytes | None:
    try:
        memory = os.open(f"/proc/{thread}/mem", os.O_RDONLY)
    except OSError:
        return None
    try:
        return os.pread(memory, size, at)
    except (OSError, OverflowError):
        return None
    finally:
        os.close(memory)


def _process_of(thread: int) -> int:
    with open(f"/proc/{thread}/status", encoding="ascii", errors="replace") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Tgid:"))


def _descriptor_of(pid: int, number: int) -> int:
    """A descriptor of another process's, as one of ours."""
    process = checked(libc.syscall(_PIDFD_OPEN, pid, 0))
    try:
        return checked(libc.syscall(_PIDFD_GETFD, process, number, 0))
    finally:
        os.close(process)


@lru_cache(maxsize=1)
def can_serve() -> bool:
    """True if this system lets a process ask, and this one answer. Containers may refuse either; it is tried
    with a process of its own, once."""
    if not cage.has_seccomp():
        return False
    command = lone_python(cage.__name__, "try_asking()")
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as trying:
        assert trying.stdout is not None
        said = trying.stdout.readline().strip()
        try:
            os.close(_descriptor_of(trying.pid, int(said)))
        except (OSError, ValueError):
            return False
        return True


def addresses_of(allowed: Iterable[str]) -> dict[str, list[str]]:
    """The addresses of the names among `allowed`: a caged child cannot ask for them, since its questions
    could carry anything."""
    found: dict[str, list[str]] = {}
    for entry in allowed:
        host = entry.rpartition(":")[0] if entry.rpartition(":")[2].isdigit() else entry
        if host and not host.startswith("/") and not set(host) & set("*?[]:") and host not in found:
            with suppress(OSError, UnicodeError):
                answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
                found[host] = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
    return found
