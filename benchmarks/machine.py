"""Tell how slow this machine is just now, so that a bar in seconds means the same on every one."""

from __future__ import annotations

import copy
import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

REFERENCE = 0.036
"""Milliseconds of processor time that `_piece` takes on the machine on which the bars were set: the commit
that gave 5,629 cache hits a second there gave 2,200 to 2,470 where `_piece` took 0.087."""

_WORST = 5.0
"""A machine that is slower than this is too slow to be measured on: its figures miss."""

_VALUE = {
    "model": "gpt-test",
    "messages": [
        {"role": role, "content": f"{role} says this and that, and more of it. " * 8} for role in "abcdef"
    ],
    "options": {f"option_{number}": number / 7 for number in range(20)},
}


@dataclass
class Machine:
    """The speed of this machine while something was measured."""

    slowness: float = 1.0
    """How many times as long as on the reference machine a fixed piece of work takes here; 1 on a faster
    machine, so that no bar ever gets tighter."""

    def __str__(self) -> str:
        return f"this machine: {self.slowness:.1f} times as slow as the one on which the bars were set"


@contextmanager
def measured_machine() -> Iterator[Machine]:
    """Measure the machine before and after the body; the slower of the two counts, known at its end."""
    machine = Machine()
    before = _milliseconds()
    yield machine
    machine.slowness = min(_WORST, max(1.0, before / REFERENCE, _milliseconds() / REFERENCE))


def _milliseconds() -> float:
    return min(map(_round, [20] * 25))


def _round(pieces: int) -> float:
    start = time.process_time()
    for _ in range(pieces):
        _piece()
    return (time.process_time() - start) * 1000 / pieces


def _piece() -> str:
    """What this package does most, without anything of this package in it: JSON, copies, digests, calls."""
    value = copy.deepcopy(json.loads(json.dumps(_VALUE)))
    return hashlib.sha256(repr(value).encode()).hexdigest()
