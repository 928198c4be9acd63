"""Interventions: which are asked for, and what their outcomes prove."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from pydantic import JsonValue
from support.handmade import Bench, span

from pytest_fapo.core.diagnosis import Diagnosis, Finding, Intervention
from pytest_fapo.core.record import Outcome
from pytest_fapo.core.trace import LLMCall
from pytest_fapo.diagnosis.attribution import diagnose
from pytest_fapo.diagnosis.failure import Failure, FailureAttribution, Opinion
from pytest_fapo.diagnosis.field_map import FieldMap
from pytest_fapo.diagnosis.interventions import Inquiry
from pytest_fapo.diagnosis.replacement_outputs import ReplacementOutput

Judge = Callable[[Intervention], "bool | None"]


class World:
    """Plays the runs: a function says which replacements turn a case green."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.asked: list[Intervention] = []

    def __call__(self, interventions: Sequence[Intervention]) -> Mapping[int, Outcome | None]:
        self.asked += interventions
        told: dict[bool | None, Outcome | None] = {True: "passed", False: "failed", None: None}
        return {index: told[self.judge(one)] for index, one in enumerate(interventions)}


def look(bench: Bench, judge: Judge, limit: int = 50, **more: Any) -> tuple[Diagnosis, World]:
    world = World(judge)
    return diagnose(bench.evaluation, artifacts=[], intervene=world, limit=limit, **more), world


def both_wrong(bench: Bench, number: int, *, first: str = "no", second: str = "no") -> str:
    """A case whose output shows nothing of its steps, which are labeled."""
    spans = [
        span("plan", prompt=f"plan {number}", answer=f"{first} {number}"),
        span("check", prompt=f"check {number}", answer=f"{second} {number}"),
    ]
    labels = {"plan": f"yes {number}", "check": f"yes {number}"}
    good = (first, second) == ("yes", "yes")
    words = "" if good else "assert False"
    return bench.run({"n": number}, None, spans, good, explanation=words, expected_steps=labels)


def test_two_steps_that_fail_together_are_both_named() -> None:
    bench = Bench()
    for number in range(6):
        both_wrong(bench, number)
    both_wrong(bench, 6, first="yes")
    both_wrong(bench, 7, first="yes", second="yes")
    found, world = look(bench, lambda one: {"plan", "check"} <= set(one.outputs))
    together = [cluster for cluster in found.clusters if cluster.also]
    alone = [cluster for cluster in found.clusters if not cluster.also]
    assert [(c.step, c.also, len(c.findings)) for c in together] == [("plan", ["check"], 6)]
    assert [(c.step, len(c.findings)) for c in alone] == [("check", 1)]
    assert found.clusters == [*alone, *together]  # one edit that shows by itself comes first
    assert {finding.source for finding in together[0].findings} == {"intervention"}
    confidences = sorted({finding.confidence for finding in together[0].findings})
    assert confidences == [0.9, 0.97]  # three were run, the others are like them
    assert found.interventions == len(world.asked) == 3 * 3
    assert together[0].label.startswith("plan and check")


def test_the_first_step_whose_replacement_suffices_is_the_cause() -> None:
    bench = Bench()
    both_wrong(bench, 1)
    found, _ = look(bench, lambda one: "plan" in one.outputs)
    (finding,) = found.findings
    assert (finding.step, finding.also, finding.source) == ("plan", [], "intervention")
    assert "labeled with the case passes" in finding.evidence


def test_a_later_step_is_the_cause_where_the_earlier_replacement_does_nothing() -> None:
    bench = Bench()
    both_wrong(bench, 1)
    found, _ = look(bench, lambda one: "check" in one.outputs)
    assert found.findings[0].step == "check"
    assert found.findings[0].expected == "yes 1"


def test_a_step_that_is_wrong_still_with_the_right_input_is_named_with_it() -> None:
    """Fixing the second hides the first, which went into it; both have to be fixed."""
    bench = Bench()
    spans = [
        span("plan", prompt="p", answer="a wrong plan"),
        span("check", prompt="Judge this: a wrong plan", answer="no"),
    ]
    labels = {"plan": "a right plan", "check": "yes"}
    bench.run("x", None, spans, False, explanation="assert False", expected_steps=labels)
    found, _ = look(bench, lambda one: "check" in one.outputs)
    assert (found.findings[0].step, found.findings[0].also) == ("plan", ["check"])


