"""The gate's benchmark simulates what it says, and its figures can miss."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from benchmarks import gate
from benchmarks._gate_speed import CachedGate, Gated, gated
from benchmarks._simulated import ABLE, Suite, verdicts
from benchmarks._waiting_calls import AT_ONCE, LATENCY, WaitingCalls
from benchmarks.planted.server import serving
from pytest_fapo.verdict.policy import GatePolicy


@pytest.mark.slow
def test_noise_and_lost_cases_are_as_many_as_said() -> None:
    suite = Suite(baseline=3, gate=1, cases=1000)
    draw = random.Random(1)
    before, after = suite.run(draw, 3), suite.run(draw, 1, drop=0.1)
    assert (len(before.items), len(after.items)) == (3000, 1000)
    assert sum(item.passed for item in before.items.values()) / 3000 == pytest.approx(ABLE * 0.95, abs=0.01)
    assert sum(item.passed for item in after.items.values()) / 1000 == pytest.approx(
        (ABLE - 0.1) * 0.95, abs=0.02
    )
    assert {item.first_nodeid for item in before.items.values()} == set(after.items)


@pytest.mark.slow
def test_the_gate_answers_each_simulated_run() -> None:
    suite = Suite(baseline=1, gate=1, cases=40, noise=0.0)
    assert [result.verdict for result in verdicts(suite, GatePolicy(), 3)] == ["passed"] * 3
    dropped = list(verdicts(suite, GatePolicy(), 3, drop=0.1))
    assert [(result.verdict, len(result.regressions)) for result in dropped] == [("fell", 4)] * 3
    noisy = [
        [
            regression.nodeid
            for result in verdicts(Suite(1, 1), GatePolicy(), 2)
            for regression in result.regressions
        ]
        for _ in range(2)
    ]
    assert noisy[0] == noisy[1] != []


def test_a_gate_that_never_fires_or_always_does_misses_its_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "verdicts", lambda suite, policy, runs, drop=0.0: [_Says("passed")] * runs)
    assert {figure.holds for figure in gate._judgement(20) if "unchanged" in figure.name} == {True}
    assert [figure.holds for figure in gate._judgement(20) if figure.bar == "at least 95%"] == [False]
    monkeypatch.setattr(gate, "verdicts", lambda suite, policy, runs, drop=0.0: [_Says("fell")] * runs)
    assert {figure.holds for figure in gate._judgement(20) if "unchanged" in figure.name} == {False}
    monkeypatch.setattr(
        gate, "gated", lambda folder, cases, rounds: [Gated(11.0, 8.0, 501.0), Gated(9.0, 8.0, 400.0)]
    )
    assert [(figure.result, figure.holds) for figure in gate._speed(2)] == [
        ("9.0 s", True),
        ("501 MB", False),
    ]


class _Says:
    def __init__(self, verdict: str) -> None:
        self.verdict = verdict


@pytest.mark.slow
def test_a_small_project_is_gated_from_the_cache(tmp_path: Path) -> None:
    (one,) = gated(tmp_path / "project", cases=20, rounds=1)
    assert 0 < one.processor < one.seconds + 1 < 60
    assert 20 < one.megabytes < 500


@pytest.mark.slow
def test_the_memory_of_a_gate_run_is_its_own(tmp_path: Path) -> None:
    ballast = bytearray(b"x" * 600_000_000)
    (one,) = gated(tmp_path / "project", cases=20, rounds=1)
    assert one.megabytes * 1_000_000 < len(ballast)


@pytest.mark.slow
def test_shards_of_a_small_project_are_measured(tmp_path: Path) -> None:
    with serving() as server:
        shards, joined = CachedGate(tmp_path / "project", server, 12).sharded(2)
    assert all(0 < one.processor < 60 for one in (*shards, joined))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["threads", "asyncio"])
def test_waiting_calls_are_made_side_by_side(tmp_path: Path, kind: str) -> None:
    found = WaitingCalls(tmp_path, 40).measured(kind)
    assert min(found.bare, found.plain, found.session) > 40 * 2 * LATENCY / AT_ONCE
