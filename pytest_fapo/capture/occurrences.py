"""The count of how often one run has asked the identical question, in this process or in several."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path


class Occurrences:
    """Numbers the identical questions of a run, 1 for the first.

    Args:
        folder: where the numbers are taken, one file each, so that several processes share them; default:
            in memory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._taken: dict[str, set[int]] = {}

    def take(self, question: str) -> int:
        """Return the lowest free number of this question."""
        with self._lock:
            taken = self._taken.setdefault(question, set())
            number = 1
            while number in taken or not self._claim(question, number):
                number += 1
            taken.add(number)
            return number

    def release(self, question: str, number: int) -> None:
        """The question went unanswered: asking it again is no second sample but the same one."""
        with self._lock:
            self._taken.get(question, set()).discard(number)
            if self._folder is not None:
                self._file(question, number).unlink(missing_ok=True)

    def share(self, folder: Path) -> None:
        """Take numbers in a folder from now on, and those that are taken already."""
        with self._lock:
            if self._folder is None:
                self._folder = folder
                for question, numbers in self._taken.items():
                    for number in numbers:
                        self._claim(question, number)

    def _claim(self, question: str, number: int) -> bool:
        if self._folder is None:
            return True
        try:
            os.close(os.open(self._file(question, number), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return False
        except FileNotFoundError:  # the case is over, and its folder gone
            with suppress(OSError):
                self._folder.mkdir(parents=True)
        return True

    def _file(self, question: str, number: int) -> Path:
        assert self._folder is not None
        return self._folder / f"{question}-{number}"
