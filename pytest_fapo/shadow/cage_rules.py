"""What a caged child may read, write and start: its own copy, Python, the system's libraries, no more."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest_fapo
from pytest_fapo.capture.redaction import is_secret_name
from pytest_fapo.shadow.connections import can_serve
from pytest_fapo.shadow.evaluation_request import CageRules, EvaluationRequest
from pytest_fapo.shadow.inside.tree_map import inside
from pytest_fapo.shadow.label_files import without
from pytest_fapo.shadow.shadow_tree import ShadowTree

_SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/opt", "/nix", "/proc", "/sys")

_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/ptmx")

_SOURCES = ("/dev/random", "/dev/urandom")
"""Devices to be read; others are disks, and the terminals of other people."""

_PRIVATE = frozenset(
    {"shadow", "shadow-", "gshadow", "gshadow-", "sudoers", "sudoers.d", "ssh", "kubernetes", "krb5.keytab"}
    | {"docker", "rancher", "wireguard", "openvpn", "NetworkManager", "letsencrypt", "security"}
)
"""Entries of /etc that hold secrets; root could read them."""

_IN_HOME = (".cache", ".local/lib", "nltk_data", "scikit_learn_data")
"""Folders of the user's home in which libraries keep models and data."""

_PROVIDERS = (
    *(
        "OPENAI_",
        "ANTHROPIC_",
        "AZURE_",
        "GOOGLE_",
        "GEMINI_",
        "VERTEX",
        "AWS_",
        "COHERE_",
        "CO_API_",
        "MISTRAL_",
    ),
    *("GROQ_", "TOGETHER", "FIREWORKS_", "DEEPSEEK_", "OPENROUTER_", "XAI_", "PERPLEXITY", "HF_", "HUGGING"),
    *(
        "VOYAGE_",
        "REPLICATE_",
        "OLLAMA_",
        "CEREBRAS_",
        "NVIDIA_",
        "WATSONX",
        "DASHSCOPE_",
        "MOONSHOT_",
        "LITELLM_",
    ),
)
"""How the variables of model providers begin: their libraries read them by themselves."""

_PROCESSORS = os.cpu_count() or 1

_LARGEST_FILE = 1 << 30


def cage_spec(
    rules: CageRules, shadow: ShadowTree, request: EvaluationRequest, folder: Path, results: Path
) -> dict[str, Any]:
    """Return what `cage.enter` is given, as JSON data.

    Args:
        rules: what the run may do beside what every run may.
        shadow: its tree.
        request: what it runs.
        folder: its own folder.
        results: the file that takes its records.
    """
    cache = request.cache_folder if not request.answers else None
    own = [request.spend_file, cache, os.fspath(results)]
    limit = request.timeout
    return {
        "read": [
            os.fspath(shadow.area),
            *without([*_readable(shadow), *rules.read, *request.cache_files], rules.hidden),
        ],
        "write": [
            os.fspath(shadow.path),  # and nothing else of the copy: what lies beside it is not cleaned
            os.fspath(folder),
            *_DEVICES,
            *without(rules.write, rules.hidden),
            *(path for path in own if path),
        ],
        "execute": _with_loaders(rules.programs),
        "connections": can_serve(),
        "memory": rules.memory,
        "file_size": max(_LARGEST_FILE, 4 * _size_of(request.cache_folder)),
        "processor": int(limit * _PROCESSORS) + 60 if limit is not None else 0,
        "number": os.fspath(folder / "connections.txt"),
    }


def without_foreign_secrets(environment: Mapping[str, str], shadow: ShadowTree) -> dict[str, str]:
    """Return the environment without credentials that the project has no use for: those of no model provider
    whose name is in none of its files.
    """
    names = {name for name in environment if is_secret_name(name) and not name.startswith(_PROVIDERS)}
    unused = names - _mentioned(names, shadow)
    return {name: value for name, value in environment.items() if name not in unused}


_MENTIONS: WeakKeyDictionary[ShadowTree, dict[str, bool]] = WeakKeyDictionary()


