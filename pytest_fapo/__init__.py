"""pytest-fapo: regression-guarded tuning of LLM pipelines from pytest.

`cases`, `step`, `Case` and `Run` are for tests and pipelines; the others are the records that your own
hooks and proposers receive and return. Importing this package loads nothing heavy: names load on first
use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_fapo.capture.steps import step
    from pytest_fapo.core.candidate import Artifact, Attempt, Candidate, Edit, ReviewProblem, Verdict
    from pytest_fapo.core.case import Case
    from pytest_fapo.core.diagnosis import Cluster, Finding
    from pytest_fapo.core.errors import ConfigError
    from pytest_fapo.core.evaluation import Evaluation, ItemResult
    from pytest_fapo.core.evidence import Evidence
    from pytest_fapo.core.settings import Settings
    from pytest_fapo.core.trace import LLMCall, Step, Trace
    from pytest_fapo.session.cases_decorator import cases
    from pytest_fapo.session.run_fixture import Run

__version__ = "0.1.0"
__all__ = [
    "Artifact",
    "Attempt",
    "Candidate",
    "Case",
    "Cluster",
    "ConfigError",
    "Edit",
    "Evaluation",
    "Evidence",
    "Finding",
    "ItemResult",
    "LLMCall",
    "ReviewProblem",
    "Run",
    "Settings",
    "Step",
    "Trace",
    "Verdict",
    "__version__",
    "cases",
    "step",
]

_HOMES = {
    "Artifact": "core.candidate",
    "Attempt": "core.candidate",
    "Candidate": "core.candidate",
    "Case": "core.case",
    "Cluster": "core.diagnosis",
    "ConfigError": "core.errors",
    "Edit": "core.candidate",
    "Evaluation": "core.evaluation",
    "Evidence": "core.evidence",
    "Finding": "core.diagnosis",
    "ItemResult": "core.evaluation",
    "LLMCall": "core.trace",
    "ReviewProblem": "core.candidate",
    "Run": "session.run_fixture",
    "Settings": "core.settings",
    "Step": "core.trace",
    "Trace": "core.trace",
    "Verdict": "core.candidate",
    "cases": "session.cases_decorator",
    "step": "capture.steps",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
