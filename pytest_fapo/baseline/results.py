"""A test on a case with all its repeats: the unit of which the baseline says how it fared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pytest_fapo.errors import BudgetExceeded, CacheMiss, NetworkRefused
from pytest_fapo.models import Evaluation, ItemResult, Split, Trace

_REFUSALS = (CacheMiss.__name__, BudgetExceeded.__name__, NetworkRefused.__name__)


@dataclass
class ItemGroup:
    """All repeats of one test on one case, the first one first."""

    name: str
    """Node id of the first repeat."""
    items: list[ItemResult] = field(default_factory=list)

    @property
    def first(self) -> ItemResult:
        return self.items[0]

    @property
    def pipeline(self) -> str:
        return self.first.pipeline or ""

    @property
    def case_id(self) -> str:
        return self.first.case_id or ""

    @property
    def split(self) -> Split:
        return self.first.split or "train"

    @property
    def counting(self) -> list[ItemResult]:
        return [item for item in self.items if item.counts]

    @property
    def refused(self) -> str:
        """Class name of the refusal to ask a model that ended one of its repeats; empty where none did."""
        return next((item.error_type for item in self.items if item.error_type in _REFUSALS), "")

    @property
    def unanswered(self) -> bool:
        """True if a call of one of its repeats got no whole answer."""
        return any(item.unanswered for item in self.items)

    @property
    def result(self) -> str:
        """In the words of `CaseBaseline.items`."""
        if len(self.items) == 1 or not self.counting:
            return self.first.outcome
        return f"{sum(item.passed for item in self.counting)} of {len(self.counting)}"


def item_groups(evaluation: Evaluation) -> Iterator[ItemGroup]:
    """The tests on cases of an evaluation, in its order; tests without a case are left out."""
    groups: dict[str, ItemGroup] = {}
    for item in evaluation.items.values():
        if item.case_id is not None:
            name = group_name(item.nodeid, item.repeat)
            groups.setdefault(name, ItemGroup(name)).items.append(item)
    for group in groups.values():
        group.items.sort(key=lambda item: item.repeat)
        yield group


def group_name(nodeid: str, repeat: int) -> str:
    """Node id of the first repeat of a test on a case, as it is without xdist.

    Under `--dist loadgroup` xdist writes the name of a group behind the node id.
    """
    bare = nodeid[: nodeid.rfind("]") + 1] or nodeid
    return ItemResult(nodeid=bare, outcome="passed", repeat=repeat).first_nodeid


def first_trace(evaluation: Evaluation, groups: list[ItemGroup]) -> Trace | None:
    """What the baseline keeps of a case's run: that of the first repeat of its first test that has one."""
    for group in sorted(groups, key=lambda group: group.name):
        trace = evaluation.trace_of(group.first)
        if trace is not None:
            return trace
    return None
