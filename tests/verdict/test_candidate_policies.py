"""The candidates that policies accept: repeats, gains against losses, a target, graded metrics."""

from __future__ import annotations

import pytest
from support.gate_samples import PAIRED, candidate, cases, evaluation, graded

from pytest_fapo.core.errors import ConfigError
from pytest_fapo.core.settings import Settings
from pytest_fapo.verdict.candidate_gate import judge_cases, judge_suite
from pytest_fapo.verdict.policy import GatePolicy, policy_of

# --- repeats ----------------------------------------------------------------------------------------


def test_a_flaky_test_is_neither_a_gain_nor_a_loss() -> None:
    before = evaluation({"t0": "---", "t1": "+-+", "t2": "+++", "v0": "++-"})
    after = evaluation({"t0": "+++", "t1": "---", "t2": "++-", "v0": "---"})
    verdict = judge_cases(candidate("t0"), before, after)
    assert verdict.accepted, verdict.reason
    assert verdict.fixed == ["test[t0]"]
    assert verdict.broken == []
    assert verdict.flaky == ["test[t1]", "test[v0]"]


def test_what_passed_every_time_and_fails_mostly_is_broken() -> None:
    before = evaluation({"t0": "---", "t1": "+++", "v0": "+++"})
    after = evaluation({"t0": "+++", "t1": "+--", "v0": "+++"})
    verdict = judge_cases(candidate("t0"), before, after)
    assert not verdict.accepted
    assert verdict.stage == "train"
    assert verdict.broken == ["test[t1]"]


def test_repeats_of_a_case_are_one_observation() -> None:
    """Five repeats of one fixed case are no proof; five fixed cases are."""
    others = {f"t{number}": "+++++" for number in range(10, 16)}
    one = evaluation({"t0": "-----", **others})
    assert not judge_cases(
        candidate("t0"), one, evaluation({"t0": "+++++", **others}), policy=PAIRED
    ).accepted
    failing = {f"t{number}": "-----" for number in range(5)}
    fixed = dict.fromkeys(failing, "+++++")
    verdict = judge_cases(
        candidate("t0"), evaluation({**failing, **others}), evaluation({**fixed, **others}), policy=PAIRED
    )
    assert verdict.accepted
    assert verdict.p_value == pytest.approx(1 / 32)
    assert verdict.effect == pytest.approx(5 / 11)


# --- paired -----------------------------------------------------------------------------------------


def test_paired_weighs_gains_against_losses() -> None:
    before = evaluation({**cases("t", "-" * 12 + "+" * 28), **cases("v", "+" * 40)})
    after = evaluation({**cases("t", "+" * 12 + "-" * 2 + "+" * 26), **cases("v", "+" * 40)})
    assert not judge_cases(candidate("t0"), before, after).accepted
    verdict = judge_cases(candidate("t0"), before, after, policy=PAIRED)
    assert verdict.accepted, verdict.reason
    assert verdict.p_value == pytest.approx(sum([1, 14, 91]) / 2**14)
    assert verdict.interval is not None
    assert verdict.interval[0] < 0.25 < verdict.interval[1]


@pytest.mark.parametrize(
    ("train", "val", "said"),
    [
        ("+++" + "-" * 9, "+" * 40, "may be chance (p = 0.12)"),
        ("+" * 12, "-" * 6 + "+" * 34, "val does not exclude a loss of more than 5 points"),
    ],
)
def test_paired_rejects_chance_and_possible_losses(train: str, val: str, said: str) -> None:
    before = evaluation({**cases("t", "-" * 12), **cases("v", "+" * 40)})
    after = evaluation({**cases("t", train), **cases("v", val)})
    verdict = judge_cases(candidate("t0"), before, after, policy=PAIRED)
    assert not verdict.accepted
    assert said in verdict.reason


def test_held_out_cases_are_one_bit_under_paired_too() -> None:
    before = evaluation({**cases("t", "-" * 8), **cases("h", "+" * 20), "u0": "+"})
    after = evaluation({**cases("t", "+" * 8), **cases("h", "-" * 5 + "+" * 15), "u0": "+"})
    verdict = judge_suite(before, after, policy=PAIRED)
    assert not verdict.accepted
    assert verdict.broken_hidden == 5
    assert "test[h" not in verdict.model_dump_json()


