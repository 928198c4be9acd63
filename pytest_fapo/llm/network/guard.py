"""Refuses connections from cases, at the socket, whichever client makes them.

An audit hook sees what Python code asks of sockets: connections, datagrams, names that are looked up. It
stays in a process for good, so there is one, and it is idle while no guard is installed.
"""

from __future__ import annotations

import socket
import ssl
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from pytest_fapo.errors import NetworkRefused
from pytest_fapo.llm.network.children import EVENTS as CHILD_EVENTS
from pytest_fapo.llm.network.children import ChildPrograms
from pytest_fapo.llm.network.clients import guarded_clients
from pytest_fapo.llm.network.hosts import EVENTS, AllowedHosts, Target, peer_of, target_of
from pytest_fapo.trace import Recorder, current_recorder
from pytest_fapo.trace.context import recorded_now

_installed: NetworkGuard | None = None
_hooked = False
_own = threading.local()


class NetworkGuard:
    """While it is installed, a case's pipeline and its test reach nothing but the hosts that are allowed.

    What no case does is left alone: other tests, fixtures, imports. Where a thread that belongs to no case
    connects while cases run, it cannot be told for which of them: the connection is refused, and fails all of
    them.

    Args:
        allow: the setting `allow_hosts`.
    """

    def __init__(self, allow: Sequence[str] = ()) -> None:
        self.hosts = AllowedHosts(allow)
        self.children = ChildPrograms(self.hosts.entries)
        self._undo = ExitStack()

    def install(self) -> None:
        """Put it in force, in place of any other."""
        global _installed, _hooked
        if not _hooked:
            _hooked = True
            sys.addaudithook(_hook)
        _installed = self
        self._guard_open_connections()
        self._undo.enter_context(guarded_clients(self.check))
        self._undo.enter_context(self.children.watched())

    def uninstall(self) -> None:
        """Let everything through again."""
        global _installed
        if _installed is self:
            _installed = None
        self._undo.close()

    def collect(self, recorder: Recorder) -> None:
        """Add to a case's refusals those that its child processes have left."""
        for child in self.children.refusals(recorder):
            recorder.violations.append(NetworkRefused(_message(recorder, child, "a program of it ")))

    def on_event(self, event: str, args: Sequence[Any]) -> None:
        """What the audit hook has seen."""
        if getattr(_own, "busy", False) or not concerned():
            return
        _own.busy = True
        try:
            found = target_of(event, args)
            if found is not None:
                self._judge(found[0], lookup=found[1])
        finally:
            _own.busy = False

    def check(self, host: str, port: int | None) -> None:
        """Refuse a connection that a client makes without Python's sockets.

        Raises:
            NetworkRefused: a case makes it, and it is not allowed.
        """
        if concerned():
            self._judge(Target(host.lower(), port))

    def _judge(self, target: Target, *, lookup: bool = False) -> None:
        if self.hosts.admit(target, lookup=lookup):
            return
        recorder = current_recorder()
        ours = recorder is not None and recorder.pipeline != ""
        cases = [recorder] if recorder is not None and recorder in recorded_now() else _cases()
        if not cases and recorder is not None:
            cases = [recorder]
        refusal = None
        for case in cases:
            refusal = NetworkRefused(_message(case, str(target), "" if ours else "a thread of no case "))
            case.violations.append(refusal)
            self.children.note_refusal(case, str(target))
        assert refusal is not None
        raise refusal

    def _guard_open_connections(self) -> None:
        """A connection that was opened before the case (a session that is kept alive) is none of its own."""
        for owner in (socket.socket, ssl.SSLSocket):
            for name in ("send", "sendall"):
                original = getattr(owner, name)
                replaced = _checked(original, self)
                setattr(owner, name, replaced)
                own = name in vars(owner)
                self._undo.callback(_restore, owner, name, replaced, original, own)

    def check_open(self, sock: socket.socket) -> None:
        """As `check`, for what is sent over an open connection; only in a context that is known to be a
        case's, since the threads of a local server answer in nobody's name."""
        recorder = current_recorder()
        if _installed is not self or recorder is None or not recorder.pipeline:
            return
        target = peer_of(sock)
        if target is not None and not self._serves(sock) and not self.hosts.admit(target):
            self._judge(target)

    def _serves(self, sock: socket.socket) -> bool:
        """True for the server's end of a connection to a port that is allowed."""
        host, port = sock.getsockname()[:2]
        return self.hosts.admit(Target(str(host), port))


def concerned() -> bool:
    """True if the calling code belongs to a case, or may: it belongs to nobody, and a case is under way."""
    recorder = current_recorder()
    if recorder is not None:
        return recorder.pipeline != ""  # the optimizer's own calls have none
    return bool(_cases())


def _cases() -> list[Recorder]:
    return [recorder for recorder in recorded_now() if recorder.pipeline]


def _hook(event: str, args: tuple[Any, ...]) -> None:
    guard = _installed
    if guard is None:
        return
    if event in EVENTS:
        guard.on_event(event, args)
    elif event in CHILD_EVENTS:
        guard.children.on_event(event, args)


def _checked(original: Callable[..., Any], guard: NetworkGuard) -> Callable[..., Any]:
    def send(self: socket.socket, *args: Any, **kwargs: Any) -> Any:
        guard.check_open(self)
        return original(self, *args, **kwargs)

    return send


def _restore(owner: type, name: str, replaced: Any, original: Any, own: bool) -> None:
    if vars(owner).get(name) is not replaced:
        return  # somebody has wrapped it since: ours stays below, and checks nothing
    if own:
        setattr(owner, name, original)
    else:
        delattr(owner, name)


def _message(case: Recorder, target: str, who: str = "") -> str:
    subject = f"{who}connected while case {case.case_id!r} ran" if who else f"case {case.case_id!r} connected"
    return (
        f"--fapo-cache=only: {subject} to {target}, and no recorded answer stands for that; the connection "
        f'was refused. To let it through, name it in [tool.fapo]: allow_hosts = ["{target}"]'
    )
