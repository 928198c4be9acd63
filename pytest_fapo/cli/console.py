"""Where `fapo` writes and asks: the terminal of the reports, JSON, and one line of the keyboard."""

from __future__ import annotations

import json
import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from pytest_fapo.report.terminal import Part, Terminal


class Console:
    """The standard streams of one command.

    Args:
        file: where results are written.
    """

    def __init__(self, file: TextIO) -> None:
        self.file = file

    @cached_property
    def terminal(self) -> Terminal:
        """As the reports write to it: coloured and folded on a terminal, plain in a pipe."""
        from pytest_fapo.report.terminal import Terminal

        tty = self.file.isatty()
        return Terminal(self.file, tty=tty, color=tty or bool(os.environ.get("FORCE_COLOR")))

    def line(self, *parts: Part, indent: int = 0) -> None:
        """Write one line, folded on a terminal."""
        self.terminal.line(*parts, indent=indent)

    def verbatim(self, *parts: Part) -> None:
        """Write one line that is never folded: a command to paste, a line of a diff."""
        self.terminal.verbatim(*parts)

    def json(self, value: Any) -> None:
        """Write a JSON document."""
        self.terminal.file.write(json.dumps(value, indent=1, ensure_ascii=False) + "\n")

    def ask(self, question: str) -> str:
        """One line of the keyboard, white space at its ends taken off.

        Raises:
            EOFError: the input has ended.
        """
        self.terminal.file.write(question)
        self.terminal.file.flush()
        line = sys.stdin.readline()
        if not line:
            self.terminal.file.write("\n")
            raise EOFError
        return line.strip()

    def confirm(self, question: str, *, default: bool) -> bool:
        """Ask for yes or no until there is an answer; an empty one is the default.

        Raises:
            EOFError: the input has ended.
        """
        while True:
            answer = self.ask(f"{question} [{'Y/n' if default else 'y/N'}] ").lower()
            if not answer:
                return default
            if answer in ("y", "yes", "n", "no"):
                return answer.startswith("y")

    def close(self) -> None:
        """Flush; a reader that has gone away (`fapo runs | head`) is no error."""
        try:
            self.file.flush()
        except (OSError, ValueError):
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # or the interpreter complains at its end
