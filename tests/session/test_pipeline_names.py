"""Several pipelines of one name are kept apart in every record, and one alone keeps its plain name."""

from __future__ import annotations

import json
from typing import Any

import pytest

CASE = '[{"id": "one", "inputs": {"text": "hello"}, "expected": "hello"}]'
TEST = f"""
@fapo.cases({CASE}, split="train")
def test_answer(case, run):
    assert run.output == case.expected
"""
HEAD = "import pytest, pytest_fapo as fapo\n"

PARAMETERS = (
    HEAD
    + """
def small(text): return text
def large(text): return LARGE
@pytest.fixture(params=[small, large])
def pipeline(request): return request.param
"""
    + TEST
)

DEPENDING = (
    HEAD
    + """
ANSWERS = {"small": "hello", "large": LARGE}
@pytest.fixture
def pipeline(model): return lambda text: ANSWERS[model.name]
class Model:
    def __init__(self, name): self.name = name
@pytest.mark.parametrize("model", [Model("small"), Model("large")], ids=["small", "large"])
@pytest.mark.parametrize("strict", [True])
"""
    + TEST.replace("case, run", "case, run, model, strict").lstrip()
)

CLASSES = (
    HEAD
    + "class TestSmall:\n    @pytest.fixture\n    def pipeline(self): return lambda text: text\n"
    + TEST.replace("\n", "\n    ").replace("case, run", "self, case, run").rstrip(" ")
    + "\nclass TestLarge:\n    @pytest.fixture\n    def pipeline(self): return lambda text: LARGE\n"
    + TEST.replace("\n", "\n    ").replace("case, run", "self, case, run").rstrip(" ")
)

ROOT = (
    "@pytest.fixture\ndef client(): return lambda text: text\n"
    "@pytest.fixture\ndef pipeline(client): return client\n"
)
GIVEN = "@pytest.fixture(scope='session')\ndef {name}(): return lambda text: {answer}\n"

FILES = {
    "conftest.py": HEAD + ROOT,
    "test_root.py": HEAD + TEST,
    "params/test_params.py": PARAMETERS,
    "depending/test_depending.py": DEPENDING,
    "classes/test_classes.py": CLASSES,
    "small/conftest.py": HEAD + GIVEN.format(name="pipeline", answer="text"),
    "small/test_small.py": HEAD + TEST,
    "large/conftest.py": HEAD + GIVEN.format(name="pipeline", answer="LARGE"),
    "large/test_large.py": HEAD + TEST,
    "below/conftest.py": HEAD + GIVEN.format(name="client", answer="LARGE"),
    "below/test_below.py": HEAD + TEST,
}
WELL = {
    "pipeline",
    "pipeline[small] (params/test_params.py)",
    "pipeline[small] (depending/test_depending.py)",
    "pipeline (classes/test_classes.py::TestSmall)",
    "pipeline (small)",
}
FALLING = {
    "pipeline[large] (params/test_params.py)",
    "pipeline[large] (depending/test_depending.py)",
    "pipeline (classes/test_classes.py::TestLarge)",
    "pipeline (large)",
    "pipeline (below)",
}


def write(pytester: pytest.Pytester, files: dict[str, str], answer: str) -> None:
    for name, text in {"pyproject.toml": "[tool.fapo]\n", **files}.items():
        path = pytester.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace("LARGE", repr(answer)))


def baseline(pytester: pytest.Pytester) -> dict[str, Any]:
    pipelines = json.loads((pytester.path / "fapo-baseline.json").read_text())["pipelines"]
    assert isinstance(pipelines, dict)
    return pipelines


@pytest.mark.slow
def test_the_gate_sees_each_of_several_pipelines_fall(pytester: pytest.Pytester) -> None:
    write(pytester, FILES, "hello")
    result = pytester.runpytest_subprocess("-p", "no:asyncio", "--fapo-update-baseline")
    result.assert_outcomes(passed=10)
    assert baseline(pytester).keys() == WELL | FALLING
    assert len(list((pytester.path / "fapo-snapshots").glob("*.md"))) == 10
    write(pytester, FILES, "BROKEN")
    result = pytester.runpytest_subprocess("-p", "no:asyncio", "--fapo-gate", "--fapo-min-score=pipeline=0.5")
    assert result.ret == 10
    result.stdout.fnmatch_lines(["*5 tests that passed no longer pass*"])
    rows = {" ".join(line.split()) for line in result.outlines}
    for name in FALLING:
        assert f"{name} all 1 100 % 0 % 50 %" in rows
    for name in WELL:
        assert f"{name} all 1 100 % 100 % 50 %" in rows


@pytest.mark.slow
def test_a_second_pipeline_leaves_the_first_ones_baseline_valid(pytester: pytest.Pytester) -> None:
    files = {name: text for name, text in FILES.items() if name.startswith(("small/", "large/"))}
    first = {name: text for name, text in files.items() if name.startswith("small")}
    write(pytester, first, "")
    result = pytester.runpytest_subprocess("-p", "no:asyncio", "--fapo-update-baseline")
    result.assert_outcomes(passed=1)
    assert baseline(pytester).keys() == {"pipeline"}
    broken = HEAD + GIVEN.format(name="pipeline", answer="LARGE")
    write(pytester, {**files, "small/conftest.py": broken}, "BROKEN")
    result = pytester.runpytest_subprocess("-p", "no:asyncio", "--fapo-gate", "--tb=no")
    assert result.ret == 10
    result.stdout.fnmatch_lines(
        ["*1 test that passed no longer passes*", "*small/test_small.py::test_answer*"]
    )


MISPLACED = {
    "method": "class TestIt(unittest.TestCase):\n    @CASES\n    def test_it(self): assert False\n",
    "whole": "@CASES\nclass TestIt(unittest.TestCase):\n    def test_it(self): assert False\n",
    "inherited": "class Base:\n    @CASES\n    def test_it(self): assert False\n"
    "class TestIt(Base, unittest.TestCase): pass\n",
}


def test_cases_on_a_unittest_method_are_an_error_at_collection(pytester: pytest.Pytester) -> None:
    cases = f'fapo.cases({CASE}, split="train")'
    for place, text in MISPLACED.items():
        path = pytester.path / f"test_{place}.py"
        path.write_text("import unittest\n" + HEAD + text.replace("CASES", cases))
    result = pytester.runpytest_subprocess("-p", "no:asyncio")
    result.assert_outcomes(errors=3)
    text = result.stdout.str()
    assert text.count("@fapo.cases cannot work on TestIt.test_it: a method of a unittest.TestCase takes") == 2
    assert text.count("@fapo.cases cannot work on TestIt: a method") == 1
    assert text.count("def test_it(case, run): assert run.output == case.expected") == 2
    assert "Traceback" not in text


def test_cases_on_a_function_that_is_not_collected_are_warned_of(pytester: pytest.Pytester) -> None:
    mark = f'@fapo.cases({CASE}, split="train")'
    pytester.makepyfile(
        HEAD
        + f"{mark}\ndef check_it(case, run): assert False\n"
        + f"{mark}\ndef test_it(case): pass\n"
        + f"class TestThem:\n    {mark}\n    def answers(self, case): assert False\n"
    )
    result = pytester.runpytest_subprocess("-p", "no:asyncio")
    result.assert_outcomes(passed=1, warnings=2)
    result.stdout.fnmatch_lines(["*@fapo.cases does nothing on 'check_it': pytest does not collect it*"])
    result.stdout.fnmatch_lines(["*@fapo.cases does nothing on 'answers': pytest does not collect it*"])
