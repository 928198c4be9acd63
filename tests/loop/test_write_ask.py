"""`--fapo-write=ask` on a real pseudo-terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest
from support.left_patch import NEW_SORT, NEW_TONE, SORT, TONE, TWO_PROMPTS, half_by_half, typed
from support.teams import MakeProject, Project, Result, Server, proposal

if sys.platform == "win32":  # pragma: no cover - there is no such terminal
    pytest.skip("needs a pseudo-terminal", allow_module_level=True)

EDITS = [proposal(NEW_SORT, SORT), proposal(NEW_TONE, TONE)]


@pytest.fixture
def two_edits(project: MakeProject, server: Server) -> Project:
    server.task = half_by_half
    answers = iter(EDITS)
    server.optimizer = lambda body: next(answers, proposal("Nothing {ticket}.\n"))
    return project(TWO_PROMPTS)


def answering(made: Project, answers: Sequence[str]) -> Result:
    """Run on a terminal of its own; each answer is typed when the question stands there."""
    return typed(made, ["--fapo-optimize", "--fapo-write=ask"], answers, question="[q]uit")


def changed(made: Project, before: dict[str, bytes]) -> set[str]:
    after = made.snapshot()
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}


@pytest.mark.slow
def test_every_change_is_asked_for_and_written(two_edits: Project) -> None:
    before = two_edits.snapshot()
    result = answering(two_edits, ["perhaps\r", "y\r", "yes\r"])
    assert result.code == 0, result.text
    assert changed(two_edits, before) == {SORT, TONE}
    assert "Please answer y, n or q." in result.text
    assert "+Which team, in small letters?" in result.text


@pytest.mark.slow
def test_a_part_is_proven_by_itself_and_written(two_edits: Project) -> None:
    before = two_edits.snapshot()
    result = answering(two_edits, ["n\r", "y\r"])
    assert result.code == 1, result.text
    assert changed(two_edits, before) == {TONE}
    assert "Changed in your project: app/prompts/tone.md" in result.text
    assert "still fail" in result.text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "code", "words"),
    [("\x03", 2, "--fapo-resume"), ("\x04", 1, "no one answered")],
)
def test_nothing_is_written_without_a_yes(two_edits: Project, key: str, code: int, words: str) -> None:
    before = two_edits.snapshot()
    result = answering(two_edits, [key])
    assert result.code == code, result.text
    assert changed(two_edits, before) == set()
    assert words in result.text
    assert "git apply" in result.text
    assert "Traceback" not in result.text
