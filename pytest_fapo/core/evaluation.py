"""One pytest run over cases on one tree: the verdict of every item, the traces, and what it spent."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping
from statistics import fmean
from typing import Any

from pydantic import Field, field_serializer

from pytest_fapo.core.case import Case
from pytest_fapo.core.errors import BudgetExceeded, CacheMiss, ModelUnavailable, NetworkRefused, PipelineError
from pytest_fapo.core.record import Outcome, Record, Split, canonical_json
from pytest_fapo.core.spending import Spending
from pytest_fapo.core.text import count
from pytest_fapo.core.trace import LLMCall, Trace
from pytest_fapo.core.unanswered import Unanswered

NOT_RUN = PipelineError.__name__
"""Error type of an item whose pipeline could not be called."""

REFUSALS = (
    CacheMiss.__name__,
    BudgetExceeded.__name__,
    NetworkRefused.__name__,
    ModelUnavailable.__name__,
)
"""Error types of items that were not let ask their model."""


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
    repeat: int = 1
    """The number of this run among the case's `--fapo-repeats`, from 1."""
    error_type: str = ""
    """Class name of the exception that failed the item."""
    scores: dict[str, float] = Field(default_factory=dict)
    lower_is_better: list[str] = Field(default_factory=list)
    """The names in `scores` of which less is better."""
    judge_scores: dict[str, list[float]] = Field(default_factory=dict)
    """What a judge said each time, where it was asked several times; `scores` has the mean."""
    short_of: dict[str, float] = Field(default_factory=dict)
    """Objectives whose score is low, and the merit from which on it would not be; only in the view that
    diagnosis and proposers get, where such an item counts as failing."""
    feedback: list[str] = Field(default_factory=list)
    duration: float = 0.0
    trace_id: str | None = None
    producible_in: str = ""
    """Of an evaluation's child: the folder in which the item's run can be made apart from its test."""
    test_calls: list[LLMCall] = Field(default_factory=list)
    """LLM calls that the test made itself beside its run, as to a model that judges the output."""
    unanswered: list[Unanswered] = Field(default_factory=list)
    """Calls of its run, and of the test itself (a model that judges), that got no whole answer: then the
    outcome says nothing of the pipeline, whatever it is."""

    @property
    def first_nodeid(self) -> str:
        """Node id of the first repeat: equal for all repeats of one test on one case."""
        return first_of_repeats(self.nodeid, self.repeat)

    @property
    def passed(self) -> bool:
        return self.outcome in ("passed", "xpassed")

    def merit(self, metric: str) -> float | None:
        """Return a score so signed that higher is better; None where the item has none of that name."""
        score = self.scores.get(metric)
        return -score if score is not None and metric in self.lower_is_better else score

    @property
    def not_run(self) -> bool:
        """True if the test ended before its pipeline could run, in a fixture or because the pipeline does not
        take the case's inputs: the outcome says nothing of its answers.
        """
        return self.error_type == NOT_RUN or (self.outcome == "error" and self.trace_id is None)

    @property
    def refused(self) -> bool:
        """True if the test was not let ask its model: no recorded answer, a limit, a connection refused."""
        return self.error_type in REFUSALS

    @property
    def counts(self) -> bool:
        """True if the item takes part in a score: it ran with whole answers and was expected to pass."""
        if self.error_type == ModelUnavailable.__name__:
            return False
        return not self.unanswered and self.outcome in ("passed", "xpassed", "failed", "error")


