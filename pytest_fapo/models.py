"""The records that pass from one package to the next; the vocabulary of docs and output in code.

Everything here is plain data: JSON in, JSON out, no behaviour beyond what can be derived from the fields.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

Split = Literal["train", "val", "holdout"]
SPLITS: tuple[Split, ...] = ("train", "val", "holdout")

Level = Literal["prompt", "param", "structure"]
LEVELS: tuple[Level, ...] = ("prompt", "param", "structure")
"""Cheapest first."""

Outcome = Literal["passed", "failed", "error", "skipped", "xfailed", "xpassed"]

Category = Literal[
    "infrastructure",  # the provider or the network failed; no edit of ours helps
    "exception",  # the user's own code raised inside a step
    "tool",  # a tool call failed: timeout, unknown tool, invalid arguments, permission
    "truncated",  # finish reason "length"
    "refusal",  # the model declined
    "schema",  # an output that should be structured does not parse or lacks fields
    "format",  # the right answer inside the wrong form
    "label",  # one of a closed set of labels was expected, another was given
    "missing-input",  # the case lacks what the step needs, and the step did not say so
    "requirement",  # the text lacks something that it must contain, or contains what it must not
    "retrieval",  # the needed passages were not retrieved
    "cascade",  # an early step came back empty and everything after it too
    "empty",  # a step came back empty
    "content",  # a wrong answer in the right form
    "unknown",
]


class Record(BaseModel):
    """Base of all records: unknown fields are errors, so that a stale file is noticed."""

    model_config = ConfigDict(extra="forbid")

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Only what differs from the defaults: pytest prints cases above every traceback."""
        fields = type(self).model_fields
        for name, value in super().__repr_args__():
            if name not in fields or value != fields[name].get_default(call_default_factory=True):
                yield name, value


# --- cases ---------------------------------------------------------------------------------------------


class Case(Record):
    """One labelled example of a pipeline. `inputs` that are a mapping become keyword arguments."""

    id: str
    inputs: JsonValue
    expected: JsonValue = None
    split: Split = "train"
    tags: list[str] = Field(default_factory=list)
    weight: float = 1.0
    expected_steps: dict[str, JsonValue] = Field(default_factory=dict)
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    origin: str = ""
    """Where the case was read, `file:line` where a line is known; for messages only."""


# --- traces --------------------------------------------------------------------------------------------


class Usage(Record):
    """Tokens of one or of many LLM calls."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    """The part of `input_tokens` that the provider billed as read from its own prompt cache."""
    cache_write_tokens: int = 0
    """The part of `input_tokens` that the provider billed as written to its own prompt cache."""

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_input_tokens=self.cached_input_tokens + other.cached_input_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
        )


class ToolCall(Record):
    """A tool that the model asked for."""

    id: str = ""
    name: str
    arguments: JsonValue = None


class LLMCall(Record):
    """One request to an LLM endpoint, as captured at the HTTP transport."""

    key: str
    """The cache key: equal keys are the same question (see `pytest_fapo.llm`)."""
    api: str
    """`chat.completions`, `responses`, `completions`, `embeddings`, `messages` or `other`."""
    url: str
    model: str = ""
    messages: list[JsonValue] = Field(default_factory=list)
    """The request's messages in the provider's own shape; a system prompt comes first as a message."""
    answer: str | None = None
    """The text of the answer; None where the call failed or answered without text."""
    tool_calls: list[ToolCall] = Field(default_factory=list)
    finish_reason: str | None = None
    """In one vocabulary for all providers: `stop`, `length`, `tool_calls`, `content_filter`, `refusal`; any
    other word is the provider's own."""
    refusal: str | None = None
    usage: Usage = Field(default_factory=Usage)
    cache_hit: bool = False
    """Answered without sending: from the cache, or by an identical request that was under way."""
    offline: bool = False
    """Answered by the project's offline model, now or when it was recorded: nothing was billed."""
    streamed: bool = False
    status: int | None = None
    """The HTTP status; None where no response arrived."""
    error: str | None = None
    start: float = 0.0
    """Seconds since the trace began."""
    duration: float = 0.0
    """Seconds."""


