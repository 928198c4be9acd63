"""The merge gate: false alarms, drops that are caught, and what a run from the cache takes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks._gate_speed import CASES, gated
from benchmarks._simulated import Suite, verdicts
from benchmarks.machine import measured_machine
from benchmarks.planted.table import Figure, share, show
from pytest_fapo.verdict.policy import GatePolicy

RUNS = 200
CAUGHT = 0.95
"""Share of the true drops."""
DROP = 0.10
ADVISED = Suite(baseline=3, gate=3)
"""As the documentation advises where answers vary."""
SECONDS = 10
"""On the reference machine."""
MEGABYTES = 500


def run(check: bool, quick: bool) -> int:
    """Simulated runs through the gate's own judgement, then one real project of a thousand cases."""
    speed = _speed(2, cases=CASES // 2) if quick else _speed(3)
    figures = [*_judgement(50 if quick else RUNS), *speed]
    show(figures)
    return int(check and not all(figure.holds for figure in figures))


def _judgement(runs: int) -> Iterator[Figure]:
    paired = GatePolicy(name="paired")
    for suite in (Suite(baseline=1, gate=1), Suite(baseline=3, gate=1), ADVISED):
        where = f"repeats {suite.baseline} in the baseline, {suite.gate} in the gate"
        alarms = sum(result.verdict != "passed" for result in verdicts(suite, paired, runs))
        yield Figure(f"unchanged, {where}: false alarms", f"0 of {runs}", share(alarms, runs), alarms == 0)
        caught = sum(result.verdict == "fell" for result in verdicts(suite, paired, runs, drop=DROP))
        held = suite == ADVISED
        yield Figure(
            f"{DROP:.0%} of the cases lost, {where}: caught",
            f"at least {CAUGHT:.0%}" if held else "none",
            share(caught, runs),
            not held or caught >= CAUGHT * runs,
        )


def _speed(rounds: int, cases: int = CASES) -> Iterator[Figure]:
    if not hasattr(os, "wait4"):
        return  # not on Windows
    with measured_machine() as machine, tempfile.TemporaryDirectory() as folder:
        found = gated(Path(folder, "project"), cases=cases, rounds=rounds)
    seconds, megabytes = min(one.seconds for one in found), max(one.megabytes for one in found)
    name = f"gate on {cases:,} cached cases of 3 calls"
    bar = SECONDS * machine.slowness
    notes = [f"{min(one.processor for one in found):.1f} s of processor time", str(machine)]
    yield Figure(f"{name}: time", f"at most {bar:.0f} s", f"{seconds:.1f} s", seconds <= bar, notes=notes)
    yield Figure(f"{name}: memory", f"at most {MEGABYTES} MB", f"{megabytes:.0f} MB", megabytes <= MEGABYTES)
