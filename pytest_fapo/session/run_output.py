"""Keep the prints, logs and warnings of concurrent runs until their own test's turn."""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TextIO


class RunOutput:
    """The prints, logs and warnings of one run, in order."""

    def __init__(self) -> None:
        self._entries: list[tuple[str, Any]] = []
        self._lock = threading.Lock()

    def add(self, kind: str, entry: Any) -> None:
        """Keep a text of `stdout` or `stderr`, a `record` of logging, or the arguments of a `warning`."""
        with self._lock:
            self._entries.append((kind, entry))

    def replay(self) -> None:
        """Print, log and warn it all now: each test that looks at the run has it under its own name."""
        with self._lock:
            entries = list(self._entries)
        for kind, entry in entries:
            if kind == "record":
                _log(entry)
            elif kind == "warning":
                warnings.showwarning(*entry)
            else:
                getattr(sys, kind).write(entry)


RUN_OUTPUT: ContextVar[RunOutput | None] = ContextVar("pytest_fapo_printed", default=None)
"""The store of the running code's output; None if output goes its usual way."""


@contextmanager
def diverted() -> Iterator[None]:
    """For the duration of the body, what code with a `SINK` prints through Python, logs and warns is kept.

    What a child process or C code writes itself cannot be told apart, and goes where it goes.
    """
    streams = {name: _DividedStream(getattr(sys, name), name) for name in ("stdout", "stderr")}
    handlers = _handlers()
    keep, showing = _RecordKeeper(), warnings.showwarning
    show = _showing(showing)
    for name, stream in streams.items():
        setattr(sys, name, stream)
    for handler in handlers:
        handler.addFilter(keep)
    warnings.showwarning = show
    try:
        yield
    finally:
        if warnings.showwarning is show:
            warnings.showwarning = showing
        for handler in handlers:
            handler.removeFilter(keep)
        for name, stream in streams.items():
            if getattr(sys, name) is stream:  # pytest may have taken its own back meanwhile
                setattr(sys, name, stream.original)


class _DividedStream:
    """`sys.stdout` or `sys.stderr`, divided by run."""

    def __init__(self, original: TextIO, name: str) -> None:
        self.original = original
        self._name = name

    def write(self, text: str) -> int:
        sink = RUN_OUTPUT.get()
        if sink is None:
            return self.original.write(text)
        sink.add(self._name, text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.original, name)


class _RecordKeeper(logging.Filter):
    """Keeps the records of runs back from the handlers by which pytest shows logs."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        sink = RUN_OUTPUT.get()
        if sink is None:
            return True
        with self._lock:
            seen = record.__dict__.get("_fapo_kept", False)
            record.__dict__["_fapo_kept"] = True
        if not seen:  # each of pytest's handlers asks
            sink.add("record", record)
        return False


def _log(record: logging.LogRecord) -> None:
    record.__dict__.pop("_fapo_kept", None)
    for handler in _handlers():
        if record.levelno >= handler.level:
            handler.handle(record)


def _handlers() -> list[logging.Handler]:
    """Return those of pytest; the user's own have shown the record when it was made."""
    return [each for each in logging.getLogger().handlers if type(each).__module__ == "_pytest.logging"]


def _showing(original: Callable[..., None]) -> Callable[..., None]:
    def show(
        message: Any, category: Any, filename: str, lineno: int, file: Any = None, line: str | None = None
    ) -> None:
        sink = RUN_OUTPUT.get()
        if sink is None:
            original(message, category, filename, lineno, file, line)
        else:
            sink.add("warning", (message, category, filename, lineno, file, line))

    return show