@pytest.mark.parametrize("policy", [GatePolicy(), PAIRED, GatePolicy(name="target", target=0.5)])
def test_a_test_without_a_case_is_guarded_under_every_policy(policy: GatePolicy) -> None:
    before = evaluation({**cases("t", "-" * 8), "u0": "+"})
    verdict = judge_suite(before, evaluation({**cases("t", "+" * 8), "u0": "-"}), policy=policy)
    assert not verdict.accepted
    assert "test[u0]" in verdict.reason


# --- observations and figures -----------------------------------------------------------------------


def test_two_tests_on_one_case_are_one_observation() -> None:
    """Both tests of three cases turn green: that is three observations, not six."""
    names = [f"{letter}{number}" for number in range(3) for letter in ("t", "tt")]
    before, after = evaluation(dict.fromkeys(names, "-")), evaluation(dict.fromkeys(names, "+"))
    for side in (before, after):
        for nodeid, item in side.items.items():
            case = str(item.case_id).replace("tt", "t")
            side.items[nodeid] = item.model_copy(update={"case_id": case, "pipeline": "p"})
    verdict = judge_cases(candidate("t0"), before, after, policy=PAIRED)
    assert verdict.p_value == pytest.approx(1 / 8)
    assert not verdict.accepted


@pytest.mark.parametrize(
    ("before_val", "after_val", "accepted"),
    [
        ("-" + "+" * 9, "+" * 10, True),
        ("+" * 10, "+" * 10, True),
        ("+" * 10, "-" + "+" * 9, False),
        ("-" * 6 + "+" * 44, "+" * 6 + "-" + "+" * 43, True),
    ],
    ids=["one gain", "nothing", "one loss of ten", "six gains, one loss"],
)
def test_paired_is_never_stricter_than_strict_on_val(before_val: str, after_val: str, accepted: bool) -> None:
    before = evaluation({**cases("t", "-" * 8), **cases("v", before_val)})
    after = evaluation({**cases("t", "+" * 8), **cases("v", after_val)})
    assert judge_cases(candidate("t0"), before, after, policy=PAIRED).accepted is accepted


def test_tests_are_guarded_beside_a_graded_objective() -> None:
    policy = GatePolicy(name="paired", objectives=("brevity",))
    names = [f"t{number}" for number in range(12)]
    low, high = graded(**dict.fromkeys(names, 0.2)), graded(**dict.fromkeys(names, 0.6))
    passing = evaluation(dict.fromkeys(names, "+"), low)
    kept = judge_cases(candidate(*names), passing, evaluation(dict.fromkeys(names, "+"), high), policy=policy)
    assert kept.accepted, kept.reason
    assert kept.effect == pytest.approx(0.4)
    worse = evaluation({**dict.fromkeys(names, "+"), "t3": "-", "t4": "-"}, high)
    assert "does not exclude a loss" in judge_cases(candidate(*names), passing, worse, policy=policy).reason


def test_a_metric_that_is_no_longer_recorded_has_fallen() -> None:
    results = {"t0": "-", "t1": "+", "v0": "+"}
    before = evaluation(results, graded(t1=-3.0, v0=-1.0))
    after = evaluation({**results, "t0": "+"}, graded(t1=-3.0))
    assert "'brevity' fell by 2 on val" in judge_cases(candidate("t0"), before, after).reason


def test_demonstrations_are_no_gain() -> None:
    quoting = candidate("t0", "t1").model_copy(update={"demonstrations": ["t0"]})
    before, after = evaluation({"t0": "-", "t1": "-"}), evaluation({"t0": "+", "t1": "-"})
    assert not judge_cases(quoting, before, after).accepted
    assert judge_cases(quoting, before, evaluation({"t0": "+", "t1": "+"})).fixed == ["test[t1]"]


def test_the_proof_tells_effect_and_chance_too() -> None:
    before = evaluation({**cases("t", "-" * 8 + "+" * 8), "u0": "+"})
    after = evaluation({**cases("t", "+" * 16), "u0": "+"})
    verdict = judge_suite(before, after, policy=PAIRED)
    assert verdict.accepted
    assert verdict.reason == "8 tests fixed, nothing broken; train +50.0 points, p = 0.0039"
    assert judge_suite(before, after).p_value is None, "strict without repeats speaks of no chance"


