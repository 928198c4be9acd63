"""The start-up benchmark tells a plugin's cost from the noise around it."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from benchmarks.startup import _pairs, _switches, added


def test_drift_and_outliers_are_not_the_plugins_cost() -> None:
    draw = random.Random(1)
    pairs = []
    for number in range(101):
        base = 40 + number * 0.5 + draw.gauss(0, 3)  # the machine grows slower
        pairs.append((base + 7 + draw.gauss(0, 3) + (200 if number % 10 == 0 else 0), base))
    assert added(pairs) == pytest.approx(7, abs=1)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_what_a_plugin_costs_at_the_start_is_measured(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    (tmp_path / "test_one.py").write_text("def test_one(): pass\n")
    (tmp_path / "slow_start.py").write_text(
        "import time\nend = time.process_time() + 0.1\nwhile time.process_time() < end: pass\n"
    )
    _, without = _switches()
    pairs = _pairs(str(tmp_path), 3, ["-p", "slow_start", *without], without)
    assert len(pairs) == 3
    assert 80 < added(pairs) < 150


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_start_that_fails_is_no_figure(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no_such_plugin"):
        _pairs(str(tmp_path), 1, ["-p", "no_such_plugin"], [])
