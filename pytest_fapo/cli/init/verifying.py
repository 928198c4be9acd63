"""Whether pytest takes what was written."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_PATIENCE = 120.0


@dataclass(frozen=True)
class Collected:
    """What pytest said about the new test."""

    good: bool
    output: str = ""
    """Its last lines, where it was not content."""


def collected(root: Path, test: str) -> Collected:
    """Let pytest collect the new test; no test is run and no model is asked.

    Args:
        root: the project.
        test: the test file, relative to it.
    """
    environment = {**os.environ, "NO_COLOR": "1"}
    environment.pop("FORCE_COLOR", None)
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", test]
    try:
        done = subprocess.run(
            command,
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return Collected(False, f"it took longer than {_PATIENCE:.0f} seconds")
    lines = (done.stdout + done.stderr).strip().splitlines()
    return Collected(done.returncode == 0, "\n".join(lines[-15:]))
