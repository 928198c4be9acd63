"""A session says which of its settings have no effect."""

from __future__ import annotations

from pathlib import Path

import pytest

TEST = """
    import pytest, app.pipeline
    import pytest_fapo as fapo

    @pytest.fixture
    def pipeline():
        return app.pipeline.answer

    @fapo.cases([{"id": s, "inputs": s, "split": s} for s in ("train", "val", "holdout")])
    def test_it(case, run):
        assert run.output == case.id
"""


ASKING = """
    import httpx
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    answer = httpx.Client().post("http://model.invalid/v1/chat/completions", json=body)
    return answer.json()["choices"][0]["message"]["content"]
"""
OFFLINE = '[tool.fapo.offline]\nmodel = "app.stand_in:reply"\nunless_env = []\n'


def run(pytester: pytest.Pytester, *steps: str, body: str = "return text", offline: bool = False) -> str:
    (pytester.path / "app").mkdir(exist_ok=True)
    (pytester.path / "app" / "__init__.py").touch()
    (pytester.path / "app" / "pipeline.py").write_text(f"def answer(text):\n    {body}\n")
    (pytester.path / "app" / "stand_in.py").write_text("def reply(request):\n    return request.text\n")
    settings = f"[tool.pytest.ini_options]\n[tool.fapo]\nsteps = {list(steps)}\n"
    pytester.makepyprojecttoml(settings + (OFFLINE if offline else ""))
    pytester.makepyfile(TEST)
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=3)
    return result.stdout.str()


@pytest.mark.slow
def test_a_step_that_is_not_there_is_named(pytester: pytest.Pytester) -> None:
    said = run(pytester, "app.pipeline:answr", "app.pipelines:*", "ap.pipeline:answer", "app.pipeline:*")
    assert "fapo: steps: 'app.pipeline:answr' traces nothing: app.pipeline has no such function" in said
    assert "fapo: steps: 'app.pipelines:*' traces nothing: there is no module app.pipelines" in said
    assert "fapo: steps: 'ap.pipeline:answer' traces nothing: there is no module ap.pipeline" in said
    assert said.count("traces nothing") == 3


@pytest.mark.slow
def test_a_module_that_this_selection_does_not_import_is_no_mistake(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(other="raise RuntimeError('imported')")
    assert "traces nothing" not in run(pytester, "other:*", "app.pipeline:answer")


@pytest.mark.slow
def test_a_broken_cache_is_said_and_does_no_harm(pytester: pytest.Pytester) -> None:
    cache = Path(pytester.path, ".fapo", "cache")
    cache.mkdir(parents=True)
    (cache / "cache.db").write_bytes(b"not a database" * 100)
    said = run(pytester, body=ASKING, offline=True)
    assert said.count("fapo: the cache is not used: ") == 1
    assert "(file is not a database); delete that folder, or run with --fapo-cache=off" in said
