"""`--fapo-write=ask`: each change as a diff with its numbers, one question each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TextIO

from pydantic import Field

from pytest_fapo.models import Record, Split, SplitChange
from pytest_fapo.percents import percents
from pytest_fapo.report.terminal import Terminal
from pytest_fapo.report.words import one_line

QUESTION = "Write this change? [y]es / [n]o / [q]uit "
_ANSWERS: dict[str, bool | None] = {
    "y": True,
    "yes": True,
    "n": False,
    "no": False,
    "q": None,
    "quit": None,
}
_TRIES = 5
_STYLES = {"+++": "bold", "---": "bold", "@@": "cyan", "+": "green", "-": "red"}


class Change(Record):
    """One change that waits for the user's word."""

    title: str
    """What it edits: an artifact's address or a file."""
    hypothesis: str = ""
    diff: str
    """Unified diff."""
    splits: dict[Split, SplitChange] = Field(default_factory=dict)
    fixed: int = 0
    broken: int = 0


def ask(
    change: Change,
    read: Callable[[str], str],
    file: TextIO,
    *,
    number: int = 1,
    total: int = 1,
    tty: bool = False,
    color: bool = False,
    width: int | None = None,
) -> bool | None:
    """Show one change and ask whether to write it.

    Args:
        change: what to show.
        read: writes its argument as the question and gives the user's line, as `input` does.
        file: where the change is shown.
        number: place of this change among `total`.
        total: how many changes are asked for in all.
        tty: whether lines are folded to the terminal's width.
        color: whether ANSI colours may be written.
        width: columns; asked of the terminal where not given.

    Returns:
        True for yes, False for no, None for quit: no, and no to all that follow. The end of the input counts
        as quit; an answer that is none of the three is asked for again, and after five it counts as no.
    """
    terminal = Terminal(file, tty=tty, color=color, width=width)
    _show(change, terminal, f" ({number} of {total})" if total > 1 else "")
    for _ in range(_TRIES):
        try:
            answer = read(QUESTION).strip().lower()
        except (EOFError, OSError):
            return None
        if answer in _ANSWERS:
            return _ANSWERS[answer]
        terminal.line("Please answer y, n or q.")
    return False


def choose(
    changes: Iterable[Change],
    read: Callable[[str], str],
    file: TextIO,
    *,
    tty: bool = False,
    color: bool = False,
    width: int | None = None,
) -> list[Change]:
    """Ask for each change in turn; gives those that the user wants written."""
    everything = list(changes)
    wanted = []
    for number, change in enumerate(everything, 1):
        answer = ask(
            change, read, file, number=number, total=len(everything), tty=tty, color=color, width=width
        )
        if answer is None:
            break
        if answer:
            wanted.append(change)
    return wanted


def _show(change: Change, terminal: Terminal, place: str) -> None:
    terminal.line("")
    terminal.line((f"{change.title}{place}", "bold"))
    if change.hypothesis:
        terminal.line(one_line(change.hypothesis))
    terminal.line("")
    for line in change.diff.rstrip("\n").split("\n"):
        terminal.verbatim((line.removesuffix("\r"), _style(line)))
    terminal.line("")
    terminal.line(_numbers(change))


def _style(line: str) -> str:
    return next((style for start, style in _STYLES.items() if line.startswith(start)), "")


def _numbers(change: Change) -> str:
    parts = []
    for split, values in change.splits.items():
        before, after = percents(values.before, values.after)
        parts.append(f"{split} {before} → {after}")
    return ", ".join([*parts, f"{change.fixed} fixed", f"{change.broken} broken"])
