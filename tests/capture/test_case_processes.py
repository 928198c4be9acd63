"""Calls made in other Python processes of a case: traced, cached, counted, and refused under `only`."""

from __future__ import annotations

import os
from itertools import count

import pytest
from support import llm_shapes as shapes
from support.llm_server import LLMServer

APP = """
    import asyncio, json, multiprocessing, os, shlex, subprocess, sys, urllib.request
    from concurrent.futures import ProcessPoolExecutor

    def ask(text):
        body = {"model": "m", "messages": [{"role": "user", "content": text}]}
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(os.environ["LLM"], json.dumps(body).encode(), headers)
        return json.load(urllib.request.urlopen(request))["choices"][0]["message"]["content"]

    def look_up(text):
        return ask(text)

    def put(queue, text):
        queue.put(look_up(text))

    PROGRAM = [sys.executable, "-c", "import sys, app; sys.stdout.write(app.look_up(sys.argv[1]))"]

    def program(text):
        return subprocess.run([*PROGRAM, text], stdout=subprocess.PIPE, text=True, check=True).stdout

    def bare_program(text):
        env = {"LLM": os.environ["LLM"], "PYTHONPATH": os.getcwd(), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run([*PROGRAM, text], stdout=subprocess.PIPE, env=env, text=True, check=True).stdout

    async def async_program(text):
        process = await asyncio.create_subprocess_exec(*PROGRAM, text, stdout=asyncio.subprocess.PIPE)
        return (await process.communicate())[0].decode()

    def shell(text):
        file = f"{text}.out"
        assert os.system(f"{shlex.join([*PROGRAM, text])} > {file}") == 0
        assert os.system("exit 3") == 3 << 8
        with open(file) as found:
            return found.read()

    def executor(method, text):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
            return pool.submit(look_up, text).result(60)

    def pool(method, text):
        with multiprocessing.get_context(method).Pool(1) as jobs:
            return jobs.map(look_up, [text])[0]

    def process(method, text):
        context = multiprocessing.get_context(method)
        queue = context.SimpleQueue()
        started = context.Process(target=put, args=(queue, text))
        started.start()
        started.join()
        return "" if started.exitcode else queue.get()

    def fork(text):
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            try:
                os.write(writing, look_up(text).encode())
            finally:
                os._exit(0)
        os.close(writing)
        os.waitpid(child, 0)
        return os.read(reading, 1000).decode()

    def outer(way, text):
        kind, _, method = way.partition(" ")
        found = globals()[kind](*filter(None, [method, text]))
        return asyncio.run(found) if asyncio.iscoroutine(found) else found
"""

CONFTEST = """
    import pytest, app

    @pytest.fixture(scope="session")
    def pipeline():
        return app.outer
"""

TEST = """
    import os
    import pytest_fapo as fapo

    WAY = os.environ["WAY"]

    CASES = [{"id": name, "inputs": {"way": WAY, "text": name}} for name in ("one", "two")]

    @fapo.cases(CASES, split="train")
    def test_it(case, run):
        assert run.output == f"echo: {case.id}"
        outer, inner = run.steps
        assert (outer.name, inner.name, inner.parent) == ("outer", "look_up", outer.index)
        assert inner.inputs == {"text": case.id}
        assert inner.output == run.output
        call, = run.llm_calls
        assert inner.llm_calls == [0]
        assert (call.answer, call.messages[0]["content"]) == (run.output, case.id)
        assert call.cache_hit == (os.environ["HIT"] == "1")
        assert outer.start <= inner.start <= call.start <= inner.start + inner.duration
"""

PROJECT = """
    [tool.fapo]
    steps = ["app:outer", "app:look_up"]
"""

FORKS = [f"{kind} fork" for kind in ("executor", "pool", "process")] + ["fork"]

WAYS = [
    *("program", "bare_program", "async_program", "shell"),
    *(f"{kind} {method}" for kind in ("executor", "pool", "process") for method in ("spawn", "forkserver")),
    *FORKS,
]

pytestmark = pytest.mark.slow


