"""Says in words why a child's run is not a whole evaluation."""

from __future__ import annotations

import signal

from pytest_fapo.evaluate.gathering import Gathered
from pytest_fapo.trace.redact import redacted

_INTERRUPTED, _INTERNAL_ERROR, _USAGE_ERROR, _NOTHING_COLLECTED = 2, 3, 4, 5
_NAMED = 5


def explain_ending(gathered: Gathered, returncode: int, output: str) -> str:
    """Why the run is incomplete; empty for a complete one.

    Args:
        gathered: what the child has reported.
        returncode: its exit code, negative for a signal.
        output: the last lines that it printed.
    """
    return redacted(_ending(gathered, returncode, output))


def _ending(gathered: Gathered, returncode: int, output: str) -> str:
    if gathered.uncollected:
        return "collection failed: " + _first_lines(gathered.uncollected[0])
    if gathered.dropped_at:
        return gathered.dropped_because
    if not gathered.ended:
        return _died(gathered, returncode, output)
    if returncode == _INTERNAL_ERROR:
        return f"pytest stopped with an internal error:\n{output}"
    if returncode == _USAGE_ERROR:
        return f"pytest refused to start:\n{output}"
    if gathered.missing:
        return f"not collected any more: {_named(gathered.missing)}"
    if not gathered.collected:
        return f"no test was collected:\n{output}"
    if gathered.without_verdict:
        how = "was interrupted" if returncode == _INTERRUPTED else "stopped"
        return f"pytest {how} before {_named(gathered.without_verdict)} had a verdict:\n{output}"
    return ""


def _died(gathered: Gathered, returncode: int, output: str) -> str:
    if returncode < 0:
        how = f"was killed by {_signal_name(-returncode)}"
    else:
        how = f"ended without finishing (exit code {returncode})"
    where = f" while {gathered.running} was running" if gathered.running else ""
    return f"the test process {how}{where}:\n{output}".rstrip(":\n")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _named(nodeids: list[str]) -> str:
    more = len(nodeids) - _NAMED
    return ", ".join(nodeids[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _first_lines(text: str) -> str:
    """The lines that say what went wrong: those marked `E`, else the last ones."""
    lines = [line.rstrip() for line in text.strip().splitlines()]
    errors = [line[1:].strip() for line in lines if line.startswith("E  ")]
    return "\n".join(errors[-6:] or lines[-3:])
