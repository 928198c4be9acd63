"""What the plugin adds to `pytest --collect-only` in a project that does not use it."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import entry_points
from pathlib import Path

from benchmarks.figures import report

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

BAR = 20
"""Milliseconds."""

_TESTS = "".join(f"def test_{number}():\n    assert True\n\n\n" for number in range(30))
_REPOSITORY = Path(__file__).resolve().parent.parent


def run(check: bool, quick: bool) -> int:
    """Median of the differences between neighbouring runs without and with the plugin."""
    rounds = 7 if quick else 25
    with_plugin, without = _switches()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
        Path(folder, "test_trivial.py").write_text(_TESTS)
        for switches in (with_plugin, without):  # writes the bytecode, warms the disk
            _seconds(folder, switches)
        added, base = [], []
        for number in range(rounds):
            # alternating order, so that a drift of the machine's speed does not count for one side
            order = (without, with_plugin) if number % 2 else (with_plugin, without)
            times = {id(switches): _seconds(folder, switches) for switches in order}
            base.append(times[id(without)])
            added.append(times[id(with_plugin)] - times[id(without)])
    print(f"collecting 30 tests without the plugin: {statistics.median(base) * 1000:.0f} ms")
    figure = statistics.median(added) * 1000
    return report("added by the plugin", figure, BAR, "ms", higher_is_better=False, check=check)


def _switches() -> tuple[list[str], list[str]]:
    """pytest options with and without the plugin; an installed one loads by itself."""
    installed = any(point.name == "fapo" for point in entry_points(group="pytest11"))
    return ([], ["-p", "no:fapo"]) if installed else (["-p", "pytest_fapo.plugin"], [])


def _seconds(folder: str, switches: list[str]) -> float:
    """Processor time of one run.

    Start-up is all computing, so on an idle machine this is the time that passes; on a busy one it does not
    measure the neighbours.
    """
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *switches]
    path = os.pathsep.join(filter(None, [str(_REPOSITORY), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": path}
    before = _children_time()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return _children_time() - before


def _children_time() -> float:
    if resource is None:
        return time.perf_counter()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