class Step(Record):
    """One traced span inside a pipeline."""

    name: str
    """As the user knows it: the function's name, or the name given to `@fapo.step`."""
    index: int
    """Place in `Trace.steps`; steps are listed in the order in which they began."""
    occurrence: int = 1
    """1 for the first step of this name in the trace, 2 for the second …"""
    parent: int | None = None
    """`index` of the enclosing step."""
    inputs: JsonValue = None
    """Mapping of parameter name to recorded value."""
    output: JsonValue = None
    error: str | None = None
    """`TypeName: message` of an exception that left the step."""
    start: float = 0.0
    duration: float = 0.0
    llm_calls: list[int] = Field(default_factory=list)
    """Indices into `Trace.llm_calls` of the calls made directly inside this step (not in its children)."""

    @property
    def key(self) -> str:
        """`name` for the first occurrence, `name#2` for the second: how `expected_steps` names it."""
        return self.name if self.occurrence == 1 else f"{self.name}#{self.occurrence}"


class Trace(Record):
    """What happened when a pipeline ran one case."""

    pipeline: str
    case_id: str
    inputs: JsonValue = None
    output: JsonValue = None
    error: str | None = None
    duration: float = 0.0
    steps: list[Step] = Field(default_factory=list)
    llm_calls: list[LLMCall] = Field(default_factory=list)

    def calls_of(self, step: Step) -> list[LLMCall]:
        """The LLM calls made directly inside `step`, in order."""
        return [self.llm_calls[index] for index in step.llm_calls]


# --- evaluations ---------------------------------------------------------------------------------------


class ItemResult(Record):
    """The verdict of one pytest item (test × case); items without a case are the suite's other tests."""

    nodeid: str
    outcome: Outcome
    case_id: str | None = None
    pipeline: str | None = None
    split: Split | None = None
    weight: float = 1.0
    explanation: str = ""
    """pytest's own words for the failure (assertion explanation or exception), a few lines at most."""
    test: str = ""
    """Node id without the parametrization."""
    error_type: str = ""
    """Class name of the exception that failed the item."""
    scores: dict[str, float] = Field(default_factory=dict)
    feedback: list[str] = Field(default_factory=list)
    duration: float = 0.0
    trace_id: str | None = None

    @property
    def passed(self) -> bool:
        return self.outcome in ("passed", "xpassed")

    @property
    def counts(self) -> bool:
        """Whether the item takes part in a score: it ran and was expected to pass."""
        return self.outcome in ("passed", "xpassed", "failed", "error")


class Spending(Record):
    """LLM calls of one evaluation, one run or one optimizer, by where the answer came from."""

    calls: int = 0
    """Requests sent to a provider (or to the offline model)."""
    cache_hits: int = 0
    usage: Usage = Field(default_factory=Usage)
    """Tokens of the sent requests only."""
    cost: float = 0.0
    """USD of the sent requests whose model has a known price."""
    unpriced_models: list[str] = Field(default_factory=list)

    def __add__(self, other: Spending) -> Spending:
        return Spending(
            calls=self.calls + other.calls,
            cache_hits=self.cache_hits + other.cache_hits,
            usage=self.usage + other.usage,
            cost=self.cost + other.cost,
            unpriced_models=sorted({*self.unpriced_models, *other.unpriced_models}),
        )


