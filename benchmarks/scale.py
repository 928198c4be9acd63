"""Many cases: the merge gate in one job and in several, and calls that wait for their model at once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks._gate_speed import CachedGate, Gated
from benchmarks._waiting_calls import WaitingCalls
from benchmarks.machine import measured_machine
from benchmarks.planted.server import serving
from benchmarks.planted.table import Figure, show

CASES, SHARDS = 10_000, 4
SECONDS, MEGABYTES = 20, 300
"""Of the gate over `CASES` on the reference machine; processor time, since it is one process."""
RATIO = 1.3
"""Own time of waiting calls: the session beside the bare client and plain pytest together."""


def run(check: bool, quick: bool) -> int:
    """Measure the gate on 10,000 cached cases, and 1,000 cases whose two calls take 20 ms each."""
    figures = [*_gate(CASES // 10 if quick else CASES), *_waiting(300 if quick else 1_000)]
    show(figures)
    return int(check and not all(figure.holds for figure in figures))


def _gate(cases: int) -> Iterator[Figure]:
    with (
        measured_machine() as machine,
        tempfile.TemporaryDirectory() as folder,
        serving() as server,
    ):
        gate = CachedGate(Path(folder, "project"), server, cases)
        bare = gate.bare()
        whole, halves = gate.whole(), gate.whole("-n2")
        shards, joined = gate.sharded(SHARDS)
    bar = SECONDS * machine.slowness
    name = f"gate on {cases:,} cached cases of 3 calls"
    notes = [str(machine), f"the SDK alone {bare.processor:.1f} s"]
    yield _time(name, whole, bar, notes)
    yield _memory(name, whole)
    yield _time(f"{name}, -n 2, both workers", halves, 2 * bar)
    slowest = max(shards, key=lambda one: one.processor)
    yield _time(f"the slowest of {SHARDS} shards", slowest, bar / 2)
    yield _time(f"the join of {SHARDS} shards", joined, bar / 2)
    yield _memory(f"the join of {SHARDS} shards", joined)


def _time(name: str, found: Gated, bar: float, notes: list[str] | None = None) -> Figure:
    result = f"{found.processor:.1f} s"
    notes = [*(notes or ()), f"{found.seconds:.1f} s by the clock"]
    return Figure(
        f"{name}: processor time", f"at most {bar:.0f} s", result, found.processor <= bar, notes=notes
    )


def _memory(name: str, found: Gated) -> Figure:
    return Figure(
        f"{name}: memory",
        f"at most {MEGABYTES} MB",
        f"{found.megabytes:.0f} MB",
        found.megabytes <= MEGABYTES,
    )


def _waiting(cases: int) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        waiting = WaitingCalls(Path(folder), cases)
        for kind in ("threads", "asyncio"):
            found = waiting.measured(kind)
            yield Figure(
                f"{cases:,} cases x 2 calls x 20 ms, 32 at once, {kind}",
                f"at most {RATIO} x",
                f"{found.ratio:.2f} x",
                found.ratio <= RATIO,
                rival=f"bare {found.bare:.1f} s + plain pytest {found.plain:.1f} s",
                notes=[f"{found.session:.1f} s with the plugin"],
            )