def test_what_nothing_turns_green_keeps_its_finding() -> None:
    bench = Bench()
    both_wrong(bench, 1)
    before = diagnose(bench.evaluation, artifacts=[])
    found, world = look(bench, lambda one: False)
    assert found.findings == before.findings
    assert [sorted(one.outputs) for one in world.asked] == [["plan"], ["check"], ["check", "plan"]]


def test_what_could_not_be_done_proves_nothing() -> None:
    bench = Bench()
    both_wrong(bench, 1)
    found, _ = look(bench, lambda one: None)
    assert found.findings[0].source == "rules"


@pytest.mark.parametrize("limit", [0, 1, 5])
def test_the_limit_holds(limit: int) -> None:
    bench = Bench()
    for number in range(9):
        both_wrong(bench, number)
    found, world = look(bench, lambda one: False, limit)
    assert found.interventions == len(world.asked) <= limit


def test_sure_findings_cost_nothing() -> None:
    bench = Bench()
    for number in range(4):
        both_wrong(bench, number, first="yes")
    _, world = look(bench, lambda one: True)
    assert world.asked == []


def _unsure(bench: Bench) -> str:
    """Nothing in the trace tells which step is wrong; another case shows a better output of `find`."""
    good = [
        span("find", ["right"], inputs={"q": "where"}),
        span("tell", prompt="Tell: right. Where?", answer="here"),
    ]
    bench.run({"q": "where"}, None, good, {"text": "here"}, id="good")
    bad = [
        span("find", ["wrong"], inputs={"q": "where"}),
        span("tell", prompt="Tell: wrong. Where?", answer="gone", call={"parameters": {"temperature": 0}}),
    ]
    return bench.run({"q": "where"}, None, bad, {"text": "gone"}, explanation="assert 0", id="bad")


def test_a_passing_siblings_output_proves_a_step() -> None:
    bench = Bench()
    _unsure(bench)
    assert diagnose(bench.evaluation, artifacts=[]).findings[0].confidence < 0.6
    found, world = look(bench, lambda one: one.outputs == {"find": ["right"]})
    assert [one.source for one in world.asked] == ["sibling"]
    finding = found.findings[0]
    assert (finding.step, finding.source, finding.expected) == ("find", "intervention", ["right"])


def test_a_new_sample_that_passes_is_noise() -> None:
    bench = Bench()
    bench.run("x", None, [span("tell", prompt="p", answer="gone")], "gone", explanation="assert 0")
    found, world = look(bench, lambda one: one.resample == ["tell"])
    assert [one.source for one in world.asked] == ["resample"]
    assert (found.findings[0].step, found.findings[0].level) == ("tell", "param")
    assert "another answer of the model" in found.findings[0].evidence


def test_a_right_value_put_in_by_hand_does_not_clear_what_was_before_it() -> None:
    bench = Bench()
    for team in ("red", "blue", "red", "blue"):
        spans = [span("look_up", {"a": team}), span("name", prompt=f"p {team}", answer=team)]
        bench.run({"t": "x"}, {"team": team}, spans, {"team": team})
    spans = [
        span("look_up", {"b": "green paper"}),
        span("name", prompt="p green paper", answer="no idea", call={"parameters": {"temperature": 0}}),
    ]
    bench.run({"t": "x"}, {"team": "red"}, spans, {"team": "no idea"}, explanation="assert 0")
    before = diagnose(bench.evaluation, artifacts=[]).findings
    nodeid = before[0].nodeid

    class Other:
        def read(self, attributions: Any) -> dict[str, Opinion]:
            return {}

    evaluation = bench.evaluation
    hook_free, world = look(bench, lambda one: "name" in one.outputs, reader=Other())
    assert hook_free.findings[0].source == "rules"
    assert all(one.nodeid == nodeid for one in world.asked)
    assert evaluation.items[nodeid].outcome == "failed"


def test_labels_become_outputs_in_the_steps_own_form() -> None:
    bench = Bench()
    spans = [
        span("a", prompt="p", answer='{"x": 1}'),
        span("b", prompt="p", answer="no"),
        span("c", prompt="p", answer="none"),
    ]
    labels = {"a": {"x": 2}, "b": {"any_of": ["one", "two"]}, "c": {"contains": "a thing"}}
    bench.run("x", None, spans, "no", explanation="assert 0", expected_steps=labels)
    _, world = look(bench, lambda one: False)
    singles = [one for one in world.asked if len(one.outputs) + len(one.resample) == 1]
    assert [(one.outputs, one.resample) for one in singles] == [
        ({"a": '{"x": 2}'}, []),
        ({"b": "one"}, []),
        ({}, ["c"]),
    ]


