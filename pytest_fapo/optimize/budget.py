"""The limits of one run, over all its processes: the spend file is the one truth."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_fapo.errors import BudgetExceeded
from pytest_fapo.models import Evaluation, Spending


@dataclass(frozen=True)
class Budget:
    """What a run may spend; None means unlimited."""

    spend_file: Path
    max_calls: int | None = None
    max_cost: float | None = None
    """USD."""
    deadline: float | None = None
    """Epoch seconds."""

    def spending(self) -> Spending:
        """What was spent so far, by every process of the run."""
        from pytest_fapo.llm.ledger import read_spending

        return read_spending(self.spend_file)

    def exhausted(self) -> str:
        """Which limit is reached, in words; empty while there is something left."""
        if self.deadline is not None and time.time() >= self.deadline:
            return "--fapo-time-limit is over"
        spent = self.spending()
        if self.max_calls is not None and spent.calls >= self.max_calls:
            return f"--fapo-max-calls={self.max_calls} is used up"
        if self.max_cost is not None and spent.cost >= self.max_cost:
            return f"--fapo-budget={self.max_cost:g} is used up (${spent.cost:.4f} spent)"
        return ""

    def refusals(self) -> list[str]:
        """Why calls of the pipeline were refused so far, in order."""
        from pytest_fapo.llm.spending import read_refusals

        return read_refusals(self.spend_file)

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
            if item.error_type.rpartition(".")[2] == "BudgetExceeded":
                raise BudgetExceeded(item.explanation or "a budget is used up", limit="")
        over = self.deadline is not None and time.time() >= self.deadline
        if over and evaluation.stopped.startswith("time limit"):
            raise BudgetExceeded("--fapo-time-limit is over", limit="--fapo-time-limit")


def unrecorded(evaluation: Evaluation) -> list[str]:
    """Node ids of the items that asked what has no recorded answer, where nothing may be sent."""
    return [
        nodeid
        for nodeid, item in evaluation.items.items()
        if item.error_type.rpartition(".")[2] in ("CacheMiss", "NetworkRefused")
    ]
