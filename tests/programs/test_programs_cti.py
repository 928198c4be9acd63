from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Program = Callable[[str], Path]
Python = Callable[..., Any]

QUIET = ("-m", "pytest", "-q", "--tb=no", "--no-header", "-p", "no:cacheprovider", "-rN")


def cases_of(category: str, output: str) -> int:
    """Return the number of cases that the diagnosis counts under a category."""
    rows = re.findall(rf"^ *\d+ .*\b{category}\b +\w+ +([\d,]+) ", output, flags=re.MULTILINE)
    return sum(int(number.replace(",", "")) for number in rows)


@pytest.mark.slow
def test_a_thousand_recorded_answers_run_are_diagnosed_and_come_from_the_cache(
    program: Program, python: Python, data: Path, tmp_path: Path
) -> None:
    folder = program("cti_rcm")
    first = python(folder, *QUIET)
    assert first.returncode == 1, first.stdout + first.stderr
    assert "409 failed, 591 passed" in first.stdout, first.stdout[-3000:]
    assert "1,000 calls, 0 from the cache" in first.stdout
    assert "the offline stand-in" in first.stdout

    without_answers = tmp_path / "data"
    without_answers.mkdir()
    shutil.copy(data / "cti-rcm-2021.tsv", without_answers)
    second = python(
        folder, *QUIET, "--fapo-cache=only", "--fapo-diagnose", env={"FAPO_DATA": str(without_answers)}
    )
    assert second.returncode == 1
    assert "409 failed, 591 passed" in second.stdout
    assert "0 calls, 1,000 from the cache" in second.stdout
    assert cases_of("format", second.stdout) > 30
    assert cases_of("label", second.stdout) + cases_of("content", second.stdout) > 100
