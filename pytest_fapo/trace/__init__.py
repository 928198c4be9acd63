"""What happens while a pipeline runs one case: steps, LLM calls, values.

Importing this package loads the standard library only, and little of it, because application code may import
it for `@fapo.step`; everything else appears on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_fapo.lazy import lazy_names
from pytest_fapo.trace.context import current_recorder, recording
from pytest_fapo.trace.spans import step

if TYPE_CHECKING:
    from pytest_fapo.trace.propagate import propagating
    from pytest_fapo.trace.recorder import Recorder
    from pytest_fapo.trace.redact import Redactor
    from pytest_fapo.trace.replacing import Replacements
    from pytest_fapo.trace.tracer import StepTracer
    from pytest_fapo.trace.values import to_json

__all__ = [
    "Recorder",
    "Redactor",
    "Replacements",
    "StepTracer",
    "current_recorder",
    "propagating",
    "recording",
    "step",
    "to_json",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Recorder": "recorder",
        "Redactor": "redact",
        "Replacements": "replacing",
        "StepTracer": "tracer",
        "propagating": "propagate",
        "to_json": "values",
    },
)
