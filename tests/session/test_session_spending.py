"""What a session says it has spent."""

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