def test_expected_values_are_put_where_the_step_carries_them() -> None:
    bench = Bench()
    for team, mood in [("red", "good"), ("blue", "bad"), ("red", "bad"), ("blue", "good")]:
        answers = {"team": team, "mood": mood}
        spans = [span("sort", {"team": team}, prompt="p", answer=team), span("feel", prompt="q", answer=mood)]
        bench.run("x", answers, spans, answers)
    spans = [
        span("sort", {"team": "blue"}, prompt="p", answer="blue"),
        span("feel", prompt="q", answer="bad"),
    ]
    bench.run(
        "x",
        {"team": "red", "mood": "good"},
        spans,
        {"team": "blue", "mood": "bad"},
        explanation="assert {'mood': 'bad', 'team': 'blue'} == {'mood': 'good', 'team': 'red'}\n"
        "  {'mood': 'bad'} != {'mood': 'good'}\n  {'team': 'blue'} != {'team': 'red'}",
    )
    found, world = look(bench, lambda one: {"sort", "feel"} <= set(one.outputs))
    assert [one.outputs for one in world.asked] == [
        {"sort": {"team": "red"}},
        {"feel": "good"},
        {"sort": {"team": "red"}, "feel": "good"},
    ]
    assert (found.findings[0].step, found.findings[0].also) == ("sort", ["feel"])


class Says:
    """A reader with one opinion on everything."""

    def __init__(self, step: str, confidence: float = 0.9, **more: Any) -> None:
        self.opinion: dict[str, Any] = {"step": step, "confidence": confidence, "evidence": "I read it."}
        self.opinion |= {"category": "content", "level": None, **more}
        self.read_ids: list[str] = []

    def read(self, attributions: Any) -> dict[str, Opinion]:
        self.read_ids += [one.finding.nodeid for one in attributions]
        return {one.finding.nodeid: Opinion(one.finding.nodeid, **self.opinion) for one in attributions}


def test_a_readers_opinion_counts_where_the_rules_are_unsure() -> None:
    bench = Bench()
    _unsure(bench)
    reader = Says("find", category="retrieval", level="structure")
    (finding,) = diagnose(bench.evaluation, artifacts=[], reader=reader).findings
    assert (finding.step, finding.category, finding.level) == ("find", "retrieval", "structure")
    assert (finding.source, finding.confidence, finding.evidence) == ("llm", 0.85, "I read it.")


def test_a_readers_faint_opinion_changes_nothing() -> None:
    bench = Bench()
    _unsure(bench)
    found = diagnose(bench.evaluation, artifacts=[], reader=Says("find", confidence=0.1))
    assert found.findings == diagnose(bench.evaluation, artifacts=[]).findings


def test_a_reader_reads_a_few_of_many_that_look_alike_and_nothing_sure() -> None:
    bench = Bench()
    for number in range(20):
        spans = [span("a", number), span("tell", prompt="p", answer=f"gone {number}")]
        bench.run(f"x{number}", None, spans, f"gone {number}", explanation="assert 0")
    both_wrong(bench, 1, first="yes")
    reader = Says("a")
    found = diagnose(bench.evaluation, artifacts=[], reader=reader)
    assert len(reader.read_ids) == 6
    assert sum(finding.source == "llm" for finding in found.findings) == 20


def test_interventions_decide_between_rules_and_reader() -> None:
    bench = Bench()
    _unsure(bench)
    found, world = look(bench, lambda one: "find" in one.outputs, reader=Says("find"))
    assert world.asked
    assert (found.findings[0].step, found.findings[0].source) == ("find", "intervention")


def test_a_hook_decides_before_all_others() -> None:
    bench = Bench()
    nodeid = both_wrong(bench, 1)

    def hook(evaluation: Any, item: Any) -> Finding:
        assert item.nodeid == nodeid
        given = {"nodeid": nodeid, "case_id": "c1", "pipeline": "pipeline", "step": "mine", "level": "param"}
        return Finding.model_validate(
            {**given, "category": "content", "confidence": 0.1, "evidence": "I know."}
        )

    found, world = look(bench, lambda one: True, extra=[lambda evaluation, item: None, hook])
    assert (found.findings[0].step, found.findings[0].source) == ("mine", "hook")
    assert world.asked == []


