"""The closing summary of a run as data, and the line about each candidate in it.
The loop fills it at its end and saves it as `summary.json`; every view of a finished run reads it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from pytest_fapo.core.candidate import Attempt, Candidate, MetricChange, Verdict
from pytest_fapo.core.printable import Part
from pytest_fapo.core.record import Record, Split
from pytest_fapo.core.spending import Spending, money
from pytest_fapo.core.text import count, one_line, percents, score_pair, score_text
from pytest_fapo.verdict import reasons

StopReason = Literal[
    "target",  # the target was reached, or every test passes
    "nothing-left",  # no proposer has anything left to try
    "budget",  # a budget was reached; `stop_detail` says which
    "interrupted",  # Ctrl-C
    "no-answer",  # a model gave no whole answer; `stop_detail` quotes its provider; the run can be resumed
    "not-reproduced",  # the unpatched copy did not give the baseline's results
    "unproven",  # what was accepted did not pass once more in a fresh interpreter; `stop_detail` says how
    "no-failures",  # there was nothing to fix
    "error",  # something else stopped the run; `stop_detail` says what
]

Writing = Literal[
    "written",  # the files were changed
    "patch",  # by choice (`--fapo-write=patch`, the default under CI) only a patch was saved
    "conflict",  # files changed meanwhile, are read-only or the like: patch saved, nothing written
    "declined",  # the user said no to every change
    "never",  # `--fapo-write=never`
    "nothing",  # no candidate was accepted
]


class SplitResult(Record):
    """A split's score on the user's tree as it was and with everything that was accepted."""

    split: Split
    tests: int
    """Items that count in this split."""
    before: float | None = None
    """0 to 1."""
    after: float | None = None
    """0 to 1; None where it was not measured."""
    fixed: int = 0
    """Items that failed before and pass now."""
    broken: int = 0
    """Items that passed before and fail now."""


class CostChange(Record):
    """Record of what one run of a pipeline costs on average, before and after."""

    name: str
    """One of `RUN_COSTS`."""
    before: float
    after: float

    def __str__(self) -> str:
        """`812 → 1,020 tokens`."""
        if self.name == "usd":
            return f"{money(self.before)} → {money(self.after)}"
        before, after = score_pair(self.before, self.after)
        return f"{before} → {after} {'s of model calls' if self.name == 'seconds' else self.name}"


class FrontPoint(Record):
    """A tree that is on the front of several objectives."""

    candidate: str = ""
    """Id; empty for the user's own files."""
    scores: dict[str, float]
    """Objective to its mean on train."""
    accepted: bool = False

    def __str__(self) -> str:
        """`c2: rouge 0.71, tokens 1,020 (accepted)`."""
        said = ", ".join(f"{name} {score_text(value)}" for name, value in self.scores.items())
        return f"{self.candidate or 'your files'}: {said}{' (accepted)' if self.accepted else ''}"


class Summary(Record):
    """The closing summary of one run; `render_summary` shows it."""

    stop: StopReason
    stop_detail: str = ""
    """`--fapo-max-calls=200`, the likely reason of a baseline that was not reproduced, an error's words."""
    exit_code: int = 1
    target: float | None = None
    """The share of passing tests that was asked for, 0 to 1."""
    tests: int = 0
    """Tests of the last whole evaluation, with and without a case."""
    failing: int = 0
    """The number of `tests` that still fail with the accepted edits."""
    splits: list[SplitResult] = Field(default_factory=list)
    objectives: list[MetricChange] = Field(default_factory=list)
    """The graded objectives on every split."""
    front: list[FrontPoint] = Field(default_factory=list)
    """Of several objectives: the trees that no other one beats in one without losing in another."""
    costs: list[CostChange] = Field(default_factory=list)
    """The cost of one run of the pipeline; empty where nothing was accepted."""
    fixed: int = 0
    broken: int = 0
    """Tests that passed before and fail now; the gate keeps it at 0."""
    writing: Writing = "nothing"
    files: list[str] = Field(default_factory=list)
    """Relative paths of the files that were changed or that the patch changes."""
    artifacts: list[str] = Field(default_factory=list)
    """Addresses of the artifacts that were improved."""
    conflicts: list[str] = Field(default_factory=list)
    """Files that could not be written, with the reason: `app/x.md: changed since the run began`."""
    patch: str = ""
    """Path of the saved patch as the user would type it."""
    settings_file: str = ""
    """The file that `fapo` must be given with `-c` to find the run; empty where it finds it by itself."""
    candidates: list[str] = Field(default_factory=list)
    """The line of each candidate, in order."""
    accepted: int = 0
    merged: int = 0
    """Candidates that won and went into another, which was accepted in their place."""
    rejected: int = 0
    spending: Spending = Field(default_factory=Spending)
    """All calls of the run, the optimizer's among them."""
    optimizer_spending: Spending = Field(default_factory=Spending)
    """The part of `spending` that went to an LLM proposer."""
    stages: dict[str, Spending] = Field(default_factory=dict)
    """The parts of `spending` by what they were for, `candidates`; of stages that sent a call."""
    duration: float = 0.0
    """Seconds."""
    run_directory: str = ""
    quoted: list[str] = Field(default_factory=list)
    """Ids of the train cases that prompts quote as examples now; they count in no score."""
    levels: list[str] = Field(default_factory=list)
    """The reason why each level was left, cheapest first."""
    ceiling: str = ""
    """The causes that only a forbidden level could fix."""
    sections: list[tuple[str, str]] = Field(default_factory=list)
    """Title and Markdown of what the project's own plugins add."""
    pruned: list[str] = Field(default_factory=list)
    """The parts of accepted edits that were left out, because nothing is lost without them."""
    holdout_looks: int = 0
    """The number of times the held-out cases were evaluated."""
    unreproduced: list[str] = Field(default_factory=list)
    """Node ids whose result differed in the unpatched copy."""
    unproven: list[str] = Field(default_factory=list)
    """The tests that failed in the final proof, each with its reason; those on held-out cases left out."""
    llm_could_try: list[str] = Field(default_factory=list)
    """Labels of the clusters that remain while only the playbook was asked."""
    examples_unasked: bool = False
    """True if the settings keep the playbook from showing train cases as examples."""
    review_off: bool = False
    """True if no candidate was read before it ran."""
    stand_in: str = ""
    """Name of the offline model that answered in place of a real one, `desk.offline:answer`."""
    next_command: str = ""
    """The command to type next; derived from the rest if empty."""


