"""One change at a time on the terminal: its reasons, its diff, its effect on every case, and the question.
Serves `--fapo-review` and `--fapo-write=ask`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TextIO

from pytest_fapo.core.text import count, listing, one_line, percent, percents, value_difference
from pytest_fapo.loop.optimize_request import ChooseChanges
from pytest_fapo.loop.reviewed_change import Idea, ReviewedChange, WriteChoice
from pytest_fapo.verdict.case_effect import CaseEffect, Effect, EffectKind
from pytest_fapo.views.terminal import Terminal
from pytest_fapo.views.terminal_diff import View, best_view, show_patch, show_text_change

_COLUMN = 10

_SHOWN = 3
"""Cases of each kind that are shown before the question."""

_MOST_LOST = 20

_RESULT_BY_KIND: dict[EffectKind, tuple[str, str]] = {
    "broken": ("broken", "bold red"),
    "fixed": ("fixed", "green"),
    "changed": ("changed", "yellow"),
}


def show_change(
    change: ReviewedChange, terminal: Terminal, view: View | None, *, number: int, total: int
) -> None:
    """Write everything that a person needs to judge one change.

    Args:
        change: what is asked about.
        terminal: where to.
        view: how the diff is shown; None for what suits it.
        number: its place among `total`, from 1.
        total: how many changes there are.
    """
    terminal.line("")
    terminal.line((f"Change {number} of {total}: {change.address}", "bold"))
    terminal.line("")
    for idea in change.ideas:
        _show_idea(idea, terminal)
    for file in change.files:
        show_text_change(file, terminal, view or best_view(file, terminal))
    terminal.line("")
    show_effect(change.effect, terminal, edited=change.edited)


def show_effect(effect: Effect, terminal: Terminal, *, edited: bool = False, every: bool = False) -> None:
    """Write what the change did.

    Args:
        effect: as measured.
        terminal: where to.
        edited: whether it is that of another text than the one shown.
        every: all cases in place of the first few of each kind.
    """
    if not effect.known:
        terminal.labeled("Effect", "not on record; it is measured before anything is written", column=_COLUMN)
        return
    terminal.labeled("Effect", _sentence(effect, edited), column=_COLUMN)
    for kind in _RESULT_BY_KIND:
        rows = effect.of_kind(kind)
        for row in rows if every else rows[:_SHOWN]:
            _show_row(row, terminal)
    left = sum(max(0, len(effect.of_kind(kind)) - _SHOWN) for kind in _RESULT_BY_KIND)
    if left and not every:
        terminal.labeled("", (f"and {left:,} more: c shows them all", "dim"), column=_COLUMN)


def _show_idea(idea: Idea, terminal: Terminal) -> None:
    terminal.labeled("Why", one_line(idea.hypothesis), (f" ({idea.candidate})", "dim"), column=_COLUMN)
    if idea.without_labels:
        terminal.labeled("Blind", idea.without_labels, column=_COLUMN)
    if idea.cause:
        where = f", in {count(idea.failing, 'failing test')}" if idea.failing else ""
        terminal.labeled("Seen", f"{one_line(idea.cause)}{where}", column=_COLUMN)
    if idea.example:
        inputs = "" if idea.inputs is None else json.dumps(idea.inputs, ensure_ascii=False)
        terminal.labeled("", f"{_name(idea.example)}  {one_line(inputs, most=200)}".rstrip(), column=_COLUMN)
    lines = [line.rstrip()[:200] for line in idea.explanation.splitlines() if line.strip()]
    for line in lines[:3]:
        terminal.labeled("", (f"  {line}", "red"), column=_COLUMN)
    terminal.line("")


def _sentence(effect: Effect, edited: bool) -> str:
    numbers = Counter(row.kind for row in effect.rows)
    outputs = count(numbers["changed"], "other output")
    text = f"{count(numbers['fixed'], 'test')} fixed, {numbers['broken']} broken, {outputs} changed"
    text += f", {effect.same:,} the same (train, val and tests without a case)"
    if effect.together:
        text += f"; measured together with {listing(effect.together)}"
    if edited:
        text += ". That is of the text as it was proposed; yours is measured before anything is written"
    return text


def _show_row(row: CaseEffect, terminal: Terminal) -> None:
    word, style = _RESULT_BY_KIND[row.kind]
    name = row.case_id if row.case_id and row.kind == "changed" else _name(row.nodeid)
    fails = "still fails" if row.kind == "changed" and not row.share_after else ""
    notes = ", ".join(filter(None, [row.split, fails]))
    share = ""
    if {row.share_before, row.share_after} - {0.0, 1.0}:
        share = f"passes {percent(row.share_before)} → {percent(row.share_after)} of the time; "
    if not row.case_id:  # there is no output, only how it failed
        what = one_line(str(row.before if row.kind == "fixed" else row.after), most=200)
    elif row.before == row.after:
        what = "the same output"
    else:
        what = value_difference(row.before, row.after, most=max(60, terminal.width - 40))
    terminal.line(
        " " * _COLUMN,
        (f"{word:<8}", style),
        (f"{name}{f' ({notes})' if notes else ''}  ", "bold"),
        share + (f"{row.scores_text}; " if row.scores else "") + what,
        indent=_COLUMN + 8,
    )


def _name(nodeid: str) -> str:
    return nodeid.rpartition("::")[2] or nodeid


def show_help(keys: Sequence[tuple[str, str]], terminal: Terminal) -> None:
    """Write what may be answered."""
    terminal.line("")
    for key, meaning in keys:
        terminal.labeled(f"  {key}", meaning, column=6)


def show_lost(rows: Sequence[CaseEffect], others: Sequence[str], hidden: int, terminal: Terminal) -> None:
    """Write which tests a refused choice of changes broke.

    Args:
        rows: those whose outputs are known.
        others: node ids of the rest.
        hidden: how many held-out tests broke; they are not named.
        terminal: where to.
    """
    for row in rows[:_MOST_LOST]:
        _show_row(row, terminal)
    for nodeid in others[: max(0, _MOST_LOST - len(rows))]:
        terminal.line(" " * _COLUMN, ("broken  ", "bold red"), nodeid)
    left = len(rows) + len(others) - _MOST_LOST
    if left > 0:
        terminal.line(" " * _COLUMN + f"and {count(left, 'more test')}")
    if hidden:
        terminal.line(" " * _COLUMN, ("broken  ", "bold red"), count(hidden, "held-out test"))


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


def ask_to_write(
    change: WriteChoice,
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
        color: whether ANSI colors may be written.
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


def choose_changes(
    changes: Iterable[WriteChoice],
    read: Callable[[str], str],
    file: TextIO,
    *,
    tty: bool = False,
    color: bool = False,
    width: int | None = None,
) -> list[WriteChoice]:
    """Ask for each change in turn; gives those that the user wants written."""
    everything = list(changes)
    wanted = []
    for number, change in enumerate(everything, 1):
        answer = ask_to_write(
            change, read, file, number=number, total=len(everything), tty=tty, color=color, width=width
        )
        if answer is None:
            break
        if answer:
            wanted.append(change)
    return wanted


def changes_chooser(
    read: Callable[[str], str], file: TextIO, *, tty: bool = False, color: bool = False
) -> ChooseChanges:
    """Return what asks for each change of a run, see `choose_changes`.

    It raises EOFError where the input ended before anything was wanted.
    """

    def choose(changes: Sequence[WriteChoice]) -> list[WriteChoice]:
        ended = False

        def answer(question: str) -> str:
            nonlocal ended
            try:
                return read(question)
            except EOFError:
                ended = True
                raise

        wanted = choose_changes(changes, answer, file, tty=tty, color=color)
        if ended and not wanted:
            raise EOFError
        return wanted

    return choose


def _show(change: WriteChoice, terminal: Terminal, position: str) -> None:
    terminal.line("")
    terminal.line((f"{change.title}{position}", "bold"))
    if change.hypothesis:
        terminal.line(one_line(change.hypothesis))
    terminal.line("")
    show_patch(change.diff, terminal)
    terminal.line("")
    terminal.line(_numbers(change))


def _numbers(change: WriteChoice) -> str:
    parts = [str(each) for each in change.objectives]
    for split, values in change.splits.items():
        before, after = percents(values.before, values.after)
        parts.append(f"{split} {before} → {after}")
    return ", ".join([*parts, f"{change.fixed} fixed", f"{change.broken} broken"])
