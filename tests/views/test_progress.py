from __future__ import annotations

import io
import os
import re
import sys
import textwrap
from pathlib import Path

import pytest
from support.report_samples import CANDIDATE, Output, accepted, attempt, item, rejected

from pytest_fapo.core.candidate import ReviewProblem
from pytest_fapo.core.spending import Spending
from pytest_fapo.core.trace import Usage
from pytest_fapo.loop.events import (
    CandidateJudged,
    CandidateProposed,
    ChoiceRefused,
    ItemFinished,
    IterationBegan,
    MetricsUnjudged,
    Note,
    RunBegan,
    SpendingChanged,
    StageBegan,
    UnreadableEvent,
)
from pytest_fapo.loop.run_summary import candidate_line
from pytest_fapo.views.progress import HEARTBEAT, Progress

ROOT = Path(__file__).parents[2]


def drive(progress: Progress) -> None:
    """A short run: the baseline, one iteration, one candidate accepted and one rejected."""
    with progress:
        progress(Note("copying the project"))
        progress(StageBegan("baseline", 3))
        for nodeid in ("a", "b"):
            progress(ItemFinished(item(f"t.py::test[{nodeid}]")))
        progress(ItemFinished(item("t.py::test[v]", "val")))
        progress(IterationBegan(number=1, scores={"train": 0.61, "val": 0.58, "holdout": 0.5}))
        progress(CandidateProposed(candidate=CANDIDATE))
        progress(StageBegan("targeted", 2))
        progress(SpendingChanged(Spending(calls=212, cache_hits=1034, cost=0.42)))
        progress(CandidateJudged(tree="", attempt=accepted()))
        progress(CandidateJudged(tree="", attempt=rejected()))


def test_each_candidate_is_one_line_that_says_why() -> None:
    assert candidate_line(accepted()) == (
        "c3 triage · label definitions · app/prompts/triage.md — "
        "accepted: train 61 % → 88 %, val 58 % → 85 %, 2 fixed, 0 broken"
    )
    assert candidate_line(rejected()) == (
        "c3 triage · label definitions · app/prompts/triage.md — "
        "rejected at val: 2 cases that passed before fail now"
    )
    blocked = attempt(
        stage="review",
        problems=(
            ReviewProblem(check="style", message="long", blocks=False),
            ReviewProblem(check="leakage", message="copies a case\nliterally"),
            ReviewProblem(check="size", message="too long"),
        ),
    )
    assert candidate_line(blocked).endswith(
        "— blocked in review: leakage: copies a case literally (and 1 further objection)"
    )


def test_an_inert_candidate_is_called_inert() -> None:
    line = candidate_line(attempt(stage="train", reason="no case reads the file", inert=True))
    assert line.endswith("rejected at train: inert: no case reads the file")


def test_a_log_gets_whole_plain_lines_and_never_the_held_out_score() -> None:
    output = Output()
    drive(Progress(output, width=60))
    assert "\r" not in output.getvalue()
    assert "\x1b" not in output.getvalue()
    assert output.lines == [
        "copying the project",
        "baseline: 3 tests",
        "iteration 1: train 61 %, val 58 %",
        candidate_line(accepted()),
        candidate_line(rejected()),
    ]


def test_quiet_leaves_only_the_candidates() -> None:
    output = Output()
    drive(Progress(output, verbosity=-1, tty=True, width=200))
    assert output.lines == [candidate_line(accepted()), candidate_line(rejected())]


def test_verbose_names_train_cases_and_only_counts_the_others() -> None:
    output = Output()
    drive(Progress(output, verbosity=1))
    text = output.getvalue()
    assert "targeted: 2 tests\n" in text
    assert "The prompt never says what [red]billing[/red] means." in text
    assert "aims at 2 failing cases of triage/label; prompt level, by playbook" in text
    assert "fixed: t.py::test[a]" in text
    assert "fixed: 1 case in val or holdout" in text
    assert "broken: t.py::test[b]" in text
    assert "broken: 2 cases in val or holdout" in text
    assert "test[v]" not in text


def test_the_same_line_is_not_said_twice() -> None:
    output = Output()
    progress = Progress(output)
    progress(Note("waiting for the provider"))
    progress(Note("waiting for the provider"))
    assert output.lines == ["waiting for the provider"]


def test_metrics_that_are_not_judged_and_a_refused_choice_are_said() -> None:
    output = Output()
    progress = Progress(output, width=400)
    progress(MetricsUnjudged(metrics=["seconds", "cost"]))
    progress(ChoiceRefused("what you chose does not pass without the rest: it breaks a"))
    assert output.lines == [
        "not judged: 'seconds' and 'cost', since two runs on the same recorded answers differ; what measure "
        "time belongs on llm_calls[i].duration, which a replay keeps",
        "What you chose does not pass without the rest: it breaks a: nothing is written.",
    ]


def test_events_that_are_not_for_the_screen_leave_it_as_it_is() -> None:
    output = Output()
    progress = Progress(output, verbosity=1)
    progress(RunBegan())
    progress(UnreadableEvent(event="weather"))
    assert (output.lines, progress.failure) == ([], None)


