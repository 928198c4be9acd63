"""Show on the terminal how many cases have run: pytest itself is silent while they run together."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

from pytest_fapo.core.pytest_terminal import PytestTerminal
from pytest_fapo.core.spending import Spending, money
from pytest_fapo.core.text import count, duration
from pytest_fapo.session.item_records import spending_of

if TYPE_CHECKING:
    import pytest

    from pytest_fapo.session.execution import Execution

_TICK = 0.5
"""Seconds between two looks."""

_HEARTBEAT = 60.0
"""Seconds between two lines in a log."""


class CaseProgress:
    """Waits for runs that were started together, and says meanwhile how far they are.

    Args:
        config: pytest's.
        limit: USD that the session may spend; None: no limit.
    """

    def __init__(self, config: pytest.Config, limit: float | None = None) -> None:
        self._config = config
        self._limit = limit

    def wait(self, executions: Sequence[Execution]) -> None:
        """Return when all of them are done; a single one is left to its own wait."""
        if len(executions) < 2:
            return
        started = time.monotonic()
        next_look = started + _TICK
        # All of them are looked at once in a tick, however many end meanwhile.
        waiting, spent = deque(executions), Spending()
        ended: list[Execution] = []
        line: _ProgressLine | None = None
        while waiting:
            if waiting[0].done.wait(max(0.0, next_look - time.monotonic())):
                ended.append(waiting.popleft())
            if time.monotonic() < next_look:
                continue
            next_look = time.monotonic() + _TICK
            ended += [each for each in waiting if each.done.is_set()]
            waiting = deque(each for each in waiting if not each.done.is_set())
            seconds = time.monotonic() - started
            if waiting and seconds >= 1 and getattr(self._config.option, "verbose", 0) >= -1:
                line = line or _ProgressLine(self._config)
                calls = (call for each in ended if each.trace is not None for call in each.trace.llm_calls)
                spent += spending_of(calls)
                ended.clear()
                done = len(executions) - len(waiting)
                line.show(progress_text(done, len(executions), spent, seconds, self._limit))
        if line is not None:
            line.take_away()


class _ProgressLine:
    """A line below the one that pytest is writing, past pytest's capture; in a log a line a minute."""

    def __init__(self, config: pytest.Config) -> None:
        self._out = PytestTerminal(config)
        self._writer: Any = getattr(config.pluginmanager.get_plugin("terminalreporter"), "_tw", None)
        self._file = _uncaptured(config) or self._out.file
        self._shown = False
        self._last = time.monotonic()

    def show(self, text: str) -> None:
        if self._out.tty:
            width = getattr(self._writer, "fullwidth", 80) - 1
            self._write(f"{'' if self._shown else chr(10)}\r\x1b[2K{text[:width]}")
            self._shown = True
        elif time.monotonic() - self._last >= _HEARTBEAT:
            self._last = time.monotonic()
            self._write(f"\n{text}\n")

    def take_away(self) -> None:
        """Leave the cursor where pytest had it."""
        if self._shown:
            column = getattr(self._writer, "width_of_current_line", 0) + 1
            self._write(f"\r\x1b[2K\x1b[1A\x1b[{column}G")

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            self._file.write(text)
            self._file.flush()


def _uncaptured(config: pytest.Config) -> TextIO | None:
    """Return the terminal itself where pytest has another file in its place while a test runs."""
    manager = config.pluginmanager.get_plugin("capturemanager")
    captured = getattr(getattr(manager, "_global_capturing", None), "out", None)
    saved = getattr(captured, "targetfd_save", None)
    try:
        return open(saved, "w", closefd=False, encoding="utf-8", errors="replace") if saved else None
    except OSError:
        return None


def progress_text(done: int, total: int, spent: Spending, seconds: float, limit: float | None) -> str:
    """`fapo: 34 of 174 cases · 68 calls · $0.02 of $1.00 · 0:40 left`."""
    parts = [f"{done:,} of {count(total, 'case')}", count(spent.calls, "call")]
    if spent.cost or limit is not None:
        parts.append(money(spent.cost) + (f" of {money(limit)}" if limit is not None else ""))
    if done:
        parts.append(f"{duration(seconds / done * (total - done))} left")
    return f"fapo: {' · '.join(parts)}"
