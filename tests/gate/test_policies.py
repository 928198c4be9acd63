"""Policies on evaluations made by hand: repeats, metrics, statistics, confirmation, runs without effect."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import cache

import pytest

from pytest_fapo.config import Settings
from pytest_fapo.errors import ConfigError
from pytest_fapo.gate import GatePolicy, confirmed, judge_cases, judge_suite, policy_of, to_confirm
from pytest_fapo.gate.statistics import mean_interval, sign_flip_test, sign_test
from pytest_fapo.models import Candidate, Evaluation, ItemResult, LLMCall, Split, Trace, Verdict

SPLITS: dict[str, Split | None] = {"t": "train", "v": "val", "h": "holdout", "u": None}
PAIRED = GatePolicy(name="paired")
CALL = LLMCall(key="k", api="chat.completions", url="http://x")


def evaluation(
    results: Mapping[str, str], scores: Mapping[str, Mapping[str, float]] | None = None
) -> Evaluation:
    """Unit to the results of its repeats, `+` passed, `-` failed; t… train, v… val, h… holdout, u… none."""
    found = [
        result(name, repeat, mark, tuple((scores or {}).get(name, {}).items()))
        for name, marks in results.items()
        for repeat, mark in enumerate(marks, start=1)
    ]
    return Evaluation.model_construct(
        items={item.nodeid: item for item, _ in found},
        traces={item.nodeid: trace for item, trace in found},
    )


@cache
def result(
    name: str, repeat: int, mark: str, scores: tuple[tuple[str, float], ...]
) -> tuple[ItemResult, Trace]:
    """One item and its trace; equal ones are the same, since the simulations need very many."""
    nodeid = f"test[{name}]" if repeat == 1 else f"test[{name}~r{repeat}]"
    item = ItemResult.model_construct(
        nodeid=nodeid,
        outcome="passed" if mark == "+" else "failed",
        split=SPLITS[name[0]],
        case_id=name if SPLITS[name[0]] else None,
        repeat=repeat,
        scores=dict(scores),
        trace_id=nodeid,
    )
    return item, Trace.model_construct(pipeline="p", case_id=name, llm_calls=[CALL])


def candidate(*names: str) -> Candidate:
    targets = [f"test[{name}]" for name in names]
    return Candidate(edits=[], hypothesis="", proposer="playbook", technique="x", targets=targets)


# --- repeats ------------------------------------------------------------------------------------------


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
    """Five repeats of one mended case are no proof; five mended cases are."""
    others = {f"t{number}": "+++++" for number in range(10, 16)}
    one = evaluation({"t0": "-----", **others})
    assert not judge_cases(
        candidate("t0"), one, evaluation({"t0": "+++++", **others}), policy=PAIRED
    ).accepted
    failing = {f"t{number}": "-----" for number in range(5)}
    mended = dict.fromkeys(failing, "+++++")
    verdict = judge_cases(
        candidate("t0"), evaluation({**failing, **others}), evaluation({**mended, **others}), policy=PAIRED
    )
    assert verdict.accepted
    assert verdict.p_value == pytest.approx(1 / 32)
    assert verdict.effect == pytest.approx(5 / 11)


# --- paired -------------------------------------------------------------------------------------------


def cases(letter: str, marks: str) -> dict[str, str]:
    return {f"{letter}{number}": mark for number, mark in enumerate(marks)}


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


# --- target -------------------------------------------------------------------------------------------


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
    assert "the val score fell below 50%" in judge_cases(candidate("t0"), before, after, policy=policy).reason


def test_target_needs_a_target() -> None:
    with pytest.raises(ConfigError, match="--fapo-target"):
        policy_of(Settings(policy="target"))
    assert policy_of(Settings(), name="target", target=0.5).target == 0.5


# --- metrics ------------------------------------------------------------------------------------------


def graded(**means: float) -> dict[str, dict[str, float]]:
    return {name: {"brevity": value} for name, value in means.items()}


def test_other_metrics_are_guarded() -> None:
    results, mended = {"t0": "-", "t1": "+", "v0": "+"}, {"t0": "+", "t1": "+", "v0": "+"}
    before = evaluation(results, graded(t0=0.5, t1=0.5, v0=0.9))
    after = evaluation(mended, graded(t0=0.5, t1=0.5, v0=0.7))
    verdict = judge_cases(candidate("t0"), before, after)
    assert not verdict.accepted
    assert verdict.reason == "the metric 'brevity' fell by 0.2 on val"
    assert judge_cases(candidate("t0"), before, after, policy=GatePolicy(guarded={"brevity": 0.25})).accepted


def test_a_graded_objective_must_rise_and_tests_must_not_break() -> None:
    policy = GatePolicy(objective="brevity")
    results = {"t0": "-", "t1": "+", "v0": "+"}
    before = evaluation(results, graded(t0=0.2, t1=0.5, v0=0.9))
    better = evaluation(results, graded(t0=0.6, t1=0.5, v0=0.9))
    assert judge_cases(candidate("t0"), before, better, policy=policy).accepted
    worse = evaluation(results, graded(t0=0.6, t1=0.5, v0=0.8))
    assert "'brevity' on val fell" in judge_cases(candidate("t0"), before, worse, policy=policy).reason
    broken = evaluation({**results, "t1": "-"}, graded(t0=0.6, t1=0.5, v0=0.9))
    assert not judge_cases(candidate("t0"), before, broken, policy=policy).accepted


# --- statistics ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_the_statistics_are_those_of_scipy(seed: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    draw = random.Random(seed)
    gains, losses = draw.randint(0, 12), draw.randint(1, 12)
    exact = stats.binomtest(gains, gains + losses, 0.5, alternative="greater").pvalue
    assert sign_test(gains, losses) == pytest.approx(exact)
    few = [round(draw.uniform(-0.2, 0.6), 3) for _ in range(10)]
    many = [round(draw.uniform(-0.3, 0.5), 3) for _ in range(60)]
    for differences, tolerance in ((few, 1e-9), (many, 0.02)):
        assert sum(differences) > 0
        theirs = stats.permutation_test(
            (differences,), sum, permutation_type="samples", alternative="greater", n_resamples=20_000
        )
        assert sign_flip_test(differences) == pytest.approx(theirs.pvalue, abs=tolerance)
    low, high = mean_interval(many, 0.95)
    mean = sum(many) / len(many)
    theirs_low, theirs_high = stats.t.interval(0.95, len(many) - 1, loc=mean, scale=stats.sem(many))
    assert low == pytest.approx(theirs_low)
    assert high == pytest.approx(theirs_high)


# --- runs in which nothing changes ---------------------------------------------------------------------

TRAIN, VAL, NOISE = 50, 50, 0.05


def noisy(draw: random.Random, repeats: int) -> Evaluation:
    """Every case is right but for call noise."""
    names = [f"t{number}" for number in range(TRAIN)] + [f"v{number}" for number in range(VAL)]
    return evaluation(
        {name: "".join("-" if draw.random() < NOISE else "+" for _ in range(repeats)) for name in names}
    )


def accepts_noise(seed: int, policy: GatePolicy, repeats: int, candidates: int = 10) -> bool:
    """A run of the loop's verdicts on edits that change nothing."""
    draw = random.Random(seed)
    before = noisy(draw, repeats)
    failing = [
        item.case_id or "" for item in before.in_split("train") if not item.passed and item.repeat == 1
    ]
    for _ in range(candidates if failing else 0):
        after = noisy(draw, repeats)
        verdict = judge_cases(candidate(*failing), before, after, policy=policy)
        if verdict.accepted:
            asked = to_confirm(before, after)
            verdict = confirmed(asked, noisy(draw, 1), verdict)
        if verdict.accepted:
            return True
    return False


