"""Is a change the candidate's, or luck? What decides is run again with fresh answers on both trees.

Of many candidates that change nothing the luckiest looks good, and of many cases one fails by chance. So what
a verdict rests on is run again on the tree without the edit and on the one with it. A gain counts where a
sequential exact test says so; a loss where it comes again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from pytest_fapo.core.candidate import Verdict
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.record import SPLITS, Split
from pytest_fapo.core.trace import LLMCall
from pytest_fapo.verdict import reasons
from pytest_fapo.verdict.comparison import (
    Chance,
    Comparison,
    Unit,
    compare,
    graded_metrics,
    metric_differences,
    of_split,
)
from pytest_fapo.verdict.fresh_samples import MOST_PAIRS, Ask, Claim, FreshRuns, FreshSamples
from pytest_fapo.verdict.policies import broken_tests, held_out_loss, metric_loss, train_figures
from pytest_fapo.verdict.policy import GatePolicy
from pytest_fapo.verdict.statistics import (
    EQUAL,
    FreshPairs,
    GainEvidence,
    LossState,
    loss_state,
    sign_flip_test,
)

_DEAD = 2
"""A gain that failed to come so many times more often than it came is not asked any more."""

_STEADY = 3
"""Gains asked again where the answers come from this machine."""

_HOPEFUL = 0.75
"""A change of train that is likelier than this where nothing changed is not looked into under `paired`."""

_RATE_LOOKS = (6, 12, 24)
"""After so many fresh runs on both trees it is asked whether cases that varied have become steadier."""

_MOST_FALLS = 20
"""Cases in which a metric fell that are asked again at most."""


@dataclass
class Confirmation:
    """The fresh samples behind one candidate's verdict.

    Args:
        before: the parent's evaluation.
        ask: runs items again.
        error: gives the error that the test of its gains may have, see `allowed_error`; called when they are
            asked again.
        policy: how the candidate is judged.
    """

    before: Evaluation
    ask: Ask
    error: Callable[[], float]
    policy: GatePolicy = field(default_factory=GatePolicy)
    chance: Chance = frozenset()
    """Changes that fresh samples have shown to be chance: neither gains nor losses."""
    gains_rerun: bool = False
    varied: bool = False
    _pairs: dict[Claim, FreshPairs] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._runs = FreshRuns(self.before, self.ask)

    def review(self, after: Evaluation, verdict: Verdict) -> Verdict | None:
        """Return the verdict in view of fresh samples; None where some changes were chance: then judge again.

        Args:
            after: the candidate's evaluation.
            verdict: the gate's on it.
        """
        self._runs.after = after
        if verdict.accepted:
            return verdict if self.gains_rerun else self._with_gains(after, verdict)
        lost = [claim for claim in self._lost(after) if self._may_vary(claim, after)]
        if not lost or verdict.inert:
            return self._with_fresh_samples(after, verdict)
        states = self._losses(lost, rounds=2)
        if self.varied and not self.gains_rerun and not self._final(states):
            judged = self._with_gains(after, verdict.model_copy(update={"accepted": True}))
            if judged is not None and not judged.accepted:
                return judged
        if not self._final(states):
            states = self._losses(lost, rounds=MOST_PAIRS)
        luck = {(claim.metric, claim.name) for claim, state in states.items() if state == "chance"}
        if self._final(states) or not luck:
            return self._with_fresh_samples(after, verdict)
        self.chance |= luck
        return None

    def _final(self, states: dict[Claim, LossState]) -> bool:
        """True where one loss decides, and one is real; policies that weigh look at all."""
        return self.policy.one_case_decides and "real" in states.values()

    # --- gains ----------------------------------------------------------------------------------------

    def _with_gains(self, after: Evaluation, verdict: Verdict) -> Verdict | None:
        """Return the verdict, rejecting where no gain comes again; None where some did not: then judge
        again.
        """
        self.gains_rerun = True
        claims = self._gained(after)
        if not claims:
            return self._with_higher_rates(after, verdict)
        pairs = {claim: FreshPairs() for claim in claims}
        if self._gains_repeat(claims, after):
            return verdict
        evidence = GainEvidence(self.error())
        while not evidence.decided:
            chosen = _next_claims(pairs, evidence.missing)
            if not chosen:
                return self._noise(verdict, pairs)
            for claim, confirms in self._runs.pair(chosen, pairs, first="parent").items():
                evidence.add(pairs[claim], confirms)
        refuted = {("", claim.name) for claim, seen in pairs.items() if seen.lead < 0 and not claim.metric}
        if self.policy.name == "paired" or not refuted:
            return verdict  # its own test weighs the luck on both sides
        self.chance |= refuted
        return None

    def _with_higher_rates(self, after: Evaluation, verdict: Verdict) -> Verdict:
        """Return the verdict where no case is fixed and some pass more often: fresh runs must say the same.

        Without an effect a case passes as often on the one tree alone as on the other: an exact sign test,
        whose error is the candidate's share of the run's.
        """
        train = self._compare(after).of_split("train")
        names = [unit.name for unit in train if unit.difference > 0]
        if not any(self._may_vary(Claim(name), after) for name in names):
            return verdict
        error = self.error() / len(_RATE_LOOKS)
        more = less = 0
        for number in range(1, max(_RATE_LOOKS) + 1):
            for old, new in self._runs.both(names, number).values():
                passes = [item is not None and item.passed for item in (old, new)]
                more += passes == [False, True]
                less += passes == [True, False]
            if number in _RATE_LOOKS and sign_flip_test([1.0] * more + [-1.0] * less) <= error:
                return verdict
            if number in _RATE_LOOKS and more <= less:
                break
        return verdict.model_copy(
            update={
                "accepted": False,
                "stage": "confirm",
                "reason": reasons.no_pass_rate_rose(number, more, less),
            }
        )

    def _gains_repeat(self, claims: Sequence[Claim], after: Evaluation) -> bool:
        """True where gains whose answers come from this machine alone come again as they were.

        A stand-in, or a pipeline that asks nobody, is a function: what it gives twice it gives again.
        """
        steady = [claim for claim in claims if not self._may_vary(claim, after)][:_STEADY]
        return bool(steady) and all(
            self._runs.pair(steady, {claim: FreshPairs() for claim in steady}, first="parent").values()
        )

    def _may_vary(self, claim: Claim, after: Evaluation) -> bool:
        """True where a model that is not on this machine had a part in the case's result."""
        return any(
            not call.offline
            for evaluation in (self.before, after)
            for item in [evaluation.items.get(claim.name)]
            if item is not None
            for call in [*item.test_calls, *_calls_of(evaluation, item)]
        )

    def _noise(self, verdict: Verdict, pairs: dict[Claim, FreshPairs]) -> Verdict:
        asked = [claim for claim, seen in pairs.items() if seen.confirmed + seen.others]
        held = sum(pairs[claim].lead > 0 for claim in asked)
        reason = reasons.gains_did_not_recur(
            len(asked),
            held,
            varying_judges=len(self._runs.judges),
            graded=any(claim.metric for claim in asked),
        )
        flaky = [claim.name for claim in asked if pairs[claim].lead <= 0]
        return verdict.model_copy(
            update={"accepted": False, "stage": "confirm", "reason": reason, "flaky": flaky}
        )

    def _gained(self, after: Evaluation) -> list[Claim]:
        """One per train case, what moved most first."""
        train = self._compare(after).of_split("train")
        claims = [(unit, Claim(unit.name)) for unit in train if unit.fixed]
        for metric in self.policy.objectives:
            if sum(metric_differences(metric, train)) > EQUAL:
                claims += _moved(metric, train, sign=1)
        return list({unit.case: claim for unit, claim in reversed(claims)}.values())[::-1]

    # --- whole splits ---------------------------------------------------------------------------------

    def _with_fresh_samples(self, after: Evaluation, verdict: Verdict) -> Verdict:
        """Return the verdict on what `paired` rejected, by fresh samples where one evaluation is too few."""
        comparison = self._compare(after)
        claims = self._gained(after)
        if self.policy.name != "paired" or not self._open(comparison, verdict):
            return verdict
        if not any(self._may_vary(claim, after) for claim in claims):
            return verdict  # what gives the same again tells nothing new
        if not self.gains_rerun:
            again = self._with_gains(after, verdict.model_copy(update={"accepted": True}))
            if again is not None and not again.accepted:
                return again
        return self._by_samples(FreshSamples(self.before, self._runs.both, self.policy), comparison, verdict)

    def _by_samples(self, samples: FreshSamples, comparison: Comparison, verdict: Verdict) -> Verdict:
        held_out = any(item.split == "holdout" for item in comparison.after.items.values())
        splits: list[Split] = ["train", "val", "holdout"] if held_out else ["train", "val"]
        reason, looked = samples.gain(), "confirm"
        for split in splits[1:]:
            if not reason and comparison.of_split(split):
                reason, looked = samples.loss(split), "suite" if split == "holdout" else split
        worse = [unit for unit in comparison.units if unit.difference < 0]
        luck = {("", unit.name) for unit in worse if not samples.recurs(unit)}
        if not reason and held_out:  # the final proof sees the first evaluation, without what was luck
            known = compare(self.before, comparison.after, chance=self.chance | luck)
            reason = held_out_loss(known, self.policy)[0]
        if not reason:
            self.chance |= luck
        scores = {split: comparison.score(split) for split in splits}
        return samples.verdict(verdict.model_copy(update={"splits": scores}), looked, reason)

    def _open(self, comparison: Comparison, verdict: Verdict) -> bool:
        """True if more data may turn a rejection: something was fixed, and chance alone is against it."""
        after = comparison.after
        stopped = after.dropped_at or not after.complete or verdict.stage == "targeted"
        if verdict.inert or stopped or not self._gained(after):
            return False
        if broken_tests(comparison.units, (None,)) or any(
            metric_loss(comparison, each, self.policy) for each in SPLITS
        ):
            return False
        figures = train_figures(self.policy, comparison.units)
        return figures is not None and figures.chance <= _HOPEFUL

    # --- losses ---------------------------------------------------------------------------------------

    def _lost(self, after: Evaluation) -> list[Claim]:
        """Return the losses that may be chance: of cases only, never of other tests."""
        comparison = self._compare(after)
        ran = [unit for unit in comparison.units if unit.split is not None and comparison.was_run(unit)]
        lost = [Claim(unit.name) for unit in ran if unit.broken] if self.policy.name != "paired" else []
        names = sorted(graded_metrics(ran) - self.policy.unjudged)
        for split in ("train", "val", "holdout"):
            mine = of_split(ran, split)
            for name in names:
                lost += self._fallen(name, mine)
        return lost

    def _compare(self, after: Evaluation) -> Comparison:
        return compare(self.before, after, chance=self.chance)

    def _fallen(self, metric: str, units: list[Unit]) -> list[Claim]:
        """Return the cases in which a metric fell most, as many as its fall rests on; none where it may
        fall.
        """
        differences = metric_differences(metric, units)
        allowed = self.policy.guarded.get(metric, 0.0)
        excess = -sum(differences) - allowed * len(differences)
        if excess <= EQUAL:
            return []
        claims = []
        for unit, claim in _moved(metric, units, sign=-1):
            claims.append(claim)
            excess += metric_differences(metric, [unit])[0]
            if excess <= EQUAL:
                break
        return claims if len(claims) <= _MOST_FALLS else []

    def _losses(self, lost: Sequence[Claim], rounds: int) -> dict[Claim, LossState]:
        """Return the state of each loss after so many rounds of pairs; ends with the first that is real."""
        pairs = {claim: self._pairs.setdefault(claim, FreshPairs()) for claim in lost}
        states: dict[Claim, LossState] = {}
        for _ in range(rounds):
            states = {claim: loss_state(seen, varied=self.varied) for claim, seen in pairs.items()}
            still = [claim for claim, state in states.items() if state == "open"]
            if not still or self._final(states):
                break
            few = still if self.varied else still[:2]
            for claim, confirms in self._runs.pair(few, pairs, first="edited").items():
                pairs[claim].add(confirms)
                self.varied |= not confirms
            if self.varied and not self.gains_rerun:
                break
        return {claim: loss_state(seen, varied=self.varied) for claim, seen in pairs.items()}


