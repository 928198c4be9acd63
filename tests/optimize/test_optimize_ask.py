"""`--fapo-write=ask` on a real pseudo-terminal."""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import time
from collections.abc import Sequence

import pytest
from support.teams import (
    BAD_PROMPT,
    LIGHT_APP,
    MakeProject,
    Project,
    Result,
    Server,
    heed_ctrl_c,
    proposal,
    right_team,
)

if sys.platform == "win32":  # pragma: no cover - there is no such terminal
    pytest.skip("needs a pseudo-terminal", allow_module_level=True)

import pty

SORT, TONE = "app/prompts/sort.md", "app/prompts/tone.md"
TWO_PROMPTS = {
    "app/pipeline.py": LIGHT_APP.replace(
        'PROMPT = (Path(__file__).parent / "prompts" / "sort.md").read_text(encoding="utf-8")',
        'FOLDER = Path(__file__).parent / "prompts"\n'
        'PROMPT = (FOLDER / "tone.md").read_text() + (FOLDER / "sort.md").read_text()',
    ),
    TONE: "You are a helper.\n",
}
EDITS = [
    proposal(BAD_PROMPT.replace("Which team?", "Which team, in small letters?"), SORT),
    proposal("You are a helper of few words.\n", TONE),
]


def half_by_half(prompt: str) -> str:
    """Billing needs the first edit, shipping the second, anything else both."""
    team = right_team(prompt)
    small, few = "small letters" in prompt, "few words" in prompt
    obeys = {"billing": small, "shipping": few}.get(team, small and few)
    return team if obeys else f"I think {team.title()}."


@pytest.fixture
def two_edits(project: MakeProject, server: Server) -> Project:
    server.task = half_by_half
    answers = iter(EDITS)
    server.optimizer = lambda body: next(answers, proposal("Nothing {ticket}.\n"))
    return project(TWO_PROMPTS)


def answering(made: Project, answers: Sequence[str]) -> Result:
    """Run on a terminal of its own; each answer is typed when the question stands there."""
    process, terminal = pty.fork()
    if process == 0:
        heed_ctrl_c()
        os.chdir(made.root)
        command = made.command("--fapo-optimize", "--fapo-write=ask")
        os.execvpe(command[0], command, {**made.environment(), "TERM": "xterm"})
    text, asked, waiting = "", 0, list(answers)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                text += os.read(terminal, 65536).decode(errors="replace")
            except OSError:  # the other end is closed
                break
        if waiting and text.count("[q]uit") > asked:
            asked = text.count("[q]uit")
            os.write(terminal, waiting.pop(0).encode())
    else:
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    os.close(terminal)
    return Result(os.waitstatus_to_exitcode(status), re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text))


def changed(made: Project, before: dict[str, bytes]) -> set[str]:
    after = made.snapshot()
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}


def test_every_change_is_asked_for_and_written(two_edits: Project) -> None:
    before = two_edits.snapshot()
    result = answering(two_edits, ["perhaps\r", "y\r", "yes\r"])
    assert result.code == 0, result.text
    assert changed(two_edits, before) == {SORT, TONE}
    assert "Please answer y, n or q." in result.text
    assert "+Which team, in small letters?" in result.text


def test_a_part_is_proven_by_itself_and_written(two_edits: Project) -> None:
    before = two_edits.snapshot()
    result = answering(two_edits, ["n\r", "y\r"])
    assert result.code == 1, result.text
    assert changed(two_edits, before) == {TONE}
    assert "Changed in your project: app/prompts/tone.md" in result.text
    assert "still fail" in result.text


@pytest.mark.parametrize(
    ("key", "code", "words"),
    [("\x03", 2, "--fapo-resume"), ("\x04", 1, "nobody was there to answer")],
)
def test_nothing_is_written_without_a_yes(two_edits: Project, key: str, code: int, words: str) -> None:
    before = two_edits.snapshot()
    result = answering(two_edits, [key])
    assert result.code == code, result.text
    assert changed(two_edits, before) == set()
    assert words in result.text
    assert "git apply" in result.text
    assert "Traceback" not in result.text
