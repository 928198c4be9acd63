"""One run of a coding agent: what it may reach, its time limit, and the end of everything that it started."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pytest_fapo.core.api_keys import key_in
from pytest_fapo.propose.agent import agent_sandbox
from pytest_fapo.shadow.inside.landlock import lone_python

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "fd", "stdin", "stdout")

_ALWAYS = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TERM", "TZ")

_NETWORK = (
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"),
)

_KEYS_OF = {
    "claude": (
        *("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "ANTHROPIC_MODEL"),
        "CLAUDE_CODE_OAUTH_TOKEN",
    ),
    "codex": ("OPENAI_API_KEY", "OPENAI_BASE_URL", "CODEX_API_KEY"),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
}


@dataclass(frozen=True)
class AgentAccess:
    """Paths for `agent_sandbox`: see its `main`."""

    hidden: list[str]
    kept: list[str]
    read: list[str]
    write: list[str]
    home: list[str] = field(default_factory=list)


def make_access(root: Path, own: Path, program: str, arguments: Sequence[str], *, home: bool) -> AgentAccess:
    """Return the files and hosts that a program may reach.

    Args:
        root: the project, which it may not.
        own: the folder with its copy, which it may write.
        program: its path.
        arguments: files named here by their absolute path may be read.
        home: whether the user's home folder is left to it.
    """
    temporary = Path(tempfile.gettempdir()).resolve()
    user = Path.home().resolve()
    root, own = root.resolve(), own.resolve()
    hidden = [root, temporary, *(() if home else (user,))]
    hidden = [path for path in dict.fromkeys(hidden) if path != Path("/")]
    files = [Path(each).resolve() for each in arguments if os.path.isabs(each) and os.path.isfile(each)]
    tools = [*_interpreter(), *_around(Path(program), user), *files]
    kept = [path for path in dict.fromkeys(tools) if path.exists() and not _is_above(path, [*hidden, own])]
    open_to_all = _open_paths(Path("/"), [*hidden, Path("/dev")])
    devices = [f"/dev/{name}" for name in _DEVICES]
    return AgentAccess(
        hidden=[str(path) for path in hidden],
        kept=[str(path) for path in [*kept, own]],
        read=[*open_to_all, *(str(path) for path in kept)],
        write=[str(own), *devices, *(_open_paths(user, hidden) if home else ())],
        home=[str(user)] if home else [],
    )


def make_environment(program: str, names: Iterable[str], own: Path) -> dict[str, str]:
    """Return the variables that the program gets: few, its provider's key, and those that the settings
    name.
    """
    provider = next((keys for name, keys in _KEYS_OF.items() if name in Path(program).name.lower()), ())
    names = list(names)
    wanted = [*_ALWAYS, *_NETWORK, *names]
    environment = {name: os.environ[name] for name in wanted if name in os.environ}
    environment.update({name: key for name in provider if (key := key_in(name))})
    folders = {"TMPDIR": own / "tmp", **({} if "HOME" in names else {"HOME": own / "home"})}
    for name, folder in folders.items():
        folder.mkdir(exist_ok=True)
        environment[name] = str(folder)
    return {**environment, "PYTHONDONTWRITEBYTECODE": "1", "GIT_CEILING_DIRECTORIES": str(own)}


def find_program(name: str, root: Path) -> str | None:
    """Return the program's path; one given relative to the project stays as it is: the copy has it too."""
    if os.sep in name and not os.path.isabs(name):
        return name if (root / name).is_file() else None
    return shutil.which(name)


def _interpreter() -> list[Path]:
    """This Python with its packages, so that the program can use it."""
    return [Path(path).resolve() for path in (sys.prefix, sys.base_prefix)]


def _around(program: Path, home: Path) -> list[Path]:
    """Return a program's installation folders: its own, the real file's, and the prefix of both."""
    if not program.is_absolute():
        return []
    folders = []
    for path in (program, program.resolve()):
        folders.append(path.parent)
        prefix = path.parent.parent
        if path.parent.name == "bin" and (prefix / "lib").is_dir() and prefix not in (home, home / ".local"):
            folders.append(prefix)
    return folders


def _is_above(path: Path, others: Iterable[Path]) -> bool:
    return any(path == other or path in other.parents for other in others)


def _open_paths(top: Path, hidden: Sequence[Path]) -> list[str]:
    """Return the paths below `top` that together hold everything but what is hidden."""
    paths: list[str] = []
    try:
        entries = sorted(top.iterdir())
    except OSError:
        return paths
    for entry in entries:
        if any(entry == path or path in entry.parents for path in hidden) or entry.is_symlink():
            continue
        if any(entry in path.parents for path in hidden):
            paths += _open_paths(entry, hidden)
        else:
            paths.append(str(entry))
    return paths


_GRACE = 5.0
"""Seconds for the launcher to end what the program has started."""

_LINES_KEPT = 40

_LINE_CHARS = 400


@dataclass(frozen=True)
class AgentExit:
    """The end of a run."""

    code: int
    late: bool
    """True if it was ended at the time limit."""
    output: list[str]
    """Its last lines."""

    @property
    def confined(self) -> bool:
        """False where it was not run, for want of a way to lock it in."""
        return self.code != agent_sandbox.CANNOT


def run_agent(
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    access: AgentAccess | None,
    seconds: float,
) -> AgentExit:
    """Run a program in a folder, without input.

    Args:
        command: program and arguments.
        folder: where it is run.
        environment: all its variables.
        access: what it may reach; everything where None.
        seconds: until it is ended.
    """
    launched = list(command) if access is None else _launcher(command, folder, access)
    process = subprocess.Popen(
        launched,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    lines: deque[str] = deque(maxlen=_LINES_KEPT)
    reader = threading.Thread(target=_read, args=(process, lines), daemon=True)
    reader.start()
    end = time.monotonic() + seconds
    try:
        late = not _wait_until(process, end)
    finally:
        _end(process)
    reader.join(timeout=1)
    return AgentExit(process.returncode, late, list(lines))


def _launcher(command: Sequence[str], folder: Path, access: AgentAccess) -> list[str]:
    spec = folder.parent / "sandbox.json"
    spec.write_text(json.dumps({**asdict(access), "folder": str(folder), "command": list(command)}))
    return [*lone_python(agent_sandbox.__name__, "main(sys.argv[1])"), str(spec)]


def _wait_until(process: subprocess.Popen[bytes], end: float) -> bool:
    try:
        process.wait(timeout=max(0.0, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """Politely first: the launcher then ends what left the process group."""
    if process.poll() is None:
        process.terminate()
        _wait_until(process, time.monotonic() + _GRACE)
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _read(process: subprocess.Popen[bytes], lines: deque[str]) -> None:
    assert process.stdout is not None
    with process.stdout as stream:
        while part := stream.readline(_LINE_CHARS * 4):
            text = part.decode("utf-8", errors="replace").strip()
            if text:
                lines.append(text[:_LINE_CHARS])
