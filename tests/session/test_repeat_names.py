"""Repeats of a case: what their items are called, which run each one looks at, what is run side by side."""

from __future__ import annotations

import pytest

from pytest_fapo.shadow.evaluation_request import EvaluationRequest
from pytest_fapo.shadow.reproduction import reproduced
from pytest_fapo.shadow.shadow_run import evaluate
from pytest_fapo.shadow.shadow_tree import ShadowTree

PROJECT = """
    import pytest, threading, time
    import pytest_fapo as fapo

    REPEATS = 3
    lock, now, most, asked = threading.Lock(), 0, 0, []

    @pytest.fixture(scope="session")
    def pipeline():
        def answer(text):
            global now, most
            with lock:
                asked.append(text)
                now += 1
                most = max(most, now)
                number = asked.count(text)
            time.sleep(0.05)
            with lock:
                now -= 1
            return f"{text} {number}"
        return answer

    @fapo.cases([{"id": "a", "inputs": "x"}], split="train")
    def test_one(run):
        assert run.output in ("x 1", "x 2", "x 3")

    @fapo.cases([{"id": "a", "inputs": "w"}], split="val")
    def test_other(case, run):
        assert run.output.startswith(case.inputs)

    @fapo.cases([{"id": "a~r2", "inputs": "y"}, {"id": "a~2", "inputs": "z"}], split="val")
    def test_third(case, run):
        assert run.output.startswith(case.inputs)

    @fapo.cases([{"id": "a", "inputs": "x"}], split="train")
    def test_one_again(run):
        assert run.output.startswith("x")

    def test_counts():
        assert most > 1
        assert sorted(asked) == sorted("wxyz" * REPEATS)
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(test_it=PROJECT)
    return pytester


def test_each_repeat_is_one_run_whatever_cases_are_called(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess("--fapo-repeats=3")
    result.assert_outcomes(passed=3 + 9 + 3 + 1)
    result.stdout.fnmatch_lines(["fapo: passing: train 100 % of 6, val 100 % of 9"])


def test_one_repeat_can_be_asked_for(project: pytest.Pytester) -> None:
    listed = project.runpytest_inprocess("--fapo-repeats=2", "--collect-only", "-q", "-k", "test_one")
    assert listed.outlines[:4] == [
        "test_it.py::test_one[a]",
        "test_it.py::test_one[a~r2]",
        "test_it.py::test_one_again[a]",
        "test_it.py::test_one_again[a~r2]",
    ]
    result = project.runpytest_subprocess("--fapo-repeats=2", "-v", "test_it.py::test_one[a]")
    result.assert_outcomes(passed=1)


def test_records_of_repeats_are_apart_and_reproduced(project: pytest.Pytester) -> None:
    shadow = ShadowTree.create(project.path)
    try:
        request = EvaluationRequest(
            args=["--fapo-repeats=2", "-k", "not counts"], cache_folder=str(project.path / "cache")
        )
        first, second = evaluate(shadow, request), evaluate(shadow, request)
    finally:
        shadow.close()
    assert first.complete, first.stopped
    cases = [item for item in first.items.values() if item.case_id is not None]
    assert {item.repeat for item in cases} == {1, 2}
    assert len(cases) == 10
    groups = {item.first_nodeid for item in cases}
    assert groups == {item.nodeid for item in cases if item.repeat == 1}
    assert len(groups) == 5
    traces = {item.trace_id for item in cases}
    assert len(traces) == len(first.traces) == 8, "test_one and test_one_again share the runs of case a"
    assert {first.traces[name].inputs for name in traces if name} == {"x", "y", "z", "w"}
    for item in cases:
        trace = first.trace_of(item)
        assert trace is not None
        assert trace.inputs == first.cases[item.nodeid].inputs
    assert reproduced(first, second, project.path) is None
