"""The few lines at the foot of a terminal that say where the run stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_fapo.models import Spending
from pytest_fapo.report.terminal import Terminal
from pytest_fapo.report.words import by_tests, count, duration, money

if TYPE_CHECKING:
    from rich.console import Group
    from rich.text import Text


@dataclass
class Standing:
    """Where the run stands now; `Progress` keeps it up to date."""

    headline: str = ""
    trying: str = ""
    stage: str = ""
    total: int = 0
    seen: set[str] = field(default_factory=set)
    """Node ids that have a verdict: a rerun of a test, or a second candidate beside it, is not one more."""
    accepted: int = 0
    rejected: int = 0
    spending: Spending = field(default_factory=Spending)

    @property
    def done(self) -> int:
        """Return how many tests of the stage have a verdict, never more than there are."""
        return min(len(self.seen), self.total) if self.total else len(self.seen)

    def begin(self, stage: str, total: int) -> None:
        self.stage, self.total, self.seen = stage, total, set()

    def progress(self) -> str:
        """`train 34 of 90`, or `train 34` where the total is not known."""
        return f"{self.stage} {self.done} of {self.total}" if self.total else f"{self.stage} {self.done}"

    def spent(self) -> str:
        """`212 calls · 1,034 from the cache · $0.42`; tokens stand in for a price that is not known."""
        spending = self.spending
        parts = [
            f"{count(spending.calls, 'call')}{by_tests(spending.test_calls)}",
            f"{spending.cache_hits:,} from the cache{by_tests(spending.test_cache_hits)}",
        ]
        if spending.cost:
            parts.append(f"{money(spending.cost)}{by_tests(spending.test_cost)}")
        if spending.calls and (spending.unpriced_models or not spending.cost):
            total = spending.usage.input_tokens + spending.usage.output_tokens
            parts.append(count(total, "token"))
        return " · ".join(parts)

    def verdicts(self) -> str:
        return f"{self.accepted} accepted, {self.rejected} rejected"


def dashboard(standing: Standing, terminal: Terminal, elapsed: float) -> Group:
    """The live display: what is tried, a bar for the stage, what was spent."""
    from rich.console import Group

    head = " · ".join(part for part in (standing.headline, standing.trying) if part)
    foot = " · ".join((standing.spent(), standing.verdicts(), duration(elapsed)))
    lines = [terminal.text((head, "bold"))] if head else []
    if standing.stage:
        lines.append(_bar(standing, terminal))
    lines.append(terminal.text((foot, "dim")))
    return Group(*lines)


def _bar(standing: Standing, terminal: Terminal) -> Text:
    label = f" {standing.progress()}"
    if not standing.total:
        return terminal.text(label.strip())
    room = max(5, min(40, terminal.width - len(label) - 1))
    filled = room * standing.done // standing.total
    return terminal.text(("━" * filled, "green"), ("─" * (room - filled), "dim"), label)