def read_summary(folder: Path) -> Summary | None:
    """Return the closing summary in a run's folder; None where it has none that this version can read."""
    try:
        return Summary.model_validate_json((folder / "summary.json").read_bytes())
    except (OSError, ValueError):
        return None


_SHOWN_SPLITS: tuple[Split, ...] = ("train", "val")


def candidate_title(candidate: Candidate) -> str:
    """`triage · label definitions · app/prompts/triage.md`."""
    addresses = list(dict.fromkeys(edit.address for edit in candidate.edits))
    address = addresses[0] if addresses else ""
    if len(addresses) > 1:
        address = f"{address} and {len(addresses) - 1} more"
    technique = candidate.technique.replace("-", " ").replace("_", " ")
    return " · ".join(one_line(part) for part in (candidate.step, technique, address) if part)


def made_without_labels(verdict: Verdict) -> str:
    """Return for how many tests changed code could not know the labels; empty for other changes."""
    numbers = verdict.without_labels
    return f"outputs made without labels in {numbers[0]:,} of {numbers[1]:,} tests" if numbers else ""


def attempt_outcome(attempt: Attempt) -> str:
    """`accepted: …`, `rejected at val: …` or `blocked in review: …`."""
    if attempt.verdict.accepted:
        return "; ".join(
            filter(None, [f"accepted: {_gained(attempt)}", made_without_labels(attempt.verdict)])
        )
    if attempt.verdict.kept:
        return one_line(f"merged: {attempt.verdict.reason}")
    if not attempt.candidate.edits:
        return one_line(f"failed: {attempt.verdict.reason or 'no reason recorded'}")
    blocking = [problem for problem in attempt.review.problems if problem.blocks]
    if blocking:
        more = f" (and {count(len(blocking) - 1, 'further objection')})" if len(blocking) > 1 else ""
        return one_line(f"blocked in review: {blocking[0].check}: {blocking[0].message}") + more
    failed_at = "" if reasons.lost_to_a_winner(attempt.verdict.reason) else attempt.verdict.stage
    stage = f" at {failed_at}" if failed_at else ""
    inert = "inert: " if attempt.verdict.inert and "inert" not in attempt.verdict.reason else ""
    said = [str(change) for change in _shown_metrics(attempt.verdict)]
    numbers = f" ({', '.join(said)})" if said else ""
    return one_line(f"rejected{stage}: {inert}{attempt.verdict.reason or 'no reason recorded'}{numbers}")


def _shown_metrics(verdict: Verdict) -> list[MetricChange]:
    return [change for change in verdict.metrics if change.split in _SHOWN_SPLITS]


def _gained(attempt: Attempt) -> str:
    verdict = attempt.verdict
    parts = [str(change) for change in _shown_metrics(verdict)]
    graded = bool(parts)
    for split in _SHOWN_SPLITS:
        change = verdict.splits.get(split)
        if change is not None and change.after is not None and not (graded and change.before == change.after):
            before, after = percents(change.before, change.after)
            parts.append(f"{split} {before} → {after}")
    broken = len(verdict.broken) + verdict.broken_hidden
    return ", ".join([*parts, f"{len(verdict.fixed)} fixed", f"{broken} broken"])


def candidate_line(attempt: Attempt) -> str:
    """Return the whole line, `c3 triage · label definitions · app/prompts/triage.md — accepted: …`."""
    return "".join(part if isinstance(part, str) else part[0] for part in candidate_parts(attempt))


def candidate_parts(attempt: Attempt) -> list[Part]:
    """Return the line in pieces with their styles."""
    verdict, _, rest = attempt_outcome(attempt).partition(":")
    style = "bold green" if attempt.verdict.accepted else "yellow"
    return [
        (attempt.candidate.id or "c?", "bold"),
        f" {candidate_title(attempt.candidate)} — ",
        (verdict, style),
        f":{rest}",
    ]
