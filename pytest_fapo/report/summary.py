"""Everything that the closing summary says, as data."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pytest_fapo.models import Record, Spending, Split

StopReason = Literal[
    "target",  # the target was reached, or every test passes
    "nothing-left",  # no proposer has anything left to try
    "budget",  # a budget was reached; `stop_detail` says which
    "interrupted",  # Ctrl-C
    "no-answer",  # a model gave no whole answer; `stop_detail` quotes its provider; the run can be resumed
    "not-reproduced",  # the unpatched copy did not give the baseline's results
    "unproven",  # what was accepted did not pass once more in a fresh interpreter; `stop_detail` says how
    "no-failures",  # there was nothing to mend
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


class Summary(Record):
    """The closing summary of one run; `render_summary` writes it and `summary_markdown` saves it."""

    stop: StopReason
    stop_detail: str = ""
    """`--fapo-max-calls=200`, the likely reason of a baseline that was not reproduced, an error's words."""
    exit_code: int = 1
    target: float | None = None
    """The share of passing tests that was asked for, 0 to 1."""
    tests: int = 0
    """Tests of the last whole evaluation, with and without a case."""
    failing: int = 0
    """How many of `tests` still fail with what was accepted."""
    splits: list[SplitResult] = Field(default_factory=list)
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
    duration: float = 0.0
    """Seconds."""
    run_directory: str = ""
    quoted: list[str] = Field(default_factory=list)
    """Ids of the train cases that prompts quote as examples now; they count in no score."""
    levels: list[str] = Field(default_factory=list)
    """Why each level was left, cheapest first."""
    ceiling: str = ""
    """What only a level that may not be edited could mend."""
    sections: list[tuple[str, str]] = Field(default_factory=list)
    """Title and Markdown of what the project's own plugins add."""
    pruned: list[str] = Field(default_factory=list)
    """What the accepted edits held and was left out, because nothing is lost without it."""
    holdout_looks: int = 0
    """How often the held-out cases were asked."""
    unreproduced: list[str] = Field(default_factory=list)
    """Node ids whose result differed in the unpatched copy."""
    unproven: list[str] = Field(default_factory=list)
    """The tests that failed in the final proof, each with its reason; those on held-out cases left out."""
    llm_could_try: list[str] = Field(default_factory=list)
    """Labels of the clusters that remain while only the playbook was asked."""
    stand_in: str = ""
    """Name of the offline model that answered in place of a real one, `desk.offline:answer`."""
    next_command: str = ""
    """What to type next; derived from the rest where empty."""
