"""Each test has its own output, and what its run printed and logged."""

from __future__ import annotations

import pytest

PRINTING = """
import logging, sys, threading, warnings
import pytest, pytest_fapo as fapo

CASES = [{"id": f"c{n}", "inputs": {"n": n}} for n in range(6)]
started = threading.Barrier(6)

@pytest.fixture(scope="session")
def pipeline():
    def ask(n):
        if WAIT: started.wait(60)  # all six are under way before any of them prints
        print("printed", n)
        thread = threading.Thread(target=print, args=("threaded", n))
        thread.start()
        thread.join()
        print("complained", n, file=sys.stderr)
        logging.getLogger("app").warning("logged %s", n)
        warnings.warn(f"warned {n}")
        return n
    return ask

@fapo.cases(CASES, split="train")
def test_fails(run):
    assert run.output == "x"

@fapo.cases(CASES, split="train")
def test_reads(run, case, capsys, caplog):
    n = case.inputs["n"]
    assert capsys.readouterr() == (f"printed {n}\\nthreaded {n}\\n", f"complained {n}\\n")
    assert caplog.messages == [f"logged {n}"]
"""


@pytest.mark.parametrize("wait", [True, False], ids=["together", "alone"])
def test_what_a_run_prints_and_logs_stands_under_its_own_test(pytester: pytest.Pytester, wait: bool) -> None:
    pytester.makepyfile(PRINTING.replace("WAIT", str(wait)))
    arguments = [] if wait else ["--fapo-concurrency=1"]
    result = pytester.runpytest_subprocess("-v", "-p", "no:asyncio", *arguments)
    assert result.parseoutcomes() == {"failed": 6, "passed": 6, "warnings": 12}
    text = result.stdout.str()
    failures = text.partition("warnings summary")[0].split("_ test_fails[")[1:]
    assert len(failures) == 6
    for n, failure in enumerate(failures):
        shown = [
            line for line in failure.splitlines() if line.startswith(("printed", "threaded", "complained"))
        ]
        assert shown == [f"printed {n}", f"threaded {n}", f"complained {n}"]
        assert f"logged {n}" in failure
        assert "Captured stdout call" in failure
        assert "Captured log call" in failure


CHANGING = """
import pytest, pytest_fapo as fapo, threading

CASES = [{"id": f"c{n}", "inputs": {"n": n, "more": [n]}, "expected": [n]} for n in range(3)]
history = []

def answer(n, more):
    more.append("given")
    history.append(n)
    return {"team": "wrong", "debug": [n], "all": history}

class Locked:
    def __init__(self, n): self.n, self.lock, self.notes = n, threading.Lock(), []

calls = []
def locked(n, more):
    calls.append(n)
    return Locked(n)

@pytest.fixture(scope="session")
def pipeline():
    return answer

@pytest.fixture(scope="session")
def unshared():
    return locked

@pytest.mark.parametrize("again", [1, 2])
@fapo.cases(CASES, split="train")
def test_changes(run, case, again):
    assert run.output["team"] == "wrong"
    assert run.output["debug"] == [case.inputs["n"]]
    assert case.inputs["more"] == case.expected == [case.inputs["n"]]
    run.output["team"] = "right"
    run.output["debug"].append("changed")
    case.inputs["more"].append("changed")
    case.expected.append("changed")
    assert run.case is case

@fapo.cases(CASES, split="train")
def test_one_object_within_a_test(run):
    assert run.output is run.output

@pytest.mark.parametrize("again", [1, 2])
@fapo.cases(CASES, split="train", pipeline="unshared")
def test_of_its_own(run, case, again):
    assert run.output.notes == []
    run.output.notes.append("seen")

def test_calls():
    assert sorted(history) == [0, 1, 2]
    assert sorted(calls) == [0, 0, 1, 1, 2, 2]
"""


def test_no_test_sees_what_another_one_does_to_output_or_case(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(CHANGING)
    result = pytester.runpytest_subprocess("-p", "no:asyncio")
    result.assert_outcomes(passed=16)
    result.stdout.fnmatch_lines(
        ["*tests on one case do not share a run: its output cannot be copied (Locked: *lock*"]
    )


def test_an_output_is_as_it_was_when_the_pipeline_returned_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest, pytest_fapo as fapo
        @pytest.fixture(scope="session")
        def pipeline():
            kept = []
            def ask(n):
                kept.append(n)
                return kept
            return ask
        @fapo.cases([{"id": f"c{n}", "inputs": {"n": n}} for n in range(4)], split="train")
        def test_growing(run, case):
            assert run.output == list(range(case.inputs["n"] + 1))
        """
    )
    pytester.runpytest_subprocess("-p", "no:asyncio", "--fapo-concurrency=1").assert_outcomes(passed=4)


@pytest.mark.slow
def test_a_checkout_that_cannot_be_written_runs_without_a_cache(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest, pytest_fapo as fapo
        @pytest.fixture(scope="session")
        def pipeline():
            return lambda n: n
        @fapo.cases([{"id": f"c{n}", "inputs": {"n": n}} for n in range(4)], split="train")
        def test_it(run, case):
            assert run.output == case.inputs["n"]
        """
    )
    (pytester.path / ".fapo").write_text("in the place of the folder")
    for arguments in ([], ["-n2"]):
        result = pytester.runpytest_subprocess("-p", "no:asyncio", *arguments)
        result.assert_outcomes(passed=4)
        said = [line for line in result.outlines if "answers of models are not recorded" in line]
        assert len(said) == 1
        assert "/.fapo/cache cannot be made (File exists)" in said[0]
