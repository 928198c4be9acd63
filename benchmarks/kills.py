"""Sessions killed at random moments of every phase: resumed until they end, they end as one left alone does.

A plugin's proposer gives candidates, one of which helps; no model is asked. Each session is killed after a
random time and the next one resumes. What is left in the end (journal, result, summary, names of files, the
project itself) is held against what a session leaves that nobody disturbed.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.planted.table import Figure, share, show
from benchmarks.trust import HONEST, memorable, write_project
from pytest_fapo.loop.run_folder import RunFolder

WHOLE, SHORT = 1000, 20

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
    "no better": 'def handle(ticket):\n    return {"team": "other", "ticket": ticket}\n',
    "honest": HONEST,
}

FILE = "app/pipeline.py"
"""The one that is written in the end."""

CASES = 30

PATIENCE = 300
"""Seconds that one session may take."""


def run(check: bool, quick: bool) -> int:
    """Kill 1,000 sessions, 20 with `quick`."""
    count, seed = SHORT if quick else WHOLE, int(os.environ.get("KILLS_SEED", "0"))
    with tempfile.TemporaryDirectory(prefix="kills-") as name:
        figures = _measured(Path(name) / "project", count, random.Random(seed))
    show(figures)
    return int(check and not all(figure.holds for figure in figures))


def _measured(root: Path, count: int, moments: random.Random) -> list[Figure]:
    _make(root)
    begin = time.monotonic()
    said = _session(root, "--fapo-optimize", None)
    length, expected = time.monotonic() - begin, left_in(root)
    if "honest" not in json.dumps(expected["journal"]) or said is None:
        raise RuntimeError(f"the session that was left alone did not end well:\n{said}")
    kills, ends, other, torn = 0, 0, list[str](), list[str]()
    phases: Counter[str] = Counter()
    while kills < count:
        _make(root)
        before, option = (root / FILE).read_bytes(), "--fapo-optimize"
        while True:
            said = _session(root, option, moments.uniform(0.1, length) if kills < count else None)
            if (root / FILE).read_bytes() not in (before, expected["project"].encode()):
                torn.append(f"after {kills} kills")
            if said is None:
                kills += 1
                phases[_phase(root)] += 1
            if said is not None and "the newest run finished, or there is none" not in said:
                break
            begun = any((root / ".fapo/runs").glob("*/journal.jsonl"))
            option = "--fapo-resume" if begun and said is None else "--fapo-optimize"
            if said is not None and any((root / ".fapo/runs").glob("*/summary.json")):
                break  # it was killed after its end
        ends += 1
        found = left_in(root)
        if found != expected:
            names = [name for name in expected if found[name] != expected[name]]
            other.append(f"after {kills} kills: {', '.join(names)} differ\n{(said or '')[-1500:]}")
        print(f"{kills} kills, {ends} ends, {len(other)} of them other", flush=True)
    where = ", ".join(f"{number} {phase}" for phase, number in phases.most_common())
    return [
        Figure("sessions killed", f"{count}", f"{kills}", kills >= count, notes=[f"last event: {where}"]),
        Figure("ended otherwise than alone", "0", share(len(other), ends), not other, notes=other),
        Figure("files of the project half written", "0", share(len(torn), kills), not torn, notes=torn),
    ]


def _make(root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    write_project(root, SOURCES, "on", cases=memorable()[:CASES])


def _session(root: Path, option: str, seconds: float | None) -> str | None:
    """What a session said; None where it was killed after so many seconds."""
    environment = {key: value for key, value in os.environ.items() if key != "CI"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "pytest_fapo.plugin",
        "-p",
        "no:cacheprovider",
        "--tb=no",
    ]
    with subprocess.Popen(
        [*command, option, "--fapo-write=auto"],
        cwd=root,
        env={**environment, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            return process.communicate(timeout=seconds or PATIENCE)[0]
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            if seconds is None:
                raise
            return None


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
