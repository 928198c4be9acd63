"""One question for each change, until there is an answer to all or the person stops."""

from __future__ import annotations

from collections.abc import Callable

from pytest_fapo.errors import FapoError
from pytest_fapo.patch_review.draft import Draft
from pytest_fapo.patch_review.editor import edited
from pytest_fapo.report.changes import Answer
from pytest_fapo.report.diffs import View, best_view, show_diff
from pytest_fapo.report.review_screen import show_change, show_effect, show_help
from pytest_fapo.report.terminal import Terminal
from pytest_fapo.report.words import count, one_line

QUESTION = "Accept? [y]es [n]o [e]dit [s]kip [d]iff [c]ases [b]ack [q]uit [?] "
KEYS = (
    ("y", "accept: it goes into your files once everything that you accept has passed together"),
    ("n", "reject: it is not offered again"),
    ("e", "edit the new text in your editor ($VISUAL or $EDITOR); the result is checked and shown again"),
    ("s", "skip: decide later, the next --fapo-review asks again"),
    ("d", "show the diff in two columns, or in one"),
    ("c", "show what the change did to every case"),
    ("b", "go back to the change before"),
    ("q", "stop here: what has no answer yet is skipped; you are asked before anything is written"),
)
_ANSWERS: dict[str, Answer] = {
    "y": "accept",
    "yes": "accept",
    "n": "reject",
    "no": "reject",
    "s": "skip",
    "skip": "skip",
}
_WORDS: dict[Answer, str] = {"accept": "accepted", "reject": "rejected", "skip": "skipped"}
_TRIES = 5


class Dialogue:
    """Asks about each change of a draft.

    Args:
        draft: the changes; their answers are set.
        read: writes its argument as the question and gives the person's line; raises EOFError at the end.
        terminal: where everything is shown.
    """

    def __init__(self, draft: Draft, read: Callable[[str], str], terminal: Terminal) -> None:
        self._draft = draft
        self._read = read
        self._terminal = terminal
        self._view: View | None = None
        """As the person chose it."""

    def run(self) -> bool:
        """Go through the changes.

        Returns:
            False where the person stopped before the last one.

        Raises:
            EOFError: nobody is there to answer.
        """
        number = 0
        while number < len(self._draft.changes):
            self._show(number)
            step = self._ask(number)
            if step is None:
                return False
            number = max(0, number + step)
        return True

    def _show(self, number: int) -> None:
        changes = self._draft.changes
        show_change(changes[number], self._terminal, self._view, number=number + 1, total=len(changes))

    def _ask(self, number: int) -> int | None:
        """How many changes to go on by; 0 shows this one again, None stops."""
        wrong = 0
        while wrong < _TRIES:
            change = self._draft.changes[number]
            before = f"({_WORDS[change.answer]}; Enter keeps that) " if change.answer else ""
            answer = self._read(before + QUESTION).strip().lower()
            if answer in _ANSWERS or (not answer and change.answer):
                change.answer = _ANSWERS.get(answer, change.answer)
                return 1
            if answer in ("q", "quit"):
                return None
            if answer in ("b", "back"):
                return -1
            if answer in ("e", "edit"):
                if self._edit(number):
                    return 0
            elif not self._look(answer, number):
                wrong += 1
                self._terminal.line("Please answer y, n, e, s, q, d, c or b; ? says what they mean.")
        self._terminal.line("Skipped.")
        self._draft.changes[number].answer = "skip"
        return 1

    def _look(self, answer: str, number: int) -> bool:
        """Show something more; False where that was not asked for."""
        change = self._draft.changes[number]
        if answer in ("d", "diff"):
            shown = self._view or best_view(change.files[0], self._terminal)
            self._view = "unified" if shown == "side-by-side" else "side-by-side"
            for file in change.files:
                show_diff(file, self._terminal, self._view)
        elif answer in ("c", "cases"):
            show_effect(change.effect, self._terminal, edited=change.edited, every=True)
        elif answer in ("?", "h", "help"):
            show_help(KEYS, self._terminal)
        else:
            return False
        return True

    def _edit(self, number: int) -> bool:
        """Let the person edit the text; True where there is another one now."""
        terminal, draft = self._terminal, self._draft
        try:
            text = edited(draft.text(number), draft.changes[number].address)
        except FapoError as error:
            terminal.line((str(error), "yellow"))
            return False
        if text == draft.text(number):
            terminal.line("The text is as it was.")
            return False
        problems = draft.revise(number, text)
        for problem in problems:
            word, style = ("objects", "red") if problem.blocks else ("remarks", "yellow")
            terminal.line((f"The review {word}: ", style), f"{problem.check}: {one_line(problem.message)}")
        if any(problem.blocks for problem in problems):
            terminal.line("Your text was not taken; the change is as before.")
            return False
        return True


def tally(draft: Draft) -> str:
    """`2 accepted (1 edited), 1 rejected, 1 left for later`."""
    answers = [change.answer for change in draft.changes]
    accepted = answers.count("accept")
    edits = sum(change.answer == "accept" and change.edited for change in draft.changes)
    rejected = answers.count("reject")
    parts = [f"{accepted} accepted" + (f" ({edits} edited)" if edits else ""), f"{rejected} rejected"]
    left = len(answers) - accepted - rejected
    return ", ".join([*parts, f"{count(left, 'change')} left for later"] if left else parts)
