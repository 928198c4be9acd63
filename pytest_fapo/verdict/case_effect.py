"""The effect of a change on every case: the results and outputs that differ on the tree after it.

Made from two evaluations or from two baselines; stored with each candidate, and shown by every view.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from pydantic import Field, JsonValue

from pytest_fapo.core.baseline import Baseline, CaseBaseline, passed_share
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.record import Record, Split
from pytest_fapo.core.text import score_pair
from pytest_fapo.verdict.baseline_contents import ItemGroup, first_difference

EffectKind = Literal["broken", "fixed", "changed"]
"""`changed`: another output, and passing as often as before."""

_ORDER: tuple[EffectKind, ...] = ("broken", "fixed", "changed")


class CaseEffect(Record):
    """One test whose result or output is another one since the change."""

    nodeid: str
    """Of the first repeat."""
    kind: EffectKind
    case_id: str = ""
    """Empty for a test without a case."""
    pipeline: str = ""
    split: Split | None = None
    result_before: str = ""
    """As in a baseline: `passed`, `failed`, `2 of 3` …"""
    result_after: str = ""
    before: JsonValue = ""
    """The pipeline's output on the tree before; the failure's explanation where it gave none; empty where
    nothing is known of it. A baseline's may be cut, and is a text then."""
    after: JsonValue = ""
    scores: list[tuple[str, float, float]] = Field(default_factory=list)
    """Graded metrics that differ: name, before and after."""
    explanation: str = ""
    """pytest's own words where the test fails now."""
    step: str = ""
    """Key of the first step whose output differs; empty where none is known."""

    @property
    def scores_text(self) -> str:
        """`rouge 0.25 → 0.71`; empty where no score differs."""
        pairs = [(name, *score_pair(was, now)) for name, was, now in self.scores]
        return ", ".join(f"{name} {was} → {now}" for name, was, now in pairs)

    @property
    def share_before(self) -> float:
        """Share of the repeats that pass, 0 to 1."""
        return passed_share(self.result_before) or 0.0

    @property
    def share_after(self) -> float:
        return passed_share(self.result_after) or 0.0

    @property
    def run(self) -> tuple[str, str]:
        """Equal for tests that look at one run of a pipeline; a test without a case stands for itself."""
        return (self.pipeline, self.case_id) if self.case_id else ("", self.nodeid)


class Effect(Record):
    """The measured effect of a change: train and val cases, and tests without a case."""

    rows: list[CaseEffect] = Field(default_factory=list)
    """Of two evaluations: broken ones first, then fixed, then those whose output alone changed."""
    same: int = 0
    """Tests with equal result and equal output."""
    together: list[str] = Field(default_factory=list)
    """Addresses that were changed by the same candidates: the effect is that of all."""
    known: bool = True
    """False where the run has no evaluation of it (any more)."""

    def of_kind(self, kind: EffectKind) -> list[CaseEffect]:
        return [row for row in self.rows if row.kind == kind]


def effect_between(before: Evaluation, after: Evaluation) -> Effect:
    """Return what is different in the second of two evaluations; held-out cases are left out."""
    changes = EffectSum()
    changes.add(before, after)
    return changes.effect()


class EffectSum:
    """The effects of changes that came one after the other, put together."""

    def __init__(self) -> None:
        self._pairs: dict[str, _ItemPair] = {}

    def add(self, before: Evaluation, after: Evaluation) -> None:
        """Add what differs between two evaluations; what differed before keeps its first side."""
        olds, news = _item_groups(before), _item_groups(after)
        for nodeid, new in news.items():
            old = olds.get(nodeid)
            if old is None or old.first.split == "holdout" or not _comparable(old, new):
                continue
            pair = _ItemPair(old, new, _output(before, old.first), _output(after, new.first))
            known = self._pairs.get(nodeid)
            if known is None:
                self._pairs[nodeid] = pair
            elif pair.differs:
                self._pairs[nodeid] = (
                    _ItemPair(known.before, new, known.old, pair.new) if known.differs else pair
                )

    def effect(self) -> Effect:
        """Return all of it."""
        rows = [pair.row() for pair in self._pairs.values() if pair.differs]
        shown = {row.run for row in rows if row.kind != "changed"}
        for row in [row for row in rows if row.kind == "changed"]:
            # Several tests may look at one output: it is one change, and none beside a result that changed.
            if row.run in shown:
                rows.remove(row)
            shown.add(row.run)
        rows.sort(key=lambda row: (_ORDER.index(row.kind), row.split or "~", row.nodeid))
        return Effect(rows=rows, same=sum(not pair.differs for pair in self._pairs.values()))


