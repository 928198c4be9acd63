"""`case` and `run` in real pytest sessions."""

from __future__ import annotations

import textwrap

import pytest

CASES = """
    CASES = [
        {"id": f"c{n}", "inputs": {"n": n}, "expected": n * 2, "split": ("train", "val", "holdout")[n % 3]}
        for n in range(COUNT)
    ]
"""


def project(pytester: pytest.Pytester, app: str, test: str, *, count: int = 6, conftest: str = "") -> None:
    """A pipeline in app.py, its fixture, and a test module that has CASES."""
    fixture = """
        import pytest, app

        @pytest.fixture(scope="session")
        def pipeline():
            return app.answer
    """
    head = "import pytest, time\nimport pytest_fapo as fapo\n"
    cases = textwrap.dedent(CASES).replace("COUNT", str(count))
    pytester.makepyfile(
        app=app,
        conftest=conftest or fixture,
        test_it=head + cases + textwrap.dedent(test),
    )


@pytest.mark.slow
def test_one_item_per_case_with_its_id(pytester: pytest.Pytester) -> None:
    project(
        pytester,
        "def answer(n): return n * 2",
        """
        @fapo.cases(CASES)
        def test_double(case, run):
            assert run.output == case.expected
        """,
    )
    result = pytester.runpytest_subprocess("-v")
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["*test_it.py::test_double[[]c3[]] PASSED*"])
    pytester.runpytest_subprocess("test_it.py::test_double[c3]").assert_outcomes(passed=1)
    pytester.runpytest_subprocess("-k", "c1 or c2").assert_outcomes(passed=2, deselected=4)


@pytest.mark.slow
def test_last_failed_works(pytester: pytest.Pytester) -> None:
    project(
        pytester,
        "def answer(n): return 0 if n == 4 else n * 2",
        """
        @fapo.cases(CASES)
        def test_double(case, run):
            assert run.output == case.expected
        """,
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=5, failed=1)
    result = pytester.runpytest_subprocess("--lf", "-v")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*test_double[[]c4[]] FAILED*", "*assert 0 == 8*"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sync", "async", "returns-awaitable"])
def test_pending_cases_run_at_once_within_the_bound(pytester: pytest.Pytester, kind: str) -> None:
    bodies = {
        "sync": "def answer(n):\n    enter(); time.sleep(0.1); leave(); return n * 2",
        "async": "async def answer(n):\n    enter(); await asyncio.sleep(0.1); leave(); return n * 2",
        "returns-awaitable": (
            "async def work(n):\n    enter(); await asyncio.sleep(0.1); leave(); return n * 2\n"
            "answer = lambda n: work(n)"
        ),
    }
    counting = """
import asyncio, threading, time
lock, now, most = threading.Lock(), 0, 0
def enter():
    global now, most
    with lock:
        now += 1
        most = max(most, now)
def leave():
    global now
    with lock:
        now -= 1
"""
    project(
        pytester,
        counting + bodies[kind],
        """
        import app
        @fapo.cases(CASES)
        def test_double(case, run):
            assert run.output == case.expected
        def test_bound():
            assert app.most == 5
        """,
        count=20,
    )
    pytester.runpytest_subprocess("--fapo-concurrency=5").assert_outcomes(passed=21)


def test_what_the_first_case_sets_up_is_there_for_the_others(pytester: pytest.Pytester) -> None:
    """Many libraries load and make things at the first call, and not all of them with threads in mind."""
    pytester.makepyfile(
        lazily="""
        import time
        time.sleep(0.2)
        VALUE = 2
        """
    )
    project(
        pytester,
        """
        import sys

        def answer(n):
            half_loaded = "lazily" in sys.modules and not hasattr(sys.modules["lazily"], "VALUE")
            import lazily
            return -1 if half_loaded else n * lazily.VALUE
        """,
        """
        @fapo.cases(CASES)
        def test_double(case, run):
            assert run.output == case.expected
        """,
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=6)


def test_the_others_do_not_wait_for_a_first_case_that_takes_long(
    pytester: pytest.Pytester,
) -> None:
    project(
        pytester,
        """
        import threading
        second = threading.Event()

        def answer(n):
            if n == 0:
                assert second.wait(60)
            second.set()
            return n * 2
        """,
        """
        @fapo.cases(CASES)
        def test_double(case, run):
            assert run.output == case.expected
        """,
        count=3,
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=3)