def test_repeats_that_differ_show_the_noisy_step() -> None:
    bench = Bench()
    for repeat, team in [(1, "red"), (2, "blue"), (3, "red")]:
        spans = [
            span("read", prompt="p", answer="text", inputs={"t": "x"}),
            span("sort", prompt="q text", answer=team, inputs={"t": "text"}),
        ]
        words = "" if team == "red" else "assert 0"
        name = "t" if repeat == 1 else f"t~r{repeat}"
        nodeid = bench.run("x", {"team": "red"}, spans, {"team": team}, explanation=words, id=name)
        changes = {"repeat": repeat, "case_id": "t"}
        bench.evaluation.items[nodeid] = bench.evaluation.items[nodeid].model_copy(update=changes)
    (finding,) = diagnose(bench.evaluation, artifacts=[]).findings
    assert (finding.step, finding.level, finding.confidence) == ("sort", "param", 0.8)
    assert finding.evidence.startswith("2 of 3 runs of this case pass")


@pytest.mark.parametrize(
    ("outputs", "answers", "judged"),
    [
        (("red", "red", "red"), ("PASS", "FAIL", "PASS"), True),
        (("red", "blue", "red"), ("PASS", "FAIL", "PASS"), False),
        (("red", "red", "red"), ("PASS", "PASS", "PASS"), False),
    ],
    ids=["the judge", "the pipeline", "something else"],
)
def test_a_judge_that_varies_over_one_output_is_no_cause_in_the_pipeline(
    outputs: Sequence[str], answers: Sequence[str], judged: bool
) -> None:
    bench = Bench()
    for repeat, (output, answer) in enumerate(zip(outputs, answers, strict=True), start=1):
        spans = [span("reply", prompt="p", answer=output, inputs={"t": "x"})]
        words = "assert 'FAIL' == 'PASS'" if repeat == 2 else ""
        name = "t" if repeat == 1 else f"t~r{repeat}"
        nodeid = bench.run("x", output, spans, None, explanation=words, id=name)
        question: list[JsonValue] = [{"role": "user", "content": f"PASS or FAIL? {output}"}]
        call = LLMCall(
            key=str(repeat),
            api="messages",
            url="",
            model="judge-1",
            messages=question,
            answer=answer,
            status=200,
        )
        changes = {"repeat": repeat, "case_id": "t", "test_calls": [call]}
        bench.evaluation.items[nodeid] = bench.evaluation.items[nodeid].model_copy(update=changes)
    found = diagnose(bench.evaluation, artifacts=[])
    said = [finding.evidence for finding in found.infrastructure]
    assert bool(said) is judged
    if judged:
        assert found.clusters == []
        assert said[0].startswith("the judge varies over the same output: asked the same, judge-1 said ")


def test_only_train_cases_are_run_again() -> None:
    bench = Bench()
    nodeid = both_wrong(bench, 1)
    hidden = bench.evaluation.cases[nodeid].model_copy(update={"split": "val"})
    bench.evaluation.cases[nodeid] = hidden
    found, world = look(bench, lambda one: True, split=None)
    assert len(found.findings) == 1
    assert world.asked == []


@pytest.mark.parametrize(("of_read", "cause"), [("resample", None), ("label", "double")])
def test_another_answer_that_did_not_help_does_not_clear_a_step(of_read: str, cause: str | None) -> None:
    """The model was asked the same again and is wrong for the same reason: the right value put in by hand
    after it would hide that. Only a right output that did not help either clears it."""
    bench = Bench()
    spans = [
        span("read", prompt="How many? 21", answer="seven", inputs={"text": "21"}),
        span("double", prompt="Double this: seven", answer="14", inputs={"number": "seven"}),
    ]
    nodeid = bench.run({"n": 21}, "42", spans, "14", explanation="AssertionError: assert '14' == '42'")
    case, trace = bench.evaluation.cases[nodeid], bench.evaluation.traces["c1"]
    fields = FieldMap.of([(case, trace, False)])
    failure = Failure(bench.evaluation.items[nodeid], case, fields.readings[0], fields)
    read, double = fields.readings[0].view.steps
    finding = failure.finding("content", double, "it is wrong", confidence=0.5)
    inquiry = Inquiry(
        FailureAttribution(failure, finding),
        [ReplacementOutput(read, of_read, "21"), ReplacementOutput(double, "oracle", "42")],  # type: ignore[arg-type]
        {("read",): "failed", ("double",): "passed"},
    )
    proven = inquiry.cause()
    assert (proven.replacement.step.key if proven else None) == cause
