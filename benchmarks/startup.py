"""Measure the time that the plugin adds to `pytest --collect-only` in a project that does not use it."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path

from benchmarks.figures import report

BAR = 20
"""Milliseconds."""

_TESTS = "".join(f"def test_{number}():\n    assert True\n\n\n" for number in range(30))
_REPOSITORY = Path(__file__).resolve().parent.parent


def run(check: bool, quick: bool) -> int:
    """Median over many pairs of starts, one with the plugin and one without it, of the difference."""
    if not hasattr(os, "fork"):
        print("added by the plugin: not measured, this system cannot fork")
        return 0
    with_plugin, without = _switches()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
        Path(folder, "test_trivial.py").write_text(_TESTS)
        pairs = _pairs(folder, 25 if quick else 101, with_plugin, without)
    print(f"collecting 30 tests with pytest loaded: {statistics.median(base for _, base in pairs):.0f} ms")
    return report("added by the plugin", added(pairs), BAR, "ms", higher_is_better=False, check=check)


def added(pairs: Sequence[tuple[float, float]]) -> float:
    """Return how much longer the first of a pair takes. Taken within pairs, since a machine's speed drifts; a
    median, since a start that met something else is far off.
    """
    return statistics.median(first - second for first, second in pairs)


def _switches() -> tuple[list[str], list[str]]:
    """pytest options with the plugin and without it, other plugins left out."""
    # An installed plugin loads by itself.
    installed = {point.name for point in entry_points(group="pytest11")}
    others = [word for name in sorted(installed - {"fapo"}) for word in ("-p", f"no:{name}")]
    if "fapo" in installed:
        return others, [*others, "-p", "no:fapo"]
    return [*others, "-p", "pytest_fapo.plugin"], others


def _pairs(folder: str, rounds: int, *switches: list[str]) -> list[tuple[float, float]]:
    command = [sys.executable, "-m", "benchmarks._starts", str(rounds), *map(" ".join, switches)]
    path = os.pathsep.join(filter(None, [str(_REPOSITORY), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return [(first, second) for first, second in json.loads(done.stdout)]