class Evaluation(Record):
    """One pytest run over cases on one tree."""

    items: dict[str, ItemResult] = Field(default_factory=dict)
    """By node id."""
    traces: dict[str, Trace] = Field(default_factory=dict)
    """By `ItemResult.trace_id`."""
    cases: dict[str, Case] = Field(default_factory=dict)
    """By node id, for the items that have a case."""
    spending: Spending = Field(default_factory=Spending)
    exit_code: int = 0
    complete: bool = True
    """False where the run stopped before every selected item had a verdict."""
    stopped: str = ""
    """Why an incomplete run stopped, in words."""
    dropped_at: str = ""
    """Name of the stage after which a staged evaluation was dropped, else empty."""
    loaded_files: list[str] = Field(default_factory=list)
    """Paths (relative, POSIX) of the watched files that were really opened or imported from this tree."""
    outside_files: list[str] = Field(default_factory=list)
    """Paths relative to the tree (`../data/x.csv`) that the tests looked for beside it and did not find."""
    notes: list[str] = Field(default_factory=list)
    """What a person should know of the run: refused writes into the project, files read past its copy."""
    duration: float = 0.0

    def in_split(self, split: Split) -> list[ItemResult]:
        return [item for item in self.items.values() if item.split == split and item.counts]

    def score(self, split: Split) -> float | None:
        """Weighted share of passing items of `split`, 0 to 1; None where the split has no item."""
        items = self.in_split(split)
        total = sum(item.weight for item in items)
        return sum(item.weight for item in items if item.passed) / total if total else None

    def trace_of(self, item: ItemResult) -> Trace | None:
        return self.traces.get(item.trace_id) if item.trace_id else None


# --- diagnosis -----------------------------------------------------------------------------------------


class Finding(Record):
    """One failing item attributed to a step."""

    nodeid: str
    case_id: str
    pipeline: str
    step: str
    """The culprit's name; empty where the trace names none."""
    category: Category
    level: Level
    confidence: float
    """0 to 1."""
    evidence: str
    """One sentence: what in the trace speaks for this step and category."""
    expected: JsonValue = None
    """What the step (or the field) should have given, where known."""
    actual: JsonValue = None
    field: str = ""
    """Dotted path of the output's field concerned, where there is one."""
    explanation: str = ""


class Cluster(Record):
    """Findings with one cause."""

    id: str
    label: str
    pipeline: str
    step: str
    category: Category
    level: Level
    field: str = ""
    confidence: float
    findings: list[Finding]
    suggested_fix: str = ""
    ceiling: float | None = None
    """The train score if every finding of this cluster were solved, 0 to 1."""
    artifacts: list[str] = Field(default_factory=list)
    """Addresses of the artifacts that the culprit step was seen to use, most specific first."""

    @property
    def case_ids(self) -> list[str]:
        return sorted({finding.case_id for finding in self.findings})

    @property
    def nodeids(self) -> list[str]:
        return sorted({finding.nodeid for finding in self.findings})


class Diagnosis(Record):
    """Where and why an evaluation fails, worst cluster first."""

    findings: list[Finding] = Field(default_factory=list)
    clusters: list[Cluster] = Field(default_factory=list)
    infrastructure: list[Finding] = Field(default_factory=list)
    """Failures that no edit can address; kept apart from the clusters."""


# --- candidates ----------------------------------------------------------------------------------------

ArtifactKind = Literal["file", "constant", "param", "function"]


class Artifact(Record):
    """An editable piece of the project."""

    address: str
    """`path`, `path::NAME`, `path::Class.ATTR`, `path::function` or `path::key.sub`; paths are POSIX."""
    kind: ArtifactKind
    level: Level
    path: str
    name: str = ""
    text: str
    """The whole file's text, the string's value, or the function's source."""


class Edit(Record):
    """A new text for one artifact."""

    address: str
    before: str
    after: str


