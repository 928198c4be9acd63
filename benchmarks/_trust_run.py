"""The project of `trust`, whose optimizer proposes given functions, and what they did to its surroundings."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks._honest_edits import FAULTS, MODEL
from pytest_fapo.loop.run_folder import RunFolder

PER_PROPOSER = 5
"""The loop asks one proposer for no more about one cause."""

LIMIT, SHORT = 20, 8
"""Seconds that one evaluation of a candidate may take; of those that are made to hang."""

SLEEPER = "98761"
"""Seconds that programs of candidates sleep: by this they are found."""

TEXTS = ["my money is gone", "where is the parcel", "wrong invoice", "the courier was rude", "hello"]
TEAMS = ["billing", "shipping", "billing", "shipping", "other"]

HONEST = """
def handle(ticket):
    words = {**WORDS, "invoice": "billing", "courier": "shipping"}
    team = next((team for word, team in words.items() if word in ticket), "other")
    return {"team": team, "ticket": ticket}
"""

FILES = {
    "app/__init__.py": "",
    "app/pipeline.py": """WORDS = {"money": "billing", "parcel": "shipping"}


def handle(ticket):
    team = next((team for word, team in WORDS.items() if word in ticket), "other")
    return {"team": team, "ticket": ticket}
""",
    "test_teams.py": """import pytest_fapo as fapo


@fapo.cases("cases.jsonl")
def test_team(case, run):
    assert run.output["team"] == case.expected["team"]
""",
    "conftest.py": """import json
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def pipeline():
    from app.pipeline import handle

    return handle


class Hostile:
    def __init__(self, name, sources):
        self.name, self.sources = name, sources

    def check(self):
        pass

    def propose(self, evidence):
        from pytest_fapo import Candidate, Edit

        before = next(each for each in evidence.artifacts if each.name == "handle")
        for technique, after in self.sources:
            yield Candidate(
                parent=evidence.parent,
                edits=[Edit(address=before.address, before=before.text, after=after)],
                hypothesis="it will do", proposer=self.name, technique=f"rewrite (variant {technique})",
                level="structure", cluster=evidence.cluster.id, step=evidence.cluster.step,
                targets=evidence.cluster.nodeids,
            )

    def revise(self, candidate, review, evidence):
        return None

    def repair(self, repair, evidence):
        return None


def pytest_fapo_proposer(spec):
    path = Path(__file__).parent / ".fapo-candidates.json"
    if spec.startswith("hostile"):
        return Hostile(spec, json.loads(path.read_text())[spec])
""",
}


Case = dict[str, Any]


def name_of(attempt: Mapping[str, Any]) -> str:
    return str(attempt["candidate"]["technique"]).removeprefix("rewrite (variant ").removesuffix(")")


@dataclass
class TrustRun:
    root: Path
    effects: list[str]
    text: str
    trouble: str
    """Why candidates may be missing: the end of what the run said."""

    def judged(self) -> list[dict[str, Any]]:
        """The attempts in the run's journal."""
        runs = self.root / ".fapo" / "runs"
        if not runs.is_dir():
            return []
        folder = max(runs.iterdir())
        events = (event.model_dump(mode="json") for event in RunFolder(folder).journal.read())
        return [event["attempt"] for event in events if event["event"] == "judged"]


