"""Only how weights compare counts: all of them times one number leave every verdict as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.gate_samples import candidate, evaluation
from support.judged import evaluation as judged_evaluation

from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.verdict.baseline_contents import make_baseline
from pytest_fapo.verdict.candidate_gate import judge_cases, judge_suite
from pytest_fapo.verdict.merge_gate import judge_merge
from pytest_fapo.verdict.policy import Floor, GatePolicy

POLICIES = (
    GatePolicy(),
    GatePolicy(name="paired"),
    GatePolicy(name="target", target=0.8),
    GatePolicy(objectives=("brevity",), guarded={"depth": 0.1}),
)
FACTORS = st.sampled_from([0.1, 0.3, 3.0, 1e-6, 1e6, 7.0]) | st.floats(1e-9, 1e9)


class Sample(NamedTuple):
    """Results of some cases before and after, and how they are weighed."""

    before: dict[str, str]
    after: dict[str, str]
    weights: dict[str, float]


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    names = [f"{split}{number}" for split in "ttvh" for number in range(draw(st.integers(0, 8)))]
    names = sorted({"t0", *names})
    repeats = draw(st.sampled_from([1, 1, 3]))
    marks = st.text("+-", min_size=repeats, max_size=repeats)
    usual = st.sampled_from(["-" * repeats, "+" * repeats])
    before = {name: draw(usual | marks) for name in names}
    after = {name: draw(st.just("+" * repeats) | st.just(before[name]) | marks) for name in names}
    weight = draw(
        st.sampled_from([st.just(1.0), st.sampled_from([1.0, 2.0, 0.5, 3.0]), st.floats(0.01, 100)])
    )
    return Sample(before, after, {name: draw(weight) for name in names})


def weighed(made: Evaluation, weights: dict[str, float], factor: float) -> Evaluation:
    items = {
        nodeid: item.model_copy(update={"weight": weights[_name(nodeid)] * factor})
        for nodeid, item in made.items.items()
    }
    return made.model_copy(update={"items": items})


def _name(nodeid: str) -> str:
    return nodeid.partition("[")[2].rstrip("]").partition("~")[0]


def scored(marks: dict[str, str]) -> dict[str, dict[str, float]]:
    return {name: {"brevity": text.count("+") / len(text), "depth": 0.5} for name, text in marks.items()}


def said(sample: Sample, factor: float) -> list[Any]:
    """Every policy's verdicts on the sample."""
    before, after = (
        weighed(evaluation(marks, scored(marks)), sample.weights, factor).model_copy(
            update={"complete": True}
        )
        for marks in (sample.before, sample.after)
    )
    verdicts = [
        verdict
        for policy in POLICIES
        for verdict in (
            judge_cases(candidate(*sample.before), before, after, policy=policy),
            judge_suite(before, after, policy=policy),
        )
    ]
    return [(each.policy, each.accepted, each.stage, each.reason, each.splits) for each in verdicts]


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(samples(), FACTORS)
def test_a_candidate_s_verdict_does_not_depend_on_the_unit_of_weights(sample: Sample, factor: float) -> None:
    assert said(sample, factor) == said(sample, 1.0)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(samples(), FACTORS, st.floats(0, 1))
def test_the_merge_gate_s_answer_does_not_either(sample: Sample, factor: float, floor: float) -> None:
    answers = []
    for times in (1.0, factor):
        before, after = (
            weighed(judged_evaluation(marks), sample.weights, times)
            for marks in (sample.before, sample.after)
        )
        for policy in (GatePolicy(), GatePolicy(name="paired"), GatePolicy(name="target", target=0.8)):
            floors: Sequence[Floor] = [Floor("answer", floor)]
            result = judge_merge(after, make_baseline(before, artifacts={}), policy=policy, floors=floors)
            answers.append((policy.name, result.verdict, [problem.message for problem in result.problems]))
    assert answers[:3] == answers[3:]


@pytest.mark.parametrize("weight", [1.0, 0.1, 0.3, 3.0, 1e-7])
def test_equal_weights_are_as_none(weight: float) -> None:
    """One val case of 60 lost: the interval for pass and fail, not that for graded scores, decides."""
    before = evaluation({**{f"t{n}": "-" for n in range(40)}, **{f"v{n}": "+" for n in range(60)}})
    after = evaluation(
        {**{f"t{n}": "+" for n in range(40)}, **{f"v{n}": "+" if n else "-" for n in range(60)}}
    )
    names = {_name(nodeid): 1.0 for nodeid in before.items}
    verdict = judge_cases(
        candidate("t0"),
        weighed(before, names, weight),
        weighed(after, names, weight),
        policy=GatePolicy(name="paired"),
    )
    assert not verdict.accepted
    assert "(-7.1 points to +2.7 points)" in verdict.reason
