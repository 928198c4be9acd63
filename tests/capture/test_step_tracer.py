"""Steps by pattern: functions of the user's modules are wrapped at import, wherever they are referred to."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_fapo.capture.recorder import Recorder, recording
from pytest_fapo.capture.step_tracer import StepTracer

PIPELINE = '''
import functools
import json
import pytest_fapo

def triage(text):
    """Which team."""
    return _clean(text)

def _clean(text):
    return text.strip()

async def draft(text):
    return text + "!"

def pieces(text):
    yield from text

@functools.lru_cache
def cached(text):
    return text

@pytest_fapo.step(name="by hand")
def marked(text):
    return text

class Desk:
    def __init__(self):
        self.log = []
    def answer(self, text):
        return self._polish(text)
    def _polish(self, text):
        return text.title()
    @classmethod
    def make(cls):
        return cls()
    @staticmethod
    def shout(text):
        return text.upper()
    @property
    def size(self):
        return len(self.log)

STEPS = [triage, _clean]
TABLE = {"triage": triage}
LIMIT = 3
'''
USER = """
from app_under_test.pipeline import triage as sort, Desk
import app_under_test.pipeline as p

def run(text):
    return sort(text), p.triage(text), p.STEPS[0](text), p.TABLE["triage"](text)
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    package = tmp_path / "app_under_test"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "pipeline.py").write_text(PIPELINE)
    (package / "user.py").write_text(USER)
    monkeypatch.syspath_prepend(tmp_path)
    yield lambda name: importlib.import_module(f"app_under_test.{name}")
    for name in [name for name in sys.modules if name.startswith("app_under_test")]:
        del sys.modules[name]


@pytest.fixture
def tracer() -> Iterator[Callable[..., StepTracer]]:
    made: list[StepTracer] = []

    def make(*patterns: str) -> StepTracer:
        made.append(StepTracer([f"app_under_test.{pattern}" for pattern in patterns]))
        made[-1].install()
        return made[-1]

    yield make
    for one in made:
        one.uninstall()


def _names(function: Callable[[], Any]) -> list[str]:
    recorder = Recorder(pipeline="p", case_id="c")
    with recording(recorder):
        function()
    return [step.name for step in recorder.trace().steps]


def test_a_module_is_wrapped_when_it_is_imported(app: Any, tracer: Any) -> None:
    tracer("pipeline:*")
    pipeline = app("pipeline")

    def run() -> None:
        pipeline.triage(" a ")
        asyncio.run(pipeline.draft("a"))
        list(pipeline.pieces("ab"))
        pipeline.cached("a")
        pipeline.marked("a")
        pipeline.Desk().answer("a")  # methods are not functions of the module
        pipeline.json.dumps({})  # imported, not defined here

    assert _names(run) == ["triage", "_clean", "draft", "pieces", "cached", "by hand"]
    assert pipeline.triage.__doc__ == "Which team."
    assert inspect.iscoroutinefunction(pipeline.draft)
    assert inspect.getsource(pipeline.triage).startswith("def triage")
    assert pipeline.cached.cache_info().hits == 0
    assert type(pipeline.__loader__).__name__ == "SourceFileLoader"


def test_a_module_that_is_loaded_already_is_wrapped_everywhere(app: Any, tracer: Any) -> None:
    user = app("user")
    original = app("pipeline").triage
    tracer("pipeline:triage")
    assert _names(lambda: user.run("a")) == ["triage"] * 4
    assert app("pipeline").triage is user.sort is not original


def test_uninstalling_restores_every_reference(app: Any, tracer: Any) -> None:
    user, pipeline = app("user"), app("pipeline")
    before = [
        pipeline.triage,
        pipeline.STEPS[0],
        pipeline.TABLE["triage"],
        user.sort,
        vars(pipeline.Desk)["make"],
    ]
    installed = tracer("pipeline:*", "pipeline:Desk.*")
    assert pipeline.triage is not before[0]
    installed.uninstall()
    after = [
        pipeline.triage,
        pipeline.STEPS[0],
        pipeline.TABLE["triage"],
        user.sort,
        vars(pipeline.Desk)["make"],
    ]
    assert all(one is other for one, other in zip(before, after, strict=True))
    assert _names(lambda: user.run("a")) == []


