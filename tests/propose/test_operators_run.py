"""Every operator's code is run, sync and async, with a scripted model, and does what it says."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from support.operated import Operated, made_async

from pytest_fapo.core.candidate import Edit
from pytest_fapo.propose.operators.step_operators import OPERATORS

BOTH = pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
SORT = '''
from PACKAGE.llm import complete


def sort(message: str) -> str:
    """The team."""
    return complete(f"Which team? {message}")
'''
SEARCH = """
from PACKAGE.llm import complete

NOTES = [
    {"id": "a", "text": "The Harbour is by Ada Lind"},
    {"id": "b", "text": "Ada Lind comes from Bergen"},
    {"id": "c", "text": "Catalogue entry: maker of Winter Road, Porto"},
]


def search(question: str) -> list[dict[str, str]]:
    words = set(question.lower().replace("?", "").split())
    ranked = sorted(NOTES, key=lambda note: -len(words & set(note["text"].lower().split())))
    return [note for note in ranked if words & set(note["text"].lower().split()) - {"is", "from", "of"}][:2]


def answer(question: str) -> str:
    return complete(question)
"""


class Lab:
    """Makes projects; sync as written, or async."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self._root, self._patch = root, patch

    def __call__(self, source: str, sync: bool = True, *functions: str, **files: str) -> Operated:
        source = source if sync else made_async(source, *functions)
        named = {name.replace("__", "/"): text for name, text in files.items()}
        return Operated(self._root, self._patch, source, {f"{name}.md": text for name, text in named.items()})


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    return Lab(tmp_path, monkeypatch)


def _signature(edit: Edit, name: str) -> str:
    return next(
        f"{type(node).__name__} {ast.unparse(node.args)} {ast.unparse(node.returns) if node.returns else ''}"
        for text in (edit.after,)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name
    )


@BOTH
def test_retry_asks_again_what_is_not_among_the_choices(lab: Lab, sync: bool) -> None:
    project = lab(SORT, sync, "sort")
    evidence = project.evidence("sort", [({"message": "where is it"}, "hm")])
    said = iter(["", "perhaps billing", "billing"])
    edits = project.apply({"operator": "retry-on-invalid", "choices": ["billing", "other"]}, evidence)
    assert project.run(lambda _: next(said), "sort", "my invoice") == "billing"
    assert len(project.asked) == 3
    assert _signature(edits[0], "sort") == f"{'' if sync else 'Async'}FunctionDef message: str str"
    assert '"""The team."""' in edits[0].after


@BOTH
def test_retry_adds_its_hint_from_the_second_attempt_on(lab: Lab, sync: bool) -> None:
    project = lab(SORT, sync, "sort")
    evidence = project.evidence("sort", [({"message": "where is it"}, "hm")])
    project.apply({"operator": "retry-on-invalid", "hint": 'Say {one} "word".', "attempts": 2}, evidence)
    assert project.run(lambda text: "x" if "Say {one} 'word'." in text else " ", "sort", "m") == "x"
    assert ["Say" in text for text in project.asked] == [False, True]


PARSE = """
import json

from PACKAGE.llm import complete


def extract(mail):
    record = json.loads(complete("Extract: " + mail))
    return {"order": record["order"]}
"""


@BOTH
def test_retry_runs_again_what_does_not_parse_and_lets_the_last_error_out(lab: Lab, sync: bool) -> None:
    project = lab(PARSE, sync, "extract")
    evidence = project.evidence("extract", [({"mail": "a mail"}, {"order": "1"})])
    project.apply({"operator": "retry-on-invalid", "json_fields": ["order"]}, evidence)
    said = iter(["sorry", '{"order": null}', '{"order": "7"}'])
    assert project.run(lambda _: next(said), "extract", "m") == {"order": "7"}
    with pytest.raises(ValueError, match="Expecting value"):
        project.run(lambda _: "sorry", "extract", "m")
    assert len(project.asked) == 3


FLAKY = """
tries = []

def price(symbol):
    tries.append(symbol)
    return "Error: timed out" if len(tries) < 3 else symbol + "!"
"""


@BOTH
def test_retry_heeds_failures_that_are_told_in_words(lab: Lab, sync: bool) -> None:
    project = lab(FLAKY if sync else FLAKY.replace("def price", "async def price"))
    evidence = project.evidence("price", [({"symbol": "AB"}, "Error: timed out")], asks=False)
    project.apply({"operator": "retry-on-invalid", "failures": ["Error"]}, evidence)
    assert project.run(str, "price", "AB") == "AB!"


@BOTH
def test_an_answer_is_checked_and_corrected(lab: Lab, sync: bool) -> None:
    project = lab(SORT, sync, "sort")
    evidence = project.evidence("sort", [({"message": "where is it"}, "billing")])
    project.apply({"operator": "verify-and-revise", "checks": ["It is in {lower} case."]}, evidence)

    def model(text: str) -> str:
        if "Check an answer" not in text:
            return "Billing" if "odd" in text else "billing"
        assert "It is in {lower} case." in text
        return "billing" if "answer:\nBilling" in text else "OK."

    assert project.run(model, "sort", "odd {message}") == "billing"
    assert "message:\nodd {message}\n" in project.asked[1]
    assert project.run(model, "sort", "plain") == "billing"
    assert len(project.asked) == 2


@BOTH
def test_a_record_is_checked_and_corrected(lab: Lab, sync: bool) -> None:
    project = lab(PARSE, sync, "extract")
    evidence = project.evidence("extract", [({"mail": "a mail"}, {"order": "1"})])
    project.apply({"operator": "verify-and-revise", "rounds": 2}, evidence)

    def model(text: str) -> str:
        if "Check an answer" not in text:
            return '{"order": "wrong"}'
        return 'Sure: {"order": "right"}' if "wrong" in text else "OK"

    assert project.run(model, "extract", "m") == {"order": "right"}
    assert len(project.asked) == 3
    assert project.run(lambda t: '{"other": 1}' if "Check" in t else '{"order": "x"}', "extract", "m") == {
        "order": "x"
    }


@BOTH
@pytest.mark.parametrize("by_model", [True, False])
def test_a_second_hop_looks_up_what_the_first_named(lab: Lab, sync: bool, by_model: bool) -> None:
    project = lab(SEARCH, sync, "search", "answer")
    runs = [({"question": "who made it"}, [{"id": "a", "text": "The Harbour is by Ada Lind"}])]
    evidence = project.evidence("search", runs)
    project.apply({"operator": "second-hop", "by_model": by_model, "hops": 2}, evidence)

    def model(text: str) -> str:
        assert "Found so far:\nThe Harbour is by Ada Lind\n" in text
        return "where Lind comes from" if "Bergen" not in text else ""

    found = [note["id"] for note in project.run(model, "search", "Whose is the Harbour?")]
    assert found == ["a", "b"]
    assert len(project.asked) == (2 if by_model else 0)


def test_every_operator_is_run_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    text += (Path(__file__).parent / "test_turn_demonstrations.py").read_text(encoding="utf-8")
    assert [name for name in OPERATORS if f'"operator": "{name}"' not in text] == []
    assert json.dumps(sorted(OPERATORS))
