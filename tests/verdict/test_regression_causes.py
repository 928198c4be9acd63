"""Regressions are grouped by the step that answers otherwise, and it is said how."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_fapo.core.gate_result import Regression
from pytest_fapo.verdict.regression_causes import causes_headline, regression_causes, short_names


def regression(before: Any, after: Any, number: int = 1, **more: Any) -> Regression:
    return Regression(
        nodeid=f"t.py::test[{number}]",
        output_before=json.dumps(before),
        output_after=json.dumps(after),
        **more,
    )


def said(*regressions: Regression) -> str:
    return causes_headline(regression_causes(regressions))


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ("bug", "It is a bug.", "sort wraps its answer in more text"),
        ("It is a bug.", "bug", "sort gives only a part of its answer"),
        ("bug", "Bug ", "sort writes its answer with other capitals or spaces"),
        ("bug", "feature", "sort gives another answer"),
        ("bug", "", "sort leaves its answer empty"),
        ({"a": 1}, "1", "sort gives text instead of an object"),
        (3, None, "sort leaves its answer empty"),
        (["a"], 3, "sort gives a number instead of a list"),
        ("bug", {"error": "KeyError: 'kind'"}, "sort raises KeyError"),
        ("bug", "bug", "the tests fail on the same output"),
    ],
)
def test_what_became_of_the_answer(before: Any, after: Any, change: str) -> None:
    assert said(regression(before, after, step="sort")) == f"1 test: {change}"


def test_the_answer_of_the_first_differing_step_counts_and_not_what_follows_from_it() -> None:
    before = {"reply": "Dear Ann", "kind": "bug"}
    after = {"reply": "Hello", "kind": "A bug."}
    found = regression(before, after, step="sort", step_output='"A bug."', prompt="sort.md")
    assert said(found) == "1 test: sort wraps its answer in more text since this change"


def test_one_changed_prompt_is_one_cause_whatever_each_test_shows() -> None:
    lost = [regression("a", f"it is a {number}", number, step="sort", prompt="p") for number in range(9)]
    lost.append(regression("a", "b", 9, step="sort", prompt="p"))
    assert said(*lost) == (
        "10 tests, one cause: sort wraps its answer in more text (in 9 of 10 tests) since this change"
    )


def test_steps_and_fields_are_causes_of_their_own_and_the_largest_comes_first() -> None:
    lost = [
        regression({"team": "a"}, {"team": "b"}, 1),
        regression({"team": "c"}, {"team": "d"}, 2),
        regression({"kind": "c"}, {"kind": "It is c"}, 3),
        regression("x", "y", 4, step="sort"),
    ]
    causes = regression_causes(reversed(lost))
    assert [cause.sentence for cause in causes] == [
        "the pipeline gives another team",
        "the pipeline wraps kind in more text",
        "sort gives another answer",
    ]
    assert causes_headline(causes) == "4 tests, 3 causes"
    assert len({cause.key for cause in causes}) == 3


def test_examples_differ_where_they_can() -> None:
    lost = [regression("a", "b" if number < 8 else f"c{number}", number, step="s") for number in range(10)]
    (cause,) = regression_causes(lost)
    shown = cause.examples(4)
    assert {json.loads(each.output_after) for each in shown} == {"b", "c8", "c9"}
    assert len({each.nodeid for each in shown}) == 4
    assert len(cause.examples(50)) == 10


def test_the_file_is_left_out_of_names_that_share_it() -> None:
    assert short_names(["a.py::x[1]", "a.py::y"]) == ["x[1]", "y"]
    assert short_names(["a.py::x", "b.py::x"]) == ["a.py::x", "b.py::x"]
