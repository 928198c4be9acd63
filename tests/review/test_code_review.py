"""Rewritten functions: what honest rewrites need passes, what reaches or breaks is blocked."""

from __future__ import annotations

import textwrap

import pytest
from support.attacks import HONEST_END, IMPORTS, MEMORISING, REACHING, SIGNATURES
from support.bounded import bounded
from support.desk_code import TICKETS, DeskCode, new, sorting
from support.honest_edits import HONEST
from support.review_project import checks, words

from pytest_fapo.core.candidate import Edit
from pytest_fapo.core.settings import Settings

CRITIC = new(
    "app/prompts/critic.md",
    "Is {team} the right team for this ticket?\n{ticket}\nAnswer RIGHT or WRONG and say why.\n",
)
NOTED = Edit(
    address="app/prompts/sort.md", before="Sort: {ticket}\n", after="Sort: {ticket}\nWhat is known: {notes}\n"
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> DeskCode:
    return DeskCode(tmp_path_factory.mktemp("desk"))


def test_there_are_honest_rewrites_of_every_kind() -> None:
    assert len(HONEST) >= 40


@pytest.mark.parametrize("name", HONEST)
def test_honest_rewrites_pass(desk: DeskCode, name: str) -> None:
    assert desk.sort(HONEST[name]).problems == []


def test_honest_rewrites_with_new_prompts_and_helpers_pass(desk: DeskCode) -> None:
    by_helper = """
        raw = ask(prompt("sort").format(ticket=ticket)).strip().lower()
        verdict = ask(prompt("critic").format(ticket=ticket, team=raw))
        return {"team": raw if "wrong" not in verdict.lower() else verdict.split()[-1]}
    """
    by_path = """
        critic = (PROMPTS / "critic.md").read_text(encoding="utf-8")
        raw = ask(prompt("sort").format(ticket=ticket)).strip().lower()
        return {"team": ask(critic.format(ticket=ticket, team=raw)).split()[-1]}
    """
    from_here = """
        from pathlib import Path

        critic = (Path(__file__).parent / "prompts" / "critic.md").read_text(encoding="utf-8")
        return {"team": ask(critic.format(ticket=ticket, team="any"))}
    """
    for body in (by_helper, by_path, from_here):
        assert desk.sort(body, CRITIC).problems == []
    notes = 'return {"team": ask(prompt("sort").format(ticket=ticket, notes=str(search(ticket, k=k))))}'
    assert desk.sort(notes, NOTED).problems == []
    helper = new(
        "app/pipeline.py::_plain",
        """
        import unicodedata


        def _plain(text: str) -> str:
            text = unicodedata.normalize("NFKC", text).strip().strip(".'`*").lower()
            return text.splitlines()[0] if text else ""
        """,
    )
    body = 'return {"team": _plain(ask(prompt("sort").format(ticket=ticket)))}'
    assert desk.sort(body, helper).problems == []


def test_methods_and_async_functions(desk: DeskCode) -> None:
    method = """
        def handle(self, ticket: str) -> str:
            ticket = " ".join(ticket.split())
            return sort(ticket)["team"] or "unknown"
    """
    several = """
        import asyncio


        async def asort(ticket: str) -> str:
            answers = await asyncio.gather(*(aask(ticket) for _ in range(3)))
            return max(set(answers), key=answers.count).strip()
    """
    assert desk.function("Desk.handle", method).problems == []
    assert desk.function("asort", several).problems == []
    assert checks(desk.function("Desk.handle", method.replace("self, ", ""))) == ["signature"]
    assert checks(desk.function("asort", several.replace("async def", "def").replace("await ", "")))


@pytest.mark.parametrize("statement", IMPORTS)
def test_imports(desk: DeskCode, statement: str) -> None:
    result = desk.sort(HONEST_END, imports=statement)
    assert checks(result) == ["imports"]


def test_imports_that_the_settings_or_the_scope_allow(desk: DeskCode) -> None:
    body = "vector = numpy.zeros(3)\n" + HONEST_END
    assert "imports" in checks(desk.sort(body, imports="import numpy"))
    assert desk.sort(body, imports="import numpy", settings=Settings(imports=["numpy"])).problems == []
    assert desk.sort(HONEST_END, imports="from app.retrieval import search").problems == []


@pytest.mark.parametrize("name", REACHING)
def test_what_reaches_outside(desk: DeskCode, name: str) -> None:
    result = desk.sort(REACHING[name] + "\n" + textwrap.dedent(HONEST_END))
    assert checks(result), name
    told = {"access", "imports", "isolation", "comparison", "endless", "syntax"}
    assert set(checks(result)) <= told, words(result)


@pytest.mark.parametrize("name", SIGNATURES)
def test_what_callers_rely_on(desk: DeskCode, name: str) -> None:
    result = desk.function("sort", SIGNATURES[name])
    assert set(checks(result)) <= {"signature", "syntax"}
    assert checks(result)


def test_a_changed_default_is_a_warning(desk: DeskCode) -> None:
    result = desk.function("sort", sorting(HONEST_END).replace("k: int = 3", "k: int = 5"))
    assert result.verdict == "warn"
    assert "changes the default of k from 3 to 5" in words(result)


@pytest.mark.parametrize("name", MEMORISING)
def test_what_remembers_cases(desk: DeskCode, name: str) -> None:
    result = desk.sort(MEMORISING[name] + "\n" + textwrap.dedent(HONEST_END))
    assert set(checks(result)) & {"leakage", "access", "imports"}, name


def test_a_rule_is_not_taken_for_a_memory_of_the_cases_that_it_fits(desk: DeskCode) -> None:
    """Whether it holds for other cases is measured (`pytest_fapo.verdict.candidate_gate`), not guessed."""
    for word in ("invoice", "parcel", "refund", "password"):
        rule = f"if {word!r} in ticket.lower():\n    ticket = 'Mind the word: ' + ticket\n"
        assert desk.sort(rule + HONEST_END).problems == []


def test_a_table_of_the_cases_is_a_leak(desk: DeskCode) -> None:
    table = {text: team for team, text in TICKETS}
    assert "leakage" in checks(desk.sort(f"known = {table}\nreturn known.get(ticket)\n" + HONEST_END))


def test_memories_in_created_things(desk: DeskCode) -> None:
    memory = new("app/prompts/memory.md", "Espresso machine, Rotterdam, Tuesday: shipping\n")
    assert "leakage" in checks(desk.sort('x = prompt("memory")\n' + HONEST_END, memory))
    default = sorting(HONEST_END).replace("k: int = 3", 'k: int = 3, seen=(("rotterdam", "shipping"),)')
    assert "leakage" in checks(desk.function("sort", default))


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("__getattr__", "def __getattr__(name):\n    return sort\n"),
        ("pytest_configure", "def pytest_configure(config):\n    return 1\n"),
        ("len", "def len(value):\n    return 1\n"),
        ("json", "def json(value):\n    return 1\n"),
    ],
)
def test_new_functions_take_no_ones_place(desk: DeskCode, name: str, source: str) -> None:
    result = desk.sort(f"# {name}\n" + HONEST_END, new(f"app/pipeline.py::{name}", source))
    assert set(checks(result)) <= {"scope", "syntax"}
    assert checks(result)


