"""The inputs of a run: settings, limits, budget, the project's own hooks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pytest_fapo.core.candidate import Attempt, Candidate, ReviewProblem, Verdict
from pytest_fapo.core.case import Case
from pytest_fapo.core.diagnosis import Finding
from pytest_fapo.core.errors import BudgetExceeded
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.record import LEVELS, Level
from pytest_fapo.core.settings import CacheMode, GuardMode, Settings, WriteMode
from pytest_fapo.core.spending import Spending
from pytest_fapo.core.trace import Trace
from pytest_fapo.diagnosis.model_reader import LLMReader
from pytest_fapo.loop.reviewed_change import WriteChoice
from pytest_fapo.loop.run_folder import RunFolder
from pytest_fapo.loop.run_result import ScopeSnapshot
from pytest_fapo.loop.run_summary import Summary
from pytest_fapo.propose.proposer import Proposer
from pytest_fapo.review.model_reviewer import LLMReviewer
from pytest_fapo.shadow.tree_state import TreeState
from pytest_fapo.verdict.policy import GatePolicy


@dataclass(frozen=True)
class Budget:
    """The spending limits of a run; None means unlimited."""

    spend_file: Path
    max_calls: int | None = None
    max_cost: float | None = None
    """USD."""
    deadline: float | None = None
    """By the clock that nobody sets (`time.monotonic`), which all processes of a machine share."""

    def spending(self) -> Spending:
        """Return the spending so far, by every process of the run."""
        from pytest_fapo.answers.spend_file import read_spending

        return read_spending(self.spend_file)

    def exhausted(self) -> str:
        """Return the limit that is reached, as text; empty while there is something left."""
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return "--fapo-time-limit"
        spent = self.spending()
        if self.max_calls is not None and spent.calls >= self.max_calls:
            return f"--fapo-max-calls={self.max_calls}"
        if self.max_cost is not None and spent.cost >= self.max_cost:
            return f"--fapo-budget={self.max_cost:g} (${spent.cost:.4f} spent)"
        return ""

    def refusals(self) -> list[str]:
        """Return the reasons why calls of the pipeline were refused so far, in order."""
        from pytest_fapo.answers.spend_file import read_refusals

        return read_refusals(self.spend_file)

    @property
    def _limited(self) -> bool:
        """False where nothing can be used up, whatever a candidate's code raises."""
        return any(limit is not None for limit in (self.max_calls, self.max_cost, self.deadline))

    def check(self, evaluation: Evaluation, refused: Sequence[str] = ()) -> None:
        """Let no evaluation pass that a limit has cut short: it decides nothing.

        Args:
            evaluation: what is about to be judged.
            refused: why calls were refused while it ran; an item need not show that, since what made the call
                may have turned the refusal into another error or another answer.

        Raises:
            BudgetExceeded: a call of it was refused, or it was ended because the run's time was over.
        """
        if refused:
            raise BudgetExceeded(refused[0], limit="")
        for item in evaluation.items.values():
            if self._limited and item.error_type.rpartition(".")[2] == "BudgetExceeded":
                raise BudgetExceeded(item.explanation or "a budget is used up", limit="")
        over = self.deadline is not None and time.monotonic() >= self.deadline
        if over and evaluation.stopped.startswith("time limit"):
            raise BudgetExceeded("--fapo-time-limit is over", limit="--fapo-time-limit")


def unrecorded(evaluation: Evaluation) -> list[str]:
    """Node ids of the items that asked what has no recorded answer, where nothing may be sent."""
    return [
        nodeid
        for nodeid, item in evaluation.items.items()
        if item.error_type.rpartition(".")[2] in ("CacheMiss", "NetworkRefused")
    ]


class RunHooks:
    """Without plugins: nobody objects and nobody is told."""

    def review(self, candidate: Candidate) -> Sequence[ReviewProblem]:
        """Objections beside the review's own."""
        return ()

    def gate(self, candidate: Candidate, before: Evaluation, after: Evaluation, verdict: Verdict) -> Verdict:
        """Return the verdict on a candidate that passed; a plugin can reject it, never let a rejected one
        pass.
        """
        return verdict

    def attribute(self, item: ItemResult, case: Case, trace: Trace | None) -> Finding | None:
        """Return a plugin's attribution of a failure; None to leave it to the rules."""
        return None

    def sections(self, summary: Summary) -> list[tuple[str, str]]:
        """Title and Markdown of what is added to the summary."""
        return []

    def judged(self, attempt: Attempt) -> None:
        """A candidate has its final verdict."""


ChooseChanges = Callable[[Sequence[WriteChoice]], Sequence[WriteChoice]]
"""Gives those changes that the user wants; raises EOFError where no one answered."""


def nobody_chooses(changes: Sequence[WriteChoice]) -> Sequence[WriteChoice]:
    """Without a user there is no answer.

    Raises:
        EOFError: always.
    """
    raise EOFError


@dataclass(frozen=True)
class OptimizeRequest:
    """One optimization: the baseline, the limits, and what may be done with the result."""

    root: Path
    """The project: pytest's rootdir."""
    settings: Settings
    baseline: Evaluation
    """The results of this session's tests on the user's own tree."""
    proposers: Sequence[Proposer]
    run: RunFolder
    snapshot: ScopeSnapshot
    budget: Budget
    child_args: list[str]
    """pytest arguments for the evaluations' child processes."""
    cwd: str
    """Working directory of the session, relative to `root`."""
    cache_folder: Path
    cache_mode: CacheMode
    begun: TreeState | None = None
    """The project before the session's tests began, where that was looked at."""
    cache_files: Sequence[Path] = ()
    """Exported caches below the local one."""
    cache_url: str = ""
    """Redis through which machines share answers."""
    executor: str = ""
    """`dask:<address>` of the cluster that evaluates candidates; empty for this machine."""
    guard: GuardMode = "all"
    write: WriteMode = "auto"
    target: float | None = None
    max_candidates: int | None = None
    level: Level = "structure"
    """`--fapo-level`: the highest level that may be edited."""
    policy: GatePolicy = field(default_factory=GatePolicy)
    reviewer: LLMReviewer | None = None
    """Reads each candidate in a fresh context."""
    reader: LLMReader | None = None
    """Reads the failures that the rules leave unsure."""
    hooks: RunHooks = field(default_factory=RunHooks)
    settings_file: str = ""
    """The file that `fapo` must be given with `-c` here; empty where it finds it by itself."""
    stand_in: str = ""
    """Name of the offline model where it answers."""
    choose: ChooseChanges = nobody_chooses
    """Asks the user which changes are written; see `--fapo-write=ask`."""

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels that may be edited: those with a scope, up to `level`."""
        scope = self.settings.scope
        named = {"prompt": scope.prompts, "param": scope.params, "structure": scope.structure}
        return tuple(level for level in LEVELS[: LEVELS.index(self.level) + 1] if named[level])
