"""Refuse a case's connections under `--fapo-cache=only` except to allowed hosts, whichever client it uses.

An audit hook sees what Python code asks of sockets: connections, datagrams, names that are looked up. It
stays in a process for good, so there is one, and it is idle while no guard is installed. uvloop and gRPC,
which connect without Python's sockets, are guarded where Python code calls them.
"""

from __future__ import annotations

import os
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from types import ModuleType
from typing import Any

from pytest_fapo.capture.child_programs import PROGRAM_EVENTS as CHILD_EVENTS
from pytest_fapo.capture.child_programs import ChildPrograms
from pytest_fapo.capture.import_hook import AfterImport
from pytest_fapo.capture.recorder import Recorder, current_recorder, recorded_now
from pytest_fapo.core.allowed_hosts import NETWORK_EVENTS, AllowedHosts, Target, peer_of, target_of
from pytest_fapo.core.errors import NetworkRefused

ConnectionCheck = Callable[[str, "int | None"], None]


@contextmanager
def guarded_clients(check: ConnectionCheck) -> Iterator[None]:
    """In the body, what these clients connect to is given to `check` first, which raises where it refuses."""
    with ExitStack() as undo:

        def patch(module: ModuleType) -> None:
            for owner, name, wrapper in _points(module, check):
                original = getattr(owner, name, None)
                if original is not None:
                    setattr(owner, name, wrapper(original))
                    undo.callback(setattr, owner, name, original)

        hook = AfterImport(["uvloop", "grpc._channel", "grpc.aio._channel"], patch)
        undo.callback(hook.uninstall)
        hook.install()
        yield


_MethodWrapper = Callable[[Callable[..., Any]], Callable[..., Any]]


def _points(module: Any, check: ConnectionCheck) -> Iterator[tuple[Any, str, _MethodWrapper]]:
    if module.__name__ == "uvloop":
        for name in (
            "create_connection",
            "getaddrinfo",
            "create_datagram_endpoint",
            "create_unix_connection",
        ):
            yield module.Loop, name, _of_loop(name, check)
        return
    for name in ("unary_unary", "unary_stream", "stream_unary", "stream_stream"):
        yield module.Channel, name, _of_channel(check)
    yield module.Channel, "__init__", _remembering


def _of_loop(name: str, check: ConnectionCheck) -> _MethodWrapper:
    def wrapper(original: Callable[..., Any]) -> Callable[..., Any]:
        async def guarded(loop: Any, *args: Any, **kwargs: Any) -> Any:
            host, port = _destination(name, args, kwargs)
            if isinstance(host, str) and host and not (name == "getaddrinfo" and host == "localhost"):
                check(host, port if isinstance(port, int) else None)
            return await original(loop, *args, **kwargs)

        return wraps(original)(guarded)

    return wrapper


def _destination(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    if name == "create_datagram_endpoint":
        remote = kwargs.get("remote_addr") or (args[2] if len(args) > 2 else None)
        return remote[:2] if isinstance(remote, tuple) else (None, None)
    if name == "create_unix_connection":
        return kwargs.get("path") or (args[1] if len(args) > 1 else None), None
    at = 0 if name == "getaddrinfo" else 1
    host = kwargs.get("host") or (args[at] if len(args) > at else None)
    return host, kwargs.get("port") or (args[at + 1] if len(args) > at + 1 else None)


def _remembering(original: Callable[..., None]) -> Callable[..., None]:
    def __init__(channel: Any, target: Any, *args: Any, **kwargs: Any) -> None:
        channel._fapo_target = target
        original(channel, target, *args, **kwargs)

    return wraps(original)(__init__)


def _of_channel(check: ConnectionCheck) -> _MethodWrapper:
    """Return a channel's method that makes something to call: that checks at each call, whenever it was
    made.
    """

    def wrapper(original: Callable[..., Any]) -> Callable[..., Any]:
        def make(channel: Any, *args: Any, **kwargs: Any) -> Any:
            target = getattr(channel, "_fapo_target", None)
            made = original(channel, *args, **kwargs)
            return made if target is None else _CheckedChannel(made, lambda: check(*_host_and_port(target)))

        return wraps(original)(make)

    return wrapper


class _CheckedChannel:
    """A gRPC call that asks first."""

    def __init__(self, made: Any, ask: Callable[[], None]) -> None:
        self._made = made
        self._ask = ask

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._ask()
        return self._made(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._made, name)
        if name not in ("with_call", "future"):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            self._ask()
            return found(*args, **kwargs)

        return call


def _host_and_port(target: Any) -> tuple[str, int | None]:
    text = target.decode() if isinstance(target, bytes) else str(target)
    _, slashes, rest = text.partition("://")
    text = rest.rpartition("/")[2] if slashes else text
    for prefix in ("dns:", "ipv4:", "ipv6:"):
        text = text.removeprefix(prefix)
    host, colon, port = text.rpartition(":")
    return (host.strip("[]"), int(port)) if colon and port.isdigit() else (text, None)


_installed: NetworkGuard | None = None

_hooked = False

_thread = threading.local()

_WITHOUT_DOWNLOADS = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
"""Variables by which libraries that load a table of their own when imported use the one they came with.

LiteLLM, and DSPy with it, is often first imported inside a case.
"""


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
            sys.addaudithook(_audit_hook)
        _installed = self
        for name, value in _WITHOUT_DOWNLOADS.items():
            if name not in os.environ:
                os.environ[name] = value
                self._undo.callback(os.environ.pop, name, None)
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
            recorder.violations.append(NetworkRefused(_refusal_message(recorder, child, "a program of it ")))

    def on_event(self, event: str, args: Sequence[Any]) -> None:
        """Handle an event of the audit hook."""
        if getattr(_thread, "busy", False) or not concerned():
            return
        _thread.busy = True
        try:
            found = target_of(event, args)
            if found is not None:
                self._judge(found[0], lookup=found[1])
        finally:
            _thread.busy = False

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
        cases = [recorder] if recorder is not None and recorder in recorded_now() else _running_cases()
        if not cases and recorder is not None:
            cases = [recorder]
        refusal = None
        for case in cases:
            refusal = NetworkRefused(
                _refusal_message(case, str(target), "" if ours else "a thread of no case ")
            )
            case.violations.append(refusal)
            self.children.note_refusal(case, str(target))
        assert refusal is not None
        raise refusal

    def _guard_open_connections(self) -> None:
        """A connection that was opened before the case (a session that is kept alive) is none of its own."""
        for owner in (socket.socket, ssl.SSLSocket):
            for name in ("send", "sendall"):
                original = getattr(owner, name)
                replaced = _checked_send(original, self)
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
    return bool(_running_cases())


def _running_cases() -> list[Recorder]:
    return [recorder for recorder in recorded_now() if recorder.pipeline]


def _audit_hook(event: str, args: tuple[Any, ...]) -> None:
    guard = _installed
    if guard is None:
        return
    if event in NETWORK_EVENTS:
        guard.on_event(event, args)
    elif event in CHILD_EVENTS:
        guard.children.on_event(event, args)


def _checked_send(original: Callable[..., Any], guard: NetworkGuard) -> Callable[..., Any]:
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


def _refusal_message(case: Recorder, target: str, who: str = "") -> str:
    subject = f"{who}connected while case {case.case_id!r} ran" if who else f"case {case.case_id!r} connected"
    return (
        f"--fapo-cache=only: {subject} to {target}, and no recorded answer stands for that; the connection "
        f'was refused. To let it through, name it in [tool.fapo]: allow_hosts = ["{target}"]'
    )
