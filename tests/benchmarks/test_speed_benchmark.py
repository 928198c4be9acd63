"""The benchmark of own cost measures the plugin against the same tests without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks._many_cases import ManyCases
from benchmarks.speed import Row, _microseconds


def test_start_up_and_plain_pytest_are_no_cost_of_a_case() -> None:
    few, many = Row(100, plain=1.0, cached=3.0, megabytes=1), Row(1_100, plain=2.0, cached=5.0, megabytes=1)
    assert _microseconds(few, many) == pytest.approx(1_000)


@pytest.mark.slow
def test_plain_and_cached_runs_of_one_project(tmp_path: Path) -> None:
    project = ManyCases(tmp_path / "project", 12)
    for used in (project.cached(), project.plain(), project.long()):
        assert 0 < used.seconds < 60
        assert 20 < used.megabytes < 500
