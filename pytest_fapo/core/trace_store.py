"""Traces by id, of which only the latest are held in memory; the others lie compressed in a file."""

from __future__ import annotations

import json
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, MutableMapping
from tempfile import TemporaryFile
from threading import RLock
from typing import IO, NamedTuple

from pytest_fapo.core.spending import Spending
from pytest_fapo.core.trace import Trace

_HELD = 1_024
"""Traces in memory: all of a usual session's."""

_BLOCK = 64
"""Traces that are compressed together: they quote the same prompts."""


class RunSummary(NamedTuple):
    """Summary of a run for the end of a session, which then need not read all traces again."""

    pipeline: str
    case_id: str
    keys: str
    """Cache keys of the calls that were answered, with blanks between."""
    offline: bool
    """True if the project's stand-in answered a call."""
    spending: Spending


class TraceStore(MutableMapping[str, Trace]):
    """A mapping like any, in the order of insertion. What is read again may be another object of equal value.

    The file has no name and goes with the process.

    Args:
        summary: makes what is kept in memory of each trace.
    """

    def __init__(self, summary: Callable[[Trace], RunSummary] | None = None) -> None:
        self._summary = summary
        self.summaries: dict[str, RunSummary] = {}
        """By id; empty without a `summary`."""
        self._held: OrderedDict[str, Trace] = OrderedDict()
        """The one that was used last stands last."""
        self._blocks: dict[str, int | None] = {}
        """By id, where in the file the trace's block begins; None for one that was never written."""
        self._file: IO[bytes] | None = None
        self._lock = RLock()

    def __getitem__(self, name: str) -> Trace:
        with self._lock:
            trace = self._held.get(name)
            if trace is not None:
                self._held.move_to_end(name)
                return trace
            place = self._blocks[name]
            assert place is not None
            for other, text in self._read(place).items():
                if self._blocks.get(other) == place and other not in self._held:
                    self._held[other] = _trace_of(text)
            self._held.move_to_end(name)
            self._shrink()
            return self._held[name]

    def __setitem__(self, name: str, trace: Trace) -> None:
        with self._lock:
            self._blocks[name] = None
            if self._summary is not None:
                self.summaries[name] = self._summary(trace)
            self._held[name] = trace
            self._held.move_to_end(name)
            self._shrink()

    def __delitem__(self, name: str) -> None:
        with self._lock:
            del self._blocks[name]
            self._held.pop(name, None)
            self.summaries.pop(name, None)

    def __contains__(self, name: object) -> bool:
        return name in self._blocks

    def __iter__(self) -> Iterator[str]:
        return iter(self._blocks)

    def __len__(self) -> int:
        return len(self._blocks)

    def _shrink(self) -> None:
        while len(self._held) > _HELD:
            oldest = [self._held.popitem(last=False) for _ in range(_BLOCK)]
            unwritten = {name: trace for name, trace in oldest if self._blocks[name] is None}
            if unwritten:
                self._write(unwritten)

    def _write(self, traces: dict[str, Trace]) -> None:
        if self._file is None:
            self._file = TemporaryFile(prefix="fapo-traces-")  # noqa: SIM115 - as long as the store
        text = json.dumps({name: _text_of(trace) for name, trace in traces.items()})
        block = zlib.compress(text.encode(), 1)
        place = self._file.seek(0, 2)
        self._file.write(len(block).to_bytes(8, "big") + block)
        self._blocks.update(dict.fromkeys(traces, place))

    def _read(self, place: int) -> dict[str, str]:
        assert self._file is not None
        self._file.seek(place)
        size = int.from_bytes(self._file.read(8), "big")
        return json.loads(zlib.decompress(self._file.read(size)))  # type: ignore[no-any-return]


def _text_of(trace: Trace) -> str:
    try:
        return trace.model_dump_json()
    except ValueError:  # a text in it has no form in UTF-8: with escapes it has one
        return json.dumps(trace.model_dump(mode="json"))


def _trace_of(text: str) -> Trace:
    try:
        return Trace.model_validate_json(text)
    except ValueError:
        return Trace.model_validate(json.loads(text))
