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


@pytest.mark.slow
def test_steps_are_traced_in_what_a_conftest_imports(pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml('[tool.pytest.ini_options]\n[tool.fapo]\nsteps = ["desk:*"]\n')
    pytester.makepyfile(
        desk="NODES = {}\ndef node(f):\n    NODES[f.__name__] = f\n    return f\n"
        "@node\ndef triage(text):\n    return text\n"
        "def answer(text):\n    return NODES['triage'](text)\n"
    )
    pytester.makeconftest(
        "import desk, pytest\n@pytest.fixture(scope='session')\ndef pipeline():\n    return desk.answer\n"
    )
    pytester.makepyfile(
        "import pytest_fapo as fapo\n"
        "@fapo.cases([{'id': 'a', 'inputs': 'a'}], split='train')\n"
        "def test_it(run):\n"
        "    assert [(step.name, step.parent) for step in run.steps] == [('answer', None), ('triage', 0)]\n"
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1)
    assert "steps:" not in result.stdout.str()


@pytest.mark.slow
def test_a_function_that_ran_past_its_traced_form_is_told(pytester: pytest.Pytester) -> None:
    settings = '[tool.pytest.ini_options]\naddopts = "-p early"\npythonpath = ["."]\n'
    pytester.makepyprojecttoml(f'{settings}[tool.fapo]\nsteps = ["desk:triage"]\n{OFFLINE}')
    (pytester.path / "app").mkdir()
    (pytester.path / "app" / "__init__.py").touch()
    (pytester.path / "app" / "stand_in.py").write_text("def reply(request):\n    return request.text\n")
    pytester.makepyfile(
        early="import desk\n",
        desk=f"def triage(text):\n    {ASKING.strip()}\nHELD = (triage,)\n"
        "def answer(text): return HELD[0](text)\n",
    )
    pytester.makeconftest("import desk, pytest\n@pytest.fixture\ndef pipeline():\n    return desk.answer\n")
    pytester.makepyfile(
        "import pytest_fapo as fapo\n"
        "@fapo.cases([{'id': 'a', 'inputs': 'a'}], split='train')\n"
        "def test_it(run): assert run.output == 'a'\n"
    )
    pytester.syspathinsert()
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1)
    assert "fapo: steps: 'desk:triage' does not trace triage: it was taken" in result.stdout.str()
