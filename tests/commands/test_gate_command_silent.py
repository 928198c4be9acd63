"""A case that asked its model when the baseline was written and asks none now is no success of the prompt."""

from __future__ import annotations

import pytest

FILES = {
    "app.py": """
        import json, os, pathlib
        import httpx
        MEMO = pathlib.Path(__file__).with_name("memo.json")  # a cache above HTTP, as libraries have them

        def ask(text):
            memo = json.loads(MEMO.read_text()) if MEMO.exists() else {}
            if text not in memo:
                body = {"model": "m", "messages": [{"role": "user", "content": text}]}
                answer = httpx.post("http://model.invalid/v1/chat/completions", json=body, verify=False)
                memo[text] = answer.json()["choices"][0]["message"]["content"]
                if os.environ.get("MEMO"):
                    MEMO.write_text(json.dumps(memo))
            return memo[text]
    """,
    "stand_in": "def reply(request):\n    return request.text.upper()\n",
    "test_it": """
        import pytest, app
        import pytest_fapo as fapo

        @pytest.fixture(scope="session")
        def pipeline():
            return app.ask

        @fapo.cases([{"id": s, "inputs": s, "expected": s.upper()} for s in ("one", "two")], split="train")
        def test_it(case, run):
            assert run.output == case.expected
    """,
}


@pytest.mark.slow
def test_the_gate_names_it_and_does_not_judge(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyprojecttoml(
        '[tool.pytest.ini_options]\npythonpath = ["."]\n'
        '[tool.fapo.offline]\nmodel = "stand_in:reply"\nunless_env = []\n'
    )
    pytester.makepyfile(**{name.removesuffix(".py"): text for name, text in FILES.items()})
    monkeypatch.setenv("MEMO", "1")
    assert pytester.runpytest_subprocess("-q", "--fapo-update-baseline").ret == 0
    (pytester.path / "memo.json").write_text('{"two": "TWO"}')

    result = pytester.runpytest_subprocess("-q", "--fapo-gate")
    assert result.ret == 11
    said = " ".join(result.stdout.str().split())
    assert "1 case made LLM calls when the baseline was written and none now (pipeline::two)" in said

    (pytester.path / "memo.json").unlink()
    assert pytester.runpytest_subprocess("-q", "--fapo-gate").ret == 0
