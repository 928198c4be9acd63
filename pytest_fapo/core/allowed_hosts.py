"""The setting `allow_hosts`: the destination of a connection, and the decision whether it may be made.

Standard library only, and nothing of this package: child processes of a case load this file by its path.
"""

from __future__ import annotations

import contextlib
import fnmatch
import ipaddress
import re
import socket
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

_FAMILIES = {
    socket.AF_INET,
    socket.AF_INET6,
    getattr(socket, "AF_UNIX", None),
    getattr(socket, "AF_VSOCK", None),
}

_ENTRY = re.compile(
    r"(?P<host>\[[0-9a-fA-F:.%*]+\]|[^\s/:\[\]@]+)(:(?P<port>\d{1,5}|\*))?|(?P<six>[0-9a-fA-F:.]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*)"
)

_LOCAL = ("127.0.0.1", "::1")


class Target(NamedTuple):
    """The destination of a connection."""

    host: str
    """Name or address; the path of a Unix socket."""
    port: int | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host and not self.host.startswith("/") else self.host
        return host if self.port is None else f"{host}:{self.port}"


def check_entry(entry: str) -> None:
    """Raise ValueError, with the end of a sentence, for an entry of `allow_hosts` that can never match."""
    if entry.startswith("/"):
        return
    if "://" in entry:
        raise ValueError(f"{entry!r} is a URL; give the host alone, or host:port")
    match = _ENTRY.fullmatch(entry)
    if match is None or ((match["port"] or "*") != "*" and int(match["port"]) > 65535):
        raise ValueError(
            f"{entry!r} is none of host, host:port, a pattern such as *.internal:5432, "
            f"or the path of a Unix socket"
        )


class AllowedHosts:
    """The connections that `allow_hosts` lets through.

    Args:
        entries: `host`, `host:port`, either with `*`, or the path of a Unix socket.
    """

    def __init__(self, entries: Iterable[str] = ()) -> None:
        self.entries = tuple(entries)
        self._rules = [_rule(entry) for entry in self.entries]
        self._addresses: dict[str, set[str]] = {}
        """Allowed names that were looked up, and their addresses."""

    def admit(self, target: Target, *, lookup: bool = False) -> bool:
        """True if the connection may be made.

        Args:
            lookup: it is a name that is being looked up; its addresses are then known for the connection.
        """
        names = _names_of(target.host)
        if any(self._matches(name, target.port, lookup) for name in names):
            if lookup:
                self._look_up(target.host)
            return True
        if lookup or not self._rules:
            return False
        self._look_up_all()
        known = [name for name, addresses in self._addresses.items() if names[0] in addresses]
        return any(self._matches(name, target.port, False) for name in known)

    def _matches(self, host: str, port: int | None, any_port: bool) -> bool:
        return any(
            fnmatch.fnmatchcase(host, pattern) and (any_port or port is None or allowed in ("*", str(port)))
            for pattern, allowed in self._rules
        )

    def _look_up(self, name: str) -> None:
        with contextlib.suppress(OSError, UnicodeError):
            found = {str(info[4][0]) for info in socket.getaddrinfo(name, None)}
            self._addresses.setdefault(name, set()).update(_names_of(address)[0] for address in found)

    def _look_up_all(self) -> None:
        """The addresses of the names that are allowed: a client may connect to one that it knew before."""
        for pattern, _ in self._rules:
            if not set(pattern) & set("*?[/") and not _is_address(pattern):
                self._look_up(pattern)


def target_of(event: str, args: Sequence[Any]) -> tuple[Target, bool] | None:
    """Return the event's destination, and True if it is only a name lookup; None if nothing leaves."""
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        port = args[1] if event == "socket.getaddrinfo" else None
        return _name(args[0], port)
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        return _address(args[0], args[1])
    return None


NETWORK_EVENTS = frozenset(
    ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname")
)


def peer_of(sock: Any) -> Target | None:
    """Return the destination of an open connection; None for a connection that is not ours to judge."""
    try:
        if sock.family not in _FAMILIES:
            return None
        found = _address(sock, sock.getpeername())
    except OSError:
        return None
    return found[0] if found is not None and not found[0].host.startswith("/") else None


def _name(host: Any, port: Any) -> tuple[Target, bool] | None:
    """Return a name that is looked up. Addresses, and names of this machine, are answered without a question
    to anybody: what counts there is the connection.
    """
    text = host.decode("idna" if host.isascii() else "latin-1") if isinstance(host, bytes) else host
    if not isinstance(text, str) or not text or _is_address(text):
        return None
    text = text.lower().rstrip(".")
    if text in ("localhost", socket.gethostname().lower()):
        return None
    number = int(port) if isinstance(port, (int, str)) and str(port).isdigit() else None
    return Target(text, number), True


def _address(sock: Any, address: Any) -> tuple[Target, bool] | None:
    if address is None or getattr(sock, "family", None) not in _FAMILIES:
        return None
    if isinstance(address, (str, bytes)):
        path = address if isinstance(address, str) else address.decode("utf-8", "replace")
        # The pipes of multiprocessing: `listener-` in the abstract name space or in its own folder.
        own = path.startswith("\0listener-") or "/pymp-" in path or not path
        return None if own else (Target(path.replace("\0", "@")), False)
    if not isinstance(address, tuple) or not address:
        return None
    host, port = str(address[0] or "127.0.0.1"), address[1] if len(address) > 1 else None
    return Target(host.lower().rstrip("."), port if isinstance(port, int) else None), False


def _rule(entry: str) -> tuple[str, str]:
    if entry.startswith("/"):
        return entry, "*"
    match = _ENTRY.fullmatch(entry)
    if match is None or match["six"]:
        return entry.lower(), "*"
    # `[` opens a set in a pattern; an address in brackets stands without them.
    return match["host"].strip("[]").lower().rstrip("."), match["port"] or "*"


def _names_of(host: str) -> tuple[str, ...]:
    """Return the address in its one spelling, and the name that a person would write for it."""
    try:
        address: Any = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return (host, *(_LOCAL if host == "localhost" else ()))
    mapped = getattr(address, "ipv4_mapped", None)
    plain = str(mapped or address)
    return (plain, "localhost") if plain in _LOCAL else (plain,)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
