"""Clients that connect without Python's sockets: uvloop and gRPC, guarded where Python code calls them.

Others (libpq, pycurl) cannot be seen; docs/offline.md says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from types import ModuleType
from typing import Any

from pytest_fapo.trace.imports import AfterImport

Check = Callable[[str, "int | None"], None]


@contextmanager
def guarded_clients(check: Check) -> Iterator[None]:
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


_Wrapper = Callable[[Callable[..., Any]], Callable[..., Any]]


def _points(module: Any, check: Check) -> Iterator[tuple[Any, str, _Wrapper]]:
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


def _of_loop(name: str, check: Check) -> _Wrapper:
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


def _of_channel(check: Check) -> _Wrapper:
    """A channel's method that makes something to call: that checks at each call, whenever it was made."""

    def wrapper(original: Callable[..., Any]) -> Callable[..., Any]:
        def make(channel: Any, *args: Any, **kwargs: Any) -> Any:
            target = getattr(channel, "_fapo_target", None)
            made = original(channel, *args, **kwargs)
            return made if target is None else _Checked(made, lambda: check(*_host_and_port(target)))

        return wraps(original)(make)

    return wrapper


class _Checked:
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