def _mentioned(names: Set[str], shadow: ShadowTree) -> set[str]:
    """Return those that are in a file of the project as it was copied, each looked for once: a candidate must
    not get a credential by writing its name down.
    """
    known = _MENTIONS.setdefault(shadow, {})
    left = new = names - known.keys()
    for path in shadow.survey.files:
        if not left:
            break
        content = shadow.original(path)
        left = {name for name in left if os.fsencode(name) not in content}
    known.update((name, name not in left) for name in new)
    return {name for name in names if known[name]}


def readable_anyway(shadow: ShadowTree) -> list[str]:
    """Return the folders that no run has to be granted."""
    return [path for path in _readable(shadow) if os.path.isdir(path)]


_READABLE: WeakKeyDictionary[ShadowTree, list[str]] = WeakKeyDictionary()


def _readable(shadow: ShadowTree) -> list[str]:
    """Return the paths that every run in a copy may read; looked up once, since no candidate changes them."""
    if shadow not in _READABLE:
        _READABLE[shadow] = _look_up_readable(shadow)
    return _READABLE[shadow]


def _look_up_readable(shadow: ShadowTree) -> list[str]:
    home = os.path.expanduser("~")
    real = os.path.realpath(shadow.root)
    paths = [
        *without(filter(os.path.exists, _SYSTEM), [real]),  # the project may lie in /opt, or in /usr/src
        *_SOURCES,
        *_settings_of_system(),
        *_python(shadow),
        *(os.path.join(home, name) for name in _IN_HOME),
        *(os.path.join(shadow.root, path) for path in shadow.survey.linked),
        *_neighbors(shadow),
    ]
    found = dict.fromkeys(path for path in paths if os.path.exists(path))
    return [*found, *(place for path in found if (place := os.path.realpath(path)) not in found)]


def _settings_of_system() -> Iterator[str]:
    if os.path.isdir("/etc"):
        yield from (f"/etc/{name}" for name in os.listdir("/etc") if name not in _PRIVATE)
    yield from ("/run/systemd/resolve", "/var/lib/ca-certificates", "/var/cache/fontconfig")


def _python(shadow: ShadowTree) -> Iterator[str]:
    """Yield the interpreter, the packages that it finds, and this one."""
    root = os.path.realpath(shadow.root)
    yield from (
        sys.prefix,
        sys.base_prefix,
        sys.exec_prefix,
        os.path.dirname(os.path.realpath(sys.executable)),
    )
    yield from filter(None, map(sysconfig.get_path, ("stdlib", "platstdlib", "purelib", "platlib")))
    yield str(Path(pytest_fapo.__file__).parent)
    for entry in sys.path:
        path = os.path.realpath(entry)
        # The project's own modules come from the copy, and a folder above it is not a folder of packages.
        if entry and not inside(path, root) and not inside(root, path):
            yield path


def _neighbors(shadow: ShadowTree) -> Iterator[str]:
    """Return what lies beside the project in its repository, and is linked beside the copy."""
    for folder, folders, files in os.walk(shadow.area):
        if Path(folder) == shadow.path:
            folders.clear()
            continue
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            if os.path.islink(path):
                yield os.path.realpath(path)


def _with_loaders(programs: Iterable[str]) -> list[str]:
    """Return the programs, with what the kernel starts them by: a script's interpreter, the dynamic
    loader.
    """
    found: dict[str, None] = {}
    for program in programs:
        path: str | None = os.path.realpath(program)
        while path is not None and path not in found and os.path.isfile(path):
            found[path] = None
            path = _interpreter_of(path)
    if found:
        for loader in (
            "/lib64/ld-linux-x86-64.so.2",
            "/lib/ld-linux-aarch64.so.1",
            "/lib/ld-musl-x86_64.so.1",
        ):
            if os.path.exists(loader):
                found[os.path.realpath(loader)] = None
    return list(found)


def _interpreter_of(path: str) -> str | None:
    with open(path, "rb") as file:
        head = file.read(256)
    if not head.startswith(b"#!"):
        return None
    words = head[2:].split(b"\n")[0].split()
    return os.path.realpath(os.fsdecode(words[0])) if words else None


def _size_of(folder: str | None) -> int:
    try:
        return sum(entry.stat().st_size for entry in os.scandir(folder)) if folder else 0
    except OSError:
        return 0
