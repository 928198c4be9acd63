"""The merge gate's result for an evaluation and a baseline."""

from __future__ import annotations

from typing import Any

import pytest
from support.judged import evaluation, many

from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.gate_result import GateResult
from pytest_fapo.core.trace import LLMCall
from pytest_fapo.verdict.baseline_contents import make_baseline
from pytest_fapo.verdict.merge_gate import judge_merge
from pytest_fapo.verdict.policy import Floor, GatePolicy

STRICT = GatePolicy()
PAIRED = GatePolicy(name="paired")


def judged(before: Evaluation, after: Evaluation, *, policy: GatePolicy = STRICT, **more: Any) -> GateResult:
    baseline = make_baseline(before, artifacts=more.pop("artifacts", {}))
    return judge_merge(after, baseline, policy=policy, **more)


def kinds(result: GateResult) -> list[str]:
    return [problem.kind for problem in result.problems]


def test_what_became_of_each_test() -> None:
    before = evaluation({"t1": "+", "t2": "-", "v1": "-", "h1": "+", "t3": "+"})
    after = evaluation(
        {"t1": "-", "t2": "+", "v1": "-", "h1": "+", "t3": "+", "t4": "-"},
        outputs={"t1": "bad", "h1": "other"},
    )
    result = judged(before, after)
    assert result.verdict == "fell"
    (lost,) = result.regressions
    assert (lost.case_id, lost.split, lost.result_before, lost.result_after) == (
        "t1",
        "train",
        "passed",
        "failed",
    )
    assert (lost.output_before, lost.output_after) == ('{"answer":"fine"}', '{"answer":"bad"}')
    assert (lost.step, lost.step_output, lost.origin) == ("look", '"bad"', "cases.jsonl:1")
    assert lost.explanation == "assert 1 == 2"
    assert result.fixed == ["test_a.py::test[t2]"]
    assert result.still_failing == ["test_a.py::test[v1]"]
    assert result.changed_outputs == ["test_a.py::test[h1]"]
    assert result.new_cases == ["answer::t4"]
    assert kinds(result) == ["new-cases"]
    assert result.failures == []


def test_new_failing_cases_let_the_merge_through() -> None:
    result = judged(evaluation({"t1": "+"}), evaluation({"t1": "+", "t2": "-"}))
    assert result.verdict == "passed"
    assert "1 of the tests on them fail" in result.problems[0].message


@pytest.mark.parametrize("marks", ["s", "e"])
def test_a_test_that_does_not_run_any_more_is_lost(marks: str) -> None:
    result = judged(evaluation({"t1": "+", "t2": "+"}), evaluation({"t1": "+", "t2": marks}))
    assert [each.case_id for each in result.regressions] == ["t2"]
    assert result.verdict == "fell"


def test_a_test_that_its_own_mark_expects_to_fail_is_no_news() -> None:
    before = evaluation({"t1": "+", "t2": "x", "t3": "s"})
    same = judged(before, evaluation({"t1": "+", "t2": "x", "t3": "s"}))
    assert (same.verdict, kinds(same), same.new_cases) == ("passed", [], [])
    counting = judged(before, evaluation({"t1": "+", "t2": "-", "t3": "+"}))
    assert counting.verdict == "passed"
    assert kinds(counting) == ["new-cases"]
    all_marked = evaluation({"t1": "x", "t2": "s"})
    assert kinds(judged(all_marked, all_marked)) == ["empty"]


def test_repeats() -> None:
    before = evaluation({"t1": "+++", "t2": "++-", "t3": "+++", "t4": "---"})
    after = evaluation({"t1": "+-+", "t2": "---", "t3": "--+", "t4": "++-"})
    result = judged(before, after)
    assert [each.case_id for each in result.regressions] == ["t3"], "flaky ones are no news"
    assert result.regressions[0].result_before == "3 of 3"
    assert result.regressions[0].result_after == "1 of 3"
    assert result.fixed == ["test_a.py::test[t4]"]


