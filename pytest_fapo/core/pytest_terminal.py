"""pytest's own terminal, for output and questions; pytest does not capture it."""

from __future__ import annotations

import sys
from typing import TextIO

import pytest


class PytestTerminal:
    """pytest's own terminal, which neither captures nor is captured."""

    def __init__(self, config: pytest.Config) -> None:
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        self._config = config
        self.file: TextIO = reporter._tw._file if reporter is not None else sys.__stdout__ or sys.stdout
        self.tty = bool(reporter is not None and reporter.isatty)
        self.color = bool(reporter is not None and reporter.hasmarkup)

    def read_line(self, question: str) -> str:
        """Ask on the terminal. pytest's capture ends with the first question: no test runs any more, and a
        capture that went on would swallow what is asked next.

        Raises:
            EOFError: the input has ended, or there is none.
        """
        manager = self._config.pluginmanager.get_plugin("capturemanager")
        if manager is not None:
            manager.suspend_global_capture(in_=True)
        self.file.write(question)
        self.file.flush()
        try:
            line = sys.stdin.readline() if sys.stdin is not None else ""
        except (OSError, ValueError):
            line = ""
        if not line:
            raise EOFError
        return line.rstrip("\n")