class Candidate(Record):
    """Edits with the hypothesis behind them, built on a parent."""

    id: str = ""
    """`c1`, `c2` … in the order in which a run proposed them."""
    parent: str = ""
    """Id of the accepted candidate that this one builds on; empty for the user's own tree."""
    edits: list[Edit]
    hypothesis: str
    """One sentence: what is wrong and why this edit should mend it."""
    proposer: str
    technique: str
    level: Level = "prompt"
    cluster: str = ""
    step: str = ""
    targets: list[str] = Field(default_factory=list)
    """Node ids of the failing train items that the edit is meant to mend."""

    @property
    def digest(self) -> str:
        """Equal for equivalent edits of the same parent and for the same items, whoever proposed them."""
        return text_digest(canonical_json([self.parent, self.edits_digest, sorted(self.targets)]))

    @property
    def edits_digest(self) -> str:
        """Equal for equivalent edits on the same texts, whatever the rest of the tree was."""
        return text_digest(json.dumps(sorted((edit.address, edit.before, edit.after) for edit in self.edits)))


class ReviewProblem(Record):
    """One objection of a review."""

    check: str
    """Name of the check: `scope`, `placeholders`, `leakage`, `size`, `syntax`, `single-concern`, `no-op` …"""
    message: str
    """What is wrong, where, and what would pass; never quotes a val or holdout case."""
    address: str = ""
    blocks: bool = True


class Review(Record):
    """The independent checks of one candidate, made before any paid evaluation."""

    problems: list[ReviewProblem] = Field(default_factory=list)

    @property
    def verdict(self) -> Literal["pass", "warn", "block"]:
        if any(problem.blocks for problem in self.problems):
            return "block"
        return "warn" if self.problems else "pass"


class SplitChange(Record):
    """A split's score before and after, 0 to 1; None where the split is empty or was not looked at."""

    before: float | None
    after: float | None


class Verdict(Record):
    """The gate's answer on one candidate."""

    accepted: bool
    reason: str
    """One sentence a tired person understands."""
    stage: str = ""
    """Stage that decided: `review`, `targeted`, `train`, `val`, `suite`."""
    splits: dict[Split, SplitChange] = Field(default_factory=dict)
    fixed: list[str] = Field(default_factory=list)
    """Node ids that failed before and pass now (train and val only)."""
    broken: list[str] = Field(default_factory=list)
    """Node ids that passed before and fail now; those of held-out cases are not named, only counted."""
    broken_hidden: int = 0
    """How many held-out items are newly broken."""
    inert: bool = False


class Attempt(Record):
    """One entry of the iteration memory: what was tried on which cluster and what came of it."""

    candidate: Candidate
    review: Review
    verdict: Verdict
    revised: bool = False
    spending: Spending = Field(default_factory=Spending)
    duration: float = 0.0


# --- evidence ------------------------------------------------------------------------------------------


class EvidenceCase(Record):
    """One train case as a proposer may see it."""

    case: Case
    nodeid: str
    passed: bool
    explanation: str = ""
    feedback: list[str] = Field(default_factory=list)
    trace: Trace | None = None


class Evidence(Record):
    """All that a proposer sees. Train cases only: val and holdout never get here."""

    cluster: Cluster
    cases: list[EvidenceCase]
    """Every train item of the cluster's pipeline, failing and passing."""
    artifacts: list[Artifact]
    """The artifacts that may be edited at `level`, with their texts as of the parent."""
    level: Level = "prompt"
    memory: list[Attempt] = Field(default_factory=list)
    parent: str = ""

    def failing(self) -> list[EvidenceCase]:
        """The cases of the cluster, in order."""
        wanted = set(self.cluster.nodeids)
        return [case for case in self.cases if case.nodeid in wanted]


def text_digest(value: str | bytes) -> str:
    """A short name for a content, for file names and comparison."""
    data = value.encode() if isinstance(value, str) else value
    return hashlib.sha256(data).hexdigest()[:16]


def canonical_json(value: Any) -> str:
    """One spelling for one JSON value: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def files_digest(files: Mapping[str, bytes]) -> str:
    """Name of a patch: a hash over the paths and contents that it gives."""
    body = sorted((path, text_digest(content)) for path, content in files.items())
    return hashlib.sha256(json.dumps(body).encode()).hexdigest()[:16]