@pytest.mark.parametrize(
    ("policy", "repeats"), [(GatePolicy(), 1), (GatePolicy(), 3), (PAIRED, 1), (PAIRED, 3)]
)
def test_edits_that_change_nothing_are_hardly_ever_accepted(policy: GatePolicy, repeats: int) -> None:
    accepted = sum(accepts_noise(seed, policy, repeats) for seed in range(40))
    assert accepted <= 1, f"{accepted} of 40 runs"


def test_confirmation_asks_few_and_not_what_cannot_vary() -> None:
    before = evaluation({**cases("t", "-" * 20), **cases("v", "-" * 5)})
    after = evaluation({**cases("t", "+" * 20), **cases("v", "+" * 5)})
    asked = to_confirm(before, after)
    assert len(asked) == 5
    assert all(name.startswith("test[t") for name in asked)
    offline = CALL.model_copy(update={"offline": True})
    for name, trace in before.traces.items():
        before.traces[name] = trace.model_copy(update={"llm_calls": [offline]})
    assert to_confirm(before, after) == []


@pytest.mark.parametrize(
    ("again", "accepted"), [("-----", True), ("+----", True), ("++---", True), ("+++--", False)]
)
def test_a_gain_that_comes_without_the_edit_too_is_noise(again: str, accepted: bool) -> None:
    verdict = Verdict(accepted=True, reason="5 fixed")
    names: Sequence[str] = [f"test[t{number}]" for number in range(5)]
    judged = confirmed(names, evaluation(cases("t", again)), verdict)
    assert judged.accepted is accepted
    assert accepted or judged.stage == "confirm"