def confirmed_verdict(
    confirmation: Confirmation,
    evaluate: Callable[[Chance], Evaluation],
    judge: Callable[[Evaluation, Chance], Verdict],
) -> tuple[Evaluation, Verdict]:
    """Return a candidate's evaluation and the verdict that fresh samples leave standing.

    Args:
        confirmation: of this candidate.
        evaluate: runs it in stages; what is known to be chance does not end it early.
        judge: the gate's verdict on an evaluation.
    """
    after = evaluate(confirmation.chance)
    while True:
        verdict = confirmation.review(after, judge(after, confirmation.chance))
        if verdict is not None:
            return after, verdict
        if after.dropped_at:
            after = evaluate(confirmation.chance)


def _calls_of(evaluation: Evaluation, item: ItemResult) -> Sequence[LLMCall]:
    trace = evaluation.trace_of(item)
    return trace.llm_calls if trace is not None else ()


def _next_claims(pairs: dict[Claim, FreshPairs], missing: int) -> list[Claim]:
    """Return the claims to ask next: those not asked yet, then those that came again most often."""
    new = [claim for claim, seen in pairs.items() if not seen.confirmed + seen.others]
    if new:
        return new[:missing]
    alive = [
        claim
        for claim, seen in pairs.items()
        if seen.lead > -_DEAD and seen.confirmed + seen.others < MOST_PAIRS
    ]
    ahead = [claim for claim in alive if pairs[claim].lead > 0] or alive
    return sorted(ahead, key=lambda claim: -pairs[claim].lead)[:missing]


def _moved(metric: str, units: Iterable[Unit], *, sign: int) -> list[tuple[Unit, Claim]]:
    """Units whose score rose (sign 1) or fell (-1), what moved most first."""
    moved = []
    for unit in units:
        for difference in metric_differences(metric, [unit]):
            if sign * difference > EQUAL:
                middle = unit.metrics[metric][0] + difference / 2
                moved.append((difference, unit, Claim(unit.name, metric, middle)))
    return [(unit, claim) for _, unit, claim in sorted(moved, key=lambda each: -sign * each[0])]
