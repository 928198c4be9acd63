from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("FAPO_DATA") or ROOT.parent / "shared" / "data").resolve()
_OURS = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "FAPO_MODEL", "BANKING_INTENTS", "CI")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder with the official files; the test is skipped where they are not."""
    for name in ("cti-rcm-2021.tsv", "cti-rcm-2021.gpt4.txt", "banking77-test.csv"):
        if not (DATA / name).is_file():
            pytest.skip(f"{name} is not in {DATA}; set FAPO_DATA to the folder of the official files")
    return DATA


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Path]:
    """Copies one of the programs, so that the repository stays as it is."""

    def copy(name: str) -> Path:
        target = tmp_path / name
        shutil.copytree(
            ROOT / "benchmarks" / "programs" / name,
            target,
            ignore=shutil.ignore_patterns(".fapo", "__pycache__", ".pytest_cache"),
        )
        return target

    return copy


@pytest.fixture
def python(data: Path) -> Run:
    """Runs Python in a program's folder, as its user would."""

    def run(
        folder: Path, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if name not in _OURS}
        environment |= {"FAPO_DATA": str(data), "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
        environment |= env or {}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            timeout=timeout,
        )

    return run
