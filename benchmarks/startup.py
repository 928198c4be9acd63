"""What the plugin adds to `pytest --collect-only` in a project that does not use it."""

from __future__ import annotations

import os
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
    """Difference between the fastest of many runs with the plugin and without it: noise only ever adds."""
    rounds = 7 if quick else 25
    with_plugin, without = _switches()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
        Path(folder, "test_trivial.py").write_text(_TESTS)
        for switches in (with_plugin, without):  # writes the bytecode, warms the disk
            _seconds(folder, switches)
        best = {"with": float("inf"), "without": float("inf")}
        for _ in range(rounds):
            best["with"] = min(best["with"], _seconds(folder, with_plugin))
            best["without"] = min(best["without"], _seconds(folder, without))
    print(f"collecting 30 tests without the plugin: {best['without'] * 1000:.0f} ms")
    figure = (best["with"] - best["without"]) * 1000
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
