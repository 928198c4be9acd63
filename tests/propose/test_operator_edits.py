"""The code that an operator leaves unchanged, and the code that it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.operated import Operated

from pytest_fapo.propose.operators.project_functions import FunctionText, OperatorError
from pytest_fapo.propose.operators.step_operators import (
    OPERATORS,
    apply_operator,
    operator_schema,
    read_operator,
)

CHECK = {"operator": "verify-and-revise"}
RETRY = {"operator": "retry-on-invalid", "attempts": 2}


def _apply(
    root: Path, patch: pytest.MonkeyPatch, source: str, operator: dict[str, Any], step: str = "f"
) -> Operated:
    project = Operated(root, patch, source)
    project.apply(operator, project.evidence(step, [({"text": "a text"}, "x")]))
    return project


RICH = '''
import functools

def shout(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs).upper()
    return inner

@shout
def f(text, /, *more, sep="-", **rest):  # joins
    """What it does.

    In two paragraphs.
    """
    # why it is so
    text = text.strip()  # bound anew
    label = """one
  two"""
    joined = f"""{text}
{sep}"""

    def twice(value):
        return value + value

    return twice(joined) + label + "".join(more) + str(sorted(rest))
'''


def test_strings_comments_decorators_and_every_kind_of_parameter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Operated(tmp_path / "a", monkeypatch, RICH).run(str, "f", " x ", "m", "n")
    project = _apply(tmp_path, monkeypatch, RICH, RETRY)
    assert project.run(str, "f", " x ", "m", "n") == before
    text = project.read("pipeline.py")
    assert '@shout\ndef f(text, /, *more, sep="-", **rest):  # joins\n    """What it does.\n' in text
    assert "        # why it is so\n        text = text.strip()  # bound anew\n" in text
    assert '"""one\n  two"""' in text
    assert "once(text, *more, sep=sep, **rest)" in text


METHODS = """
class Desk:
  @classmethod
  def f(cls, text):
    return cls.g(text)

  @staticmethod
  def g(text): return text + "!"
"""


@pytest.mark.parametrize("name", ["Desk.f", "Desk.g"])
def test_methods_with_an_indentation_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    project = _apply(tmp_path, monkeypatch, METHODS, RETRY, name)
    assert project.run(str, "Desk.f", "x") == "x!"
    if name == "Desk.f":
        assert "\n    def once(text):\n      return cls.g(text)\n" in project.read("pipeline.py")


def test_names_in_use_are_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = """
    def result(text):
        return text + "?"

    def once(text):
        return result(text)

    def f(keys):
        return once(keys)
    """
    project = Operated(tmp_path, monkeypatch, source)
    project.apply(RETRY, project.evidence("f", [({"keys": "a text"}, "x")]))
    assert project.run(str, "f", "x") == "x?"


def test_operators_stand_one_around_the_other_but_none_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "from PACKAGE.llm import complete\n\ndef f(text):\n    return complete(text)\n"
    project = _apply(tmp_path, monkeypatch, source, RETRY)
    project.apply(CHECK, project.evidence("f", [({"text": "a text"}, "x")]))
    said = iter(["", "a", "b"])
    assert project.run(lambda _: next(said), "f", "x") == "b"
    with pytest.raises(OperatorError, match="f has verify-and-revise already"):
        apply_operator(CHECK, project.evidence("f", [({"text": "a text"}, "x")]))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def f(text):\n    yield text\n", "is a generator"),
        ("def f(text):\n    global G\n    G = text\n", "changes names outside"),
        ("def f(text):\n    return f(text[1:]) if text else ''\n", "calls itself"),
        ("def f(text):\n    return locals()\n", "reads locals"),
        ('def f(text):\n    """Nothing yet."""\n', "has no body"),
        ("class A:\n    def f(self, text):\n        return super().f(text)\n", "uses super"),
        ("def g(text):\n    return text\n", "no function that may be edited is called 'f'"),
    ],
)
def test_what_cannot_be_run_twice_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, reason: str
) -> None:
    project = Operated(tmp_path, monkeypatch, source)
    with pytest.raises(OperatorError, match=reason):
        apply_operator(RETRY, project.evidence("f", [({"text": "a text"}, "x")]))


@pytest.mark.parametrize(
    ("operator", "reason"),
    [
        ({"operator": "magic"}, "there is no operator 'magic'; there are retry-on-invalid, "),
        (
            {"operator": "retry-on-invalid", "attempts": 99},
            "retry-on-invalid: attempts: Input should",
        ),
        ({"operator": "retry-on-invalid", "attempt": 3}, "attempt: Extra inputs are not permitted"),
        ({"operator": "second-hop"}, "gives no list"),
        ({"operator": "verify-and-revise", "function": "two"}, "neither a text nor a mapping"),
        ({"operator": "retry-on-invalid", "function": "g"}, "no function that may be edited is called 'g'"),
    ],
)
def test_choices_that_do_not_fit_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operator: dict[str, Any], reason: str
) -> None:
    source = "def f(text):\n    return text\n\ndef two(text):\n    return text\n"
    project = Operated(tmp_path, monkeypatch, source)
    with pytest.raises(OperatorError) as caught:
        apply_operator(operator, project.evidence("f", [({"text": "a text"}, "x")]))
    assert reason in str(caught.value)


def test_line_endings_stay() -> None:
    text = FunctionText("def f(x):\r\n    return x\r\n", "f")
    assert (text.newline, text.nested_body()) == ("\r\n", ["        return x"])


def test_the_schema_closes_every_object_and_names_every_operator() -> None:
    schema = operator_schema()
    names = [branch["properties"]["operator"]["const"] for branch in schema["anyOf"]]
    assert names == list(OPERATORS)
    for branch in schema["anyOf"]:
        assert branch["additionalProperties"] is False
        assert branch["required"] == list(branch["properties"])
        assert "arXiv:" in branch["description"]
    assert "$ref" not in json.dumps(schema)
    attempts = schema["anyOf"][names.index("retry-on-invalid")]["properties"]["attempts"]
    assert attempts["description"].endswith("From 2 to 10.")


def test_an_operator_is_read_from_what_a_model_says() -> None:
    said = {"operator": "second-hop", "function": "a.py::f", "hops": 2, "by_model": False}
    assert read_operator(said).model_dump() == said


DOCS = Path(__file__).parents[2] / "docs" / "operators.md"


def test_the_page_describes_every_operator_and_shows_what_is_really_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = DOCS.read_text(encoding="utf-8")
    for name, kind in OPERATORS.items():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        assert kind.paper.rpartition("arXiv:")[2] in row
    before, after = [part.partition("```")[0] for part in page.split("```python\n")[1:3]]
    project = Operated(tmp_path, monkeypatch, f"from PACKAGE.llm import complete\n\n\n{before}")
    operator = {"operator": "retry-on-invalid", "choices": ["billing", "shipping"]}
    edits = apply_operator(operator, project.evidence("triage", [({"message": "a message"}, "x")]))
    assert edits[0].after == after
