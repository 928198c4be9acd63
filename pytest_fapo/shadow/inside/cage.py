"""Lock this process in for good: files, programs, connections, other processes, limits. Linux only.

Standard library only. `enter` is called once, in a process with one thread, before any code of a candidate
runs in it; what it gives up cannot be taken back, and all that the process starts inherits it.

- Landlock refuses files and programs that were not granted; see `landlock.py`.
- seccomp refuses system calls by which a process could get around that or reach another one, and asks the
  parent about each connection, new process and change of a file's mode; see `pytest_fapo.shadow.connections`.
- Resource limits bound memory, processor time and the size of files.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import socket
import struct
import sys
from typing import Any

from pytest_fapo.shadow.inside.landlock import (
    checked,
    landlock_version,
    libc,
    refuse_new_privileges,
    restrict_files,
)

if sys.platform != "win32":
    import resource

_DROP_CAPABILITY = 24


class CageError(OSError):
    """A lock that the system offers could not be closed."""


def enter(spec: dict[str, Any]) -> int | None:
    """Lock this process in.

    Args:
        spec: `read`, `write`, `execute` (paths), `connections` (whether the parent answers for them),
            `memory` and `file_size` (bytes) and `processor` (seconds), each 0 for no limit.

    Returns:
        the descriptor on which the parent is asked about connections; None where it is not asked.

    Raises:
        CageError: a lock could not be closed; the process must not go on.
    """
    try:
        _limit(spec)
        _drop_capabilities()
        refuse_new_privileges()
        if landlock_version():
            restrict_files(spec["read"], spec["write"], spec["execute"])
        if not has_seccomp():
            return None
        return _restrict_calls(ask=bool(spec["connections"]), share=bool(spec["execute"]))
    except OSError as error:
        raise CageError(error.errno, f"the cage could not be closed: {error.strerror}") from error


def missing_locks() -> list[str]:
    """Return what this kernel does not offer, in words; empty where it offers all."""
    if libc is None:
        return ["files, programs, connections and processes (Linux only)"]
    version, lacking = landlock_version(), []
    if version < 1:
        lacking.append("files and programs (the kernel has no Landlock)")
    elif version < 3:
        lacking.append("cutting files (Landlock 3, Linux 6.2)")
    if version < 6 and version:
        lacking.append("signals to other processes (Landlock 6, Linux 6.12)")
    if not has_seccomp():
        lacking.append("connections (no seccomp on this kernel or processor)")
    return lacking


def answer_names(names: dict[str, list[str]]) -> None:
    """Let Python find the addresses of these names without a question to the network."""
    original = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        known = names.get(name.lower().rstrip("."), ()) if isinstance(name, str) else ()
        found = []
        for address in known:
            with contextlib.suppress(OSError):  # not of the family that is asked for
                found += original(address, port, *args, **kwargs)
        return found or original(host, port, *args, **kwargs)

    socket.getaddrinfo = getaddrinfo


# --- limits -------------------------------------------------------------------------------------------------


def _limit(spec: dict[str, Any]) -> None:
    for name, value in (
        (resource.RLIMIT_DATA, spec["memory"]),
        (resource.RLIMIT_FSIZE, spec["file_size"]),
        (resource.RLIMIT_CPU, spec["processor"]),
        (resource.RLIMIT_CORE, 0),
    ):
        if value or name == resource.RLIMIT_CORE:
            _, hard = resource.getrlimit(name)
            bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(name, (bound, bound))


_KEPT_CAPABILITIES = (0, 1, 2, 3, 4)
"""Those by which root reads and writes the files of other users, as a container with a mounted project must;
Landlock holds for them too."""


def _drop_capabilities() -> None:
    """Give up what makes root more than another user, for this process and all that it starts."""
    for number in range(64):
        if number not in _KEPT_CAPABILITIES:
            libc.prctl(_DROP_CAPABILITY, ctypes.c_ulong(number), *(ctypes.c_ulong(0),) * 3)
    header = struct.pack("=Ii", 0x20080522, 0)
    data = ctypes.create_string_buffer(24)
    if libc.capget(ctypes.create_string_buffer(header), data) != 0:
        return
    kept = sum(1 << number for number in _KEPT_CAPABILITIES)
    words = list(struct.unpack("=6I", data.raw))
    words = [word & (kept if position < 3 else 0) for position, word in enumerate(words)]
    checked(
        libc.capset(
            ctypes.create_string_buffer(header), ctypes.create_string_buffer(struct.pack("=6I", *words))
        )
    )


# --- system calls -------------------------------------------------------------------------------------------

_MACHINES: dict[str, tuple[int, dict[str, int]]] = {
    "x86_64": (
        0xC000003E,
        {
            "acct": 163, "add_key": 248, "adjtimex": 159, "bpf": 321, "chroot": 161, "clock_adjtime": 305,
            "clock_settime": 227, "clone": 56, "connect": 42, "delete_module": 176, "finit_module": 313,
            "init_module": 175, "ioperm": 173, "iopl": 172, "kexec_file_load": 320, "kexec_load": 246,
            "keyctl": 250, "listen": 50, "mount": 165, "open_by_handle_at": 304, "perf_event_open": 298,
            "pivot_root": 155, "process_vm_readv": 310, "process_vm_writev": 311, "ptrace": 101,
            "quotactl": 179, "reboot": 169, "request_key": 249, "sendmmsg": 307, "sendmsg": 46,
            "sendto": 44, "setdomainname": 171, "sethostname": 170, "setns": 308, "setpgid": 109,
            "setsid": 112, "settimeofday": 164, "socket": 41, "swapoff": 168, "swapon": 167, "syslog": 103,
            "umount2": 166, "unshare": 272, "userfaultfd": 323,
            "chmod": 90, "chown": 92, "fchmod": 91, "fchmodat": 268, "fchown": 93, "fchownat": 260,
            "fork": 57, "fremovexattr": 199, "fsetxattr": 190, "futimesat": 261, "ioprio_set": 251,
            "lchown": 94, "lremovexattr": 198, "lsetxattr": 189, "memfd_create": 319, "mq_open": 240,
            "msgget": 68, "prlimit64": 302, "removexattr": 197, "sched_setaffinity": 203,
            "sched_setattr": 314, "sched_setparam": 142, "sched_setscheduler": 144, "semget": 64,
            "setpriority": 141, "setxattr": 188, "shmget": 29, "socketpair": 53, "utime": 132,
            "utimensat": 280, "utimes": 235, "vfork": 58,
        },
    ),
    "aarch64": (
        0xC00000B7,
        {
            "acct": 89, "add_key": 217, "adjtimex": 171, "bpf": 280, "chroot": 51, "clock_adjtime": 266,
            "clock_settime": 112, "clone": 220, "connect": 203, "delete_module": 106, "finit_module": 273,
            "init_module": 105, "kexec_file_load": 294, "kexec_load": 104, "keyctl": 219, "listen": 201,
            "mount": 40, "open_by_handle_at": 265, "perf_event_open": 241, "pivot_root": 41,
            "process_vm_readv": 270, "process_vm_writev": 271, "ptrace": 117, "quotactl": 60, "reboot": 142,
            "request_key": 218, "sendmmsg": 269, "sendmsg": 211, "sendto": 206, "setdomainname": 162,
            "sethostname": 161, "setns": 268, "setpgid": 154, "setsid": 157, "settimeofday": 170,
            "socket": 198, "swapoff": 225, "swapon": 224, "syslog": 116, "umount2": 39, "unshare": 97,
            "userfaultfd": 282,
            "fchmod": 52, "fchmodat": 53, "fchown": 55, "fchownat": 54, "fremovexattr": 16,
            "fsetxattr": 7, "ioprio_set": 30, "lremovexattr": 15, "lsetxattr": 6, "memfd_create": 279,
            "mq_open": 180, "msgget": 186, "prlimit64": 261, "removexattr": 14, "sched_setaffinity": 122,
            "sched_setattr": 274, "sched_setparam": 118, "sched_setscheduler": 119, "semget": 190,
            "setpriority": 140, "setxattr": 5, "shmget": 194, "socketpair": 199, "utimensat": 88,
        },
    ),
}  # fmt: skip
"""Processor to its number for audits and the numbers of its system calls (the kernel's syscall tables)."""

_EVERYWHERE = {
    "fsconfig": 431, "fsmount": 432, "fsopen": 430, "fspick": 433, "io_uring_enter": 426,
    "io_uring_register": 427, "io_uring_setup": 425, "mount_setattr": 442, "move_mount": 429,
    "open_tree": 428, "pidfd_getfd": 438, "fchmodat2": 452, "removexattrat": 466, "setxattrat": 463,
}  # fmt: skip

_REFUSED = (
    *("ptrace", "syslog", "pivot_root", "adjtimex", "chroot", "acct", "settimeofday", "mount", "umount2"),
    *("swapon", "swapoff", "reboot", "sethostname", "setdomainname", "iopl", "ioperm", "init_module"),
    *("delete_module", "quotactl", "clock_settime", "kexec_load", "add_key", "request_key", "keyctl"),
    *("perf_event_open", "open_by_handle_at", "clock_adjtime", "setns", "process_vm_readv", "unshare"),
    *("process_vm_writev", "finit_module", "kexec_file_load", "bpf", "userfaultfd"),
    *(name for name in _EVERYWHERE if name != "fchmodat2"),
    # Landlock does not watch over owners and attributes of files, nor over the old calls for their times.
    *("chown", "lchown", "fchown", "fchownat", "setxattr", "lsetxattr", "fsetxattr", "removexattr"),
    *("lremovexattr", "fremovexattr", "utime", "utimes", "futimesat"),
)

_SHARED = ("mq_open", "msgget", "semget", "shmget")
"""What outlives a process; left to programs (databases need it) where any may be started."""

_OF_PROCESS = {
    "prlimit64": 0, "sched_setaffinity": 0, "sched_setparam": 0, "sched_setscheduler": 0,
    "sched_setattr": 0, "setpriority": 1, "ioprio_set": 1,
}  # fmt: skip
"""Calls that change a process, and the position of the argument that names it; 0 is the caller."""

_ASKED = ("connect", "listen", "chmod", "fchmod", "fchmodat", "fchmodat2", "utimensat", "fork", "vfork")
"""Calls about which the parent is asked, beside the `clone` of processes."""

_NO_SUCH_CALL = ("clone3", "memfd_create")
"""What they hide (flags, a program) is out of sight; libraries then use `clone`, and files."""

_IGNORED = ("setsid", "setpgid")
"""They report success and do nothing: whatever is started stays in the group that ends with its parent."""

_NAMESPACES, _THREAD = 0x7E020000, 0x10000
"""Flags of clone that make namespaces; that of a thread."""

_SECCOMP = {"x86_64": 317, "aarch64": 277}

_ALLOW, _ASK, _ERRNO = 0x7FFF0000, 0x7FC00000, 0x00050000

_LOAD, _EQUAL, _GREATER_OR_EQUAL, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06

_NUMBER, _MACHINE, _ARGUMENTS = 0, 4, 16
"""Offsets in what the filter sees."""

_INET, _INET6, _UNIX, _NETLINK = 2, 10, 1, 16

_STREAM, _PACKETS, _TCP, _FAST_OPEN = 1, 5, 6, 0x20000000


def has_seccomp() -> bool:
    """True if system calls can be refused here."""
    return libc is not None and platform.machine() in _MACHINES and os.path.exists("/proc/sys/kernel/seccomp")


def call_named(number: int) -> str:
    """Return the name of a system call of this processor."""
    _, numbers = _MACHINES[platform.machine()]
    return next((name for name, each in {**numbers, **_EVERYWHERE}.items() if each == number), "")


def _restrict_calls(*, ask: bool, share: bool = False) -> int | None:
    machine, numbers = _MACHINES[platform.machine()]
    program = _filter(machine, {**numbers, **_EVERYWHERE, "clone3": 435}, ask=ask, share=share)
    code = ctypes.create_string_buffer(b"".join(program))
    head = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    mode, listener = 1, 1 << 3 if ask else 0
    found = libc.syscall(
        _SECCOMP[platform.machine()], ctypes.c_uint(mode), ctypes.c_uint(listener), ctypes.byref(head)
    )
    return checked(found) if ask else (checked(found), None)[1]


def _filter(machine: int, numbers: dict[str, int], *, ask: bool, share: bool) -> list[bytes]:
    """Return the filter as instructions of classic BPF (see seccomp(2)), one rule after the other."""
    refused = _ERRNO | errno.EPERM
    program = [
        *_unless(_MACHINE, machine, refused),
        _instruction(_LOAD, _NUMBER),
        _instruction(_GREATER_OR_EQUAL, 0x40000000, 0, 1),  # the other numbers of x86_64
        _instruction(_RETURN, refused),
    ]
    answers = {
        **dict.fromkeys(_REFUSED if share else (*_REFUSED, *_SHARED), refused),
        **dict.fromkeys(_IGNORED, _ERRNO),
        **dict.fromkeys(_NO_SUCH_CALL, _ERRNO | errno.ENOSYS),
        **dict.fromkeys(_ASKED if ask else (), _ASK),
    }
    for name, answer in answers.items():
        if name in numbers:
            program += _when(numbers[name], answer)
    for name, position in _OF_PROCESS.items():
        program += _call(numbers[name], _argument(position), _instruction(_EQUAL, 0, 1, 0), _give(refused))
    program += _call(
        numbers["clone"],
        _argument(0),
        _instruction(_ANY_BIT, _NAMESPACES, 0, 1),
        _give(refused),
        *((_instruction(_ANY_BIT, _THREAD, 1, 0), _give(_ASK)) if ask else ()),
    )
    if ask:
        program += _asked_connections(numbers)
    return [*program, _give(_ALLOW)]


def _asked_connections(numbers: dict[str, int]) -> list[bytes]:
    """Return the rules that leave one way to others: TCP connections, about which the parent is asked."""
    no_network = _give(_ERRNO | errno.EACCES)
    program = _call(
        numbers["socket"],
        _argument(0),
        _instruction(_EQUAL, _NETLINK, 17, 0),
        _instruction(_EQUAL, _UNIX, 11, 0),
        _instruction(_EQUAL, _INET, 2, 0),
        _instruction(_EQUAL, _INET6, 1, 0),
        no_network,
        _argument(1),
        _instruction(_AND, 0xF),
        _instruction(_EQUAL, _STREAM, 1, 0),
        no_network,  # no datagrams: they need no connection
        _argument(2),
        _instruction(_EQUAL, 0, 7, 0),
        _instruction(_EQUAL, _TCP, 6, 0),
        no_network,
        *_with_a_connection(no_network),
    )
    program += _call(numbers["socketpair"], *_with_a_connection(no_network))
    program += _call(
        numbers["sendto"],
        _argument(4),
        _instruction(_EQUAL, 0, 1, 0),
        no_network,
        _instruction(_LOAD, _ARGUMENTS + 4 * 8 + 4),
        _instruction(_EQUAL, 0, 1, 0),
        no_network,
    )
    for name, position in (("sendmsg", 2), ("sendmmsg", 3)):
        program += _call(
            numbers[name], _argument(position), _instruction(_ANY_BIT, _FAST_OPEN, 0, 1), no_network
        )
    return program


def _with_a_connection(otherwise: bytes) -> tuple[bytes, ...]:
    """Allow the kinds of Unix sockets that reach nobody before they are connected."""
    return (
        _argument(1),
        _instruction(_AND, 0xF),
        _instruction(_EQUAL, _STREAM, 2, 0),
        _instruction(_EQUAL, _PACKETS, 1, 0),
        otherwise,
    )


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _give(answer: int) -> bytes:
    return _instruction(_RETURN, answer)


def _argument(position: int) -> bytes:
    """Load the lower half of an argument; processors here have their lower half first."""
    return _instruction(_LOAD, _ARGUMENTS + position * 8)


def _unless(offset: int, value: int, answer: int) -> list[bytes]:
    return [_instruction(_LOAD, offset), _instruction(_EQUAL, value, 1, 0), _give(answer)]


def _when(number: int, answer: int) -> list[bytes]:
    return [_instruction(_EQUAL, number, 0, 1), _give(answer)]


def _call(number: int, *rule: bytes) -> list[bytes]:
    """Return a rule for one system call; what it leaves undecided is allowed."""
    return [_instruction(_EQUAL, number, 0, len(rule) + 1), *rule, _give(_ALLOW)]


def try_asking() -> None:
    """For `connections.can_serve`: lock calls alone, say where is asked, and wait to be let go."""
    refuse_new_privileges()
    print(_restrict_calls(ask=True), flush=True)
    sys.stdin.read()
