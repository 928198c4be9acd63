"""A run gives what the test itself would get from its pipeline, however pytest arrives at the two."""

from __future__ import annotations

import pytest

HEAD = """
import os, pytest, pytest_fapo as fapo
CASES = [{"id": f"c{n}", "inputs": {"n": n}} for n in range(2)]
def seen(*things):
    return lambda n: [n, *things, os.environ.get("TARGET")]
"""

BODY = """
@fapo.cases(CASES, split="train")
def test_run(run, case, pipeline):
    assert run.output == pipeline(**case.inputs)
@fapo.cases(CASES, split="train")
def test_again(run, case, pipeline):
    assert run.output == pipeline(**case.inputs)
"""

METHODS = """
    @fapo.cases(CASES, split="train")
    def test_run(self, run, case, pipeline):
        assert run.output == pipeline(**case.inputs)
"""

SHAPES = {
    "parameters of the pipeline's fixture": """
@pytest.fixture(params=["small", "large"], scope="SCOPE")
def pipeline(request):
    return seen(request.param)
"""
    + BODY,
    "parameters of a fixture below it": """
@pytest.fixture(params=["small", "large"], scope="SCOPE")
def model(request):
    return request.param
@pytest.fixture(scope="SCOPE")
def pipeline(model):
    return seen(model)
"""
    + BODY,
    "parametrize over what it depends on": """
@pytest.fixture
def pipeline(model):
    return seen(model)
@pytest.mark.parametrize("model", ["small", "large"])
@fapo.cases(CASES, split="train")
def test_run(run, case, pipeline, model):
    assert run.output == pipeline(**case.inputs)
""",
    "indirect parameters, of a wider scope": """
@pytest.fixture(scope="SCOPE")
def model(request):
    return request.param.upper()
@pytest.fixture(scope="SCOPE")
def pipeline(model):
    return seen(model)
@pytest.mark.parametrize("model", ["small", "large"], indirect=True, scope="SCOPE")
@fapo.cases(CASES, split="train")
def test_run(run, case, pipeline):
    assert run.output == pipeline(**case.inputs)
""",
    "a value that the fixture asks for by name": """
@pytest.fixture
def pipeline(request):
    return seen(request.getfixturevalue("model"), request.node.originalname)
@pytest.mark.parametrize("model", ["small", "large"])
@fapo.cases(CASES, split="train")
def test_run(run, case, pipeline, model):
    assert run.output == pipeline(**case.inputs)
@pytest.mark.parametrize("model", ["small"])
@fapo.cases(CASES, split="train")
def test_other(run, case, pipeline, model):
    assert run.output == pipeline(**case.inputs)
""",
    "two classes": """
class TestOne:
    @pytest.fixture(scope="class")
    @staticmethod
    def pipeline():
        return seen("one")
"""
    + METHODS
    + """
class TestTwo:
    @pytest.fixture
    def pipeline(self):
        return seen("two")
"""
    + METHODS,
    "a class-scoped fixture of the module": """
@pytest.fixture(scope="class")
def pipeline(request):
    return seen(request.node.name)
class TestOne:
"""
    + METHODS
    + "class TestTwo:"
    + METHODS,
    "an environment variable for each test": """
@pytest.fixture(autouse=True)
def staging(monkeypatch, request):
    monkeypatch.setenv("TARGET", request.node.name)
@pytest.fixture(scope="SCOPE")
def pipeline():
    return seen("env")
"""
    + BODY,
    "an environment variable for one of two tests": """
@pytest.fixture
def staging(monkeypatch):
    monkeypatch.setenv("TARGET", "staging")
@pytest.fixture(scope="SCOPE")
def pipeline():
    return seen("env")
@fapo.cases(CASES, split="train")
def test_without(run, case, pipeline):
    assert run.output == pipeline(**case.inputs)
@fapo.cases(CASES, split="train")
def test_with(run, case, pipeline, staging):
    assert run.output == pipeline(**case.inputs)
@fapo.cases(CASES, split="train")
@pytest.mark.usefixtures("staging")
def test_marked(run, case, pipeline):
    assert run.output == pipeline(**case.inputs)
""",
    "set up before each method": """
@pytest.fixture(scope="SCOPE")
def pipeline():
    return seen("method")
class TestIt:
    def setup_method(self, method):
        os.environ["TARGET"] = method.__name__
    def teardown_method(self):
        del os.environ["TARGET"]
"""
    + METHODS
    + METHODS.replace("test_run", "test_other"),
    "an environment variable for a module": """
@pytest.fixture(autouse=True, scope="module")
def staging():
    os.environ["TARGET"] = "module"
    yield
    del os.environ["TARGET"]
@pytest.fixture(scope="session")
def pipeline():
    return seen("module")
"""
    + BODY,
    "the same without the variable": """
@pytest.fixture(scope="session")
def pipeline():
    return seen("module")
"""
    + BODY,
    "a pipeline for each test, with tear-down": """
@pytest.fixture
def pipeline(request):
    os.environ["TARGET"] = request.node.name
    yield seen("torn down")
    del os.environ["TARGET"]
"""
    + BODY,
    "a pipeline that changes what it is given": """
@pytest.fixture(scope="SCOPE")
def pipeline():
    return lambda n, history: [n, history.append(n), list(history)]
@fapo.cases([{"id": f"c{n}", "inputs": {"n": n, "history": []}} for n in range(2)], split="train")
def test_run(run, case, pipeline):
    assert run.output == pipeline(**case.inputs)
@fapo.cases([{"id": f"c{n}", "inputs": {"n": n, "history": []}} for n in range(2)], split="train")
def test_again(run, case, pipeline):
    assert run.output == pipeline(**case.inputs)
""",
    "a thread of its own": """
import threading
@pytest.fixture
def owner():
    return threading.current_thread()
@pytest.fixture
def pipeline(owner):
    return lambda n: [n, threading.current_thread() is owner]
"""
    + BODY,
    "a context variable": """
from contextvars import ContextVar
WHO = ContextVar("who", default="nobody")
@pytest.fixture(scope="SCOPE")
def pipeline():
    WHO.set("me")
    return lambda n: [n, WHO.get()]
"""
    + BODY,
}

