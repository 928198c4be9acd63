"""Edits that change nothing, beside answers that vary; and the second sample that unmasks them."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from support.gate_samples import CALL, PAIRED, candidate, cases, evaluation, graded

from pytest_fapo.gate import GatePolicy, confirmed, judge_cases, to_confirm
from pytest_fapo.models import Evaluation, Verdict

TRAIN, VAL, NOISE = 50, 50, 0.05


def noisy(draw: random.Random, repeats: int) -> Evaluation:
    """Every case is right but for call noise."""
    names = [f"t{number}" for number in range(TRAIN)] + [f"v{number}" for number in range(VAL)]
    return evaluation(
        {name: "".join("-" if draw.random() < NOISE else "+" for _ in range(repeats)) for name in names}
    )


def accepts_noise(seed: int, policy: GatePolicy, repeats: int, candidates: int = 20) -> bool:
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


@pytest.mark.slow
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


@pytest.mark.parametrize(("again", "accepted"), [(0.2, True), (0.5, True), (0.6, False), (0.9, False)])
def test_a_graded_gain_is_confirmed_by_the_parents_score(again: float, accepted: bool) -> None:
    policy = GatePolicy(objective="brevity")
    before = evaluation({"t0": "+", "t1": "+", "t2": "+"}, graded(t0=0.3, t1=0.3, t2=0.5))
    after = evaluation({"t0": "+", "t1": "+", "t2": "+"}, graded(t0=0.8, t1=0.9, t2=0.5))
    asked = to_confirm(before, after, policy=policy)
    assert asked == ["test[t1]", "test[t0]"], "what rose most comes first"
    second = evaluation({"t0": "+", "t1": "+"}, graded(t0=again, t1=again))
    verdict = Verdict(accepted=True, reason="")
    judged = confirmed(asked, second, verdict, policy=policy, before=before, after=after)
    assert judged.accepted is accepted