def test_missing_and_empty_are_undecided() -> None:
    before = evaluation({"t1": "+", "t2": "+"})
    result = judged(before, evaluation({"t1": "+"}))
    assert result.verdict == "undecided"
    assert kinds(result) == ["missing-cases"]
    assert "test_a.py::test[t2]" in result.problems[0].message
    assert judged(before, Evaluation()).verdict == "undecided"
    assert kinds(judged(before, Evaluation())) == ["empty"]
    assert judged(Evaluation(), before).verdict == "undecided"
    renamed = judged(before, evaluation({"t1": "+", "t2": "+"}, test="test_b.py::test"))
    assert renamed.verdict == "undecided"


def test_a_stopped_run_is_undecided_unless_it_has_lost_already() -> None:
    before = evaluation({"t1": "+", "t2": "+"})
    after = evaluation({"t1": "+", "t2": "+"})
    after.complete, after.stopped = False, "the budget is spent"
    result = judged(before, after)
    assert (result.verdict, kinds(result)) == ("undecided", ["interrupted"])
    lost = evaluation({"t1": "-"})
    lost.complete = False
    assert judged(before, lost).verdict == "fell"
    assert judged(before, lost, policy=PAIRED).verdict == "undecided"


def test_floors_and_tests_say_nothing_of_a_part() -> None:
    before = evaluation(many("t", "+", 20))
    part = evaluation(many("t", "-", 12))
    result = judged(before, part, policy=PAIRED, floors=[Floor("*", 0.9), Floor("val", 0.5)])
    assert (result.verdict, kinds(result)) == ("undecided", ["missing-cases"])
    assert result.p_value is None


def test_a_case_without_a_recorded_answer_is_not_judged() -> None:
    after = evaluation({"t1": "+", "t2": "-"}, error_types={"t2": "CacheMiss"})
    result = judged(evaluation({"t1": "+", "t2": "+"}), after)
    assert (result.verdict, result.regressions) == ("undecided", [])
    assert kinds(result) == ["cache-miss"]
    limited = evaluation({"t1": "+", "t2": "-"}, error_types={"t2": "BudgetExceeded"})
    assert judged(evaluation({"t1": "+", "t2": "+"}), limited).verdict == "undecided"


def test_a_case_may_change_its_split() -> None:
    before, after = evaluation({"t1": "+"}), evaluation({"t1": "-"})
    for item in after.items.values():
        item.split = "val"
    result = judged(before, after)
    assert [each.split for each in result.regressions] == ["val"]


def test_changed_artifacts_are_said() -> None:
    one = evaluation({"t1": "+"})
    result = judged(
        one, one, artifacts={"a.md": "1", "b.md": "1"}, current_artifacts={"a.md": "2", "b.md": "1"}
    )
    assert result.verdict == "passed"
    assert kinds(result) == ["stale-baseline"]
    assert result.problems[0].message.startswith("a.md changed since the baseline was written")
    assert not judged(one, one, artifacts={"a.md": "1"}, current_artifacts={"a.md": "1"}).problems


def test_other_questions_are_said_where_no_artifact_shows_them() -> None:
    one, other = evaluation({"t1": "+"}), evaluation({"t1": "+"})
    for made, key in ((one, "k1"), (other, "k2")):
        for each in made.traces.values():
            each.llm_calls = [LLMCall(key=key, api="chat.completions", url="http://x")]
    assert judged(one, one, current_artifacts={}).problems == []
    (problem,) = judged(one, other, current_artifacts={}).problems
    assert problem.message.startswith("pipeline 'answer' asked its models something else")
    assert not problem.fails


def test_floors_hold_whatever_the_baseline_says() -> None:
    one = evaluation({"t1": "+", "t2": "-", "v1": "+"}, scores={"t1": 0.5}, tags={"t1": ["x"], "t2": ["y"]})

    def missed(*floors: Floor) -> list[str]:
        result = judged(one, one, floors=floors)
        assert (result.verdict == "fell") == bool(result.failures)
        return [problem.message for problem in result.failures]

    assert (
        missed(Floor("*", 2 / 3), Floor("train", 0.5), Floor("tag:x", 1.0), Floor("metric:brevity", 0.5))
        == []
    )
    assert missed(Floor("answer", 0.7)) == ["pipeline 'answer': its score is 66.7 %, its floor is 70.0 %"]
    assert missed(Floor("train", 0.6)) == ["pipeline 'answer': train is 50.0 %, its floor is 60.0 %"]
    assert missed(Floor("tag:y", 0.1)) == ["pipeline 'answer': tag:y is 0.0 %, its floor is 10.0 %"]
    assert len(missed(Floor("metric:brevity", 0.6))) == 1
    unknown = judged(one, one, floors=[Floor("tag:z", 0.5)])
    assert unknown.verdict == "undecided"
    assert "tag:x, tag:y" in unknown.failures[0].message
    rows = {row.group: row for row in judged(one, one, floors=[Floor("*", 0.5)]).scores}
    assert (rows["all"].cases, rows["all"].floor, rows["train"].floor) == (3, 0.5, None)
    assert rows["metric:brevity"].after == 0.5


