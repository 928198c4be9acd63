"""What a person should know of a session although its tests ran: settings without effect, a broken cache."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_fapo.llm import Capture
    from pytest_fapo.trace import StepTracer


def warnings(steps: Sequence[str], tracer: StepTracer, capture: Capture) -> list[str]:
    """One sentence each.

    Args:
        steps: `[tool.fapo] steps`.
        tracer: what wrapped the functions that they name.
        capture: what used the cache.
    """
    unmatched = tracer.unmatched()
    found = []
    for pattern in steps:
        module = pattern.partition(":")[0]
        if _missing(module):
            found.append(f"steps: {pattern!r} traces nothing: there is no module {module}")
        elif pattern in unmatched:
            found.append(f"steps: {pattern!r} traces nothing: {module} has no such function")
    return found + [f"the cache is not used: {problem}" for problem in capture.problems]


def _missing(module: str) -> bool:
    """Whether there is no such module; nothing is imported to find out."""
    if module in sys.modules:
        return False
    parent = module.rpartition(".")[0]
    if parent and parent not in sys.modules:
        return _missing(parent)
    try:
        return find_spec(module) is None
    except (ImportError, ValueError, AttributeError):
        return True