class Evaluation(Record):
    """One pytest run over cases on one tree."""

    items: dict[str, ItemResult] = Field(default_factory=dict)
    """By node id."""
    traces: MutableMapping[str, Trace] = Field(default_factory=dict)
    """By `ItemResult.trace_id`."""
    cases: dict[str, Case] = Field(default_factory=dict)
    """By node id, for the items that have a case."""
    spending: Spending = Field(default_factory=Spending)
    exit_code: int = 0
    complete: bool = True
    """False where the run stopped before every selected item had a verdict."""
    stopped: str = ""
    """The reason why an incomplete run stopped, as a sentence."""
    dropped_at: str = ""
    """Name of the stage after which a staged evaluation was dropped, else empty."""
    loaded_files: list[str] = Field(default_factory=list)
    """Paths (relative, POSIX) of the watched files that were really opened or imported from this tree."""
    outside_files: list[str] = Field(default_factory=list)
    """Paths relative to the tree (`../data/x.csv`) that the tests looked for beside it and did not find."""
    notes: list[str] = Field(default_factory=list)
    """Notes for the user about the run: refused writes into the project, files read outside its copy."""
    reach: list[str] = Field(default_factory=list)
    """Things outside of its tree that a run that was only watched had to do with: `connect HOST:PORT`,
    `program PATH`, `read PATH`, `write PATH`. A candidate may do the same."""
    without_labels: int | None = None
    """Of a tree with changed code: how many tests on cases judged outputs that were made without labels."""
    duration: float = 0.0

    @field_serializer("traces", mode="wrap")
    def _all_traces(self, traces: Mapping[str, Trace], handler: Callable[[Any], Any]) -> Any:
        return handler(dict(traces))

    def in_split(self, split: Split) -> list[ItemResult]:
        return [item for item in self.items.values() if item.split == split and item.counts]

    def score(self, split: Split) -> float | None:
        """Weighted share of passing items of `split`, 0 to 1; None where the split has no item."""
        return weighted_mean((item.weight, item.passed) for item in self.in_split(split))

    def metric_mean(self, metric: str, split: Split) -> float | None:
        """Mean of a graded metric over the split's cases; None where no item of it has the metric."""
        found: dict[tuple[str, str], list[float]] = {}
        for item in self.in_split(split):
            if metric in item.scores:
                found.setdefault((item.pipeline or "", item.case_id or ""), []).append(item.scores[metric])
        return math.fsum(map(fmean, found.values())) / len(found) if found else None

    def not_counting(self, case_ids: Collection[str]) -> Evaluation:
        """Return the same with these cases' train items in no split: guarded like any test, and in no
        score.
        """
        if not case_ids:
            return self
        items = {
            nodeid: item.model_copy(update={"split": None})
            if item.split == "train" and item.case_id in case_ids
            else item
            for nodeid, item in self.items.items()
        }
        return self.model_copy(update={"items": items})

    @property
    def outage(self) -> Outage:
        """The items that have no verdict for want of answers."""
        return Outage(self.items.values())

    @property
    def answered(self) -> Evaluation:
        """The same without the items that an outage has kept from their verdict."""
        if not self.outage:
            return self
        items = {nodeid: item for nodeid, item in self.items.items() if not item.unanswered}
        return self.model_copy(update={"items": items})

    def judged_otherwise(
        self, item: ItemResult, other: Evaluation, its: ItemResult
    ) -> tuple[LLMCall, LLMCall] | None:
        """Return a question that the tests of two runs asked alike, of the same output, and got other answers
        to.

        Then it is the judge that varies, not the pipeline. None where no judge was asked or outputs differ.

        Args:
            item: one run's item, of this evaluation.
            other: the evaluation that the other run belongs to.
            its: the item there.
        """
        one, two = self.trace_of(item), other.trace_of(its)
        same = one is not None and two is not None and one.error is two.error is None
        if not same or canonical_json(one.output) != canonical_json(two.output):  # type: ignore[union-attr]
            return None
        for call, again in zip(item.test_calls, its.test_calls, strict=False):
            alike = (call.model, call.messages) == (again.model, again.messages)
            if alike and call.answered and again.answered and call.answer != again.answer:
                return call, again
        return None

    def with_items_of(self, other: Evaluation, nodeids: Collection[str]) -> Evaluation:
        """Return the same with these items, and their traces, as they are in another evaluation."""
        items = {nodeid: other.items[nodeid] for nodeid in nodeids if nodeid in other.items}
        traces = {
            item.trace_id: other.traces[item.trace_id]
            for item in items.values()
            if item.trace_id in other.traces and item.trace_id is not None
        }
        update = {"items": {**self.items, **items}, "traces": {**self.traces, **traces}}
        return self.model_copy(update=update)

    def trace_of(self, item: ItemResult) -> Trace | None:
        return self.traces.get(item.trace_id) if item.trace_id else None

    def take(self, record: Mapping[str, Any]) -> ItemResult:
        """Add a record of the hook `pytest_fapo_item`."""
        item = ItemResult.model_validate(record["item"])
        case = Case.model_validate(record["case"]) if record.get("case") else None
        trace = Trace.model_validate(record["trace"]) if record.get("trace") else None
        self.add(item, case, trace)
        return item

    def add(self, item: ItemResult, case: Case | None, trace: Trace | None) -> None:
        """Add an item; a later one of its name (a rerun) replaces it."""
        self.items[item.nodeid] = item
        if case is not None:
            self.cases[item.nodeid] = case
        if trace is not None and item.trace_id:
            self.traces[item.trace_id] = trace


