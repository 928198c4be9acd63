"""Fresh samples on both trees: of single cases, and of whole splits where one evaluation is too few."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from pytest_fapo.core.candidate import Verdict
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.record import Split
from pytest_fapo.verdict import reasons
from pytest_fapo.verdict.comparison import Unit, case_differences, compare, unit_of_aim
from pytest_fapo.verdict.policies import Figures, possible_gains, surest
from pytest_fapo.verdict.policy import GatePolicy
from pytest_fapo.verdict.statistics import FreshPairs, mean_interval

Pair: TypeAlias = tuple[ItemResult | None, ItemResult | None]
"""One sample of an item, on the parent's tree and on the edited one; None where it did not run."""

LOOKS = {2: 1 / 16, 4: 1 / 16, 8: 1 / 8, 16: 1 / 4, 32: 1 / 2}
"""After so many samples of each case a question is looked at, with this share of the error that the policy
allows: the shares add up to one, and most is left for the last look, which is the surest."""

_FIRST, _LAST = min(LOOKS), max(LOOKS)


@dataclass
class FreshSamples:
    """Fresh samples of whole splits on both trees.

    Args:
        before: the parent's evaluation: it says which items there are, with their splits and weights.
        draw: runs items on both trees; gives each item's pair. Equal numbers name the same sample.
        policy: how the candidate is judged.
    """

    before: Evaluation
    draw: Callable[[Sequence[str], int], dict[str, Pair]]
    policy: GatePolicy
    figures: Figures | None = None
    """Of train, after `gain`."""
    _drawn: dict[Split, list[tuple[Evaluation, Evaluation]]] = field(default_factory=dict)

    def gain(self) -> str:
        """Return why train shows no gain that chance does not explain; empty where it does."""
        for number in LOOKS:
            samples = self._samples("train", number)
            pairs = [compare(before, after).units for before, after in samples]
            found = [
                (aim, [each for units in pairs for each in case_differences(aim, units)])
                for aim in possible_gains(self.policy)
            ]
            self.figures = surest([(aim, differences) for aim, differences in found if differences])
            assert self.figures is not None
            effect = self.figures.effect
            if self.figures.chance <= self._error(number) / len(found):
                return self.loss("train") if self.policy.objectives else ""
            if effect <= 0 and number > _FIRST:
                return reasons.train_did_not_rise_again(number)
        assert self.figures is not None
        figures = self.figures
        return reasons.gain_may_still_be_chance(_LAST, figures.effect, figures.chance, figures.aim)

    def loss(self, split: Split) -> str:
        """Return why a loss on a split is not excluded; empty where it is."""
        reason = ""
        for number in LOOKS:
            before, after = _merged(self._samples(split, number))
            mine = compare(before, after).units
            aims: list[reasons.Aim] = [None, *self.policy.objectives]
            reason = next(filter(None, (self._worse(split, number, aim, mine) for aim in aims)), "")
            lost = sum(unit.difference for unit in mine) < -self.policy.margin * len(mine)
            if not reason or lost:
                break
        return reasons.held_out_lost("paired") if reason and split == "holdout" else reason

    def verdict(self, first: Verdict, looked: str, reason: str) -> Verdict:
        """Return the verdict that the samples leave.

        Args:
            first: on the first evaluation.
            looked: stage that decides.
            reason: why it rejects; empty where it accepts.
        """
        update: dict[str, object] = {"accepted": not reason, "reason": reason, "stage": looked}
        if self.figures is not None:
            drawn = reasons.fresh_samples(len(self._drawn["train"]))
            fixed = reasons.fixed_and_broken(len(first.fixed), len(first.broken))
            update["reason"] = reason or f"{fixed}; in {drawn} {self.figures}"
            update |= {
                "effect": self.figures.effect,
                "effect_of": self.figures.aim or "",
                "interval": self.figures.interval,
                "p_value": self.figures.chance,
            }
        return first.model_copy(update=update)

    def recurs(self, unit: Unit) -> bool:
        """True if a case that came out worse comes out worse in more than half of its samples."""
        if unit.split is None or unit.split not in self._drawn:
            return True
        before, after = _merged(self._drawn[unit.split])
        return any(
            before.items[each.name].first_nodeid == unit.name and each.difference < -0.5
            for each in compare(before, after).units
        )

    def _error(self, number: int) -> float:
        return (1 - self.policy.confidence) * LOOKS[number]

    def _worse(self, split: Split, number: int, aim: reasons.Aim, units: Sequence[Unit]) -> str:
        differences = case_differences(aim, units)
        if not any(difference < 0 for difference in differences):
            return ""
        margin = self.policy.margin * unit_of_aim(aim, units)
        low, high = mean_interval(differences, 1 - 2 * self._error(number))
        if low >= -margin:
            return ""
        return reasons.loss_still_not_excluded(split, margin, number, low, high, aim)

    def _samples(self, split: Split, number: int) -> list[tuple[Evaluation, Evaluation]]:
        """So many samples of a split, each on both trees."""
        drawn = self._drawn.setdefault(split, [])
        items = [unit.name for unit in compare(self.before, self.before).of_split(split)]
        while len(drawn) < number:
            drawn.append(self._sample(items, len(drawn) + 1))
        return drawn[:number]

    def _sample(self, names: Sequence[str], number: int) -> tuple[Evaluation, Evaluation]:
        before: dict[str, ItemResult] = {}
        after: dict[str, ItemResult] = {}
        for name, (old, new) in self.draw(names, number).items():
            if old is None or not old.counts:
                continue  # nothing to compare with
            was = self.before.items[name]
            nodeid = name if number == 1 else f"{name}~r{number}"
            update = {"nodeid": nodeid, "repeat": number, "split": was.split, "weight": was.weight}
            before[nodeid] = old.model_copy(update=update)
            if new is not None:
                after[nodeid] = new.model_copy(update=update)
        return Evaluation.model_construct(items=before), Evaluation.model_construct(items=after)