def test_methods_by_class(app: Any, tracer: Any) -> None:
    tracer("pipeline:Desk.*")
    desk = app("pipeline").Desk

    def run() -> None:
        made = desk.make()
        made.answer("a")
        desk.shout("a")
        assert made.size == 0

    assert _names(run) == ["Desk.make", "Desk.answer", "Desk._polish", "Desk.shout"]


def test_a_special_method_is_wrapped_when_it_is_named(app: Any, tracer: Any) -> None:
    tracer("pipeline:Desk.__init__")
    assert _names(lambda: app("pipeline").Desk()) == ["Desk.__init__"]


def test_patterns_pick(app: Any, tracer: Any) -> None:
    tracer("pipeline:t*", "pipeline:[_]clean")
    pipeline = app("pipeline")
    assert _names(lambda: (pipeline.triage("a"), list(pipeline.pieces("a")))) == ["triage", "_clean"]


def test_what_matches_nothing_is_known_once_its_module_is_imported(app: Any, tracer: Any) -> None:
    installed = tracer("pipeline:triage", "pipeline:traige", "pipeline:Desk.nothing", "elsewhere:*")
    assert installed.unmatched() == []
    app("pipeline")
    assert installed.unmatched() == [
        "app_under_test.pipeline:traige",
        "app_under_test.pipeline:Desk.nothing",
    ]


def test_a_missing_module_is_as_missing_as_before(app: Any, tracer: Any) -> None:
    tracer("absent:*")
    with pytest.raises(ModuleNotFoundError, match=r"app_under_test\.absent"):
        app("absent")


def test_a_module_that_fails_to_import_fails_the_same_way(app: Any, tracer: Any, tmp_path: Path) -> None:
    (tmp_path / "app_under_test" / "broken.py").write_text("1 / 0")
    tracer("broken:*")
    with pytest.raises(ZeroDivisionError):
        app("broken")
    assert "app_under_test.broken" not in sys.modules


def test_reloading_wraps_again(app: Any, tracer: Any) -> None:
    tracer("pipeline:triage")
    pipeline = importlib.reload(app("pipeline"))
    assert _names(lambda: pipeline.triage("a")) == ["triage"]


@pytest.mark.slow
def test_it_works_beside_pytests_own_import_hook(tmp_path: Path) -> None:
    """The traced module may itself be rewritten for assertions, as a conftest plugin or test helper is."""
    (tmp_path / "conftest.py").write_text(
        textwrap.dedent(
            """
            import pytest
            from pytest_fapo.capture.step_tracer import StepTracer
            pytest.register_assert_rewrite("helper")
            tracer = StepTracer(["helper:*"])
            tracer.install()
            """
        )
    )
    (tmp_path / "helper.py").write_text("def check(x):\n    assert x == [1, 2], 'never'\n    return x\n")
    (tmp_path / "test_it.py").write_text(
        textwrap.dedent(
            """
            import pytest
            import helper
            from pytest_fapo.capture.recorder import Recorder, recording

            def test_rewritten_and_traced():
                recorder = Recorder(pipeline="p", case_id="c")
                with recording(recorder), pytest.raises(AssertionError, match="At index 1 diff"):
                    helper.check([1, 3])
                assert recorder.trace().steps[0].name == "check"
            """
        ).replace("'never'", "")
    )
    (tmp_path / "helper.py").write_text("def check(x):\n    assert x == [1, 2]\n    return x\n")
    done = subprocess.run(
        [
            *(sys.executable, "-W", "error", "-m", "pytest", "-q"),
            *("-p", "no:cacheprovider", "-p", "no:asyncio", str(tmp_path)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_odd_objects_in_a_module_are_left_alone(app: Any, tracer: Any, tmp_path: Path) -> None:
    (tmp_path / "app_under_test" / "odd.py").write_text(
        textwrap.dedent(
            """
            class Proxy:
                def __getattr__(self, name):
                    raise RuntimeError("working outside of a context")
                def __call__(self):
                    raise RuntimeError("working outside of a context")
            current = Proxy()
            def plain():
                return 1
            """
        )
    )
    tracer("odd:*")
    assert _names(lambda: app("odd").plain()) == ["plain"]