@pytest.fixture
def project(pytester: pytest.Pytester, server: LLMServer, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("LLM", f"{server.base_url}/chat/completions")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(pytester.path), os.environ.get("PYTHONPATH", "")]))
    pytester.makepyprojecttoml(PROJECT)
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(app=APP, test_it=TEST)
    return pytester


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.parametrize("way", WAYS)
def test_a_call_belongs_to_the_case(
    way: str, project: pytest.Pytester, server: LLMServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAY", way)
    monkeypatch.setenv("HIT", "0")
    first = project.runpytest_subprocess()
    first.assert_outcomes(passed=2)
    assert server.count == 2
    monkeypatch.setenv("HIT", "1")
    project.runpytest_subprocess("--fapo-cache=only").assert_outcomes(passed=2)
    assert server.count == 2
    first.stdout.fnmatch_lines(["fapo: 2 calls, 0 from the cache*"])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.parametrize(
    "way", ["program", "shell", "executor spawn", "pool fork", "process forkserver", "fork"]
)
def test_without_an_answer_the_case_fails_and_nothing_is_sent(
    way: str, project: pytest.Pytester, server: LLMServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the program's error is swallowed."""
    monkeypatch.setenv("WAY", way)
    project.makepyfile(
        test_it="""
        import os, pytest_fapo as fapo

        @fapo.cases([{"id": "one", "inputs": {"way": os.environ["WAY"], "text": "one"}}], split="train")
        def test_it(case, run):
            assert run.output
        """
    )
    result = project.runpytest_subprocess("--fapo-cache=only")
    result.assert_outcomes(failed=1)
    assert server.count == 0
    result.stdout.fnmatch_lines(["*no recorded answer to POST /v1/chat/completions*"])


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_samples_of_one_question_stay_apart_in_all_processes(
    method: str, project: pytest.Pytester, server: LLMServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked in the case, then in several processes at once: as many answers as questions."""
    if method == "fork" and not hasattr(os, "fork"):
        pytest.skip("needs os.fork")
    numbers = count(1)
    server.respond = lambda request: shapes.chat(f"answer {next(numbers)}")
    monkeypatch.setenv("METHOD", method)
    project.makeconftest(
        """
        import multiprocessing, os, pytest, app
        from concurrent.futures import ProcessPoolExecutor

        @pytest.fixture
        def pipeline():
            def rolls(text):
                first = app.ask(text)
                context = multiprocessing.get_context(os.environ["METHOD"])
                with ProcessPoolExecutor(3, mp_context=context) as pool:
                    others = list(pool.map(app.ask, [text] * 4))
                return [first, *others, app.ask(text)]
            return rolls
        """
    )
    project.makepyfile(
        test_it="""
        import json, pathlib, pytest_fapo as fapo

        KEPT = pathlib.Path(__file__).with_name("kept.json")

        @fapo.cases([{"id": "one", "inputs": "roll a die"}], split="train")
        def test_it(case, run):
            assert len(set(run.output)) == 6
            assert len({call.key for call in run.llm_calls}) == 6
            if KEPT.exists():
                assert sorted(run.output) == json.loads(KEPT.read_text())
            KEPT.write_text(json.dumps(sorted(run.output)))
        """
    )
    project.runpytest_subprocess().assert_outcomes(passed=1)
    project.runpytest_subprocess("--fapo-cache=only").assert_outcomes(passed=1)
    assert server.count == 6


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_a_pool_that_outlives_a_case_gives_each_case_its_own_calls(
    method: str, project: pytest.Pytester, server: LLMServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    if method == "fork" and not hasattr(os, "fork"):
        pytest.skip("needs os.fork")
    monkeypatch.setenv("METHOD", method)
    project.makeconftest(
        """
        import multiprocessing, os, pytest, app
        from concurrent.futures import ProcessPoolExecutor

        @pytest.fixture(scope="session")
        def pipeline():
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(os.environ["METHOD"])) as pool:
                yield lambda text: pool.submit(app.ask, text).result(60)
        """
    )
    project.makepyfile(
        test_it="""
        import pytest_fapo as fapo

        @fapo.cases([{"id": name, "inputs": name} for name in ("one", "two", "three")], split="train")
        def test_it(case, run):
            assert [call.messages[0]["content"] for call in run.llm_calls] == [case.id]
        """
    )
    project.runpytest_subprocess("--fapo-concurrency=1").assert_outcomes(passed=3)
    assert server.count == 3


def test_the_budget_holds_in_all_processes(
    project: pytest.Pytester, server: LLMServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAY", "program")
    monkeypatch.setenv("HIT", "0")
    result = project.runpytest_subprocess("--fapo-max-calls=1", "--fapo-concurrency=1")
    result.assert_outcomes(passed=1, failed=1)
    assert server.count == 1


def test_programs_that_call_no_model_load_nothing(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.makeconftest(
        """
        import subprocess, sys, pytest

        @pytest.fixture
        def pipeline():
            code = "import sys; print([name for name in sys.modules if name.startswith('pytest_fapo')])"
            run = [sys.executable, "-c", code]
            return lambda text: subprocess.run(run, stdout=subprocess.PIPE, text=True).stdout
        """
    )
    project.makepyfile(
        test_it="""
        import pytest_fapo as fapo

        @fapo.cases([{"id": "one", "inputs": "q"}], split="train")
        def test_it(case, run):
            assert run.output.strip() == "[]"
        """
    )
    project.runpytest_subprocess().assert_outcomes(passed=1)
