"""The records that pass from one package to the next; the vocabulary of docs and output in code.

Everything here is plain data: JSON in, JSON out, no behaviour beyond what can be derived from the fields.
"""

from pytest_fapo.models.base import (
    LEVELS,
    SPLITS,
    Category,
    Level,
    Outcome,
    Record,
    Split,
    canonical_json,
    files_digest,
    json_or_text,
    text_digest,
)
from pytest_fapo.models.baselines import Baseline, CaseBaseline, PipelineBaseline, fixture_of, passed_share
from pytest_fapo.models.candidates import (
    Artifact,
    ArtifactKind,
    Attempt,
    Candidate,
    Domain,
    Edit,
    Review,
    ReviewProblem,
    SplitChange,
    Verdict,
)
from pytest_fapo.models.cases import Case
from pytest_fapo.models.diagnosis import Cluster, Diagnosis, Finding, Intervention
from pytest_fapo.models.evaluations import Evaluation, ItemResult, Spending, weighted_mean
from pytest_fapo.models.evidence import Evidence, EvidenceCase, Repair
from pytest_fapo.models.gate_results import GateProblem, GateProblemKind, GateResult, Regression, SplitScore
from pytest_fapo.models.outages import Outage, Unanswered, unanswered_in, unanswered_of
from pytest_fapo.models.tool_uses import ToolError, ToolUse
from pytest_fapo.models.traces import LLMCall, Step, ToolCall, Trace, Usage

__all__ = [
    "LEVELS",
    "SPLITS",
    "Artifact",
    "ArtifactKind",
    "Attempt",
    "Baseline",
    "Candidate",
    "Case",
    "CaseBaseline",
    "Category",
    "Cluster",
    "Diagnosis",
    "Domain",
    "Edit",
    "Evaluation",
    "Evidence",
    "EvidenceCase",
    "Finding",
    "GateProblem",
    "GateProblemKind",
    "GateResult",
    "Intervention",
    "ItemResult",
    "LLMCall",
    "Level",
    "Outage",
    "Outcome",
    "PipelineBaseline",
    "Record",
    "Regression",
    "Repair",
    "Review",
    "ReviewProblem",
    "Spending",
    "Split",
    "SplitChange",
    "SplitScore",
    "Step",
    "ToolCall",
    "ToolError",
    "ToolUse",
    "Trace",
    "Unanswered",
    "Usage",
    "Verdict",
    "canonical_json",
    "files_digest",
    "fixture_of",
    "json_or_text",
    "passed_share",
    "text_digest",
    "unanswered_in",
    "unanswered_of",
    "weighted_mean",
]
