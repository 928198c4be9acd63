"""The dialogue of `--fapo-review`: one question per change, until all are answered or the person stops."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from pytest_fapo.core.errors import FapoError
from pytest_fapo.core.text import count, one_line
from pytest_fapo.loop.change_review import ReviewDraft
from pytest_fapo.loop.reviewed_change import Answer
from pytest_fapo.views.change_screen import show_change, show_effect, show_help
from pytest_fapo.views.terminal import Terminal
from pytest_fapo.views.terminal_diff import View, best_view, show_text_change


def edited_by_person(text: str, address: str) -> str:
    """Return `text` as the person has edited it in `$VISUAL`, `$EDITOR`, else in the system's plain editor.

    Args:
        text: what the editor opens with.
        address: of the artifact; gives the file its ending, so that the editor knows what it is.

    Raises:
        FapoError: there is no editor, it failed, or what it left is no UTF-8.
    """
    command = _editor_command()
    path, _, name = address.partition("::")
    # A constant's value is text, whatever file it is in; a parameter's and a function's are code.
    ending = (
        PurePosixPath(path).suffix if not name or text.lstrip().startswith(("def ", "async ", "@")) else ""
    )
    with tempfile.TemporaryDirectory(prefix="fapo-edit-") as folder:
        file = Path(folder) / f"{(name or PurePosixPath(path).stem).replace('.', '-')}{ending or '.txt'}"
        file.write_text(text, encoding="utf-8", newline="\n")
        _run_editor([*command, str(file)])
        try:
            changed = file.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
        except (OSError, UnicodeDecodeError) as error:
            raise FapoError(f"{shlex.join(command)} left no text that can be read: {error}") from None
    # Most editors end the last line, where the text has no such end.
    return changed.removesuffix("\n") if not text.endswith("\n") else changed


def _editor_command() -> list[str]:
    wanted = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if wanted:
        return shlex.split(wanted, posix=os.name == "posix")
    for name in ("nano", "vim", "vi", "notepad"):
        if shutil.which(name):
            return [name]
    raise FapoError("no editor was found: set $EDITOR to the one that you use")


def _run_editor(command: list[str]) -> None:
    try:
        done = subprocess.run(command, check=False)
    except OSError as error:
        raise FapoError(f"{command[0]} cannot be started: {error.strerror or error}; set $EDITOR") from None
    if done.returncode:
        raise FapoError(f"{command[0]} ended with code {done.returncode}; your text was not taken")


REVIEW_QUESTION = "Accept? [y]es [n]o [e]dit [s]kip [d]iff [c]ases [b]ack [q]uit [?] "

ANSWER_KEYS = (
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

_ANSWER_WORDS: dict[Answer, str] = {"accept": "accepted", "reject": "rejected", "skip": "skipped"}

_TRIES = 5


class Dialogue:
    """Asks about each change of a draft.

    Args:
        draft: the changes; their answers are set.
        read: writes its argument as the question and gives the person's line; raises EOFError at the end.
        terminal: where everything is shown.
    """

    def __init__(self, draft: ReviewDraft, read: Callable[[str], str], terminal: Terminal) -> None:
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
        """Return the number of changes to move on by; 0 shows this one again, None stops."""
        wrong = 0
        while wrong < _TRIES:
            change = self._draft.changes[number]
            before = f"({_ANSWER_WORDS[change.answer]}; Enter keeps that) " if change.answer else ""
            answer = self._read(before + REVIEW_QUESTION).strip().lower()
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
                show_text_change(file, self._terminal, self._view)
        elif answer in ("c", "cases"):
            show_effect(change.effect, self._terminal, edited=change.edited, every=True)
        elif answer in ("?", "h", "help"):
            show_help(ANSWER_KEYS, self._terminal)
        else:
            return False
        return True

    def _edit(self, number: int) -> bool:
        """Let the person edit the text; True where there is another one now."""
        terminal, draft = self._terminal, self._draft
        try:
            text = edited_by_person(draft.text(number), draft.changes[number].address)
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


def answer_counts(draft: ReviewDraft) -> str:
    """`2 accepted (1 edited), 1 rejected, 1 left for later`."""
    answers = [change.answer for change in draft.changes]
    accepted = answers.count("accept")
    edits = sum(change.answer == "accept" and change.edited for change in draft.changes)
    rejected = answers.count("reject")
    parts = [f"{accepted} accepted" + (f" ({edits} edited)" if edits else ""), f"{rejected} rejected"]
    left = len(answers) - accepted - rejected
    return ", ".join([*parts, f"{count(left, 'change')} left for later"] if left else parts)
