"""Every place in Python source where people write prompts: listed, edited, written, run and undone."""

from __future__ import annotations

import ast
import re
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest
from source.conftest import MakeStore

from benchmarks.reach.python_edits import NEW, PATHS, PythonResult, edit_all, module_of, with_kept
from benchmarks.reach.python_table import LIBRARY, LOCATIONS, PythonLocation
from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.source.project_texts import texts_in_file
from pytest_fapo.source.python_texts import replace_text, texts_of
from pytest_fapo.source.template_syntax import fixed_parts
from pytest_fapo.source.text_expressions import TextExpression

HOSTILE = (
    "One line.",
    "say \"hi\", 'hi', \"\"\" and ''' \\ and \\n and \\N{{BULLET}} at the end \\",
    '{{braces}}: {{\n  "team": "x"}}\n\ttabbed\n\n# no comment\nGrüße, 東京, 😀 \u2028 \x07\r nbsp\xa0.',
    "line after line\n" * 12,
)


@pytest.fixture(params=LOCATIONS)
def location(request: pytest.FixtureRequest) -> PythonLocation:
    return LOCATIONS[request.param]


def edited(data: bytes, location: PythonLocation, text: str) -> bytes:
    return replace_text(data, "p.py", location.name, text)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes, PythonLocation], Any]:
    """Runs a module and gives the text that reaches the model."""
    library = types.ModuleType("lib")
    exec(LIBRARY, vars(library))
    monkeypatch.setitem(sys.modules, "lib", library)

    def run(data: bytes, location: PythonLocation) -> Any:
        namespace: dict[str, Any] = {}
        exec(compile(data, "p.py", "exec", dont_inherit=True), namespace)
        return eval(location.run, namespace)

    return run


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("text", HOSTILE, ids=["short", "quotes", "braces and more", "long"])
def test_any_text_can_stand_in_any_place(
    location: PythonLocation, text: str, newline: str, sent: Callable[[bytes, PythonLocation], Any]
) -> None:
    before = b"\xef\xbb\xbf" + module_of(location).replace(b"\n", newline.encode())
    new = with_kept(location, text)
    after = edited(before, location, new)
    assert sent(after, location) == location.sent(new)
    assert newline == "\n" or b"\n" not in after.replace(b"\r\n", b"")
    assert sent(edited(after, location, location.text), location) == location.sent(location.text)


def test_the_old_text_gives_the_same_bytes(location: PythonLocation) -> None:
    assert edited(module_of(location), location, location.text) == module_of(location)


def test_what_code_fills_in_is_neither_dropped_nor_invented(location: PythonLocation) -> None:
    if any(isinstance(part.node, ast.JoinedStr) or part.computed for part in expression_of(location).parts):
        for text in ("Nothing is filled in.", location.text + " {invented}", location.text + " {single"):
            with pytest.raises(ArtifactError):
                edited(module_of(location), location, text)
    elif expression_of(location).filled_by_percent:
        for text in ("Nothing is filled in.", location.text + " %d", location.text + " 5% more"):
            with pytest.raises(ArtifactError, match="fills in %s"):
                edited(module_of(location), location, text)


def expression_of(location: PythonLocation) -> TextExpression:
    expression = texts_of(module_of(location), "p.py").texts[location.name].expression
    assert expression is not None
    return expression


def test_a_pattern_reaches_it(location: PythonLocation, make_store: MakeStore) -> None:
    pattern = re.sub(r"\A\w+", "*", location.name)
    store = make_store({"app/p.py": module_of(location)}, f"app/*.py::{pattern}")
    assert f"app/p.py::{location.name}" in [artifact.address for artifact in store.all("prompt")]
    assert store.in_scope(f"app/p.py::{location.name}", "prompt")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> PythonResult:
    return edit_all(tmp_path_factory.mktemp("python"))


@pytest.mark.parametrize("name", LOCATIONS)
def test_it_is_listed_edited_written_run_and_undone(name: str, result: PythonResult) -> None:
    location, path = LOCATIONS[name], PATHS[name]
    assert result.listed[f"{path}::{location.name}"] == location.text
    assert result.sent[path] == location.sent(with_kept(location, NEW))
    assert result.undone[path] == module_of(location)
    assert result.patch_applies
    located = {text.address: text.value for text in texts_in_file(module_of(location), path)}
    assert located[f"{path}::{location.name}"] == location.text
    assert all(part in location.sent(location.text) for part in fixed_parts(location.text))
