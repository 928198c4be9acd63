"""The gate's answer on the terminal."""

from __future__ import annotations

import io
from typing import Any

from pytest_fapo.core.gate_result import GateProblem, GateResult, Regression, SplitScore
from pytest_fapo.views.gate_screen import render_gate


def printed(result: GateResult, **more: Any) -> str:
    file = io.StringIO()
    render_gate(result, file, **more)
    return file.getvalue()


def result(**more: Any) -> GateResult:
    return GateResult.model_validate(
        {"policy": "strict", "verdict": "passed", "baseline": "fapo-baseline.json", **more}
    )


def regression(number: int, **more: Any) -> Regression:
    return Regression(
        nodeid=f"test_a.py::test[c{number}]", result_before="passed", result_after="failed", **more
    )


def test_hostile_text_is_shown_and_not_obeyed() -> None:
    lost = regression(1, output_before='"[bold]a\\u001b[31m"', output_after='"b\\n\\n## x"', step="s\x1b[2J")
    text = printed(result(verdict="fell", regressions=[lost]))
    assert "\x1b" not in text
    assert "[bold]a" in text
    assert len([line for line in text.splitlines() if "test_a.py" in line]) == 1


def test_many_regressions_are_cut_unless_asked_for() -> None:
    lost = [regression(number) for number in range(100)]
    text = printed(result(verdict="fell", regressions=lost))
    assert text.count("passed → failed") == 5
    assert "… and 95 more (-v shows all)" in text
    assert printed(result(verdict="fell", regressions=lost), verbosity=1).count("passed → failed") == 100


def test_equal_outputs_show_pytests_own_words() -> None:
    lost = regression(1, output_before="1", output_after="1", explanation="assert 1 == 2\n more")
    assert "passed → failed: assert 1 == 2 more" in printed(result(verdict="fell", regressions=[lost]))


def test_a_cause_shows_the_changed_lines_and_the_way_to_accept_it_last() -> None:
    lost = [
        regression(number, step="sort", prompt="sort.md", output_before='"a"', output_after='"It is a."')
        for number in range(7)
    ]
    problem = GateProblem(kind="stale-baseline", message="sort.md changed", command="renew", fails=False)
    fallen = result(verdict="fell", regressions=lost, problems=[problem])
    text = printed(fallen, changes={"sort.md": ["-- One word.", "+- A sentence."]})
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    assert lines[1:5] == [
        "7 tests, one cause: sort wraps its answer in more text since this change of sort.md",
        "- - One word.",
        "+ - A sentence.",
        'test_a.py::test[c0]  "a" → "It is a."',
    ]
    assert lines[-1] == "renew"


def test_headlines() -> None:
    test = GateProblem(kind="test", message="test_b fails, a test without a case")
    stale = GateProblem(kind="stale-snapshot", message="a.md is out of date", command="renew it")
    lost = GateProblem(kind="lost-worker", message="the worker gw0 was lost")

    def first(**more: Any) -> str:
        return printed(result(**more)).strip().splitlines()[0]

    assert first() == "fapo: no regressions against fapo-baseline.json"
    assert first(problems=[test]).endswith("fapo-baseline.json, but other tests fail")
    assert first(verdict="undecided", problems=[stale]).endswith("but committed files are out of date")
    both = first(verdict="undecided", problems=[stale, test])
    assert both.endswith("but committed files are out of date, and other tests fail")
    assert first(verdict="undecided", problems=[lost, stale]).startswith("fapo: accuracy could not be judged")


def test_scores_that_nothing_can_be_said_of_are_left_out() -> None:
    rows = [
        SplitScore(pipeline="p", group="all", cases=3, before=0.5, after=0.5),
        SplitScore(pipeline="p", group="val", cases=3, before=0.5, after=0.5),
        SplitScore(pipeline="p", group="tag:x", cases=1, before=1.0, after=1.0),
        SplitScore(pipeline="p", group="tag:y", cases=1, before=1.0, after=0.0),
        SplitScore(pipeline="p", group="metric:m", cases=1, before=None, after=0.25, floor=0.3),
    ]
    text = printed(result(scores=rows))
    assert "  val" in text
    assert "  all" not in text, "one split is all there is"
    assert "tag:y" in text
    assert "tag:x" not in text
    assert "0.25" in text
    assert "floor" in text
    stopped = GateProblem(kind="interrupted", message="stopped")
    assert "tag:y" not in printed(result(verdict="undecided", scores=rows, problems=[stopped]))


def test_a_command_is_typed_once() -> None:
    update = "pytest --fapo-update-baseline"
    said = [
        GateProblem(kind="stale-baseline", message="a changed", command=update, fails=False),
        GateProblem(kind="new-cases", message="b is new", command=update, fails=False),
    ]
    assert printed(result(problems=said)).count(update) == 1
