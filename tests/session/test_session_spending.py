"""The spending that a session reports."""

from __future__ import annotations

from pathlib import Path

import pytest

PROJECT = """
    import httpx, pytest
    import pytest_fapo as fapo

    @pytest.fixture
    def pipeline():
        def ask(text):
            body = {"model": "m", "messages": [{"role": "user", "content": text}]}
            answer = httpx.Client().post("http://model.invalid/v1/chat/completions", json=body)
            return answer.json()["choices"][0]["message"]["content"]
        return ask

    @fapo.cases([{"id": name, "inputs": name} for name in ("one", "two", "three")], split="train")
    def test_it(case, run):
        assert run.output == case.id

    def reply(request):
        return request.text
"""
SETTINGS = """
    [tool.pytest.ini_options]
    pythonpath = ["."]
    [tool.fapo.offline]
    model = "test_it:reply"
    unless_env = []
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("--fapo-cache=only", "fapo: 0 calls, 1 from the cache"),
        ("--fapo-max-calls=1", "fapo: 1 call, 1 from the cache, 5 tokens"),
    ],
)
def test_calls_that_were_refused_are_not_counted(pytester: pytest.Pytester, option: str, line: str) -> None:
    Path(pytester.path, "test_it.py").write_text("\n".join(row[4:] for row in PROJECT.splitlines()))
    pytester.makepyprojecttoml("\n".join(row[4:] for row in SETTINGS.splitlines()))
    pytester.runpytest_subprocess("-k", "one").assert_outcomes(passed=1, deselected=2)
    result = pytester.runpytest_subprocess(option)
    failed = 2 if "only" in option else 1
    result.assert_outcomes(passed=3 - failed, failed=failed)
    assert line in result.stdout.str().splitlines()


JUDGED = """
    import httpx, pytest
    import pytest_fapo as fapo

    def ask(model, text):
        body = {"model": model, "messages": [{"role": "user", "content": text}]}
        answer = httpx.Client().post("http://model.invalid/v1/chat/completions", json=body)
        return answer.json()["choices"][0]["message"]["content"]

    @pytest.fixture
    def pipeline():
        return lambda text: ask("writer", text)

    @fapo.cases([{"id": name, "inputs": name} for name in ("one", "two", "three")], split="train")
    def test_it(case, run):
        assert ask("judge", f"Is this right? {run.output}").startswith("Is this right?")

    @fapo.cases([{"id": "alone", "inputs": "alone"}], split="val")
    def test_by_itself(case, pipeline):
        assert pipeline(case.inputs) == "alone"

    def reply(request):
        return request.text
"""


@pytest.mark.slow
def test_calls_of_judges_are_counted_and_shown_apart(pytester: pytest.Pytester) -> None:
    """A test's own calls beside its run are a judge's; its calls in a run's place are the pipeline's."""
    Path(pytester.path, "test_it.py").write_text("\n".join(row[4:] for row in JUDGED.splitlines()))
    pytester.makepyprojecttoml("\n".join(row[4:] for row in SETTINGS.splitlines()))
    first = pytester.runpytest_subprocess("--junitxml=out.xml", "--fapo-max-calls=100")
    first.assert_outcomes(passed=4)
    (line,) = [line for line in first.stdout.str().splitlines() if " judge calls)" in line]
    assert line.startswith("fapo: 7 calls (3 judge calls), 0 from the cache, ")
    xml = Path(pytester.path, "out.xml").read_text()
    assert 'name="fapo.llm_calls.judges" value="3"' in xml
    again = pytester.runpytest_subprocess()
    assert "fapo: 0 calls, 7 from the cache (3 judge calls)" in again.stdout.str().splitlines()
    limited = pytester.runpytest_subprocess("--fapo-cache=refresh", "--fapo-max-calls=5")
    limited.stdout.fnmatch_lines(["*all 5 calls allowed by --fapo-max-calls are made*"])


PRICED = """
    import httpx, pytest
    import pytest_fapo as fapo

    @pytest.fixture
    def pipeline():
        def ask(model):
            body = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
            return httpx.Client().post("http://127.0.0.1:9/v1/chat/completions", json=body)
        return ask

    @fapo.cases([{"id": f"c{n}", "inputs": name} for n, name in enumerate(MODELS)], split="train")
    def test_it(case, run):
        assert run.error
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("models", "options", "said"),
    [
        (["my-own-llama", "my-own-llama", "gpt-4o-mini"], ["--fapo-budget=1"], ["my-own-llama"]),
        (["gpt-4o-mini"], ["--fapo-budget=1"], []),
        (["my-own-llama"], ["--fapo-max-calls=10"], []),
    ],
)
def test_a_budget_that_cannot_hold_says_so_before_it_is_needed(
    pytester: pytest.Pytester, models: list[str], options: list[str], said: list[str]
) -> None:
    text = "\n".join(row[4:] for row in PRICED.splitlines()).replace("MODELS", repr(models))
    Path(pytester.path, "test_it.py").write_text(text)
    pytester.makepyprojecttoml('[tool.pytest.ini_options]\npythonpath = ["."]\n')
    result = pytester.runpytest_subprocess("--fapo-concurrency=1", *options)
    found = [line for line in result.stdout.str().splitlines() if "cannot hold" in line]
    assert [line.split("the model ")[1].split(":")[0] for line in found] == said
    assert all(line.startswith("fapo: --fapo-budget cannot hold for") for line in found)