def test_a_silent_log_gets_a_sign_of_life() -> None:
    now = 0.0
    output = Output()
    progress = Progress(output, clock=lambda: now)
    progress(IterationBegan(number=1, scores={}))
    progress(StageBegan("train", 90))
    progress(SpendingChanged(Spending(calls=1, unpriced_models=["smol"], usage=Usage(input_tokens=1200))))
    progress(ItemFinished(item("a")))
    now = HEARTBEAT + 1
    progress(ItemFinished(item("b")))
    progress(ItemFinished(item("c")))
    assert output.lines == [
        "iteration 1",
        "still running: train 2 of 90, 1 call · 0 from the cache · 1,200 tokens",
    ]


def test_tests_that_run_again_or_in_two_candidates_count_once() -> None:
    now = 0.0
    output = Output()
    progress = Progress(output, clock=lambda: now)
    progress(StageBegan("train", 2))
    for name in ("a", "a", "b", "a", "c"):
        progress(ItemFinished(item(name)))
    now = HEARTBEAT + 1
    progress(ItemFinished(item("b")))
    assert "train 2 of 2," in output.lines[-1]


def test_a_terminal_without_unicode_gets_ascii() -> None:
    output = Output("ascii")
    drive(Progress(output, tty=True, width=60))
    text = output.getvalue()
    assert "train 61 % -> 88 %" in text
    assert "accepted | " in text or "cache | " in text


class Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError("the reader is gone")

    def flush(self) -> None:
        raise ValueError("I/O operation on closed file")


@pytest.mark.parametrize("tty", [True, False])
def test_a_broken_terminal_does_not_stop_the_run(tty: bool) -> None:
    closed = io.StringIO()
    closed.close()
    for file in (Broken(), closed):
        progress = Progress(file, tty=tty, verbosity=1)
        drive(progress)
        assert progress.failure is None


def test_a_fault_of_the_display_itself_stays_in_the_display() -> None:
    def clock() -> float:
        if progress_made:
            raise RuntimeError("no clock")
        return 0.0

    progress_made = False
    progress = Progress(Output(), clock=clock)
    progress_made = True
    drive(progress)
    assert isinstance(progress.failure, RuntimeError)


@pytest.mark.parametrize("variable", ["NO_COLOR", "TERM"])
def test_no_color_and_a_dumb_terminal_are_respected(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(variable, "dumb")
    output = Output()
    drive(Progress(output, color=True))
    assert "\x1b" not in output.getvalue()


def test_color_in_a_log_when_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    output = Output()
    drive(Progress(output, color=True))
    assert "\x1b[1;32maccepted\x1b[0m" in output.getvalue()
    assert "\r" not in output.getvalue()


SCRIPT = """
import sys, time
sys.path[:0] = {path!r}
from support.report_samples import CANDIDATE, accepted, item
from pytest_fapo.views.progress import Progress
from pytest_fapo.core.spending import Spending
from pytest_fapo.loop.events import *
progress = Progress(sys.stdout, tty=True, color=True)
with progress:
    progress(IterationBegan(number=2, scores={{"train": 0.61, "val": 0.58}}))
    progress(CandidateProposed(candidate=CANDIDATE))
    progress(StageBegan("train", 90))
    for number in range(34):
        progress(ItemFinished(item(str(number))))
    progress(SpendingChanged(Spending(calls=212, cache_hits=1034, cost=0.42)))
    time.sleep(0.4)
    progress(CandidateJudged(tree="", attempt=accepted()))
    progress(WritingBegan(files=[], mode="ask"))
    print("a question")
    progress.resume()
print("after the run", progress.failure)
"""


def screen(raw: str) -> list[str]:
    """Return a terminal's final screen: carriage return, cursor up and erase line are obeyed."""
    lines, row = [""], 0
    for token in re.findall(r"\x1b\[[?\d;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", raw):
        if token == "\n":
            row += 1
            if row == len(lines):
                lines.append("")
        elif token == "\x1b[1A":
            row -= 1
        elif token == "\x1b[2K":
            lines[row] = ""
        elif not token.startswith("\x1b") and token != "\r":
            lines[row] += token
    return [line for line in lines if line]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")
def test_on_a_real_terminal_the_display_is_live_and_leaves_only_whole_lines() -> None:
    import fcntl
    import pty
    import struct
    import subprocess
    import termios

    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    script = textwrap.dedent(SCRIPT).format(path=[str(ROOT), str(ROOT / "tests")])
    environment = {**os.environ, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}
    for name in ("NO_COLOR", "COLUMNS", "LINES"):
        environment.pop(name, None)
    child = subprocess.Popen(
        [sys.executable, "-c", script], stdout=terminal, stderr=terminal, env=environment
    )
    os.close(terminal)
    raw = b""
    while True:
        try:
            data = os.read(controller, 65536)
        except OSError:  # Linux's way to say that the other end is closed
            break
        if not data:
            break
        raw += data
    os.close(controller)
    assert child.wait(timeout=20) == 0
    text = raw.decode()
    assert "train 34 of 90" in text
    assert "212 calls · 1,034 from the cache · $0.42" in text
    assert "0 accepted, 0" in text
    assert max(len(line) for line in re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "\r", text).split("\r")) <= 60
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert screen(text) == [
        "c3 triage · label definitions · app/prompts/triage.md —",
        "   accepted: train 61 % → 88 %, val 58 % → 85 %, 2 fixed, 0",
        "   broken",
        "a question",
        "after the run None",
    ]