@pytest.mark.slow
def test_tests_of_one_case_share_its_run(pytester: pytest.Pytester) -> None:
    project(
        pytester,
        "calls = []\ndef answer(n):\n    calls.append(n)\n    return n * 2",
        """
        import app
        @fapo.cases(CASES)
        def test_double(case, run):
            assert run.output == case.expected
        @fapo.cases(CASES)
        def test_even(run):
            assert run.output % 2 == 0
        def test_once_each():
            assert sorted(app.calls) == [0, 1, 2, 3, 4, 5]
        """,
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=13)


@pytest.mark.slow
def test_an_exception_belongs_to_its_case_and_keeps_the_users_traceback(pytester: pytest.Pytester) -> None:
    project(
        pytester,
        """
        def deep(n):
            if n == 2:
                raise KeyError("no such account")
            return n * 2
        def answer(n):
            return deep(n)
        """,
        """
        @fapo.cases(CASES)
        def test_double(case, run):
            assert run.output == case.expected
        @fapo.cases(CASES)
        def test_again(case, run):
            assert run.output == case.expected
        """,
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=10, failed=2)
    text = result.stdout.str()
    assert text.count('raise KeyError("no such account")') == 2
    assert "KeyError: 'no such account'" in text
    assert "execution.py" not in text
    assert text.count("def deep(n)") == 2


@pytest.mark.slow
def test_a_test_may_judge_the_error_itself(pytester: pytest.Pytester) -> None:
    project(
        pytester,
        "def answer(n):\n    raise ValueError(f'bad {n}')",
        """
        @fapo.cases(CASES)
        def test_error(case, run):
            assert str(run.error) == f"bad {case.inputs['n']}"
        @fapo.cases(CASES)
        def test_raises(case, run):
            with pytest.raises(ValueError, match="bad"):
                run.output
        @fapo.cases(CASES)
        def test_that_does_not_look(case, run):
            assert case.id
        """,
        count=3,
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=6, failed=3)
    result.stdout.fnmatch_lines(["FAILED *test_that_does_not_look*ValueError: bad*"])


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_case_past_its_time_fails_and_the_others_go_on(pytester: pytest.Pytester, mode: str) -> None:
    sleep = {
        "sync": "def answer(n):\n    time.sleep(",
        "async": "async def answer(n):\n    await asyncio.sleep(",
    }
    project(
        pytester,
        f"import asyncio, time\n{sleep[mode]}600 if n == 1 else 0)\n    return n * 2",
        """
        @fapo.cases(CASES)
        def test_double(case, run):
            assert run.output == case.expected
        """,
    )
    result = pytester.runpytest_subprocess("--fapo-timeout=0.5", "--fapo-concurrency=1", timeout=120)
    result.assert_outcomes(passed=5, failed=1)
    result.stdout.fnmatch_lines(["*TimeoutError: case 'c1' took longer than 0.5 s*"])


def test_a_function_scoped_pipeline_is_made_for_each_case_in_its_own_test(pytester: pytest.Pytester) -> None:
    project(
        pytester,
        """
        now = 0
        class Agent:
            def __init__(self): self.seen = []
            def __call__(self, n):
                self.seen.append(n)
                return (now, len(self.seen))
        """,
        """
        import app
        @pytest.fixture(autouse=True)
        def counted():
            app.now += 1
            yield
            app.now -= 1
        @fapo.cases(CASES)
        def test_fresh(run):
            assert run.output == (1, 1)
        """,
        conftest="""
        import pytest, app
        @pytest.fixture
        def make():
            return app.Agent
        @pytest.fixture
        def pipeline(make):
            return make()
        """,
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["*cases run one at a time, *: fixture 'counted' (test_it.py:*) has*"])
    assert result.stdout.str().count("one at a time") == 1


@pytest.mark.slow
def test_a_pipeline_with_teardown_runs_within_its_own_test(pytester: pytest.Pytester) -> None:
    project(
        pytester,
        "open_now = 0",
        """
        @fapo.cases(CASES)
        def test_open(run):
            assert run.output == 1
        """,
        conftest="""
        import pytest, app
        @pytest.fixture
        def pipeline():
            app.open_now += 1
            yield lambda n: app.open_now
            app.open_now -= 1
        """,
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=6)


