"""Policy `paired`: what one evaluation leaves open is decided by fresh samples of whole splits."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import pytest
from support.gate_samples import CALL, PAIRED, candidate, cases, evaluation

from pytest_fapo.core.candidate import Verdict
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.settings import Policy
from pytest_fapo.core.trace import LLMCall
from pytest_fapo.verdict.candidate_gate import judge_cases, judge_suite
from pytest_fapo.verdict.confirmation import Confirmation
from pytest_fapo.verdict.fresh_samples import LOOKS, FreshSamples, Pair, Tree
from pytest_fapo.verdict.policy import GatePolicy
from pytest_fapo.verdict.statistics import allowed_error

BEFORE = {**cases("t", "-----" + "+" * 15), **cases("v", "+" * 20), **cases("h", "+" * 10), "u0": "+"}
FIXED = {f"t{number}": "+" for number in range(5)}
UNLUCKY = {**BEFORE, **FIXED, "t10": "-", "t11": "-", "v0": "-", "v1": "-", "h0": "-", "h1": "-"}
"""Five cases fixed, and two of each split that failed this once."""


class Answers:
    """Two trees whose cases answer alike in every fresh sample; notes what is asked."""

    def __init__(self, parent: Mapping[str, str], edited: Mapping[str, str]) -> None:
        self.results: dict[Tree, Mapping[str, str]] = {"parent": parent, "edited": edited}
        self.asked: list[tuple[Tree, str, int]] = []

    def __call__(self, tree: Tree, names: Sequence[str], sample: int) -> Evaluation:
        self.asked += [(tree, name, sample) for name in names]
        return evaluation({name[5:-1]: self.results[tree][name[5:-1]] for name in names})

    def times(self, tree: Tree, name: str) -> int:
        return sum((tree, f"test[{name}]") == (where, case) for where, case, _ in self.asked)


def judged(before: Evaluation, after: Evaluation) -> Verdict:
    found = judge_cases(candidate(*FIXED), before, after, policy=PAIRED)
    return judge_suite(before, after, policy=PAIRED) if found.accepted else found


def reviewed(
    after: Mapping[str, str], answers: Answers, before: Evaluation | None = None
) -> tuple[Verdict, Confirmation]:
    known, changed = before or evaluation(BEFORE), evaluation(after)
    first = judged(known, changed)
    assert not first.accepted
    confirmation = Confirmation(known, answers, lambda: allowed_error(1), PAIRED)
    found = confirmation.review(changed, first)
    assert found is not None
    return found, confirmation


def test_a_gain_inside_the_noise_of_one_evaluation_is_accepted_by_fresh_samples() -> None:
    answers = Answers(BEFORE, {**BEFORE, **FIXED})
    verdict, confirmation = reviewed(UNLUCKY, answers)
    assert verdict.accepted
    assert "fresh samples on both trees train +25.0 points" in verdict.reason
    assert verdict.effect == pytest.approx(0.25)
    assert verdict.p_value is not None
    assert verdict.p_value < 0.01
    lost = {name for name, mark in UNLUCKY.items() if mark == "-"}
    assert {name for _, name in confirmation.chance} == {f"test[{name}]" for name in lost}
    # The final proof judges the first evaluation again, and comes to the same.
    proof = judge_suite(evaluation(BEFORE), evaluation(UNLUCKY), policy=PAIRED, chance=confirmation.chance)
    assert proof.accepted


def test_whole_splits_are_asked_only_of_edits_whose_gains_came_again() -> None:
    answers = Answers(BEFORE, BEFORE)
    verdict, _ = reviewed(UNLUCKY, answers)
    assert (verdict.accepted, verdict.stage) == (False, "confirm")
    assert verdict.reason.startswith("noise: ")
    assert {name for _, name, _ in answers.asked} <= {f"test[{name}]" for name in FIXED}


@pytest.mark.parametrize(
    ("lost", "stage", "said"),
    [
        (["v0", "v1", "v2"], "val", "val does not exclude a loss"),
        (["h0", "h1"], "suite", "the held-out cases do not exclude a loss"),
    ],
)
def test_a_loss_that_stays_in_fresh_samples_rejects(lost: list[str], stage: str, said: str) -> None:
    verdict, confirmation = reviewed(
        UNLUCKY, Answers(BEFORE, {**BEFORE, **FIXED, **dict.fromkeys(lost, "-")})
    )
    assert (verdict.accepted, verdict.stage) == (False, stage)
    assert verdict.reason.startswith(said)
    assert stage != "suite" or verdict.reason == said  # no figure of the held-out cases
    assert confirmation.chance == frozenset()


def test_gains_that_losses_outweigh_reject() -> None:
    harmed = {f"t{number}": "-" for number in range(10, 17)}
    verdict, _ = reviewed(UNLUCKY, Answers(BEFORE, {**BEFORE, **FIXED, **harmed}))
    assert (verdict.accepted, verdict.stage) == (False, "confirm")
    assert "train did not rise" in verdict.reason


@pytest.mark.parametrize(
    "changed", [{"u0": "-"}, dict.fromkeys(FIXED, "-")], ids=["a test broke", "none fixed"]
)
def test_what_no_sample_can_turn_is_not_asked(changed: Mapping[str, str]) -> None:
    answers = Answers(BEFORE, {**BEFORE, **FIXED})
    verdict, _ = reviewed({**UNLUCKY, **changed}, answers)
    assert not verdict.accepted
    assert answers.asked == []


@pytest.mark.parametrize("call", [None, CALL.model_copy(update={"offline": True})], ids=["none", "offline"])
def test_answers_of_this_machine_are_not_asked_for_again(call: LLMCall | None) -> None:
    before, after = evaluation(BEFORE), evaluation(UNLUCKY)
    for made in (before, after):
        for name, trace in made.traces.items():
            made.traces[name] = trace.model_copy(update={"llm_calls": [] if call is None else [call]})
    answers = Answers(BEFORE, {**BEFORE, **FIXED})
    first = judged(before, after)
    assert not first.accepted
    assert Confirmation(before, answers, lambda: allowed_error(1), PAIRED).review(after, first) is first
    assert answers.asked == []


def test_a_split_is_asked_no_longer_than_it_is_open() -> None:
    answers = Answers(BEFORE, {**BEFORE, **FIXED})
    reviewed(UNLUCKY, answers)
    assert answers.times("edited", "t19") in LOOKS
    assert answers.times("edited", "t19") < max(LOOKS)
    assert answers.times("edited", "v19") == min(LOOKS)
    assert answers.times("parent", "v19") == min(LOOKS)


@pytest.mark.slow
@pytest.mark.parametrize("passing", [0.5, 0.9])
def test_luck_is_no_gain_in_more_of_the_looks_than_the_policy_allows(passing: float) -> None:
    """Over all looks together, whatever the cases' chances are."""
    draw, runs, wrong = random.Random(str(passing)), 60, 0
    before = evaluation(cases("t", "-" * 8))
    results = [evaluation(cases("t", mark * 8)).items for mark in "-+"]
    assert sum(LOOKS.values()) == 1

    def sample(names: Sequence[str], _: int) -> dict[str, Pair]:
        old, new = ([results[draw.random() < passing][name] for name in names] for _ in range(2))
        return dict(zip(names, zip(old, new, strict=True), strict=True))

    for _ in range(runs):
        wrong += not FreshSamples(before, sample, PAIRED).gain()
    error = 1 - PAIRED.confidence
    assert wrong <= runs * error + 3 * (runs * error * (1 - error)) ** 0.5


