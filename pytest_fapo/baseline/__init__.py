"""The baseline: how each case fared when it was last updated, in one committed file."""

from __future__ import annotations

from pytest_fapo.baseline.digests import artifact_digests
from pytest_fapo.baseline.file import read_baseline, write_baseline
from pytest_fapo.baseline.make import FORMAT, make_baseline, pipeline_traces
from pytest_fapo.baseline.results import ItemGroup, group_name, item_groups
from pytest_fapo.baseline.runs import (
    calls_digest,
    first_difference,
    output_digest,
    output_of,
    shown,
    step_digests,
)

__all__ = [
    "FORMAT",
    "ItemGroup",
    "artifact_digests",
    "calls_digest",
    "first_difference",
    "group_name",
    "item_groups",
    "make_baseline",
    "output_digest",
    "output_of",
    "pipeline_traces",
    "read_baseline",
    "shown",
    "step_digests",
    "write_baseline",
]
