"""Answer for what a caged child asks about: connections and modes of files, made here in its place or
refused, and new processes, which are counted.

The child's seccomp filter stops it at the call and asks here (see seccomp_unotify(2)). Addresses and paths
are read once and used from here, so that no other thread of the child can change them after they were judged.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import socket
import stat
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
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

_LONGEST_ADDRESS, _LONGEST_PATH = 128, 4096

_POLL = 0.002

MOST_PROCESSES = 256
"""Processes of one child at a time, beside threads."""

_UNCOUNTED = 64
"""The number of new processes up to which nobody looks how many of them are left."""

_TIMES_SIZE = 32
"""Bytes of the two times that `utimensat` is given."""

_HERE, _NO_FOLLOW, _EMPTY_PATH = -100, 0x100, 0x1000
"""The descriptor that stands for the current folder; flags of calls on files."""


class Connections:
    """Serves one child until it and all that it started are gone, in a thread of its own.

    Args:
        allowed: `host`, `host:port`, patterns, paths of Unix sockets.
        folder: Unix sockets below it are the child's own.
        writable: files and folders whose modes and times it may change.
    """

    def __init__(self, allowed: Iterable[str], folder: Path, writable: Iterable[str] = ()) -> None:
        self._allowed = AllowedHosts(allowed)
        self._folder = os.path.realpath(folder)
        self._writable = tuple(map(os.path.realpath, writable))
        self._own_listening: set[int] = set()
        self._started = 0
        self._group = 0
        self._lock = threading.Lock()
        self.refused: dict[str, None] = {}
        """The destinations that were refused, in order."""

    def serve_when_ready(self, pid: int, path: Path, ended: Callable[[], int | None]) -> None:
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
        self._group = pid
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
        call = cage.call_named(number)
        if call in ("fork", "vfork", "clone"):
            full = self._has_too_many_processes()
            _reply(listener, cookie, errno.EAGAIN if full else 0, flags=0 if full else _CONTINUE)
        elif call == "listen":
            self._note_listening(thread, arguments[0])
            _reply(listener, cookie, 0, flags=_CONTINUE)
        elif call == "connect":
            self._connect(listener, cookie, thread, arguments)
        else:
            _reply(listener, cookie, self._change_file(call, listener, cookie, thread, arguments))

    def _has_too_many_processes(self) -> bool:
        self._started += 1
        return self._started > _UNCOUNTED and _size_of_group(self._group) >= MOST_PROCESSES

    # --- modes and times of files -------------------------------------------------------------------------

    def _change_file(self, call: str, listener: int, cookie: int, thread: int, arguments: list[int]) -> int:
        """Change a file's mode or times in the child's place; return the number of the error, or 0.

        Landlock does not watch over these calls: the child could make files unreadable that are not its own.
        """
        file = -1
        try:
            file, values = _named_file(call, thread, arguments)
            at = f"/proc/self/fd/{file}"
            place = os.readlink(at)
            mine = any(place == path or place.startswith(path + os.sep) for path in self._writable)
            if not mine or not _is_waiting(listener, cookie):
                return errno.EPERM
            if stat.S_ISLNK(os.fstat(file).st_mode):
                return 0  # nobody looks at a link's own times
            if call == "utimensat":
                times = None
                if values[0]:
                    times = _read(thread, values[0], _TIMES_SIZE)
                    if times is None or len(times) < _TIMES_SIZE:
                        return errno.EFAULT
                checked(libc.utimensat(_HERE, at.encode(), times, 0))
            else:
                os.chmod(at, values[0] & 0o1777)
        except OSError as error:
            return error.errno or errno.EPERM
        finally:
            if file >= 0:
                os.close(file)
        return 0

    # --- connections --------------------------------------------------------------------------------------

    def _connect(self, listener: int, cookie: int, thread: int, arguments: list[int]) -> None:
        address = _read(thread, arguments[1], min(arguments[2], _LONGEST_ADDRESS))
        if address is None or not _is_waiting(listener, cookie):
            _reply(listener, cookie, errno.EACCES)
            return
        place = -1
        path = _unix_path(address)
        if path:
            # What is judged is what is connected to, whatever links the child changes meanwhile.
            try:
                place = _place(f"/proc/{_process_of(thread)}/cwd", path)
            except OSError as error:
                _reply(listener, cookie, error.errno or errno.EACCES)
                return
            address = address[:2] + os.fsencode(os.readlink(f"/proc/self/fd/{place}")) + b"\0"
        if not self._may(address):
            _close(place)
            _reply(listener, cookie, errno.EACCES)
            return
        if path:
            address = address[:2] + f"/proc/self/fd/{place}".encode() + b"\0"
        # A connection may take its time; other questions do not wait for it.
        threading.Thread(
            target=_connect_for, args=(listener, cookie, thread, arguments[0], address, place), daemon=True
        ).start()

    def _note_listening(self, thread: int, number: int) -> None:
        with suppress(OSError):
            descriptor = _descriptor_of(_process_of(thread), number)
            self._own_listening.add(os.fstat(descriptor).st_ino)
            os.close(descriptor)

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
        return Target(host, port), here and self._is_own(port)

    def _is_own(self, port: int) -> bool:
        """True if nobody but the child listens on a port, at whatever address of this machine."""
        listening = set(_listening_at(port)) if self._own_listening else set()
        return bool(listening) and listening <= self._own_listening


def _connect_for(listener: int, cookie: int, thread: int, number: int, address: bytes, place: int) -> None:
    """Connect the child's socket; it is the same one here, with its options."""
    try:
        descriptor = _descriptor_of(_process_of(thread), number)
    except OSError:
        _close(place)
        _reply(listener, cookie, errno.EACCES)
        return
    try:
        failed = libc.connect(descriptor, address, len(address)) != 0
        _reply(listener, cookie, ctypes.get_errno() if failed else 0)
    finally:
        os.close(descriptor)
        _close(place)


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        os.close(descriptor)


