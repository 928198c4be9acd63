"""Functions named by `steps` are traced where they are defined: whoever holds them holds the traced ones."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import pickle
import subprocess
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator
from importlib.machinery import PathFinder, SourceFileLoader
from pathlib import Path
from typing import Any

import pytest

from pytest_fapo.capture.definition_hook import HOOK
from pytest_fapo.capture.recorder import Recorder, recording
from pytest_fapo.capture.step_tracer import StepTracer

PREAMBLE = """
import asyncio, contextlib, functools
REGISTRY = {}
class Tool:
    def __init__(self, function): self.function = function
    def invoke(self, *args): return self.function(*args)
def tool(function): return Tool(function)
def route(path):
    def register(function):
        REGISTRY[path] = function
        return function
    return register
def retried(function):
    @functools.wraps(function)
    def wrapper(*args): return function(*args)
    return wrapper
def unmarked(function):
    def wrapper(*args): return function(*args)
    return wrapper
def loud(function):
    @functools.wraps(function)
    def wrapper(*args): return function(*args).upper()
    return wrapper
def node(text): return text
class Graph:
    def __init__(self): self.nodes = {}
    def add_node(self, name, function): self.nodes[name] = function
"""

HOLDERS: dict[str, tuple[str, str, str, list[str]]] = {
    # what holds it: (module, patterns, use, steps)
    "a graph": (
        "def triage(text): return text\ngraph = Graph()\ngraph.add_node('n', triage)",
        "triage",
        "m.graph.nodes['n']('x')",
        ["triage"],
    ),
    "a tool": ("@tool\ndef look_up(text): return text", "look_up", "m.look_up.invoke('x')", ["look_up"]),
    "a tool by wildcard": (
        "@tool\ndef look_up(text): return text",
        "look*",
        "m.look_up.invoke('x')",
        ["look_up"],
    ),
    "a route": ("@route('/a')\ndef answer(text): return text", "answer", "m.REGISTRY['/a']('x')", ["answer"]),
    "a route below a decorator": (
        "@retried\n@route('/a')\ndef answer(text): return text",
        "answer",
        "m.REGISTRY['/a']('x'), m.answer('x')",
        ["answer", "answer"],
    ),
    "a table": (
        "def triage(text): return text\nTABLE = {'t': triage, 'l': [triage]}",
        "triage",
        "m.TABLE['t']('x'), m.TABLE['l'][0]('x')",
        ["triage", "triage"],
    ),
    "a default and a partial": (
        "def triage(text): return text\ndef run(text, first=triage): return first(text)\n"
        "half = functools.partial(triage, 'x')",
        "triage",
        "m.run('x'), m.half()",
        ["triage", "triage"],
    ),
    "lambdas in a table": (
        "TABLE = {'triage': lambda text: text, 'draft': lambda text: text}\nplain = lambda text: text",
        "*",
        "m.TABLE['triage']('x'), m.TABLE['draft']('x'), m.plain('x')",
        ["triage", "draft", "plain"],
    ),
    "a lambda by its entry": (
        "TABLE = {'triage': lambda text: text, 'draft': lambda text: text}",
        "TABLE.draft",
        "m.TABLE['triage']('x'), m.TABLE['draft']('x')",
        ["draft"],
    ),
    "a decorator that keeps the function's name": (
        "@retried\n@retried\ndef triage(text): return text",
        "triage",
        "m.triage('x')",
        ["triage"],
    ),
    "a decorator that does not": (
        "@unmarked\ndef triage(text): return text",
        "triage",
        "m.triage('x')",
        ["triage"],
    ),
    "a cache": (
        "@functools.lru_cache\ndef triage(text): return text",
        "triage",
        "m.triage('x'), m.triage('x'), m.triage.cache_info()",
        ["triage", "triage"],
    ),
    "a context manager": (
        "@contextlib.contextmanager\ndef session():\n    yield 1",
        "session",
        "m.session().__enter__()",
        ["session"],
    ),
    "a recursion": (
        "def triage(text): return text and triage(text[1:])",
        "triage",
        "m.triage('xy')",
        ["triage", "triage", "triage"],
    ),
    "a coroutine": (
        "@tool\nasync def triage(text): return text",
        "triage",
        "asyncio.run(m.triage.invoke('x'))",
        ["triage"],
    ),
    "a generator": (
        "@route('g')\ndef pieces(text): yield from text",
        "pieces",
        "list(m.REGISTRY['g']('xy'))",
        ["pieces"],
    ),
    "an async generator": (
        "@tool\nasync def pieces(text):\n    yield text",
        "pieces",
        "asyncio.run(drained(m.pieces.invoke('x')))",
        ["pieces"],
    ),
    "methods": (
        "class Desk:\n"
        "    def answer(self, text): return text\n"
        "    @staticmethod\n    def shout(text): return text\n"
        "    @classmethod\n    def make(cls): return cls()\n"
        "    @property\n    def size(self): return 1\n"
        "    def __call__(self, text): return text\n"
        "    def __init__(self): self.log = []\n"
        "desk = Desk()\nHELD = [desk.answer, Desk.shout, desk]",
        "Desk.*",
        "m.HELD[0]('x'), m.HELD[1]('x'), m.HELD[2]('x'), m.desk.size, m.Desk.make()",
        ["Desk.answer", "Desk.shout", "Desk", "Desk.make"],
    ),
    "a method of a class in a class": (
        "class A:\n    class B:\n        def go(self): return 1",
        "A.B.go",
        "m.A.B().go()",
        ["B.go"],
    ),
    "an inner function": (
        "def build():\n    def triage(text): return text\n    def other(text): return text\n"
        "    graph = Graph()\n    graph.add_node('n', triage)\n    graph.add_node('o', other)\n"
        "    return graph",
        "triage",
        "m.build().nodes['n']('x'), m.build().nodes['o']('x')",
        ["triage"],
    ),
    "an inner function by its path": (
        "def build():\n    def triage(text): return text\n    return triage\n"
        "def other():\n    def triage(text): return text\n    return triage",
        "build.triage",
        "m.build()('x'), m.other()('x')",
        ["triage"],
    ),
    "a branch": (
        "if True:\n    def triage(text): return text\nelse:\n    def triage(text): return ''\n"
        "try:\n    def draft(text): return text\nfinally:\n    held = [draft]",
        "*",
        "m.triage('x'), m.held[0]('x')",
        ["triage", "draft"],
    ),
    "a name of its own": (
        "import pytest_fapo\n@pytest_fapo.step(name='mine')\ndef triage(text): return text",
        "triage",
        "m.triage('x')",
        ["mine"],
    ),
    "a validator is no step": (
        "def field_validator(name): return lambda function: function\n"
        "class Model:\n    @field_validator('x')\n    def check(self): return 1\n    def go(self): return 1",
        "Model.*",
        "m.Model().check(), m.Model().go()",
        ["Model.go"],
    ),
}


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Import a text as a user's module, with steps traced."""
    monkeypatch.syspath_prepend(tmp_path)
    tracers = []

    def import_text(text: str, *patterns: str, name: str = "held_steps") -> Any:
        (tmp_path / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        tracers.append(StepTracer([f"{name}:{pattern}" for pattern in patterns]))
        tracers[-1].install()
        return importlib.import_module(name)

    yield import_text
    for tracer in tracers:
        tracer.uninstall()
    for name in [name for name in sys.modules if name.startswith("held_steps")]:
        del sys.modules[name]


def _recorded(use: Callable[[], Any]) -> list[Any]:
    recorder = Recorder(pipeline="p", case_id="c")
    with recording(recorder):
        use()
    return list(recorder.trace().steps)


async def _drained(source: Any) -> list[Any]:
    return [item async for item in source]


@pytest.mark.parametrize("holder", HOLDERS)
def test_who_takes_a_function_takes_the_traced_one(holder: str, load: Callable[..., Any]) -> None:
    text, pattern, use, names = HOLDERS[holder]
    module = load(PREAMBLE + text, pattern)
    names_of_use = {"m": module, "asyncio": asyncio, "drained": _drained}
    steps = _recorded(lambda: eval(use, names_of_use))
    assert [step.name for step in steps] == names
    assert all(step.error is None for step in steps)
    # Nothing but the steps themselves has changed.
    eval(use, names_of_use)


def test_the_output_is_that_of_the_decorated_function(load: Callable[..., Any]) -> None:
    module = load(PREAMBLE + "@loud\ndef triage(text): return text", "triage")
    (step,) = _recorded(lambda: module.triage("x"))
    assert step.output == "X"


SHAPE = '''
"""Doc."""
import functools

@functools.lru_cache(
    maxsize=None,
)
def cached(number):
    """One."""
    return 10 / number


def plain(number, *, more=1):
    total = number + more

    return total


class Desk:
    async def answer(self, text: "str") -> "str":
        return text
'''


def test_sources_lines_and_signatures_stay(load: Callable[..., Any]) -> None:
    module = load(SHAPE, "*", "Desk.*")
    assert module.__doc__ == "Doc."
    assert inspect.getsource(module.plain).startswith("def plain(number, *, more=1):\n    total")
    assert inspect.getsource(module.Desk.answer).startswith("    async def answer")
    assert inspect.unwrap(module.plain).__code__.co_firstlineno == 13
    assert inspect.unwrap(module.cached).__code__.co_firstlineno == 5
    assert str(inspect.signature(module.plain)) == "(number, *, more=1)"
    assert inspect.iscoroutinefunction(module.Desk.answer)
    assert pickle.loads(pickle.dumps(module.plain)) is module.plain
    with pytest.raises(ZeroDivisionError) as raised:
        module.cached(0)
    own = [line for line in traceback.extract_tb(raised.value.__traceback__) if "held_steps" in line.filename]
    assert [(line.name, line.lineno, line.line) for line in own] == [("cached", 10, "return 10 / number")]


def _lines_run(use: Callable[[], Any]) -> list[int]:
    seen: list[int] = []

    def watch(frame: Any, event: str, argument: Any) -> Any:
        if "held_steps" not in frame.f_code.co_filename:
            return None
        if event == "line":
            seen.append(frame.f_lineno)
        return watch

    before = sys.gettrace()
    sys.settrace(watch)
    try:
        use()
    finally:
        sys.settrace(before)
    return sorted(set(seen))


def test_the_lines_that_coverage_counts_are_the_same(load: Callable[..., Any]) -> None:
    def run(*patterns: str, name: str) -> list[int]:
        def use() -> None:
            module = load(SHAPE, *patterns, name=name)
            module.plain(1)
            module.cached(1)

        return _lines_run(use)

    assert run("*", "Desk.*", name="held_steps_a") == run(name="held_steps_b")


def test_no_transformed_code_is_left_in_the_cache(
    load: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    module = load("def triage(text): return text\nHELD = triage", "triage")
    assert hasattr(module, HOOK)
    assert list(tmp_path.rglob("*.pyc")) == []
    done = subprocess.run(
        [sys.executable, "-c", "import held_steps; print(held_steps.HELD.__code__.co_filename)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip().endswith("held_steps.py")


def test_a_stale_cache_is_not_read(load: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "held_steps.py").write_text("def triage(text): return 'old'")
    subprocess.run([sys.executable, "-c", "import held_steps"], cwd=tmp_path, check=True)
    module = load("def triage(text): return 'new'", "triage")
    assert module.triage("") == "new"


class _Rewriting(SourceFileLoader):
    def source_to_code(self, data: Any, path: Any, *, _optimization: int = -1) -> Any:  # type: ignore[override]
        return compile(bytes(data).replace(b"'old'", b"'new'"), path, "exec")


def test_a_loader_that_rewrites_sources_does_so(
    load: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Finder:
        @staticmethod
        def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
            spec = PathFinder.find_spec(name, path, target)
            if name == "held_steps" and spec is not None:
                spec.loader = _Rewriting(name, str(spec.origin))
            return spec

    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    module = load("def triage(text): return 'old'", "triage")
    (step,) = _recorded(lambda: module.triage("x"))
    assert (step.name, step.output) == ("triage", "new")


@pytest.mark.parametrize("text", ["def triage(:", "\0", "1 / 0"])
def test_what_cannot_be_imported_fails_as_ever(text: str, load: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "held_steps_plain.py").write_text(text)
    with pytest.raises((SyntaxError, ValueError, ZeroDivisionError)) as plain:
        importlib.import_module("held_steps_plain")
    with pytest.raises(type(plain.value)):
        load(text, "triage")


def test_a_function_that_was_taken_before_tracing_began_is_told(load: Callable[..., Any]) -> None:
    text = (
        "from pytest_fapo.capture.call_stack import call_stack\n"
        "def triage(text): return call_stack()\n"
        "def draft(text): return call_stack()\n"
        "def idle(text): return call_stack()\n"
        "HELD = {'triage': (triage,)}"
    )
    module = load(text)
    tracer = StepTracer([f"held_steps:{name}" for name in ("triage", "draft", "idle")])
    tracer.install()
    try:
        _recorded(lambda: (module.HELD["triage"][0]("x"), module.draft("x")))
        assert tracer.bypassed() == [("held_steps:triage", "triage")]
    finally:
        tracer.uninstall()


def test_after_the_session_nothing_is_recorded(load: Callable[..., Any]) -> None:
    module = load("def triage(text): return text")
    del sys.modules["held_steps"]
    tracer = StepTracer(["held_steps:triage"])
    tracer.install()
    module = importlib.import_module("held_steps")
    tracer.uninstall()
    assert _recorded(lambda: module.triage("x")) == []
    again = StepTracer(["held_steps:triage"])
    again.install()
    try:
        assert [step.name for step in _recorded(lambda: module.triage("x"))] == ["triage"]
    finally:
        again.uninstall()


def test_inner_functions_and_decorators_are_not_what_a_wildcard_means(load: Callable[..., Any]) -> None:
    text = textwrap.dedent(
        """
        def deco(function):
            def wrapper(*args): return function(*args)
            return wrapper
        @deco
        def triage(text):
            def inner(): return text
            return inner()
        """
    )
    module = load(text, "*")
    assert [step.name for step in _recorded(lambda: module.triage("x"))] == ["triage"]
