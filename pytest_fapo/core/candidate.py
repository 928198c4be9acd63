"""Candidates: edits to artifacts with a hypothesis; their reviews, verdicts, and attempts as remembered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal

from pydantic import Field, JsonValue

from pytest_fapo.core.record import Level, Record, Split, canonical_json, text_digest
from pytest_fapo.core.spending import Spending
from pytest_fapo.core.text import score_pair

ArtifactKind = Literal["file", "constant", "param", "function"]


class Domain(Record):
    """The values that a parameter may take: numbers between bounds, or one of some choices."""

    kind: Literal["int", "float", "bool", "choice"]
    low: float | None = None
    """Smallest number allowed, itself included."""
    high: float | None = None
    """Largest number allowed, itself included."""
    choices: list[JsonValue] = Field(default_factory=list)
    given: bool = False
    """True if the scope names the bounds or choices; else they were inferred from the value."""

    def allows(self, value: JsonValue) -> bool:
        """True if the parameter may take `value`; 1 and True are different values."""
        if self.kind == "choice":
            return any(type(value) is type(choice) and value == choice for choice in self.choices)
        if self.kind == "bool":
            return isinstance(value, bool)
        if isinstance(value, bool) or not isinstance(value, int if self.kind == "int" else (int, float)):
            return False
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        if self.kind == "choice":
            return "one of " + ", ".join(json.dumps(choice) for choice in self.choices)
        if self.kind == "bool":
            return "true or false"
        return f"{_bound_text(self.low)}..{_bound_text(self.high)}"


def _bound_text(value: float | None) -> str:
    if value is None:
        return ""
    return str(int(value)) if float(value).is_integer() else str(value)


class Artifact(Record):
    """An editable piece of the project."""

    address: str
    """`path`, `path::NAME`, `path::Class.ATTR`, `path::function` or `path::key[0].sub`; paths are POSIX."""
    kind: ArtifactKind
    level: Level
    path: str
    name: str = ""
    text: str
    """The whole file's text, the string's value, the parameter's value as JSON, or the function's source
    (decorators included, dedented)."""
    domain: Domain | None = None
    """The values that a parameter may take; None for all other kinds."""


class Edit(Record):
    """A new text for one artifact.

    An artifact that does not exist yet is created by an edit whose `before` is empty: a new prompt file, or a
    new function in a file of the structure scope. A function's new source may begin with import statements;
    those that the module lacks are added to its imports.
    """

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
    """One sentence: what is wrong and why this edit should fix it."""
    proposer: str
    technique: str
    level: Level = "prompt"
    cluster: str = ""
    step: str = ""
    targets: list[str] = Field(default_factory=list)
    """Node ids of the failing train items that the edit is meant to fix."""
    demonstrations: list[str] = Field(default_factory=list)
    """Ids of the train cases that the edit quotes as examples; they count in no train score any more."""
    merges: list[str] = Field(default_factory=list)
    """Ids of the candidates whose edits this one puts together."""
    repairs: str = ""
    """Id of the candidate that this one fixes: it won, but broke some train cases."""

    @property
    def joint(self) -> bool:
        """True if its technique says that its edits belong together: steps that are at fault in one case."""
        return "joint" in self.technique.lower() and bool(self.step or self.cluster)

    @property
    def digest(self) -> str:
        """Equal for equivalent edits of the same parent and for the same items, whoever proposed them."""
        return text_digest(canonical_json([self.parent, self.edits_digest, sorted(self.targets)]))

    @property
    def edits_digest(self) -> str:
        """Equal for equivalent edits on the same texts, whatever the rest of the tree was."""
        return _edits_digest(self.edits)


def _edits_digest(edits: Sequence[Edit]) -> str:
    return text_digest(json.dumps(sorted((edit.address, edit.before, edit.after) for edit in edits)))


class ReviewProblem(Record):
    """One objection of a review."""

    check: str
    """Name of the check: `scope`, `placeholders`, `leakage`, `size`, `syntax`, `single-concern`, `no-op` …"""
    message: str
    """The problem, its location, and what would pass; never quotes a val or holdout case."""
    address: str = ""
    lines: list[int] = Field(default_factory=list)
    """The lines of the new text that are at fault, 1 for the first; empty where they are not known."""
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


class MetricChange(Record):
    """A graded metric on one split, before and after: means over the cases that had it before."""

    metric: str
    split: Split
    cases: int
    before: float
    after: float
    better: int = 0
    """Cases whose score is better after."""
    worse: int = 0
    lower_is_better: bool = False

    @property
    def gain(self) -> float:
        """The difference, so signed that higher is better."""
        return self.before - self.after if self.lower_is_better else self.after - self.before

    def __str__(self) -> str:
        """`rouge train 0.25 → 0.71`."""
        before, after = score_pair(self.before, self.after)
        return f"{self.metric} {self.split} {before} → {after}"


class Verdict(Record):
    """The gate's answer on one candidate."""

    accepted: bool
    reason: str
    """One sentence a tired person understands."""
    stage: str = ""
    """Stage that decided: `review`, `targeted`, `train`, `val`, `suite`."""
    splits: dict[Split, SplitChange] = Field(default_factory=dict)
    metrics: list[MetricChange] = Field(default_factory=list)
    """The objectives on each split that was looked at."""
    fixed: list[str] = Field(default_factory=list)
    """Node ids that failed before and pass now (train and val only)."""
    broken: list[str] = Field(default_factory=list)
    """Node ids that passed before and fail now; those of held-out cases are not named, only counted."""
    broken_hidden: int = 0
    """The number of held-out items that are newly broken."""
    inert: bool = False
    kept: str = ""
    """Id of the accepted candidate that this one's edits went into; it won its cases too."""
    postponed: bool = False
    """It won its cases beside another winner, and is tried again on the tree that this one has made."""
    policy: str = "strict"
    effect: float | None = None
    """The paired difference of the train scores, where the policy estimates it: -1 to 1 for shares of tests,
    else in the unit of `effect_of`, so signed that higher is better."""
    effect_of: str = ""
    """The objective that `effect` is of; empty for the share of passing tests."""
    interval: tuple[float, float] | None = None
    """95 % confidence interval of `effect`."""
    p_value: float | None = None
    credit: float | None = None
    """How much nearer the targets came to passing, -1 to 1. It orders candidates and accepts none."""
    without_labels: tuple[int, int] | None = None
    """Of changed code: the tests on cases whose outputs it made where no label was, and all that were run."""
    flaky: list[str] = Field(default_factory=list)
    """Node ids (train and val) whose changes are noise: their own repeats under one tree differ."""