@pytest.mark.parametrize(
    "source",
    [
        "x = 1\n" + sorting(HONEST_END),
        sorting(HONEST_END) + "x = 1\n",
        "# -*- coding: utf-7 -*-\n" + sorting(HONEST_END),
        sorting(HONEST_END).replace("raw = ", "raw\u200b = "),
        sorting(HONEST_END).replace("return", "retrun"),
        "(" * 5000,
        "",
    ],
)
def test_what_is_not_one_function(desk: DeskCode, source: str) -> None:
    assert set(checks(desk.function("sort", source))) <= {"syntax", "size"}
    assert desk.function("sort", source).verdict == "block"


def test_messages_never_quote_a_hidden_case(desk: DeskCode) -> None:
    for case in desk.cases:
        word = max(case.inputs["ticket"].split(), key=len)
        result = desk.sort(f"if {word!r} in ticket:\n    return {{}}\n" + HONEST_END)
        if case.split != "train":
            assert word.casefold() not in words(result).casefold()
            assert case.id not in words(result)


@pytest.mark.parametrize(
    "body",
    [
        "x = " + "+".join("1" * 1 for _ in range(4000)),
        "x = " + "-" * 900 + "1",
        "x = ticket" + ".strip()" * 1500,
        "x = ticket\n" + "x = x + x + x + x\n" * 300 + "if x == 'rotterdam':\n    return {}",
        "\n".join(f"v{n} = " + " + ".join(f"v{n - 1 - k}" for k in range(min(n, 12))) for n in range(1, 150)),
        "if " + " and ".join(f"('a{n}' in ticket or 'b{n}' in ticket)" for n in range(200)) + ":\n    pass",
        "import re\nre.search('(a+)+$', ticket)\nre.search('rotter.*.*.*.*.*dam', ticket)",
        "x = '" + "$%" * 9000 + "'",
    ],
)
def test_hostile_code_is_answered_in_a_moment(desk: DeskCode, body: str) -> None:
    with bounded():
        assert desk.sort(body + "\n" + textwrap.dedent(HONEST_END)).verdict in ("pass", "warn", "block")
