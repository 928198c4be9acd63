"""Processor time of many starts of pytest, each a fork of one interpreter that has loaded pytest alone.

A whole interpreter's start takes ten times as long as what is to be measured, and varies by more. So pytest
and its own plugins are loaded once, as they would be in any case, and each fork then starts pytest. Run in
the project's folder, in an interpreter that has loaded nothing of the plugin:
`python -m benchmarks._starts ROUNDS "SWITCHES" "SWITCHES"`.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import tempfile

_COLLECT = ["--collect-only", "-q", "-p", "no:cacheprovider"]


def main() -> None:
    """Print a list of pairs of milliseconds, as JSON: one for either list of switches, taken in turns."""
    rounds, first, second = int(sys.argv[1]), sys.argv[2].split(), sys.argv[3].split()
    _load_pytest()
    for switches in (first, second):  # writes the bytecode, warms the disk
        _milliseconds(switches)
    pairs = []
    for number in range(rounds):
        if number % 2:
            pairs.append((_milliseconds(first), _milliseconds(second)))
        else:
            later = _milliseconds(second)
            pairs.append((_milliseconds(first), later))
    print(json.dumps(pairs))


def _load_pytest() -> None:
    from _pytest.config import default_plugins

    for name in default_plugins:
        importlib.import_module(f"_pytest.{name}")
    gc.collect()
    gc.freeze()  # else the forks' first collections walk, and copy, all that is loaded here


def _milliseconds(switches: list[str]) -> float:
    """Processor time of one start; what a busy machine does meanwhile is not in it."""
    with tempfile.TemporaryFile() as output:
        process = os.fork()
        if process == 0:
            _start(switches, output.fileno())
        _, status, used = os.wait4(process, 0)
        if status != 0:
            output.seek(0)
            raise RuntimeError(f"pytest {' '.join([*_COLLECT, *switches])} failed:\n{output.read().decode()}")
    return (used.ru_utime + used.ru_stime) * 1000


def _start(switches: list[str], output: int) -> None:
    code: int = 1
    try:
        for stream in (1, 2):
            os.dup2(output, stream)
        import pytest

        code = int(pytest.main([*_COLLECT, *switches]))
        sys.stdout.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
