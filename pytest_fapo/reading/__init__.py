"""Reading what a run left behind: values, assertion explanations, traces, expected fields.

Below `diagnose` and `propose`, which share it; knows the records of `models` only.
"""

from __future__ import annotations

from pytest_fapo.reading.assertions import Assertion, read_assertion
from pytest_fapo.reading.fields import Carrier, FieldMap, Reading
from pytest_fapo.reading.traces import StepView, TraceView, helper_names

__all__ = [
    "Assertion",
    "Carrier",
    "FieldMap",
    "Reading",
    "StepView",
    "TraceView",
    "helper_names",
    "read_assertion",
]
