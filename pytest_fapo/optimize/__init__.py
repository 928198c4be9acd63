"""The loop from a failing baseline to a proven patch, and what is done with the patch."""

from __future__ import annotations

from pytest_fapo.optimize.budget import Budget
from pytest_fapo.optimize.conduct import optimize
from pytest_fapo.optimize.diagnosing import diagnose_baseline
from pytest_fapo.optimize.hooks import Hooks
from pytest_fapo.optimize.request import OptimizeRequest
from pytest_fapo.optimize.resume import finish_writing, resumable
from pytest_fapo.optimize.run_directory import RunDirectory
from pytest_fapo.optimize.snapshot import Snapshot

__all__ = [
    "Budget",
    "Hooks",
    "OptimizeRequest",
    "RunDirectory",
    "Snapshot",
    "diagnose_baseline",
    "finish_writing",
    "optimize",
    "resumable",
]
