"""Application code pays for `@fapo.step` with a few standard modules and nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "pydantic",
    "openai",
    "anthropic",
    "httpx",
    "httpx2",
    "diskcache",
    "rich",
    "sqlite3",
    "pytest",
    "asyncio",
)


@pytest.mark.parametrize(
    "statement", ["import pytest_fapo; pytest_fapo.step", "import pytest_fapo.capture.steps"]
)
def test_the_decorator_loads_nothing_heavy(statement: str) -> None:
    code = f"import sys; {statement}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_traced_program_runs_without_pytest() -> None:
    code = "import pytest_fapo as f\n@f.step\ndef g(x): return x\nassert g(1) == 1"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
