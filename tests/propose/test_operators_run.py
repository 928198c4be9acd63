"""Every operator's code is run, sync and async, with a scripted model, and does what it says."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from support.operated import Operated, made_async

from pytest_fapo.core.candidate import Edit
from pytest_fapo.propose.operators.operator_registry import OPERATORS

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


@BOTH
def test_the_most_frequent_of_several_answers_counts(lab: Lab, sync: bool) -> None:
    project = lab(SORT, sync, "sort")
    evidence = project.evidence("sort", [({"message": "where is it"}, "billing")])
    project.apply({"operator": "self-consistency", "samples": 5}, evidence)
    said = iter(["other", "Billing", "billing", "shipping", "billing"])
    assert project.run(lambda _: next(said), "sort", "m") == "Billing"


@BOTH
def test_the_vote_takes_records_too(lab: Lab, sync: bool) -> None:
    project = lab(PARSE, sync, "extract")
    evidence = project.evidence("extract", [({"mail": "a mail"}, {"order": "1"})])
    project.apply({"operator": "self-consistency", "samples": 3}, evidence)
    said = iter(['{"order": "1"}', '{"order": "2", "x": 1}', '{"order": "2"}'])
    assert project.run(lambda _: next(said), "extract", "m") == {"order": "2"}


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


CHAIN = """
def find(query, team="billing"):
    if query == "boom":
        raise TimeoutError("too slow")
    return [] if team else [query]


def find_anywhere(query):
    return ["anything"]