def test_named_metrics_may_not_fall() -> None:
    before = evaluation(many("t", "+", 30), scores={f"t{n:03}": 0.8 for n in range(30)})
    after = evaluation(many("t", "+", 30), scores={f"t{n:03}": 0.7 for n in range(30)})
    assert judged(before, after).verdict == "passed"
    guarded = GatePolicy(guarded={"brevity": 0.05})
    assert kinds(judged(before, after, policy=guarded)) == ["metric"]
    assert judged(before, after, policy=guarded).verdict == "fell"
    assert judged(before, after, policy=GatePolicy(guarded={"brevity": 0.2})).verdict == "passed"
    sure = GatePolicy(name="paired", guarded={"brevity": 0.05})
    assert judged(before, after, policy=sure).verdict == "fell"
    few = judged(
        evaluation(many("t", "+", 6), scores={f"t{n:03}": 0.8 for n in range(6)}),
        evaluation(many("t", "+", 6), scores={f"t{n:03}": 0.7 for n in range(6)}),
        policy=sure,
    )
    assert "metric" not in kinds(few), "six cases may be chance"


def test_paired_weighs_all_cases_together() -> None:
    before = evaluation(many("t", "+", 40))
    single = evaluation({**many("t", "+", 40), "t001": "-", "t002": "-"})
    result = judged(before, single, policy=PAIRED)
    assert result.verdict == "passed"
    assert [each.fails for each in result.regressions] == [False, False]
    assert result.effect == pytest.approx(-0.05)
    assert result.p_value == pytest.approx(0.25)
    eleven = evaluation({**many("t", "+", 40), **many("t", "-", 11)})
    assert judged(before, eleven, policy=PAIRED).verdict == "fell"


def test_paired_sees_one_split_collapse() -> None:
    before = evaluation({**many("t", "+", 100), **many("v", "+", 10)})
    after = evaluation({**many("t", "+", 100), **many("v", "+", 10), **many("v", "-", 6)})
    result = judged(before, after, policy=PAIRED)
    assert result.verdict == "fell"
    assert "the val cases of pipeline 'answer'" in result.failures[0].message


def test_paired_does_not_let_a_suite_through_that_it_cannot_judge() -> None:
    before = evaluation(many("t", "+", 5))
    result = judged(before, before, policy=PAIRED)
    assert (result.verdict, kinds(result)) == ("undecided", ["too-few-cases"])
    repeated = evaluation(many("t", "+++", 5))
    assert judged(repeated, repeated, policy=PAIRED).verdict == "passed"


def test_the_target() -> None:
    before = evaluation({"t1": "+", "t2": "+", "v1": "+"})
    after = evaluation({"t1": "+", "t2": "-", "v1": "+"})
    assert judged(before, after, policy=GatePolicy(name="target", target=0.5)).verdict == "passed"
    assert judged(before, after, policy=GatePolicy(name="target", target=0.6)).verdict == "fell"


def test_the_innermost_step_that_differs_first_is_named() -> None:
    from support.judged import trace

    before, after = evaluation({"t1": "+"}), evaluation({"t1": "-"})
    name = "test_a.py::test[t1]"
    before.traces[name] = trace("answer", "t1", {"sort": "a", "write": "b", "sign": "c"})
    after.traces[name] = trace("answer", "t1", {"sort": "a", "write": "x", "sign": "y"})
    assert judged(before, after).regressions[0].step == "write"
    after.traces[name] = trace("answer", "t1", {"sort": "a", "check": "n", "write": "b", "sign": "c"})
    assert judged(before, after).regressions[0].step == "check"
    after.traces[name] = trace("answer", "t1", {"sort": "a", "sign": "c"})
    assert judged(before, after).regressions[0].step == "write", "it is gone"
