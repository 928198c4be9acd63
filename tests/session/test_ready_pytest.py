"""The forked pytest of the other tests behaves like `python -m pytest` in a new interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.ready_pytest import QUICK, _started_anew, run_pytest

TELLING = """
import atexit, json, os, sys, threading

def pytest_unconfigure(config):
    told = {
        "argv": sys.argv, "path": sys.path, "folder": os.getcwd(), "variables": dict(os.environ),
        "said": sys.stdin.read(), "terminal": [stream.isatty() for stream in (sys.stdin, sys.stdout)],
        "threads": threading.active_count(), "parentless": os.getppid() == 1,
        "early": [name for name in ("telling", "support", "conftest_of_nobody") if name in sys.modules],
    }
    with open("told.json", "w") as file:
        json.dump(told, file)
    atexit.register(open("ended", "w").close)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every process is a new interpreter")
def test_a_fork_is_like_a_new_interpreter(tmp_path: Path) -> None:
    (tmp_path / "telling.py").write_text(TELLING)
    (tmp_path / "test_it.py").write_text("def test_it(): assert not 'one assertion'\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "more"), "MINE": "1", "COLUMNS": "90"}
    environment.pop("HOME", None)
    arguments = ["-p", "telling", "-p", "no:cacheprovider", "-p", "no:asyncio", "-s"]
    found: list[dict[str, Any]] = []
    for start in ("fork", "anew"):
        if start == "fork":
            done = run_pytest(arguments, cwd=tmp_path, environment=environment, timeout=60, typed="yes\n")
        else:
            done = _started_anew([*QUICK, *arguments], tmp_path, environment, 60, "yes\n")
        assert done.code == 1
        assert "assert not 'one assertion'" in done.text
        assert "warning" not in done.text
        found.append(json.loads((tmp_path / "told.json").read_text()))
        (tmp_path / "ended").unlink()
    assert found[0] == found[1]
    assert found[0]["said"] == "yes\n"


@pytest.mark.slow
def test_one_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import os, time\nopen('process', 'w').write(str(os.getpid()))\ndef test_it(): time.sleep(60)\n"
    )
    with pytest.raises(subprocess.TimeoutExpired):
        run_pytest(["-q"], cwd=tmp_path, environment=os.environ, timeout=4)
    process = int((tmp_path / "process").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