"""


@BOTH
def test_the_fallback_chain_goes_on_after_failures_and_empties(lab: Lab, sync: bool) -> None:
    project = lab(CHAIN if sync else CHAIN.replace("def find", "async def find"))
    evidence = project.evidence("find", [({"query": "q"}, [])], asks=False)
    operator = {"operator": "fallback-chain", "relaxed": {"team": None}, "functions": ["find_anywhere"]}
    project.apply(operator, evidence)
    assert project.run(str, "find", "q") == ["q"]
    assert project.run(str, "find", "boom") == ["anything"]


@BOTH
def test_the_fallback_chain_ends_in_a_fixed_value(lab: Lab, sync: bool) -> None:
    project = lab(CHAIN if sync else CHAIN.replace("def find", "async def find"))
    evidence = project.evidence("find", [({"query": "q"}, [])], asks=False)
    project.apply({"operator": "fallback-chain", "otherwise": ["nothing"]}, evidence)
    assert project.run(str, "find", "q") == ["nothing"]
    assert project.run(str, "find", "q", "") == ["q"]


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
def test_a_plan_comes_first(lab: Lab, sync: bool) -> None:
    project = lab(SORT, sync, "sort")
    evidence = project.evidence("sort", [({"message": "where is it"}, "billing")])
    project.apply({"operator": "plan-then-solve", "advice": "Heed the {tone}."}, evidence)
    model = lambda text: "1. read\n2. sort" if "Devise a plan" in text else text  # noqa: E731
    assert project.run(model, "sort", "hello") == "Which team? hello\n\nPlan:\n1. read\n2. sort"
    assert "Heed the {tone}." in project.asked[0]


@BOTH
def test_simpler_questions_are_answered_first(lab: Lab, sync: bool) -> None:
    project = lab(SEARCH, sync, "answer")
    evidence = project.evidence("answer", [({"question": "whose town"}, "Bergen")])
    project.apply({"operator": "least-to-most", "parts": 2}, evidence)

    def model(text: str) -> str:
        if "Take a problem apart" in text:
            return "Who painted it?\n\nWhere is the painter from?\nToo much?"
        if text.startswith("Who painted"):
            return "Ada Lind"
        return "Bergen" if "Ada Lind" in text else "unknown"

    assert project.run(model, "answer", "Where is the painter of The Harbour from?") == "Bergen"
    assert len(project.asked) == 4
    assert project.asked[-1].endswith("Who painted it?\nAda Lind\n\nWhere is the painter from?\nBergen")


@BOTH
@pytest.mark.parametrize("keep", [True, False])
def test_the_query_is_put_into_the_documents_words(lab: Lab, sync: bool, keep: bool) -> None:
    project = lab(SEARCH, sync, "search", "answer")
    evidence = project.evidence("search", [({"question": "who made it"}, [{"id": "a", "text": "x"}])])
    project.apply({"operator": "query-rewriting", "keep_original": keep, "style": "a catalogue"}, evidence)
    model = lambda text: "maker of Winter Road" if "as in a catalogue" in text else ""  # noqa: E731
    found = [note["id"] for note in project.run(model, "search", "who painted harbour")]
    assert found == (["c", "a"] if keep else ["c"])
    assert [note["id"] for note in project.run(lambda text: " ", "search", "the harbour")] == ["a"]


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


TOOLS = '''
from PACKAGE.llm import complete


def stock(article: str) -> str:
    """How many pieces are there."""
    if article == "boom":
        raise RuntimeError("no such article")
    return {"pan": "4"}.get(article, "none")


def reply(question: str) -> str:
    return complete(question)
'''


@BOTH
def test_the_model_calls_tools_until_it_can_answer(lab: Lab, sync: bool) -> None:
    project = lab(TOOLS, sync, "reply")
    evidence = project.evidence("reply", [({"question": "how many pans are there"}, "?")])
    project.apply({"operator": "tool-loop", "tools": ["stock"], "turns": 6}, evidence)

    def model(text: str) -> str:
        assert "- stock: How many pieces are there. Argument: article." in text
        for tried, then in (("\n4", "Answer: there are 4"), ("failed: no", "Call: stock: pan")):
            if tried in text:
                return then
        return "Call: stock: boom" if "no tool 'search'" in text else "Call: search: pans"

    assert project.run(model, "reply", "how many pans?") == "there are 4"
    assert len(project.asked) == 4
    assert project.run(lambda text: "Call: stock: pan" if "tools" in text else "old", "reply", "q") == "old"


CLEAN: list[tuple[dict[str, Any], str, str]] = [
    ({"ways": ["fences"]}, "Here:\n```json\n{}\n```\n", "{}"),
    ({"ways": ["json"]}, 'Sure: {"a": [1]} ok?', '{"a": [1]}'),
    ({"ways": ["json"]}, "no braces", "no braces"),
    ({"ways": ["quotes", "punctuation", "lower"]}, '"Refund".', 'refund"'),
    ({"ways": ["punctuation", "quotes", "upper"]}, '"Refund".', "REFUND"),
    ({"ways": ["emphasis", "prefix"]}, "**Answer:** yes", "yes"),
    ({"ways": ["first-line"]}, "\n yes \nbecause", "yes"),
    ({"ways": ["last-line"]}, "because\n\nyes\n", "yes"),
    ({"ways": ["number"]}, "about 1,200.50 EUR in 2 parts", "1200.50"),
    ({"ways": ["number"]}, "none at all", "none at all"),
    ({"pattern": r"order (\w+-\d+)"}, "it is order AB-12, ok", "AB-12"),
    ({"pattern": r'"\d+"'}, 'say "12"!', '"12"'),
    ({"choices": ["refund", "delivery"]}, "Not Delivery but Refund.", "refund"),
    ({"choices": ["refund", "delivery"]}, "refnd", "refund"),
    ({"choices": ["refund", "delivery"]}, "zzz", "zzz"),
]


@pytest.mark.parametrize("at", ["answer", "result"])
@pytest.mark.parametrize(("how", "said", "wanted"), CLEAN, ids=lambda value: str(value)[:24])
def test_code_puts_the_form_right(lab: Lab, at: str, how: dict[str, Any], said: str, wanted: str) -> None:
    project = lab(SORT)
    evidence = project.evidence("sort", [({"message": "where is it"}, "billing")])
    project.apply({"operator": "post-process", "at": at, **how}, evidence)
    assert project.run(lambda _: said, "sort", "m") == wanted


@BOTH
def test_code_puts_an_answer_right_before_it_is_parsed(lab: Lab, sync: bool) -> None:
    project = lab(PARSE, sync, "extract")
    evidence = project.evidence("extract", [({"mail": "a mail"}, {"order": "1"})])
    edits = project.apply({"operator": "post-process", "ways": ["fences", "json"]}, evidence)
    assert project.run(lambda _: 'So:\n```json\n{"order": "3"}\n```', "extract", "m") == {"order": "3"}
    assert edits[0].after.startswith("import re\n")


@BOTH
def test_code_puts_one_field_right(lab: Lab, sync: bool) -> None:
    project = lab(PARSE, sync, "extract")
    evidence = project.evidence("extract", [({"mail": "a mail"}, {"order": "1"})])
    operator = {"operator": "post-process", "at": "result", "field": "order", "ways": ["upper"]}
    project.apply(operator, evidence)
    assert project.run(lambda _: '{"order": "ab-3"}', "extract", "m") == {"order": "AB-3"}
    assert project.run(lambda _: '{"order": 3}', "extract", "m") == {"order": 3}


def test_every_operator_is_run_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in OPERATORS if f'"operator": "{name}"' not in text] == []
    assert json.dumps(sorted(OPERATORS))
