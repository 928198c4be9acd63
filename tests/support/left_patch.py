"""The teams project with two prompts that a run fixes one by one, and `--fapo-review` answered by a test."""

from __future__ import annotations

import os
import re
import select
import signal
import time
from collections.abc import Sequence

from support.ready_pytest import run_pytest
from support.teams import BAD_PROMPT, LIGHT_APP, Project, Result, heed_ctrl_c, right_team

SORT, TONE = "app/prompts/sort.md", "app/prompts/tone.md"
TWO_PROMPTS = {
    "app/pipeline.py": LIGHT_APP.replace(
        'PROMPT = (Path(__file__).parent / "prompts" / "sort.md").read_text(encoding="utf-8")',
        'FOLDER = Path(__file__).parent / "prompts"\n'
        'PROMPT = (FOLDER / "tone.md").read_text() + (FOLDER / "sort.md").read_text()',
    ),
    TONE: "You are a helper.\n",
}
NEW_SORT = BAD_PROMPT.replace("Which team?", "Which team, in small letters?")
NEW_TONE = "You are a helper of few words.\n"


def half_by_half(prompt: str) -> str:
    """Billing needs the first edit, shipping the second, anything else both."""
    team = right_team(prompt)
    small, few = "small letters" in prompt, "few words" in prompt
    obeys = {"billing": small, "shipping": few}.get(team, small and few)
    return team if obeys else f"I think {team.title()}."


def scripted(made: Project, answers: str, *options: str, **env: str) -> Result:
    """`pytest --fapo-review` with its answers on standard input."""
    done = run_pytest(
        made.command("-q", "--fapo-review", *options)[3:],
        cwd=made.root,
        environment={**made.environment(), **env},
        timeout=90,
        typed=answers,
    )
    return Result(done.code, done.text)


def on_terminal(made: Project, answers: Sequence[str], **env: str) -> Result:
    """The same on a pseudo-terminal; each answer is typed when a question stands there."""
    return typed(made, ["-q", "--fapo-review"], answers, question="[?]", **env)


def typed(
    made: Project, options: Sequence[str], answers: Sequence[str], *, question: str, **env: str
) -> Result:
    """pytest on a pseudo-terminal of 130 columns, answered each time that `question` is printed."""
    import fcntl
    import pty
    import struct
    import termios

    process, terminal = pty.fork()
    if process == 0:
        heed_ctrl_c()
        os.chdir(made.root)
        command = made.command(*options)
        os.execvpe(command[0], command, {**made.environment(), "TERM": "xterm", **env})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 130, 0, 0))
    text, asked, waiting = "", 0, list(answers)
    deadline = time.monotonic() + 180  # patience with a machine that does other things too
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                text += os.read(terminal, 65536).decode(errors="replace")
            except OSError:  # the other end is closed
                break
        if waiting and text.count(question) > asked:
            asked = text.count(question)
            os.write(terminal, waiting.pop(0).encode())
    else:
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    os.close(terminal)
    return Result(os.waitstatus_to_exitcode(status), re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text))
