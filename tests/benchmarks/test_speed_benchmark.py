"""The benchmark of own cost measures the plugin against the same tests without it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks._curves import Point, curves
from benchmarks._many_cases import ManyCases, Used
from benchmarks.speed import _point, measured, own_time

FEW = Point(100, plain=1.0, own=2.0, plain_megabytes=50, megabytes=60)
MANY = Point(1_100, plain=2.0, own=3.0, plain_megabytes=60, megabytes=90)


def test_start_up_and_plain_pytest_are_no_cost_of_a_case() -> None:
    assert own_time(FEW, MANY) == pytest.approx(1_000)


def test_one_disturbed_run_moves_no_figure() -> None:
    pairs = [(Used(1.0, 50), Used(1.5, 60)), (Used(1.2, 50), Used(9.0, 60)), (Used(1.1, 50), Used(1.6, 60))]
    assert _point(100, pairs).own == pytest.approx(0.5)


def test_the_picture_tells_each_figure() -> None:
    texts = [each.text for each in ElementTree.fromstring(curves([FEW, MANY])).iter() if each.text]
    assert {"3", "5", "1", "2", "60", "90", "50", "100", "1,100"} <= set(texts)


@pytest.mark.slow
def test_plain_and_cached_runs_of_one_project(tmp_path: Path) -> None:
    project = ManyCases(tmp_path / "project", 12)
    (point,) = measured([project], rounds=1)
    for megabytes in (point.plain_megabytes, point.megabytes):
        assert 20 < megabytes < 500
    assert point.plain > 0
    assert point.own != 0  # a difference: of few cases on a busy machine it may be below 0
    assert project.long().seconds > 0
