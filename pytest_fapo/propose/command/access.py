"""What a coding agent may see and write: the system and its copy, not the project and not what is private."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pytest_fapo.llm.keys import key_in

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
class Access:
    """Paths for `confine`: see its `main`."""

    hidden: list[str]
    kept: list[str]
    read: list[str]
    write: list[str]
    home: list[str] = field(default_factory=list)


def make_access(root: Path, own: Path, program: str, arguments: Sequence[str], *, home: bool) -> Access:
    """What a program may reach.

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
    kept = [path for path in dict.fromkeys(tools) if path.exists() and not _above(path, [*hidden, own])]
    open_to_all = _open_paths(Path("/"), [*hidden, Path("/dev")])
    devices = [f"/dev/{name}" for name in _DEVICES]
    return Access(
        hidden=[str(path) for path in hidden],
        kept=[str(path) for path in [*kept, own]],
        read=[*open_to_all, *(str(path) for path in kept)],
        write=[str(own), *devices, *(_open_paths(user, hidden) if home else ())],
        home=[str(user)] if home else [],
    )


def make_environment(program: str, names: Iterable[str], own: Path) -> dict[str, str]:
    """The variables that the program gets: few, its provider's key, and those that the settings name."""
    provider = next((keys for name, keys in _KEYS_OF.items() if name in Path(program).name.lower()), ())
    names = list(names)
    wanted = [*_ALWAYS, *_NETWORK, *names]
    found = {name: os.environ[name] for name in wanted if name in os.environ}
    found.update({name: key for name in provider if (key := key_in(name))})
    folders = {"TMPDIR": own / "tmp", **({} if "HOME" in names else {"HOME": own / "home"})}
    for name, folder in folders.items():
        folder.mkdir(exist_ok=True)
        found[name] = str(folder)
    return {**found, "PYTHONDONTWRITEBYTECODE": "1", "GIT_CEILING_DIRECTORIES": str(own)}


def find_program(name: str, root: Path) -> str | None:
    """The program's path; one given relative to the project stays as it is: the copy has it too."""
    if os.sep in name and not os.path.isabs(name):
        return name if (root / name).is_file() else None
    return shutil.which(name)


def _interpreter() -> list[Path]:
    """This Python with its packages, so that the program can use it."""
    return [Path(path).resolve() for path in (sys.prefix, sys.base_prefix)]


def _around(program: Path, home: Path) -> list[Path]:
    """What a program is installed with: its folder, the real file's, and the prefix that both belong to."""
    if not program.is_absolute():
        return []
    found = []
    for path in (program, program.resolve()):
        found.append(path.parent)
        prefix = path.parent.parent
        if path.parent.name == "bin" and (prefix / "lib").is_dir() and prefix not in (home, home / ".local"):
            found.append(prefix)
    return found


def _above(path: Path, others: Iterable[Path]) -> bool:
    return any(path == other or path in other.parents for other in others)


def _open_paths(top: Path, hidden: Sequence[Path]) -> list[str]:
    """The paths below `top` that together hold everything but what is hidden."""
    found: list[str] = []
    try:
        entries = sorted(top.iterdir())
    except OSError:
        return found
    for entry in entries:
        if any(entry == path or path in entry.parents for path in hidden) or entry.is_symlink():
            continue
        if any(entry in path.parents for path in hidden):
            found += _open_paths(entry, hidden)
        else:
            found.append(str(entry))
    return found