FOLDERS = {
    "shop": 'CLIENT = "shop"',
    "bank": 'CLIENT = "bank"',
}


@pytest.fixture
def shapes(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project with a module for each shape, and two folders that override what the pipeline is made of."""
    files: dict[str, str] = {"pyproject.toml": "[tool.fapo]\n"}
    for number, source in enumerate(SHAPES.values()):
        scopes = ["function", "session"] if "SCOPE" in source else [""]
        for scope in scopes:
            name = f"test_shape_{number:02}{scope}.py"
            files[name] = HEAD + source.replace("SCOPE", scope or "function")
    for name, line in FOLDERS.items():
        files[f"{name}/conftest.py"] = (
            f"import pytest\n{line}\n@pytest.fixture(scope='session')\ndef client(): return CLIENT\n"
        )
        files[f"{name}/test_{name}.py"] = HEAD + BODY
    files["conftest.py"] = (
        HEAD + "@pytest.fixture(scope='session')\ndef client(): return 'none'\n"
        "@pytest.fixture(scope='session')\ndef pipeline(client): return seen(client)\n"
        "def pytest_collection_modifyitems(items):\n"
        "    if 'REVERSED' in os.environ: items.reverse()\n"
    )
    files["reading/conftest.py"] = (
        "import os, pytest\n"
        "@pytest.hookimpl(tryfirst=True)\n"
        "def pytest_runtest_setup(item): os.environ['TARGET'] = item.name\n"
        "def pytest_runtest_teardown(item): os.environ.pop('TARGET', None)\n"
    )
    files["reading/test_hook.py"] = HEAD + BODY
    for name, text in files.items():
        path = pytester.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return pytester


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "order"),
    [
        (["--fapo-concurrency=16"], "given"),
        (["--fapo-concurrency=1", "--fapo-timeout=60"], "reversed"),
        (["-n2", "--fapo-repeats=2"], "given"),
    ],
    ids=["together", "alone-reversed", "workers"],
)
def test_a_run_is_what_the_test_itself_would_get(
    shapes: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, arguments: list[str], order: str
) -> None:
    if order == "reversed":
        monkeypatch.setenv("REVERSED", "1")
    extra = [*arguments]
    if "--fapo-timeout=60" in arguments:  # a limit needs a thread that can be left
        extra += [f"--ignore-glob=*shape_{list(SHAPES).index('a thread of its own'):02}*"]
    result = shapes.runpytest_subprocess("-q", "-p", "no:asyncio", *extra)
    outcomes = result.parseoutcomes()
    assert outcomes.keys() <= {"passed"}, result.stdout.str()
    assert outcomes["passed"] > 100


def test_runs_that_draw_random_numbers_draw_what_each_would_alone(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import random

        class Seeds:
            def pytest_runtest_setup(self, item): random.seed(item.nodeid)
            pytest_runtest_call = pytest_runtest_setup

        def pytest_configure(config):
            real = config.pluginmanager.get_plugin("randomly")
            if real is not None:
                config.pluginmanager.unregister(real)
            config.pluginmanager.register(Seeds(), "randomly")
        """
    )
    pytester.makepyfile(
        """
        import random, pytest, pytest_fapo as fapo
        @pytest.fixture(scope="session")
        def pipeline(): return lambda n: [n, random.random()]
        @fapo.cases([{"id": f"c{n}", "inputs": {"n": n}} for n in range(8)], split="train")
        def test_it(run, case, request):
            random.seed(request.node.nodeid)
            assert run.output == [case.inputs["n"], random.random()]
        """
    )
    result = pytester.runpytest_subprocess("-q", "-p", "no:asyncio")
    result.assert_outcomes(passed=8)
    result.stdout.fnmatch_lines(["*one at a time*random generator that pytest-randomly seeds*"])
