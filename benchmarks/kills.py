"""Sessions killed at a random event of a random phase: resumed until they end, they end as one left alone.

A plugin's proposer gives candidates, one of which helps; no model is asked. A phase is what lies between two
events of the journal; its moments are the files that are opened, moved and removed and the programs that are
started. A session is killed in a random one, and so is the next, which resumes; after a few kills one is
left alone. What is left in the end (journal, result, summary, names of files, the project itself) is held
against what a session leaves that nobody disturbed. Each session is a fork of this process, which has loaded
all modules: what they take to load is no part of the measurement.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import pkgutil
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

import pytest_fapo
from benchmarks._trust_run import HONEST, memorable, write_project
from benchmarks.planted.table import Figure, share, show
from pytest_fapo.loop.journal import Journal
from pytest_fapo.loop.run_folder import RunFolder

WHOLE, SHORT = 1000, 20

KILLS = 5
"""So many of one run, at most."""

MEASURED = frozenset(
    (
        "time",
        "duration",
        "spending",
        "stages",
        "optimizer_spending",
        "costs",
        "run_directory",
        "patch",
        "args",
    )
)
"""The fields that differ between runs: when it was, how long it took, what it cost, where it lies."""

SOURCES = {
    "worse": 'def handle(ticket):\n    return {"team": "none", "ticket": ticket}\n',
    "honest": HONEST,
}

FILE = "app/pipeline.py"
"""The one that is written in the end."""

CASES = 20

PATIENCE = 300
"""Seconds that one session may take."""

EVENTS = frozenset(
    ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "subprocess.Popen")
)
"""Audit events that are moments."""


@dataclass(frozen=True)
class Moment:
    """The event at which a session is killed: counted from the begin of a phase."""

    phase: int
    event: int


def run(check: bool, quick: bool) -> int:
    """Kill 1,000 sessions, 20 with `quick`; Ctrl-C ends it with the figures so far."""
    if not hasattr(os, "fork"):
        print("kills: not measured, sessions are forks")
        return 2 if check else 0
    signal.signal(signal.SIGINT, signal.default_int_handler)
    count, seed = SHORT if quick else WHOLE, int(os.environ.get("KILLS_SEED", "0"))
    for module in pkgutil.walk_packages(pytest_fapo.__path__, "pytest_fapo."):
        if ".inside" not in module.name:  # made for other processes
            with suppress(ImportError):
                importlib.import_module(module.name)
    folder = Path(tempfile.mkdtemp(prefix="kills-"))
    try:
        figures = _measured(folder, count, random.Random(seed))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    show(figures)
    return int(check and not all(figure.holds for figure in figures))


def _measured(folder: Path, count: int, chance: random.Random) -> list[Figure]:
    root = folder / "project"
    _make(root)
    said = _session(root, "--fapo-optimize", None)
    expected = left_in(root)
    if "honest" not in json.dumps(expected["journal"]) or "All " not in (said or ""):
        raise RuntimeError(f"the session that was left alone did not end well:\n{said}")
    phases = json.loads((folder / "phases.json").read_text())
    print(f"phases of a run, by their events: {phases}", flush=True)
    kills, ends, other, torn = 0, 0, list[str](), list[str]()
    where: Counter[str] = Counter()
    begin = time.monotonic()
    with suppress(KeyboardInterrupt):
        while kills < count:
            _make(root)
            before, option = (root / FILE).read_bytes(), "--fapo-optimize"
            left = min(chance.randint(1, KILLS), count - kills)
            while True:
                phase = chance.randrange(len(phases))
                moment = Moment(phase, chance.randint(1, phases[phase] + 1)) if left else None
                said = _session(root, option, moment)
                if (root / FILE).read_bytes() not in (before, expected["project"].encode()):
                    torn.append(f"after {kills} kills")
                if said is None:
                    kills, left = kills + 1, left - 1
                    where[_phase(root)] += 1
                    begun = any((root / ".fapo/runs").glob("*/journal.jsonl"))
                    option = "--fapo-resume" if begun else "--fapo-optimize"
                elif "the newest run finished, or there is none" not in said:
                    break
                elif any((root / ".fapo/runs").glob("*/summary.json")):
                    break  # it was killed after its end
                else:
                    option = "--fapo-optimize"
            ends += 1
            found = left_in(root)
            if found != expected:
                names = [name for name in expected if found[name] != expected[name]]
                other.append(f"after {kills} kills: {', '.join(names)} differ\n{said[-1500:]}")
                print(other[-1], found["files"], flush=True)
            took = time.monotonic() - begin
            print(f"{kills} kills, {ends} ends, {len(other)} of them other, {took:.0f} s", flush=True)
    last = ", ".join(f"{number} {phase}" for phase, number in where.most_common())
    return [
        Figure("sessions killed", f"{count}", f"{kills}", kills >= count, notes=[f"last event: {last}"]),
        Figure("ended otherwise than alone", "0", share(len(other), ends), not other, notes=other),
        Figure("files of the project half written", "0", share(len(torn), kills), not torn, notes=torn),
    ]


def _make(root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    write_project(root, SOURCES, "on", cases=memorable()[:CASES])


def _session(root: Path, option: str, moment: Moment | None) -> str | None:
    """Return what a session said; None where it was killed."""
    folder = root.parent
    pid = os.fork()
    if pid == 0:
        try:
            _be_session(root, option, moment)
        finally:  # an error here is none of the process that goes on
            traceback.print_exc()
            os._exit(70)
    patient_until, ended = time.monotonic() + PATIENCE, (0, 0)
    try:
        while ended == (0, 0) and time.monotonic() < patient_until:
            time.sleep(0.005)
            ended = os.waitpid(pid, os.WNOHANG)
    finally:
        if ended == (0, 0):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    said = (folder / "said.txt").read_text(errors="replace")
    if ended == (0, 0):
        raise RuntimeError(f"it did not end within {PATIENCE} s:\n{said[-3000:]}")
    return None if os.WIFSIGNALED(ended[1]) else said


def _be_session(root: Path, option: str, moment: Moment | None) -> NoReturn:
    """Turn this process into a session, which may be killed at a moment."""
    output = os.open(root.with_name("said.txt"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.setsid()
    os.chdir(root)
    os.environ.pop("CI", None)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    counts = _count_events(moment)
    options = ["-p", "pytest_fapo.plugin", "-p", "no:cacheprovider", "--tb=no", option, "--fapo-write=auto"]
    code = pytest.main(options)
    if moment is None:
        root.with_name("phases.json").write_text(json.dumps(counts))
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code)


def _count_events(moment: Moment | None) -> list[int]:
    """Count the events of each phase, which ends with an event that the journal comes to; end at a moment."""
    counts, keep = [0], Journal.keep

    def kept(self: Journal, event: Any) -> Any:
        known = keep(self, event)
        counts.append(0)
        return known

    def count(event: str, _: object) -> None:
        if event not in EVENTS:
            return
        counts[-1] += 1
        if moment is not None and len(counts) > moment.phase and sum(counts[moment.phase :]) >= moment.event:
            os.kill(os.getpid(), signal.SIGKILL)

    setattr(Journal, "keep", kept)  # noqa: B010 - of a class that is typed
    sys.addaudithook(count)
    return counts


def _phase(root: Path) -> str:
    runs = sorted((root / ".fapo/runs").glob("*/journal.jsonl"))
    events = [event.event for event in RunFolder(runs[-1].parent).journal.read()] if runs else []
    return events[-1] if events else "before the run"


def left_in(root: Path, file: str = FILE) -> dict[str, Any]:
    """Return what a run leaves: its journal, result, summary, the names of its files, the project's file."""

    def steady(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: steady(inner) for name, inner in value.items() if name not in MEASURED}
        return [steady(inner) for inner in value] if isinstance(value, list) else value

    run = max((root / ".fapo" / "runs").iterdir())
    return {
        "journal": [steady(event.model_dump(mode="json")) for event in RunFolder(run).journal.read()],
        "result": json.loads((run / "result.json").read_text()),
        "summary": steady(json.loads((run / "summary.json").read_text())),
        "files": sorted(path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()),
        "project": (root / file).read_text(),
    }
