"""The result of `--fapo-gate`: scores, regressions and problems, which every view of it shows."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pytest_fapo.core.record import Record, Split

GateProblemKind = Literal[
    "regression",  # policy strict: a case that passed in the baseline fails
    "worse",  # policy paired: the paired test says worse
    "too-few-cases",  # policy paired: no loss could show, however large
    "floor",  # a --fapo-min-score is missed, or under policy target the target
    "metric",  # a guarded metric fell
    "test",  # a test without a case fails
    "missing-baseline",
    "stale-format",  # the baseline or a snapshot cannot be read by this version
    "settings",  # the tests have several [tool.fapo]
    "missing-cases",  # cases of the baseline were not run
    "empty",  # no case was selected
    "cache-miss",  # under --fapo-cache=only a question had no recorded answer
    "no-calls",  # a case that asked a model when the baseline was written asks none now
    "not-run",  # a test ended before its pipeline could run
    "no-answer",  # calls got no whole answer from their model: an outage is no regression
    "lost-worker",
    "interrupted",
    "shard",  # a shard is missing, doubled, damaged, or ran on something else
    "stale-snapshot",
    "stale-baseline",  # prompts changed, the baseline was not updated; said, and no failure by itself
    "new-cases",  # cases without a baseline; said, and no failure
]

_PARTIAL = {
    "missing-baseline",
    "stale-format",
    "settings",
    "missing-cases",
    "empty",
    "cache-miss",
    "no-calls",
    "not-run",
    "no-answer",
    "lost-worker",
    "interrupted",
    "shard",
}


class GateProblem(Record):
    """One thing that the gate has to say beside the regressions."""

    kind: GateProblemKind
    message: str
    """One sentence a tired person understands."""
    command: str = ""
    """The command that solves the problem, if there is one."""
    fails: bool = True
    """False for what is only said."""
    path: str = ""
    """File concerned, relative POSIX; empty where there is none."""
    line: int = 0
    """Line in it, from 1; 0 where none is known."""


class Regression(Record):
    """One item (all its repeats) that passed in the baseline and does not pass now."""

    nodeid: str
    pipeline: str = ""
    case_id: str = ""
    split: Split | None = None
    result_before: str = ""
    """As in the baseline: `passed` or `3 of 3`."""
    result_after: str = ""
    output_before: str = ""
    """The pipeline's output in the baseline, as JSON, shortened."""
    output_after: str = ""
    explanation: str = ""
    """pytest's own words for the failure."""
    step: str = ""
    """Key of the first step whose output differs from the baseline's; empty where none does."""
    step_output: str = ""
    """That step's output now, as JSON, shortened."""
    origin: str = ""
    """`file:line` where the case stands, the line where known."""
    prompt: str = ""
    """Address of the changed artifact that the first differing step uses, where one is known."""
    fails: bool = True
    """True if it counts against the merge: under `paired` single items do not."""


class SplitScore(Record):
    """One row of a table of scores: a split, a tag group or a metric of one pipeline."""

    pipeline: str
    group: str
    """`all`, `train`, `val`, `holdout`; `tag:<name>`; `metric:<name>`."""
    cases: int
    before: float | None
    """0 to 1 for shares of passing items; in the metric's own unit for metrics; None without a baseline."""
    after: float | None
    floor: float | None = None
    """The minimum score that `--fapo-min-score` requires; the maximum of a metric of which less is better."""
    lower_is_better: bool = False

    @property
    def missed(self) -> bool:
        """True if there is a floor and the score is not on its right side."""
        if self.floor is None:
            return False
        if self.after is None:
            return True
        over = round(self.after - self.floor, 9)
        return over > 0 if self.lower_is_better else over < 0


class GateResult(Record):
    """The gate's answer on the tree as it is."""

    policy: Literal["strict", "paired", "target"]
    verdict: Literal["passed", "fell", "undecided"]
    """`undecided`: the gate could not judge, and so does not let anything through."""
    baseline: str = ""
    """Path of the baseline file, relative POSIX."""
    regressions: list[Regression] = Field(default_factory=list)
    problems: list[GateProblem] = Field(default_factory=list)
    fixed: list[str] = Field(default_factory=list)
    """Node ids that failed in the baseline and pass now."""
    still_failing: list[str] = Field(default_factory=list)
    """Node ids that failed in the baseline and fail now."""
    new_cases: list[str] = Field(default_factory=list)
    """`pipeline::case id` of cases without a baseline."""
    changed_outputs: list[str] = Field(default_factory=list)
    """Node ids with the same verdict and another output."""
    scores: list[SplitScore] = Field(default_factory=list)
    effect: float | None = None
    """`paired`: mean difference of the paired cases, -1 to 1."""
    interval: tuple[float, float] | None = None
    p_value: float | None = None
    """`paired`: one-sided, of the hypothesis that nothing fell."""

    @property
    def partial(self) -> bool:
        """True if something was left out: what is computed from the rest proves nothing."""
        return any(problem.kind in _PARTIAL for problem in self.failures)

    @property
    def failures(self) -> list[GateProblem]:
        return [problem for problem in self.problems if problem.fails]