@dataclass
class _ItemPair:
    """The repeats of one test before the change and after it."""

    before: ItemGroup
    after: ItemGroup
    old: JsonValue
    new: JsonValue

    @property
    def differs(self) -> bool:
        shares = passed_share(self.before.result), passed_share(self.after.result)
        return shares[0] != shares[1] or self.old != self.new

    def row(self) -> CaseEffect:
        item = self.before.first
        return CaseEffect(
            nodeid=self.before.name,
            kind=_kind(passed_share(self.before.result), passed_share(self.after.result)),
            case_id=item.case_id or "",
            pipeline=item.pipeline or "",
            split=item.split,
            result_before=self.before.result,
            result_after=self.after.result,
            before=self.old,
            after=self.new,
            scores=_score_changes(_means(self.before), _means(self.after)),
            explanation=next((each.explanation for each in self.after.items if not each.passed), ""),
        )


def _means(group: ItemGroup) -> dict[str, float]:
    """Return each metric's mean over the repeats."""
    names = dict.fromkeys(name for item in group.items for name in item.scores)
    return {name: fmean(item.scores[name] for item in group.items if name in item.scores) for name in names}


def _score_changes(before: Mapping[str, float], after: Mapping[str, float]) -> list[tuple[str, float, float]]:
    return [(name, was, after[name]) for name, was in before.items() if name in after and after[name] != was]


def _kind(before: float | None, after: float | None) -> EffectKind:
    first, last = before or 0.0, after or 0.0
    return "fixed" if last > first else "broken" if last < first else "changed"


def _comparable(before: ItemGroup, after: ItemGroup) -> bool:
    """True if one of them takes part in a score, and neither lacks its verdict for want of answers."""
    groups = before, after
    return any(group.counting for group in groups) and all(
        group.counting or not group.unanswered for group in groups
    )


def _item_groups(evaluation: Evaluation) -> dict[str, ItemGroup]:
    """Return every test with its repeats, those without a case too."""
    groups: dict[str, ItemGroup] = {}
    for item in evaluation.items.values():
        groups.setdefault(item.first_nodeid, ItemGroup(item.first_nodeid)).items.append(item)
    return groups


def _output(evaluation: Evaluation, item: ItemResult) -> JsonValue:
    """Return the pipeline's output; where it gave none, or there is none, how the test failed."""
    trace = evaluation.trace_of(item)
    if trace is not None and not trace.error:
        return trace.output
    return item.explanation


# --- baselines ---------------------------------------------------------------------------------------------


def baseline_effect(before: Baseline, after: Baseline) -> Effect:
    """Compare the cases that are in both; the rows are in the order of pipelines, splits and cases.

    Args:
        before: the earlier state.
        after: the later one.
    """
    rows: list[CaseEffect] = []
    for name, pipeline in sorted(after.pipelines.items()):
        earlier = before.pipelines.get(name)
        known = {
            case_id: case
            for cases in (earlier.cases if earlier else {}).values()
            for case_id, case in cases.items()
        }
        for split, cases in pipeline.cases.items():
            for case_id, case in cases.items():
                if case_id in known:
                    rows += [
                        row.model_copy(update={"pipeline": name, "case_id": case_id, "split": split})
                        for row in _case_effects(known[case_id], case)
                    ]
    return Effect(rows=rows)


def _case_effects(before: CaseBaseline, after: CaseBaseline) -> Iterator[CaseEffect]:
    step = first_difference(before.steps, after.steps)
    same_output = (before.output, before.output_digest) == (after.output, after.output_digest)
    for nodeid, result in after.items.items():
        if nodeid not in before.items:
            continue
        shares = passed_share(before.items[nodeid]), passed_share(result)
        kind = _kind(*shares)
        if None in shares or (kind == "changed" and same_output):
            continue
        yield CaseEffect(
            nodeid=nodeid,
            kind=kind,
            result_before=before.items[nodeid],
            result_after=result,
            before=read_output(before.output),
            after=read_output(after.output),
            scores=_score_changes(before.scores, after.scores),
            step=step,
        )


def read_output(text: str) -> JsonValue:
    """Return what a baseline keeps of an output; what is not JSON, since it was cut, as it is."""
    try:
        return json.loads(text)  # type: ignore[no-any-return]
    except ValueError:
        return text
