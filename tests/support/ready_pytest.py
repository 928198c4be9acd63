"""`python -m pytest` in a process of its own that starts at once: a fork of one that has loaded the SDKs.

Nothing of ours and nothing of a tested project is loaded before the fork. On other systems than Linux, or
where the environment would change how the interpreter starts, a new interpreter is started.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NoReturn

LOADED = ("openai", "anthropic", "httpx", "pydantic", "rich.console", "diskcache", "xml.etree.ElementTree")
QUICK = ("-p", "no:hypothesispytest")
"""That plugin imports all of hypothesis at the end of a session, and no tested project needs it."""
_LIMIT = 1 << 20
"""Bytes of an order: arguments and environment."""

_PATIENCE = 60.0
"""Seconds that the server has for loading the SDKs, and a process for ending when it is killed."""

_NUMBER = 12
"""Digits of a number that is answered."""


@functools.cache
def plugin_path() -> dict[str, str]:
    """`PYTHONPATH` for processes elsewhere, where the plugin is not installed.

    Where it is, its bytecode is too; without that each process would compile hundreds of modules.
    """
    installed = any(point.name == "fapo" for point in entry_points(group="pytest11"))
    return {} if installed else {"PYTHONPATH": str(Path(__file__).parents[2])}


@dataclass(frozen=True)
class Finished:
    """The result of a run."""

    code: int
    text: str


def run_pytest(
    arguments: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    timeout: float,
    typed: str = "",
) -> Finished:
    """Run `python -m pytest` without a terminal.

    Args:
        arguments: of pytest.
        cwd: folder to run it in.
        environment: all variables that it has.
        timeout: in seconds.
        typed: what it can read from standard input, then comes the end.

    Raises:
        subprocess.TimeoutExpired: after so many seconds; the process is killed.
    """
    arguments = [*QUICK, *arguments]
    if sys.platform != "linux" or _startup(environment) != _startup(os.environ):
        return _started_anew(arguments, cwd, environment, timeout, typed)
    order = {"arguments": list(arguments), "cwd": os.fspath(cwd), "environment": dict(environment)}
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as given:
        given.write(typed.encode())
        given.seek(0)
        code = _server().run(order, [given.fileno(), output.fileno()], timeout)
        output.seek(0)
        text = output.read()
    if code is None:
        raise subprocess.TimeoutExpired(["pytest", *arguments], timeout, output=text)
    return Finished(code, text.decode("utf-8", "replace"))


def _startup(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that an interpreter reads once, at its start."""
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(("PYTHON", "LC_", "LANG", "LD_", "COV_", "COVERAGE")) and name != "PYTHONPATH"
    }


def _started_anew(
    arguments: Sequence[str], cwd: Path, environment: Mapping[str, str], timeout: float, typed: str
) -> Finished:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=cwd,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        input=typed.encode(),
        timeout=timeout,
    )
    return Finished(done.returncode, done.stdout.decode("utf-8", "replace"))


class _Server:
    """The process that has loaded the SDKs, one for each process that runs tests."""

    def __init__(self) -> None:
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._orders.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LIMIT)
        command = [
            sys.executable,
            "-c",
            "from support.ready_pytest import serve; serve()",
            str(theirs.fileno()),
        ]
        self._process = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        atexit.register(self.close)

    def run(self, order: Mapping[str, object], streams: list[int], timeout: float) -> int | None:
        """Exit code of one run; None where it took too long and was killed."""
        answers, theirs = os.pipe()
        try:
            socket.send_fds(self._orders, [json.dumps(order).encode()], [*streams, theirs])
            os.close(theirs)
            process = _read_number(answers, _PATIENCE)
            if process is None:
                raise RuntimeError("the process that has loaded the SDKs does not answer")
            code = _read_number(answers, timeout)
            if code is None:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
                _read_number(answers, _PATIENCE)  # comes once it has ended
            return code
        finally:
            os.close(answers)

    def close(self) -> None:
        self._orders.close()
        self._process.wait()


@functools.cache
def _server() -> _Server:
    return _Server()


def _read_number(pipe: int, timeout: float) -> int | None:
    if not select.select([pipe], [], [], timeout)[0]:
        return None
    data = os.read(pipe, _NUMBER)
    return int(data) if data else None


# --- in the server --------------------------------------------------------------------------------------


def serve() -> None:
    """Load the SDKs, then fork one process for each order until the orders end."""
    orders = socket.socket(fileno=int(sys.argv[1]))
    _load()
    while True:
        data, descriptors, _, _ = socket.recv_fds(orders, _LIMIT, 3)
        if not data:
            return
        while _ended(os.WNOHANG):
            pass
        if os.fork() == 0:
            orders.close()
            _attend(json.loads(data), *descriptors)
            return
        for descriptor in descriptors:
            os.close(descriptor)


def _ended(options: int) -> bool:
    try:
        return os.waitpid(-1, options)[0] != 0
    except ChildProcessError:
        return False


def _load() -> None:
    from _pytest.config import default_plugins

    for name in [*LOADED, *(f"_pytest.{name}" for name in default_plugins)]:
        importlib.import_module(name)
    for name in {name.partition(".")[0] for name in sys.modules}:
        with suppress(KeyError, AttributeError):  # else pytest warns that it cannot rewrite the asserts in it
            sys.modules[name].__doc__ = f"{sys.modules[name].__doc__ or ''}\n\nPYTEST_DONT_REWRITE"
    assert not [name for name in sys.modules if name.startswith("pytest_fapo")]
    gc.collect()
    gc.freeze()


def _attend(order: dict[str, Any], given: int, output: int, answers: int) -> None:
    """Fork once more and tell the number of that process, then its exit code."""
    process = os.fork()
    if process == 0:
        os.close(answers)
        _become_pytest(order, given, output)
    os.close(given)
    os.close(output)
    os.write(answers, b"%*d" % (_NUMBER, process))
    _, status = os.waitpid(process, 0)
    with suppress(BrokenPipeError):  # it took too long, nobody waits
        os.write(answers, b"%*d" % (_NUMBER, os.waitstatus_to_exitcode(status)))
    os._exit(0)


def _become_pytest(order: dict[str, Any], given: int, output: int) -> NoReturn:
    """Behave like `python -m pytest` in a new interpreter."""
    os.dup2(given, 0)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.close(given)
    os.close(output)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["environment"])
    tests = str(Path(__file__).parents[1])
    added = [os.path.abspath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.path[:] = [order["cwd"], *added, *(entry for entry in sys.path if entry not in ("", tests))]
    for name in [name for name in sys.modules if name.partition(".")[0] == "support"]:
        del sys.modules[name]
    tempfile.tempdir = None
    sys.path_importer_cache.clear()
    importlib.invalidate_caches()
    import pytest

    sys.argv = [os.path.join(os.path.dirname(pytest.__file__), "__main__.py"), *order["arguments"]]
    sys.exit(pytest.console_main())
