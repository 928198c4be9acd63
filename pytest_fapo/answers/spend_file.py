"""The spend file: one JSON line for each request sent and for its end, so that totals survive a kill.

Lines are appended whole (O_APPEND), so several processes may write one file. A request counts from the
moment it is sent: one that was cut off by a kill counts too.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import JsonValue

from pytest_fapo.core.spending import Spending
from pytest_fapo.core.text import parsed_json
from pytest_fapo.core.trace import Usage

if sys.platform != "win32":
    import fcntl

OnBehalfOf = Literal["pipeline", "test", "optimizer"]
"""A run of a case, a test that asks beside it, the optimizer."""


@dataclass
class ModelSpending:
    """The cost of one model's answered calls so far, in USD."""

    calls: int = 0
    total: float = 0.0
    highest: float = 0.0

    @property
    def mean(self) -> float:
        return self.total / self.calls if self.calls else 0.0


@dataclass
class SpendTotals:
    """The sums over a spend file."""

    calls: int = 0
    cache_hits: int = 0
    usage: Usage = field(default_factory=Usage)
    cost: float = 0.0
    budgeted: float = 0.0
    """USD that count against a budget: `cost`, and the list price where the cost is unknown."""
    refusals: list[str] = field(default_factory=list)
    """The reason for each request that a limit kept back. The code that sent it may have hidden the error."""
    unpriced: set[str] = field(default_factory=set)
    in_flight: dict[str, str] = field(default_factory=dict)
    """Model by the id of a request that was sent and has no end yet."""
    models: dict[str, ModelSpending] = field(default_factory=dict)
    test_calls: int = 0
    test_cache_hits: int = 0
    test_cost: float = 0.0
    put_off: dict[str, float] = field(default_factory=dict)
    """Host to the epoch seconds before which it wants no request (`retry-after`)."""

    def add(self, line: dict[str, Any], times: int = 1) -> None:
        """Take in one line of the file; only hits look alike and may be there several `times`."""
        if line["event"] == "hit":
            self.cache_hits += times
            self.test_cache_hits += times * (line["who"] == "test")
        elif line["event"] == "refused":
            self.refusals += [line["reason"]] * times
        elif line["event"] == "sent":
            self.calls += 1
            self.test_calls += line["who"] == "test"
            self.in_flight[line["id"]] = line["model"]
        elif line["event"] == "done":
            self._finish(line)
        elif line["event"] == "put off":
            self.put_off[line["host"]] = max(line["until"], self.put_off.get(line["host"], 0.0))

    def _finish(self, line: dict[str, Any]) -> None:
        model = self.in_flight.pop(line["id"], line["model"])
        self.usage += Usage.model_validate(line["usage"])
        if line["cost"] is None:
            self.unpriced.add(line["model"])
        price: float = line["budgeted"] or 0.0
        self.cost += line["cost"] or 0.0
        self.test_cost += (line["cost"] or 0.0) if line["who"] == "test" else 0.0
        self.budgeted += price
        if line["answered"]:
            spent = self.models.setdefault(model, ModelSpending())
            spent.calls += 1
            spent.total += price
            spent.highest = max(spent.highest, price)

    def spending(self) -> Spending:
        """As the record that reports show."""
        return Spending(
            calls=self.calls,
            cache_hits=self.cache_hits,
            usage=self.usage,
            cost=self.cost,
            unpriced_models=sorted(self.unpriced),
            listed=max(0.0, self.budgeted - self.cost),
            test_calls=self.test_calls,
            test_cache_hits=self.test_cache_hits,
            test_cost=self.test_cost,
        )


