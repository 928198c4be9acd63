"""The page on reviewing shows what a review of the tutorial's project shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.documents import REPOSITORY, Scenario, absent, blocks
from support.ready_pytest import run_pytest

DOCS = REPOSITORY / "docs"


@pytest.mark.slow
def test_the_review_on_the_page_is_a_real_one(tmp_path: Path) -> None:
    scenario = Scenario(tmp_path)
    for block in blocks(DOCS / "tutorial.md"):
        if block.kind == "file":
            scenario.play(block)

    def answered(answers: str, *arguments: str) -> str:
        options = ["-q", "-p", "no:cacheprovider", *arguments]
        environment = scenario.environment
        return run_pytest(options, cwd=tmp_path, environment=environment, timeout=300, typed=answers).text

    before = (tmp_path / "mailroom/prompts/sort.md").read_bytes()
    assert "--fapo-review" in answered("", "--fapo-optimize", "--fapo-write=patch", "--fapo-max-candidates=1")
    assert (tmp_path / "mailroom/prompts/sort.md").read_bytes() == before
    (block,) = [block for block in blocks(DOCS / "reviewing.md") if block.kind == "review"]
    printed = answered("".join(f"{word}\n" for word in block.argument.split()), "--fapo-review")
    missing = absent(block.text.partition("\n")[2], printed)
    assert missing is None, f"{block} is not printed:\n{missing}\n--- but\n{printed}"
    assert (tmp_path / "mailroom/prompts/sort.md").read_bytes() != before