def _merged(samples: Sequence[tuple[Evaluation, Evaluation]]) -> tuple[Evaluation, Evaluation]:
    """Return all samples of each tree as repeats of one evaluation."""
    before = {name: item for one, _ in samples for name, item in one.items.items()}
    after = {name: item for _, one in samples for name, item in one.items.items()}
    return Evaluation.model_construct(items=before), Evaluation.model_construct(items=after)


Tree: TypeAlias = Literal["parent", "edited"]

Ask: TypeAlias = Callable[[Tree, Sequence[str], int], Evaluation]
"""Runs items on a tree with fresh answers; equal numbers name the same sample, on both trees."""

MOST_PAIRS = 24
"""Pairs of one case at most."""


@dataclass(frozen=True)
class Claim:
    """A case that came out differently on the two trees."""

    name: str
    """Node id of the test's first repeat."""
    metric: str = ""
    """The graded metric that moved; empty for pass and fail."""
    middle: float = 0.0
    """Of a metric: from this merit on a score counts as the better one."""

    def good(self, item: ItemResult | None) -> bool:
        """True if a fresh run of the case came out as the better of the two."""
        if not self.metric:
            return item is not None and item.passed
        merit = item.merit(self.metric) if item is not None else None
        return merit is not None and merit >= self.middle


@dataclass
class FreshRuns:
    """The runs of one candidate's cases, and of the same cases without it.

    Args:
        before: the parent's evaluation.
        ask: runs items again.
    """

    before: Evaluation
    ask: Ask
    after: Evaluation | None = None
    """The candidate's evaluation."""
    judges: set[str] = field(default_factory=set)
    """Cases of which a judge said something else when it was asked the same of the same output."""
    _samples: dict[tuple[Tree, str, int], ItemResult | None] = field(default_factory=dict)

    def pair(
        self, claims: Iterable[Claim], pairs: Mapping[Claim, FreshPairs], *, first: Tree
    ) -> dict[Claim, bool]:
        """One more pair of each claim: True where it came again.

        Args:
            claims: what is claimed.
            pairs: the pairs so far.
            first: the tree on which the case came out worse; the other is asked only where it does so again.
        """
        numbered = [(claim, pairs[claim].confirmed + pairs[claim].others + 1) for claim in claims]
        self._run(first, numbered)
        bad = [pair for pair in numbered if not pair[0].good(self._samples[first, pair[0].name, pair[1]])]
        second: Tree = "edited" if first == "parent" else "parent"
        self._run(second, bad)
        came = {claim for claim, number in bad if claim.good(self._samples[second, claim.name, number])}
        return {claim: claim in came for claim, _ in numbered}

    def both(self, names: Sequence[str], number: int) -> dict[str, Pair]:
        """Fresh results of items on both trees; their numbers are not those of single claims' pairs."""
        numbered = [(Claim(name), MOST_PAIRS + number) for name in names]
        self._run("parent", numbered)
        self._run("edited", numbered)
        return {
            claim.name: (
                self._samples["parent", claim.name, drawn],
                self._samples["edited", claim.name, drawn],
            )
            for claim, drawn in numbered
        }

    def _run(self, tree: Tree, numbered: Iterable[tuple[Claim, int]]) -> None:
        batches: dict[int, list[str]] = {}
        for claim, number in numbered:
            names = batches.setdefault(number, [])
            if (tree, claim.name, number) not in self._samples and claim.name not in names:
                names.append(claim.name)
        for number, names in batches.items():
            if names:
                evaluation = self.ask(tree, names, number)
                drawn = {(tree, name, number): evaluation.items.get(name) for name in names}
                self._samples.update(drawn)
                self._look_at_judges(tree, evaluation)

    def _look_at_judges(self, tree: Tree, evaluation: Evaluation) -> None:
        """Note the cases whose judge says something else of the output that it has seen before."""
        first = self.before if tree == "parent" else self.after
        if first is None:
            return
        for name, item in evaluation.items.items():
            was = first.items.get(name)
            if was is None or (was.passed, was.scores) == (item.passed, item.scores):
                continue
            if first.judged_otherwise(was, evaluation, item) is not None:
                self.judges.add(name)
