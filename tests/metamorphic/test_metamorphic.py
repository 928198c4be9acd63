"""Nothing changes a verdict that must not: a part of `python -m benchmarks truth`, by turns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.truth import checks
from benchmarks.truth.checks import Bench
from benchmarks.truth.lab import Tally, available
from benchmarks.truth.model import FAULTS, serving
from benchmarks.truth.observer import read
from benchmarks.truth.shapes import BY_NAME, SHAPES, Shape
from benchmarks.truth.ways import WAYS

pytestmark = pytest.mark.slow
EACH = 3
"""Ways a shape, so that the twelve shapes together go through all of them."""


@pytest.fixture
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    shape: Shape = request.param
    with serving() as model:
        yield Bench(tmp_path, shape, model, Tally())


@pytest.mark.parametrize("bench", SHAPES, ids=lambda shape: shape.name, indirect=True)
def test_a_verdict_is_the_same_however_the_tests_are_run(bench: Bench) -> None:
    number = SHAPES.index(bench.shape)
    tried = [way for way in WAYS if available(way)]
    checks.ways(bench, [tried[(number * EACH + step) % len(tried)] for step in range(EACH)])
    checks.alone(bench, 1)
    assert bench.tally.differences == []
    assert bench.tally.compared > 2 * len(bench.plain.verdicts)
    outcomes = {outcome for outcome, *_ in bench.plain.verdicts.values()}
    assert {"passed", "failed"} <= outcomes, "a shape that only passes, or only fails, shows nothing"


@pytest.mark.parametrize("bench", [BY_NAME["warnings as errors"]], ids=["warnings"], indirect=True)
def test_other_plugins_run_where_warnings_are_errors(bench: Bench) -> None:
    tried = [way for way in WAYS if way.plugins and available(way)]
    checks.ways(bench, tried)
    assert bench.tally.differences == []
    assert bench.tally.compared == len(tried) * len(bench.plain.verdicts)


@pytest.mark.parametrize("bench", SHAPES, ids=lambda shape: shape.name, indirect=True)
def test_no_fault_of_a_provider_becomes_a_verdict(bench: Bench) -> None:
    names = list(FAULTS)
    checks.faults(bench, (names[SHAPES.index(bench.shape) % len(names)],))
    assert bench.tally.differences == []


@pytest.mark.parametrize(
    "bench",
    [BY_NAME["parametrized"], BY_NAME["several tests"], BY_NAME["classes"]],
    ids=lambda shape: shape.name,
    indirect=True,
)
def test_diagnosis_baseline_and_gate_say_the_same_in_another_order(bench: Bench) -> None:
    checks.statements(bench, ("reversed",), optimize=False)
    assert bench.tally.differences == []


def test_a_difference_is_seen(tmp_path: Path) -> None:
    tally = Tally()
    tally.same("x", {"a": ["passed"], "b": ["failed"]}, {"a": ["failed"], "c": ["passed"]})
    assert tally.compared == 3
    assert [each.split(":")[1] for each in tally.differences] == [" a", " b", " c"]
    assert read(tmp_path / "none") == {}