@pytest.mark.slow
def test_calling_the_pipeline_in_the_test_body_works_too(pytester: pytest.Pytester) -> None:
    project(
        pytester,
        "def answer(n): return n * 2",
        """
        @fapo.cases(CASES)
        def test_double(case, pipeline):
            assert pipeline(**case.inputs) == case.expected
        """,
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["fapo: passing: train 100 % of 2, val 100 % of 2, holdout 100 % of 2"])


@pytest.mark.slow
def test_inputs_that_are_no_mapping_are_the_one_argument(pytester: pytest.Pytester) -> None:
    project(
        pytester,
        "def answer(text): return text.upper()",
        """
        @fapo.cases([{"id": s, "inputs": s, "split": s} for s in ("train", "val", "holdout")])
        def test_upper(case, run):
            assert run.output == case.id.upper()
        """,
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=3)


def test_inputs_that_the_pipeline_does_not_take_are_said_plainly(pytester: pytest.Pytester) -> None:
    project(
        pytester,
        "def answer(number): return number",
        """
        @fapo.cases(CASES)
        def test_double(run):
            assert run.output
        """,
        count=3,
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        ["*answer(number) does not take the inputs of case 'c0' (cases(...) #1): *'number'; *by name: n*"]
    )
    assert "signature.bind" not in result.stdout.str()


@pytest.mark.slow
def test_scores_must_be_finite_numbers(pytester: pytest.Pytester) -> None:
    project(
        pytester,
        "def answer(n): return n",
        """
        @fapo.cases(CASES)
        def test_score(run):
            run.score("good", True)
            run.feedback("fine")
            with pytest.raises(ValueError, match="finite"):
                run.score("bad", float("nan"))
            with pytest.raises(ValueError, match="expected a number"):
                run.score("bad", "high")
        """,
        count=3,
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("conftest", "words"),
    [
        ("", "*no fixture named 'pipeline': define it in conftest.py*"),
        ("import pytest\n@pytest.fixture\ndef pipeline(): return 3", "*fixture 'pipeline' gives int*"),
    ],
)
def test_a_missing_or_useless_pipeline_is_said_plainly(
    pytester: pytest.Pytester, conftest: str, words: str
) -> None:
    pytester.makepyfile(
        conftest=conftest or "x = 1",
        test_it="""
        import pytest_fapo as fapo
        @fapo.cases([{"id": s, "inputs": s, "split": s} for s in ("train", "val", "holdout")])
        def test_it(run):
            assert run.output
        """,
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines([words])
    assert "Traceback" not in result.stdout.str()


@pytest.mark.slow
def test_xdist_workers_report_to_the_controller(pytester: pytest.Pytester) -> None:
    project(
        pytester,
        "def answer(n): return n * 2 if n != 3 else 0",
        """
        @fapo.cases(CASES)
        def test_double(case, run):
            assert run.output == case.expected
        """,
        count=12,
    )
    result = pytester.runpytest_subprocess("-n2", "--junitxml=out.xml")
    result.assert_outcomes(passed=11, failed=1)
    result.stdout.fnmatch_lines(["fapo: passing: train 75 % of 4, val 100 % of 4, holdout 100 % of 4"])
    assert (pytester.path / "out.xml").read_text().count("<testcase") == 12


@pytest.mark.slow
def test_skipped_and_expected_failures_do_not_count(pytester: pytest.Pytester) -> None:
    project(
        pytester,
        "ran = []\ndef answer(n):\n    ran.append(n)\n    return n",
        """
        @fapo.cases(CASES)
        @pytest.mark.xfail(reason="known")
        def test_known(case, run):
            assert run.output == case.expected
        @fapo.cases([{**case, "id": "s" + case["id"], "inputs": {"n": 100}} for case in CASES])
        @pytest.mark.skip
        def test_skipped(run):
            assert run.output
        def test_not_run():
            import app
            assert 100 not in app.ran
        """,
        count=3,
    )
    result = pytester.runpytest_subprocess("-v")
    result.assert_outcomes(passed=1, skipped=3, xfailed=2, xpassed=1)
    result.stdout.fnmatch_lines(["fapo: passing: train 100 % of 1"])