class SpendFile:
    """A spend file, appended to and read by anybody who knows its path.

    It is open only while it is used: there is nothing to let go of at the end of a session, however it ends.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.totals = SpendTotals()
        self._offset = 0
        self._rest = b""
        self._end_torn_line()

    def append(self, line: dict[str, JsonValue]) -> None:
        """Write one line, whole."""
        # The folder goes with the session that made it; a call that ends after that counts for nobody.
        with suppress(FileNotFoundError), self._opened(os.O_WRONLY | os.O_APPEND | os.O_CREAT) as file:
            os.write(file, json.dumps(line, separators=(",", ":")).encode() + b"\n")

    def read(self) -> SpendTotals:
        """Return the totals with all lines that are in the file by now."""
        with self._opened(os.O_RDONLY) as file:
            os.lseek(file, self._offset, os.SEEK_SET)
            while chunk := os.read(file, 1 << 16):
                self._offset += len(chunk)
                *lines, self._rest = (self._rest + chunk).split(b"\n")
                _add_lines(self.totals, lines)
        return self.totals

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else is between reading the totals and appending a request (on systems with flock)."""
        if sys.platform == "win32":
            yield
            return
        with self._opened(os.O_WRONLY) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield  # closing lets go of the lock

    @contextmanager
    def _opened(self, flags: int) -> Iterator[int]:
        descriptor = os.open(self.path, flags | getattr(os, "O_BINARY", 0), 0o666)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _end_torn_line(self) -> None:
        """A kill can leave half a line, which the next one must not be glued to."""
        with self._opened(os.O_RDWR | os.O_APPEND | os.O_CREAT) as file:
            if os.fstat(file).st_size:
                os.lseek(file, -1, os.SEEK_END)
                if os.read(file, 1) != b"\n":
                    os.write(file, b"\n")


def read_spending(path: Path, *, who: OnBehalfOf | None = None) -> Spending:
    """Return the sums of a spend file; nothing spent where there is none. A torn last line is passed over.

    Args:
        path: the spend file.
        who: count only what was called on this one's behalf.
    """
    totals = SpendTotals()
    if path.is_file():
        _add_lines(totals, path.read_bytes().split(b"\n"), who)
    return totals.spending()


def spending_by_stage(path: Path) -> dict[str, Spending]:
    """Return the sums of a spend file by the stage that each line names; older files name none."""
    stages: dict[str, SpendTotals] = {}
    for line, times in _parsed(path.read_bytes().split(b"\n") if path.is_file() else []):
        with suppress(ValueError, KeyError, TypeError):
            stages.setdefault(line["stage"], SpendTotals()).add(line, times)
    return {name: totals.spending() for name, totals in stages.items()}


def starved(path: Path, begin: float, since: float) -> bool:
    """True if requests of pipelines were waited for and none was answered since a moment.

    Args:
        path: the spend file.
        begin: epoch seconds; what was sent before belongs to others, who may have been killed.
        since: epoch seconds.
    """
    waiting: set[str] = set()
    failed = False
    for text in path.read_bytes().split(b"\n") if path.is_file() else ():
        try:
            line = parsed_json(text)
            if line["event"] == "sent" and line["who"] == "pipeline" and line["time"] >= begin:
                waiting.add(line["id"])
            elif line["event"] == "done" and line["id"] in waiting:
                waiting.remove(line["id"])
                if line["time"] >= since and line["answered"]:
                    return False
                failed = failed or line["time"] >= since
        except (ValueError, KeyError, TypeError):
            continue  # empty, or torn by a kill
    return failed or bool(waiting)


def read_refusals(path: Path) -> list[str]:
    """Return why each request of the pipeline that a limit kept back was not sent, in order."""
    totals = SpendTotals()
    if path.is_file():
        _add_lines(
            totals, [line for line in path.read_bytes().split(b"\n") if b'"refused"' in line], "pipeline"
        )
    return totals.refusals


def _add_lines(totals: SpendTotals, lines: list[bytes], who: OnBehalfOf | None = None) -> None:
    for line, times in _parsed(lines):
        with suppress(ValueError, KeyError, TypeError):
            if who is None or line["who"] == who:
                totals.add(line, times)


def _parsed(lines: list[bytes]) -> Iterator[tuple[Any, int]]:
    """Yield each line that can be read, and how often it is there."""
    for text, times in Counter(lines).items():  # hits are many and look alike: parsed once
        with suppress(ValueError, TypeError):  # empty, or torn by a kill
            yield parsed_json(text), times