class Attempt(Record):
    """One entry of the iteration memory: what was tried on which cluster and what came of it."""

    candidate: Candidate
    review: Review
    verdict: Verdict
    revised: bool = False
    replaced: list[Edit] = Field(default_factory=list)
    """The edits that the review blocked first, where the candidate is a revision of them."""
    objections: list[ReviewProblem] = Field(default_factory=list)
    """The problems for which it blocked them."""
    spending: Spending = Field(default_factory=Spending)
    duration: float = 0.0

    def covers(self, candidate: Candidate) -> bool:
        """True if `candidate` would only repeat this attempt: the same edits, and for no further item.

        An attempt that was dropped after its targets says nothing about the items of another cluster.
        """
        same = candidate.edits_digest == self.candidate.edits_digest and self.holds_for(candidate)
        return same or self.blocked_first(candidate)

    def blocked_first(self, candidate: Candidate) -> bool:
        """True if the review has blocked these very edits, before they were revised into the attempt's."""
        same = bool(self.replaced) and candidate.edits_digest == _edits_digest(self.replaced)
        return same and candidate.joint <= self.candidate.joint

    def holds_for(self, candidate: Candidate) -> bool:
        """True if this attempt's verdict says all about `candidate`, were the edits the same.

        What a review blocks as unrelated edits passes it where one cause needs them all.
        """
        if self.verdict.stage == "review":
            return candidate.joint <= self.candidate.joint
        return self.verdict.stage != "targeted" or set(candidate.targets) <= set(self.candidate.targets)
