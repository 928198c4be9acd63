"""Edits that change nothing, beside answers that vary; and the fresh samples that unmask them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from support.gate_samples import CALL, PAIRED, candidate, cases, evaluation, graded

from benchmarks._null_edits import Noise, candidates_judged
from pytest_fapo.core.candidate import Verdict
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.trace import LLMCall
from pytest_fapo.verdict.candidate_gate import judge_cases
from pytest_fapo.verdict.comparison import unsteady_metrics
from pytest_fapo.verdict.confirmation import Confirmation
from pytest_fapo.verdict.fresh_samples import Tree
from pytest_fapo.verdict.policy import GatePolicy
from pytest_fapo.verdict.statistics import (
    RUN_ERROR,
    FreshPairs,
    GainEvidence,
    allowed_error,
    loss_state,
)

STRICT, TARGET = GatePolicy(), GatePolicy(name="target", target=0.95)
GRADED = GatePolicy(objectives=("brevity",))
FIXED = Verdict(accepted=True, reason="fixed")


class Trees:
    """Two trees whose cases answer as told; notes what is asked.

    Args:
        parent: results of a case's fresh samples, in order; the last one holds on.
        edited: the same with the edit.
        scores: by tree and case, the score of each fresh sample.
    """

    def __init__(
        self,
        parent: Mapping[str, str],
        edited: Mapping[str, str],
        scores: Mapping[Tree, Mapping[str, float]] | None = None,
    ) -> None:
        self.answers: dict[Tree, Mapping[str, str]] = {"parent": parent, "edited": edited}
        self.scores = scores or {}
        self.asked: list[tuple[Tree, str, int]] = []

    def __call__(self, tree: Tree, names: Sequence[str], sample: int) -> Evaluation:
        self.asked += [(tree, name, sample) for name in names]
        marks = {name[5:-1]: self.answers[tree].get(name[5:-1], "-") for name in names}
        given = {case: told[min(sample, len(told)) - 1] for case, told in marks.items()}
        return evaluation(given, graded(**dict(self.scores.get(tree, {}))))


def confirmation(
    before: Evaluation, trees: Trees, policy: GatePolicy = STRICT, number: int = 1
) -> Confirmation:
    return Confirmation(before, trees, lambda: allowed_error(number), policy)


def with_calls(made: Evaluation, call: LLMCall | None) -> Evaluation:
    for name, trace in made.traces.items():
        made.traces[name] = trace.model_copy(update={"llm_calls": [] if call is None else [call]})
    return made


# --- the test --------------------------------------------------------------------------------------


def test_what_the_candidates_of_a_run_may_use_up_adds_up_to_the_runs_error() -> None:
    assert sum(allowed_error(number) for number in range(1, 5000)) == pytest.approx(RUN_ERROR, rel=1e-3)
    assert sum(allowed_error(number) for number in range(1, 5000)) <= RUN_ERROR


@pytest.mark.parametrize("luck", [0.05, 0.2, 0.5, 0.8])
@pytest.mark.parametrize("number_of_cases", [1, 8])
def test_luck_is_called_a_gain_no_more_often_than_stated(luck: float, number_of_cases: int) -> None:
    """Whatever case is asked next, as long as one likes."""
    draw, error, wrong = random.Random(f"{luck}{number_of_cases}"), 0.05, 0
    for _ in range(400):
        evidence, pairs = GainEvidence(error), [FreshPairs() for _ in range(number_of_cases)]
        for _ in range(60):
            case = max(pairs, key=lambda each: (each.lead, draw.random()))
            evidence.add(case, draw.random() >= luck and draw.random() < luck)
            if evidence.decided:
                wrong += 1
                break
    assert wrong <= 400 * error + 3 * (400 * error * (1 - error)) ** 0.5


@pytest.mark.parametrize(("number", "pairs"), [(1, 4), (2, 5), (3, 6), (10, 8)])
def test_what_always_comes_again_takes_few_pairs(number: int, pairs: int) -> None:
    for spread in (1, pairs):  # one case again and again, or one pair of each
        evidence, asked = GainEvidence(allowed_error(number)), [FreshPairs() for _ in range(spread)]
        taken = 0
        while not evidence.decided:
            evidence.add(asked[taken % spread], True)
            taken += 1
        assert taken <= pairs


@pytest.mark.parametrize(
    ("confirmed", "others", "varied", "state"),
    [
        (2, 0, False, "real"),
        (2, 0, True, "open"),
        (3, 0, True, "real"),
        (4, 2, True, "open"),
        (0, 2, True, "open"),
        (0, 3, True, "chance"),
        (1, 4, True, "chance"),
    ],
)
def test_a_loss_is_real_where_it_comes_again(confirmed: int, others: int, varied: bool, state: str) -> None:
    assert loss_state(FreshPairs(confirmed, others), varied=varied) == state


# --- gains -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [STRICT, PAIRED, TARGET], ids=lambda policy: policy.name)
@pytest.mark.parametrize(
    ("parent", "edited", "accepted"),
    [("-", "+", True), ("-", "-", False), ("+", "+", False), ("-+", "-+", False)],
    ids=["real", "the edited tree was lucky", "the parent was unlucky", "both vary"],
)
def test_a_gain_counts_where_it_comes_again_on_both_trees(
    policy: GatePolicy, parent: str, edited: str, accepted: bool
) -> None:
    names = [f"t{number}" for number in range(6)]
    before, after = evaluation(cases("t", "-" * 6)), evaluation(cases("t", "+" * 6))
    trees = Trees(dict.fromkeys(names, parent * 20), dict.fromkeys(names, edited * 20))
    reviewed = confirmation(before, trees, policy).review(after, FIXED)
    assert reviewed is not None
    assert reviewed.accepted is accepted
    assert accepted or (reviewed.stage == "confirm" and reviewed.reason.startswith("noise: "))


def test_few_are_asked_and_the_second_tree_only_where_the_first_leaves_it_open() -> None:
    before = evaluation({**cases("t", "-" * 20), **cases("v", "-" * 5)})
    after = evaluation({**cases("t", "+" * 20), **cases("v", "+" * 5)})
    real = Trees({}, {f"t{number}": "+" for number in range(20)})
    assert confirmation(before, real).review(after, FIXED) is FIXED
    assert [name for tree, name, _ in real.asked if tree == "parent"] == [f"test[t{n}]" for n in range(4)]
    assert len(real.asked) == 8
    unlucky = Trees({f"t{number}": "+" for number in range(20)}, {})
    judged = confirmation(before, unlucky).review(after, FIXED)
    assert judged is not None
    assert not judged.accepted
    assert {tree for tree, _, _ in unlucky.asked} == {"parent"}


@pytest.mark.parametrize("call", [None, CALL.model_copy(update={"offline": True})], ids=["none", "offline"])
def test_answers_of_this_machine_are_asked_once_and_believed_where_they_are_the_same(
    call: LLMCall | None,
) -> None:
    before = with_calls(evaluation(cases("t", "--")), call)
    after = with_calls(evaluation(cases("t", "++")), call)
    trees = Trees({}, {"t0": "+", "t1": "+"})
    assert confirmation(before, trees).review(after, FIXED) is FIXED
    assert len(trees.asked) == 4
    draws = Trees({}, {"t0": "-", "t1": "+-"})
    judged = confirmation(before, draws).review(after, FIXED)
    assert judged is not None
    assert not judged.accepted, "a stand-in that draws lots is no exception"


def test_a_judge_that_is_asked_in_the_test_may_vary() -> None:
    """The pipeline asks nobody; the model that judges its output does."""
    before = with_calls(evaluation(cases("t", "-")), None)
    after = with_calls(evaluation(cases("t", "+")), None)
    for side in (before, after):
        item = side.items["test[t0]"]
        side.items["test[t0]"] = item.model_copy(update={"test_calls": [CALL]})
    lucky = Trees({}, {"t0": "+---"})
    judged = confirmation(before, lucky).review(after, FIXED)
    assert judged is not None
    assert not judged.accepted


def test_a_judge_that_contradicts_itself_is_named() -> None:
    """The same output on both trees and in every sample; the judge says one thing and then another."""
    asked = {"messages": ["PASS or FAIL? Hello"], "status": 200}

    def side(mark: str) -> Evaluation:
        made = with_calls(evaluation(cases("t", mark)), None)
        call = CALL.model_copy(update={**asked, "answer": "PASS" if mark == "+" else "FAIL"})
        made.items["test[t0]"] = made.items["test[t0]"].model_copy(update={"test_calls": [call]})
        return made

    fresh = Confirmation(side("-"), lambda tree, names, sample: side("+"), lambda: allowed_error(1), STRICT)
    judged = fresh.review(side("+"), FIXED)
    assert judged is not None
    assert judged.reason.endswith("; the judge varies over the same output (1 case)")


def test_fixed_cases_that_do_not_come_again_do_not_count() -> None:
    before = evaluation({**cases("t", "-" * 7), "v0": "+"})
    after = evaluation({**cases("t", "+" * 7), "v0": "+"})
    trees = Trees({"t0": "+"}, {f"t{number}": "+" for number in range(7)})
    fresh = confirmation(before, trees)
    assert fresh.review(after, FIXED) is None, "judged again without what was luck"
    again = judge_cases(candidate("t0", "t1"), before, after, chance=fresh.chance)
    assert again.accepted
    assert "test[t0]" not in again.fixed
    assert again.flaky == ["test[t0]"]
    alone = judge_cases(candidate("t0"), before, evaluation({**cases("t", "+" + "-" * 6), "v0": "+"}))
    assert alone.accepted
    only = evaluation({**cases("t", "+" + "-" * 6), "v0": "+"})
    assert not judge_cases(candidate("t0"), before, only, chance=fresh.chance).accepted


@pytest.mark.parametrize(("edited", "accepted"), [(0.9, True), (0.6, True), (0.5, False), (0.2, False)])
def test_a_graded_gain_is_confirmed_where_the_scores_lie_apart_again(edited: float, accepted: bool) -> None:
    before = evaluation({"t0": "+", "t1": "+", "t2": "+"}, graded(t0=0.3, t1=0.3, t2=0.5))
    after = evaluation({"t0": "+", "t1": "+", "t2": "+"}, graded(t0=0.8, t1=0.9, t2=0.5))
    low, high = {"t0": 0.3, "t1": 0.3}, {"t0": edited, "t1": edited}
    trees = Trees({}, {}, {"parent": low, "edited": high})
    judged = confirmation(before, trees, GRADED).review(after, FIXED)
    assert judged is not None
    assert judged.accepted is (accepted and edited >= 0.6)
    assert trees.asked[0][1] == "test[t1]", "what rose most comes first"


# --- losses ----------------------------------------------------------------------------------------


def lossy(lost: str) -> tuple[Evaluation, Evaluation]:
    """Six cases fixed, and one of each split named in `lost` that passed fails."""
    before = {**cases("t", "-" * 6 + "+"), "v0": "+", "h0": "+", "u0": "+"}
    after = {**cases("t", "+" * 7), "v0": "+", "h0": "+", "u0": "+"}
    after[lost] = "-"
    return evaluation(before), evaluation(after)


@pytest.mark.parametrize("lost", ["t6", "v0", "h0"])
@pytest.mark.parametrize(
    ("parent", "edited", "luck"),
    [("+", "-", False), ("+", "+", True), ("-", "-", True)],
    ids=["real", "the edited tree was unlucky", "the parent was lucky"],
)
def test_a_loss_vetoes_where_it_comes_again(lost: str, parent: str, edited: str, luck: bool) -> None:
    before, after = lossy(lost)
    gains = {f"t{number}": "+" for number in range(6)}
    trees = Trees({lost: parent}, {**gains, lost: edited})
    refused = Verdict(accepted=False, reason="1 test that passed before fails now", broken=[f"test[{lost}]"])
    fresh = confirmation(before, trees)
    reviewed = fresh.review(after, refused)
    assert reviewed is (None if luck else refused)
    assert fresh.chance == (frozenset({("", f"test[{lost}]")}) if luck else frozenset())


def test_a_test_without_a_case_is_never_excused() -> None:
    before, after = lossy("u0")
    trees = Trees({"u0": "+"}, {"u0": "+"})
    refused = Verdict(accepted=False, reason="broke what passed before: test[u0]", broken=["test[u0]"])
    assert confirmation(before, trees).review(after, refused) is refused
    assert trees.asked == []


def test_where_losses_vary_the_gains_are_asked_before_the_rest_is_paid_for() -> None:
    before, after = lossy("t6")
    trees = Trees({"t6": "+"}, {"t6": "+"})  # the loss was luck, and so were the gains
    judged = confirmation(before, trees).review(after, Verdict(accepted=False, reason="broke t6"))
    assert judged is not None
    assert judged.stage == "confirm"
    assert sum(name == "test[t6]" for _, name, _ in trees.asked) == 1


@pytest.mark.parametrize(("edited", "luck"), [(0.9, True), (0.1, False)])
def test_a_metric_that_fell_by_luck_of_its_judge_rejects_nothing(edited: float, luck: bool) -> None:
    results = {**cases("t", "+" * 7), "v0": "+", "v1": "+"}
    was: dict[str, Any] = {"v0": 0.9, "v1": 0.5}
    before = evaluation({**results, **cases("t", "-" * 6)}, graded(**was))
    after = evaluation(results, graded(**{**was, "v0": 0.1}))
    refused = judge_cases(candidate("t0"), before, after)
    assert "'brevity' fell" in refused.reason
    gains = {f"t{number}": "+" for number in range(6)}
    trees = Trees({}, gains, {"parent": {"v0": 0.9}, "edited": {"v0": edited}})
    fresh = confirmation(before, trees)
    assert (fresh.review(after, refused) is None) is luck
    assert judge_cases(candidate("t0"), before, after, chance=fresh.chance).accepted is luck


# --- whole runs, simulated -------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("noise", [Noise(luck=0.2), Noise(flip=0.1), Noise(fail=0.05, luck=0.05)], ids=str)
@pytest.mark.parametrize(
    ("policy", "repeats"), [(STRICT, 1), (STRICT, 3), (TARGET, 1)], ids=["strict", "strict x 3", "target"]
)
def test_noise_is_not_accepted_and_a_right_edit_is(noise: Noise, policy: GatePolicy, repeats: int) -> None:
    """A small part of `python -m benchmarks noise`."""
    nothing = [
        candidates_judged(noise, policy, repeats, seed, right=False, candidates=8) for seed in range(3)
    ]
    assert sum(one.null for one in nothing) == 0
    helped = [candidates_judged(noise, policy, repeats, seed, right=True, candidates=4) for seed in range(3)]
    assert sum(one.right for one in helped) >= 2


# --- metrics that measure a clock --------------------------------------------------------------------


def timed(hit: bool, **scores: float) -> Evaluation:
    made = evaluation({"t0": "-", "v0": "+"}, {name: {"speed": value} for name, value in scores.items()})
    return with_calls(made, CALL.model_copy(update={"cache_hit": hit}))


@pytest.mark.parametrize(
    ("again", "hit", "unsteady"), [(-0.1, True, ["speed"]), (-0.9, True, []), (-0.1, False, [])]
)
def test_a_metric_that_differs_on_the_same_answers_is_not_judged(
    again: float, hit: bool, unsteady: list[str]
) -> None:
    assert unsteady_metrics(timed(False, v0=-0.9), timed(hit, v0=again)) == unsteady
    policy = GatePolicy(unjudged=frozenset(unsteady))
    before = evaluation({"t0": "-", "v0": "+"}, {"v0": {"speed": -0.1}})
    after = evaluation({"t0": "+", "v0": "+"}, {"v0": {"speed": -0.9}})
    assert judge_cases(candidate("t0"), before, after, policy=policy).accepted is bool(unsteady)
