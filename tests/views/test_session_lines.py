from __future__ import annotations

from typing import Any

from support.report_samples import evaluation, item

from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.spending import Spending
from pytest_fapo.core.trace import LLMCall, Trace
from pytest_fapo.views.session_lines import folded, session_lines


def test_scores_calls_and_the_next_command() -> None:
    value = evaluation(failing=2, passing=6)
    value.spending = Spending(calls=8, cache_hits=1034, cost=0.42)
    assert session_lines(value) == [
        "fapo: passing: train 75 % of 8",
        "fapo: 8 calls, 1,034 from the cache, $0.42",
        "fapo: pytest --fapo-diagnose shows where and why cases fail",
    ]
    assert session_lines(value, hint=False)[-1] == "fapo: 8 calls, 1,034 from the cache, $0.42"


def test_a_stand_in_is_named_and_noticed_without_a_name() -> None:
    value = evaluation(failing=0, passing=1)
    assert session_lines(value, stand_in="m:f")[-1] == (
        "fapo: the offline stand-in m:f answered, not a real model"
    )
    call = LLMCall(key="k", api="chat.completions", url="u", offline=True)
    value.traces["t"] = Trace(pipeline="pipeline", case_id="1", llm_calls=[call])
    assert session_lines(value)[-1] == "fapo: the offline stand-in answered, not a real model"


def test_a_suite_without_cases_gets_no_line() -> None:
    other = item("t.py::test_unit", None)
    assert session_lines(Evaluation(items={other.nodeid: other})) == []


def test_what_could_not_be_judged_is_no_failure() -> None:
    value = evaluation(failing=0, passing=2)
    silent: dict[str, dict[str, Any]] = {
        "missing": {"outcome": "failed", "error_type": "CacheMiss"},
        "limit": {"outcome": "failed", "error_type": "BudgetExceeded"},
        "fixture": {"outcome": "error", "error_type": "OSError", "trace_id": None},
        "signature": {"outcome": "failed", "error_type": "PipelineError"},
    }
    for name, fields in silent.items():
        value.items[name] = item(f"t.py::test[{name}]").model_copy(update=fields)
    said = [
        "fapo: 2 tests without a verdict: not allowed to ask a model",
        "fapo: 2 tests without a verdict: ended before the pipeline could run",
    ]
    assert session_lines(value) == ["fapo: passing: train 100 % of 2", *said]
    alone = Evaluation(items={name: value.items[name] for name in silent})
    assert session_lines(alone, warnings=["a program was started"]) == [*said, "fapo: a program was started"]


def test_a_weighted_score_is_called_one() -> None:
    light, heavy = item("t.py::test[a]", passed=False), item("t.py::test[b]")
    heavy = heavy.model_copy(update={"weight": 3.0})
    value = Evaluation(items={each.nodeid: each for each in (light, heavy)})
    assert session_lines(value)[0] == "fapo: passing: train 75 % of 2 by weight"


def test_repeats_are_set_against_each_other() -> None:
    verdicts = {"a": (True, True), "b": (True, False), "c": (False, False)}
    items = [
        item(f"t.py::test[{name}{'~r2' * (repeat == 2)}]", passed=passed).model_copy(
            update={"repeat": repeat}
        )
        for name, both in verdicts.items()
        for repeat, passed in enumerate(both, start=1)
    ]
    lines = session_lines(Evaluation(items={each.nodeid: each for each in items}))
    assert lines[:2] == ["fapo: passing: train 50 % of 6", "fapo: varying between 2 runs: 1 of 3 tests"]


def test_on_a_narrow_terminal_no_word_is_broken() -> None:
    line = "  12  test_team: assert 'a long answer' == 'billing'  [611da2db8a] and 11 more"
    assert folded(line, 60) == [
        "  12  test_team: assert 'a long answer' == 'billing'",
        "      [611da2db8a] and 11 more",
    ]
    assert folded("fapo: passing: train 36 % of 14", 23) == ["fapo: passing: train", "      36 % of 14"]
