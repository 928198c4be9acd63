"""Many failing cases of a plain run are told by cause, after pytest's own last line."""

from __future__ import annotations

import re

import pytest

from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.views.failure_groups import failure_lines

PROJECT = """
import pytest, pytest_fapo as fapo

CASES = [{"id": f"c{n}", "inputs": {"n": n}, "expected": n % 3} for n in range(9)]

@pytest.fixture(scope="session")
def pipeline():
    return lambda n: 0

@fapo.cases(CASES, split="train")
def test_case(case, run):
    assert run.output == case.expected

def test_plain():
    assert "plain" == "other"
"""


def evaluation(said: list[str]) -> Evaluation:
    items = [
        ItemResult(
            nodeid=f"t.py::test_a[{n}]", outcome="failed", split="train", case_id=f"{n}", explanation=text
        )
        for n, text in enumerate(said)
    ]
    return Evaluation(items={item.nodeid: item for item in items})


def test_the_most_frequent_failure_comes_first_with_an_example() -> None:
    said = ["AssertionError: assert 'a' == 'b'"] + ["AssertionError: assert 'c' == 'd'"] * 3
    assert failure_lines(evaluation(said)) == [
        "fapo: 4 failing tests on cases, 2 kinds of failure (one of each above, all with -v):",
        "  3  test_a: assert 'c' == 'd'  [1] and 2 more",
        "  1  test_a: assert 'a' == 'b'  [0]",
    ]


def test_too_many_failures_are_told_without_their_values() -> None:
    lines = failure_lines(evaluation([f"assert 'a{n}' == 'b'" for n in range(20)] + ["ValueError: no"]))
    assert lines[1:] == [
        "  20  test_a: assert 'a0' == 'b'  [0] and 19 more",
        "   1  test_a: ValueError: no  [20]",
    ]


def test_tracebacks_of_cases_are_folded_and_those_of_other_tests_are_not(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(PROJECT)
    done = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    text = done.stdout.str()
    done.assert_outcomes(passed=3, failed=7)
    assert re.findall(r"_ (test_\S+) _", text) == ["test_case[c1]", "test_case[c2]", "test_plain"]
    assert text.count("\nFAILED ") == 3
    last = text.partition("7 failed, 3 passed")[2].strip().splitlines()[1:]
    assert last[0] == "fapo: 6 failing tests on cases, 2 kinds of failure (one of each above, all with -v):"
    assert last[1].endswith("test_case: assert 0 == 1  [c1] and 2 more")
    assert last[-2].startswith("fapo: passing: train 33 %")
    assert last[-1].startswith("fapo: pytest --fapo-diagnose")
    for option in ("-v", "--tb=short"):
        assert (
            pytester.runpytest_subprocess(option, "-p", "no:cacheprovider").stdout.str().count("FAILED ") >= 7
        )