def _unix_path(address: bytes) -> bytes:
    """Return the path of a Unix socket; empty for an abstract one and for other addresses."""
    if len(address) < 3 or struct.unpack("=H", address[:2])[0] != socket.AF_UNIX:
        return b""
    return address[2:].partition(b"\0")[0]


def _listening_at(port: int) -> Iterator[int]:
    """Yield the inodes of the sockets that listen on a port (see proc_pid_net(5))."""
    for name in ("tcp", "tcp6"):
        with suppress(OSError), open(f"/proc/net/{name}", encoding="ascii") as file:
            next(file)
            for line in file:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    yield int(fields[9])


def _size_of_group(group: int) -> int:
    count = 0
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError, IndexError), open(f"/proc/{name}/stat", "rb") as file:
            count += int(file.read().rpartition(b")")[2].split()[2]) == group
    return count


def _named_file(call: str, thread: int, arguments: list[int]) -> tuple[int, list[int]]:
    """Open the file that a call names, without any right to it; return it and the call's other arguments."""
    folder, flags, values = _HERE, 0, arguments
    if call != "chmod":
        folder, *values = arguments
        folder = ctypes.c_int32(folder & 0xFFFFFFFF).value
    if call == "fchmod":
        path = b""
    else:
        at, *values = values
        text = _read(thread, at, _LONGEST_PATH) if at else b"\0"
        if text is None or b"\0" not in text:
            raise OSError(errno.EFAULT, "no path")
        path = text.partition(b"\0")[0]
        flags = values[1] if call in ("fchmodat2", "utimensat") else 0
        if not path and at and not flags & _EMPTY_PATH:
            raise OSError(errno.ENOENT, "no path")
    process = _process_of(thread)
    base = f"/proc/{process}/cwd" if folder == _HERE else f"/proc/{process}/fd/{folder}"
    if not path:
        return os.open(base, os.O_PATH | os.O_CLOEXEC), values
    return _place(base, path, os.O_NOFOLLOW if flags & _NO_FOLLOW else 0), values


def _place(base: str, path: bytes, flags: int = 0) -> int:
    """Open what a path leads to from a folder, without any right to it."""
    start = os.open(base, os.O_PATH | os.O_CLOEXEC)
    try:
        return os.open(path, os.O_PATH | os.O_CLOEXEC | flags, dir_fd=start)
    finally:
        os.close(start)


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
    """Return a descriptor of another process's, as one of ours."""
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