# --- cases that became steady ----------------------------------------------------------------------

VARIED = dict.fromkeys(cases("t", "." * 12), "+-+")
STEADY = dict.fromkeys(VARIED, "+++")


class Draws(Answers):
    """Two trees whose cases pass with a probability in each fresh sample."""

    def __init__(self, **passing: float) -> None:
        super().__init__({}, {})
        self.passing, self.draw = passing, random.Random(1)

    def __call__(self, tree: Tree, names: Sequence[str], sample: int) -> Evaluation:
        self.asked += [(tree, name, sample) for name in names]
        return evaluation({name[5:-1]: "-+"[self.draw.random() < self.passing[tree]] for name in names})


@pytest.mark.parametrize("policy", ["strict", "target", "paired"])
@pytest.mark.parametrize(
    ("edited", "accepted"), [(1.0, True), (0.6, False)], ids=["became steady", "was lucky"]
)
def test_what_passes_more_often_counts_where_fresh_runs_say_so(
    policy: Policy, edited: float, accepted: bool
) -> None:
    before, after = evaluation(VARIED), evaluation(STEADY)
    chosen = GatePolicy(name=policy, target=0.9)
    first = judge_cases(candidate(*VARIED), before, after, policy=chosen)
    if policy == "strict":
        assert first.accepted  # by `steadied`: no single case is fixed
    first = first.model_copy(update={"accepted": True})
    answers = Draws(parent=0.6, edited=edited)
    found = Confirmation(before, answers, lambda: allowed_error(1), chosen).review(after, first)
    assert found is not None
    assert found.accepted is accepted
    assert accepted or (found.stage == "confirm" and "fresh runs on both trees" in found.reason)
    assert answers.asked != []