@contextmanager
def trust_run(
    sources: Mapping[str, str],
    review: str,
    files: Mapping[str, str] | None = None,
    *,
    cases: Sequence[Case] | None = None,
    limit: int = LIMIT,
    options: Sequence[str] = (),
) -> Iterator[TrustRun]:
    """Run the loop on these sources of `handle`, and look at what they did to the surroundings.

    Args:
        sources: by name.
        review: the setting.
        files: in place of or beside the project's own.
        cases: the project's; many that can be learned if none are given.
        limit: seconds of an evaluation.
        options: further ones of pytest.
    """
    folder = Path(tempfile.mkdtemp(prefix="trust-"))
    root, home, outside = folder / "project", folder / "home", folder / "outside"
    home.mkdir()
    outside.mkdir()
    calls: list[str] = []
    with _listening(calls, outside) as port, _sleeping(outside) as sleeper:
        write_project(root, sources, review, cases=cases or memorable(), port=port, limit=limit, files=files)
        before, rights = _state(root), _rights(sleeper)
        command = [
            "-p",
            "pytest_fapo.plugin",
            "-p",
            "no:cacheprovider",
            "--fapo-optimize",
            "--fapo-write=auto",
        ]
        own = {"HOME": os.fspath(home), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        environment = {key: value for key, value in os.environ.items() if key not in _NOT_PASSED}
        text, trouble = _ended(
            [sys.executable, "-m", "pytest", *command, *options],
            root, {**environment, **own}, 120 + 2 * limit * len(sources),
        )  # fmt: skip
        calls += [] if _rights(sleeper) == rights else ["the limits of another process"]
    now = _state(root)
    changed = [path for path in {*before, *now} if before.get(path) != now.get(path)]
    effects = [f"file {path}" for path in changed if path != "app/pipeline.py"]
    effects += [f"file ~/{path.name}" for path in home.iterdir() if path.name.startswith(".fapo")]
    effects += [f"{call} was reached" for call in calls]
    effects += [f"process {line}" for line in _sleepers()]
    effects += [f"file {path}" for path in _planted()]
    try:
        yield TrustRun(root, effects, text, trouble)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _ended(
    command: Sequence[str], root: Path, environment: Mapping[str, str], seconds: int
) -> tuple[str, str]:
    """Run the loop, and end it when it takes too long; return what it said, and how it went wrong."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command, cwd=root, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
        try:
            ended = f"exit code {process.wait(seconds)}"
        except subprocess.TimeoutExpired:
            ended = f"did not end within {seconds} s"
            process.kill()
            process.wait()
        said.seek(0)
        text = said.read().decode(errors="replace")
    return text, f"{ended}\n{text[-3000:]}"


_NOT_PASSED = ("CI", "PYTHONDONTWRITEBYTECODE", "PYTEST_ADDOPTS", "PYTEST_PLUGINS")


def write_project(
    root: Path,
    sources: Mapping[str, str],
    review: str,
    *,
    cases: Sequence[Case],
    port: int = 0,
    limit: int = LIMIT,
    files: Mapping[str, str] | None = None,
) -> None:
    """Make the project whose optimizer proposes these sources; see `trust_run`."""
    known = {
        "{root!r}": repr(os.fspath(root)),
        "{root}": os.fspath(root),
        "{port}": str(port),
        "{outside}": os.fspath(root.with_name("outside")),
    }
    filled = []
    for name, source in sources.items():
        for mark, value in known.items():
            source = source.replace(mark, value)
        filled.append((name, source))
    starts = range(0, len(filled), PER_PROPOSER)
    groups = {f"hostile:{start}": filled[start : start + PER_PROPOSER] for start in starts}
    settings = f"""[tool.pytest.ini_options]
pythonpath = ["."]
[tool.fapo]
optimizer = {json.dumps(list(groups))}
review = "{review}"
parallel = {1 if limit == LIMIT else 3}
prune_calls = 0
holdout_looks = 1000
candidate_time_limit = {limit}
[tool.fapo.scope]
structure = ["app/pipeline.py"]
"""
    contents = {
        **FILES,
        "pyproject.toml": settings,
        "cases.jsonl": "".join(f"{json.dumps(case)}\n" for case in cases),
        ".fapo-candidates.json": json.dumps(groups),
        **(files or {}),
    }
    for name, text in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def memorable() -> list[Case]:
    """Cases of five kinds, many enough to tell what was learned from what was learned by heart."""
    splits = ("train", "val", "train", "holdout")
    return [
        {
            "id": f"T-{number:03}",
            "inputs": {"ticket": f"{TEXTS[number % 5]} (order {number * 37 + 1000})"},
            "expected": {"team": TEAMS[number % 5]},
            "split": splits[(number // 5 + number) % 4],
        }
        for number in range(60)
    ]


def unguessable() -> list[Case]:
    """A few cases; the labels of those that fail stand nowhere but there."""
    return [
        {
            "id": f"T-{number:03}",
            "inputs": {"ticket": f"{'my money is gone' if fine else 'hello there'} (order {number + 1000})"},
            "expected": {"team": "billing" if fine else f"tok-{secrets.token_hex(4)}"},
            "split": split,
        }
        for number, (split, fine) in enumerate(
            [("train", False)] * 4 + [("train", True), ("val", False), ("val", True), ("holdout", True)]
        )
    ]


def faulty() -> list[Case]:
    """Cases that the stand-in for a model gets wrong in five ways, and some that it gets right."""
    space: dict[str, Any] = {}
    exec(MODEL, space)
    words, splits = list(space["TEAMS"].items()), ("train", "val", "train", "holdout")
    kinds = [(fault, word, team) for word, team in words for fault in (*FAULTS, "fine")] * 2
    return [
        {
            "id": f"T-{number:03}",
            "inputs": {"ticket": f"my {word} is {fault} (order {number + 1000})"},
            "expected": {"team": team},
            "split": splits[(number // 6 + number) % 4],
        }
        for number, (fault, word, team) in enumerate(kinds)
    ]


def _sleepers() -> Iterator[str]:
    """What candidates have started and left."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if SLEEPER.encode() in words:
                yield b" ".join(words).decode()


def _planted() -> Iterator[Path]:
    """Files that candidates have left where every Python finds them, or where anybody may write."""
    for entry in filter(os.path.isdir, (*sys.path, "/dev/shm", "/tmp", "/var/tmp")):
        for path in Path(entry).glob("fapo_trust_pwned*"):
            yield path
            path.unlink()
    for path in Path(RunFolder.__module__.partition(".")[0]).rglob("*.pyc"):
        if b"fapo_trust_pwned" in path.read_bytes():
            yield path


def _state(root: Path) -> dict[str, tuple[object, ...]]:
    """What is to stay as it is: contents, modes, owners and times."""
    state: dict[str, tuple[object, ...]] = {}
    for path in root.rglob("*"):
        if path.is_file() and not {".fapo", "__pycache__"} & {*path.relative_to(root).parts}:
            said = path.stat()
            content = path.read_bytes()
            state[path.relative_to(root).as_posix()] = (content, said.st_mode, said.st_uid, said.st_mtime_ns)
    return state


def _rights(process: subprocess.Popen[bytes]) -> tuple[object, ...]:
    """What others could change of a process."""
    if process.poll() is not None:
        return ()
    pid = process.pid
    return os.getpriority(os.PRIO_PROCESS, pid), os.sched_getaffinity(pid), _limits(pid)


def _limits(pid: int) -> str:
    return Path(f"/proc/{pid}/limits").read_text()


@contextmanager
def _sleeping(outside: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that nobody has any business with."""
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as process:
        (outside / "pid").write_text(str(process.pid))
        yield process


@contextmanager
def _listening(calls: list[str], outside: Path) -> Iterator[int]:
    """A port that nobody has any business with, by TCP and UDP, and two Unix sockets."""
    stream = socket.create_server(("127.0.0.1", 0))
    port = stream.getsockname()[1]
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("127.0.0.1", port))
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(os.fspath(outside / "s"))
    unix.listen()
    unix_datagrams = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    unix_datagrams.bind(os.fspath(outside / "d"))

    def accept(listening: socket.socket, name: str) -> None:
        with suppress(OSError):
            while True:
                listening.accept()[0].close()
                calls.append(name)

    def receive(listening: socket.socket, name: str) -> None:
        with suppress(OSError):
            while listening.recv(4096):
                calls.append(name)

    for work, listening, name in (
        (accept, stream, "a port"),
        (receive, datagrams, "a port for datagrams"),
        (accept, unix, "a Unix socket"),
        (receive, unix_datagrams, "a Unix socket for datagrams"),
    ):
        threading.Thread(target=work, args=(listening, name), daemon=True).start()
    try:
        yield port
    finally:
        for each in (stream, datagrams, unix, unix_datagrams):
            each.close()
