"""The page on reviewing shows what a review of the tutorial's project shows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.documents import REPOSITORY, Scenario, absent, blocks

DOCS = REPOSITORY / "docs"


@pytest.mark.slow
def test_the_review_on_the_page_is_a_real_one(tmp_path: Path) -> None:
    scenario = Scenario(tmp_path)
    for block in blocks(DOCS / "tutorial.md"):
        if block.kind == "file":
            scenario.play(block)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]

    def answered(answers: str, *arguments: str) -> str:
        done = subprocess.run(
            [*command, *arguments],
            cwd=tmp_path,
            env=scenario.environment,
            input=answers,
            capture_output=True,
            text=True,
            timeout=300,
        )
        return done.stdout + done.stderr

    before = (tmp_path / "mailroom/prompts/sort.md").read_bytes()
    assert "--fapo-review" in answered("", "--fapo-optimize", "--fapo-write=patch")
    assert (tmp_path / "mailroom/prompts/sort.md").read_bytes() == before
    (block,) = [block for block in blocks(DOCS / "reviewing.md") if block.kind == "review"]
    printed = answered("".join(f"{word}\n" for word in block.argument.split()), "--fapo-review")
    missing = absent(block.text.partition("\n")[2], printed)
    assert missing is None, f"{block} is not printed:\n{missing}\n--- but\n{printed}"
    assert (tmp_path / "mailroom/prompts/sort.md").read_bytes() != before