# --- target -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("val", "accepted"), [("++++", True), ("+++-", True), ("++--", False), ("----", False)]
)
def test_target_lets_a_split_fall_to_the_target_and_no_further(val: str, accepted: bool) -> None:
    policy = GatePolicy(name="target", target=0.75)
    before = evaluation({**cases("t", "--++"), **cases("v", "++++")})
    after = evaluation({**cases("t", "+++-"), **cases("v", val)})
    assert judge_cases(candidate("t0"), before, after, policy=policy).accepted is accepted


def test_target_below_the_target_may_not_fall_at_all() -> None:
    policy = GatePolicy(name="target", target=0.9)
    before = evaluation({"t0": "-", **cases("v", "++--")})
    after = evaluation({"t0": "+", **cases("v", "+---")})
    assert (
        "the val score fell below 50 %" in judge_cases(candidate("t0"), before, after, policy=policy).reason
    )


def test_target_needs_a_target() -> None:
    with pytest.raises(ConfigError, match="--fapo-target"):
        policy_of(Settings(policy="target"))
    assert policy_of(Settings(), name="target", target=0.5).target == 0.5


# --- metrics ----------------------------------------------------------------------------------------


def test_other_metrics_are_guarded() -> None:
    results, fixed = {"t0": "-", "t1": "+", "v0": "+"}, {"t0": "+", "t1": "+", "v0": "+"}
    before = evaluation(results, graded(t0=0.5, t1=0.5, v0=0.9))
    after = evaluation(fixed, graded(t0=0.5, t1=0.5, v0=0.7))
    verdict = judge_cases(candidate("t0"), before, after)
    assert not verdict.accepted
    assert verdict.reason == "the metric 'brevity' fell by 0.2 on val"
    assert judge_cases(candidate("t0"), before, after, policy=GatePolicy(guarded={"brevity": 0.25})).accepted


def test_a_graded_objective_must_rise_and_tests_must_not_break() -> None:
    policy = GatePolicy(objectives=("brevity",))
    results = {"t0": "-", "t1": "+", "v0": "+"}
    before = evaluation(results, graded(t0=0.2, t1=0.5, v0=0.9))
    better = evaluation(results, graded(t0=0.6, t1=0.5, v0=0.9))
    assert judge_cases(candidate("t0"), before, better, policy=policy).accepted
    worse = evaluation(results, graded(t0=0.6, t1=0.5, v0=0.8))
    assert "'brevity' fell by 0.1 on val" in judge_cases(candidate("t0"), before, worse, policy=policy).reason
    broken = evaluation({**results, "t1": "-"}, graded(t0=0.6, t1=0.5, v0=0.9))
    assert not judge_cases(candidate("t0"), before, broken, policy=policy).accepted


def test_answers_that_have_become_steady_are_a_gain_under_strict() -> None:
    varying = {f"t{number}": "+-+" for number in range(12)}
    steady = {f"t{number}": "+++" for number in range(12)}
    fixed = {f"t{number}": "+++" for number in range(20, 30)}
    before = evaluation({**varying, **fixed, "v0": "+++"})
    assert judge_cases(candidate("t0"), before, evaluation({**steady, **fixed, "v0": "+++"})).accepted
    few = evaluation({**varying, **{f"t{number}": "+++" for number in range(4)}, **fixed, "v0": "+++"})
    assert not judge_cases(candidate("t0"), before, few).accepted


def test_quoted_cases_count_in_no_score_and_are_guarded_all_the_same() -> None:
    quoting = candidate("t0", "t1").model_copy(update={"demonstrations": ["t0"]})
    before = evaluation({"t0": "-", "t1": "-", "t2": "+", "v0": "+"})
    alone = judge_cases(quoting, before, evaluation({"t0": "+", "t1": "-", "t2": "+", "v0": "+"}))
    assert not alone.accepted, "that the quoted case itself passes proves nothing"
    verdict = judge_cases(quoting, before, evaluation({"t0": "+", "t1": "+", "t2": "+", "v0": "+"}))
    assert verdict.accepted
    assert verdict.fixed == ["test[t1]"]
    assert (verdict.splits["train"].before, verdict.splits["train"].after) == (0.5, 1.0)
    passing = evaluation({"t0": "+", "t1": "-", "t2": "+"}).not_counting(["t0"])
    assert not judge_suite(passing, evaluation({"t0": "-", "t1": "+", "t2": "+"})).accepted