def first_of_repeats(nodeid: str, repeat: int) -> str:
    """Return the node id of the first repeat of a test on a case."""
    if repeat == 1:
        return nodeid
    head, mark, tail = nodeid.rpartition(f"~r{repeat}")
    return head + tail if mark else nodeid


def weighted_mean(items: Iterable[tuple[float, float]]) -> float | None:
    """Return the weighted mean; None where nothing has a weight.

    All weights times one number give the same mean to the last digit: it is compared with targets and floors.

    Args:
        items: the weight of each and its value; True and False count as 1 and 0.
    """
    pairs = list(items)
    largest = max((weight for weight, _ in pairs), default=0.0)
    if not largest:
        return None
    total = math.fsum(weight / largest for weight, _ in pairs)
    return round(math.fsum(weight / largest * value for weight, value in pairs) / total, 12)


class Outage:
    """Items that have no verdict because calls of theirs got no whole answer.

    False where there are none.
    """

    def __init__(self, items: Iterable[ItemResult]) -> None:
        self.items = [item for item in items if item.unanswered]

    def __bool__(self) -> bool:
        return bool(self.items)

    @property
    def nodeids(self) -> list[str]:
        return [item.nodeid for item in self.items]

    @property
    def rejected(self) -> bool:
        """True if the provider rejected a key, an account or a model: asking again does not help."""
        return any(each.rejected for item in self.items for each in item.unanswered)

    @property
    def summary(self) -> str:
        """`16 cases got no answer from the model (HTTP 500 x16)`."""
        units: dict[tuple[str, str], str] = {}
        for item in self.items:
            unit = (item.pipeline or "", item.case_id) if item.case_id else ("", item.nodeid)
            units.setdefault(unit, item.unanswered[0].reason)
        reasons = Counter(units.values()).most_common()
        said = ", ".join(f"{reason} x{number:,}" for reason, number in reasons)
        noun = "case" if all(item.case_id for item in self.items) else "test"
        return f"{count(len(units), noun)} got no answer from the model ({said})"

    @property
    def message(self) -> str:
        """The message of the provider, or the error of the connection: the most frequent of all."""
        said = Counter(
            (not each.rejected, each.message)
            for item in self.items
            for each in item.unanswered
            if each.message
        )
        if not said:
            return ""
        # A rejected key explains more than anything else.
        return min(said.items(), key=lambda pair: (pair[0][0], -pair[1]))[0][1]

    @property
    def advice(self) -> str:
        """The recommended next step for the user."""
        if self.rejected:
            return "check the key, the account and the model's name, then run again"
        return "run again when it answers; what was answered is kept"

    @property
    def sentence(self) -> str:
        """The summary with the provider's own words."""
        return f"{self.summary}: {self.message.rstrip('.')}" if self.message else self.summary
