"""Parameters, created prompts, skill files, examples, and what belongs together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.desk_code import SKILL, SORT, DeskCode, new
from support.review_project import checks, words

from pytest_fapo.core.candidate import Edit
from pytest_fapo.core.settings import Settings

TOP_K = "app/settings.py::TOP_K"
PROMPT = "app/prompts/sort.md"
SKILL_FILE = "skills/desk/SKILL.md"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> DeskCode:
    return DeskCode(tmp_path_factory.mktemp("desk"))


@pytest.mark.parametrize(
    ("address", "after", "blocked"),
    [
        (TOP_K, "8", []),
        (TOP_K, "20", []),
        (TOP_K, "21", ["domain"]),
        (TOP_K, "0", ["domain"]),
        (TOP_K, "3.5", ["domain"]),
        (TOP_K, "true", ["domain"]),
        (TOP_K, "3", ["domain"]),
        (TOP_K, "[8]", ["domain"]),
        (TOP_K, "8; import os", ["domain"]),
        (TOP_K, "NaN", ["domain"]),
        (TOP_K, '"8"', ["domain"]),
        ("app/settings.py::MODEL", '"large"', []),
        ("app/settings.py::MODEL", '"huge"', ["domain"]),
        ("app/settings.py::MODEL", "large", ["domain"]),
    ],
)
def test_parameters_stay_in_their_domain(
    desk: DeskCode, address: str, after: str, blocked: list[str]
) -> None:
    result = desk.review(desk.edit(address, after), level="param")
    assert [check for check in checks(result) if check != "syntax"] == blocked


def test_a_value_outside_names_the_domain(desk: DeskCode) -> None:
    assert "it may be 1..20" in words(desk.review(desk.edit(TOP_K, "50"), level="param"))


def test_a_candidate_has_the_highest_level_of_its_edits(desk: DeskCode) -> None:
    result = desk.review(desk.edit(TOP_K, "8"), level="prompt")
    assert checks(result) == ["scope"]
    assert "is of level 'param'" in words(result)
    assert desk.review(desk.edit(PROMPT, SORT + "Be brief.\n"), level="param").verdict == "pass"


@pytest.mark.parametrize(
    "address",
    [
        "tests/test_desk.py::test_desk",
        "conftest.py::pipeline",
        "cases/tickets.jsonl",
        "pyproject.toml::tool.fapo.target",
        "fapo-baseline.json::plugin",
        "fapo-snapshots/desk.md",
    ],
)
def test_what_judges_is_not_edited(desk: DeskCode, address: str) -> None:
    result = desk.review(Edit(address=address, before="x", after="y"))
    assert set(checks(result)) == {"scope"}
    assert "not what judges it" in words(result)


@pytest.mark.parametrize(
    "address", ["app/other.py::X", "app/prompts/../../x.md", "elsewhere/new.md", "app/new.py::f"]
)
def test_nothing_is_created_outside_the_scope(desk: DeskCode, address: str) -> None:
    assert checks(desk.review(new(address, "def f():\n    return 1\n"))) == ["scope"]


def test_a_created_prompt_is_checked_like_any_other(desk: DeskCode) -> None:
    def created(text: str, **more: Any) -> list[str]:
        body = 'return {"team": ask(prompt("critic").format(ticket=ticket))}'
        return checks(desk.sort(body, new("app/prompts/critic.md", text), **more))

    assert created("Judge: {ticket}\n") == []
    assert created("Judge: {ticket} {nobody}\n") == ["placeholders"]
    assert created('Judge: {ticket}, answer as {"team": "x"}\n') == ["placeholders"]
    assert set(created("\n")) == {"size", "no-op"}
    assert created("x" * 200, settings=Settings(max_prompt_chars=190)) == ["size"]
    assert "leakage" in created(
        "Example: My direct debit bounced and now there is a fee of 12 euros: {ticket}\n"
    )


def test_a_prompt_that_is_there_is_not_created(desk: DeskCode) -> None:
    assert checks(desk.review(new(PROMPT, "Sort {ticket}.\n"), level="prompt")) == ["stale"]


@pytest.mark.parametrize(
    ("after", "sentence"),
    [
        (SKILL.replace("Sort the ticket.", "Sort the ticket by team."), ""),
        (SKILL.replace("sorts tickets", "sorts tickets into teams"), ""),
        (SKILL.replace("name: desk", "name: other"), "changes name"),
        (SKILL.replace("[search]", "[search, shell]"), "changes allowed-tools"),
        (SKILL.replace("name: desk\n", ""), "drops name"),
        (SKILL.replace("---\nSort", "model: big\n---\nSort"), "new key model"),
        (SKILL.replace("---\n", "", 1), "lacks the front matter"),
        (SKILL.replace("description: sorts", "description: a: sorts"), "no longer parses"),
        (SKILL.partition("Sort")[0], "nothing else"),
        ("Sort the ticket.\n", "lacks the front matter"),
    ],
)
def test_skill_files_keep_their_front_matter(desk: DeskCode, after: str, sentence: str) -> None:
    pytest.importorskip("yaml")
    result = desk.review(desk.edit(SKILL_FILE, after), level="prompt")
    assert checks(result) == (["syntax"] if sentence else [])
    assert sentence in words(result)


def test_edits_that_belong_together(desk: DeskCode) -> None:
    prompt = desk.edit(PROMPT, SORT + "Be brief.\n")
    skill = desk.edit(SKILL_FILE, SKILL + "Be brief.\n")
    assert checks(desk.review(prompt, skill, level="prompt")) == ["single-concern"]
    assert desk.review(prompt, skill, level="prompt", technique="joint", step="sort").verdict == "pass"
    assert desk.review(prompt, skill, level="prompt", merges=["c1", "c2"]).verdict == "pass"
    used = 'return {"team": ask(prompt("sort").format(ticket=ticket))}'
    assert desk.sort(used, prompt).verdict == "pass"
    assert checks(desk.sort(used, skill)) == ["single-concern"]
    assert checks(desk.review(desk.edit(TOP_K, "8"), prompt, level="param")) == ["single-concern"]


def quoting(desk: DeskCode, count: int) -> tuple[Edit, list[str]]:
    """An edit that quotes train cases, and their ids."""
    chosen = [case for case in desk.cases if case.split == "train"][:count]
    lines = "".join(f"Ticket: {case.inputs['ticket']}\nTeam: {case.expected['team']}\n" for case in chosen)
    return desk.edit(PROMPT, SORT + lines), [case.id for case in chosen]


def test_train_cases_may_be_quoted_where_the_settings_say_so(desk: DeskCode) -> None:
    edit, ids = quoting(desk, 3)
    train = Settings(demonstrations="train")
    assert desk.review(edit, level="prompt", settings=train, demonstrations=ids).problems == []
    assert checks(desk.review(edit, level="prompt", settings=train, demonstrations=ids[:2])) == ["leakage"]
    assert checks(desk.review(edit, level="prompt", settings=train)) == ["leakage"]
    for mode in ("made", "off"):
        found = checks(
            desk.review(edit, level="prompt", settings=Settings(demonstrations=mode), demonstrations=ids)
        )
        assert set(found) == {"demonstrations", "leakage"}


def test_quoted_cases_are_of_train_and_few(desk: DeskCode) -> None:
    edit, ids = quoting(desk, 3)
    train = Settings(demonstrations="train", max_demonstrations=2)
    assert set(checks(desk.review(edit, level="prompt", settings=train, demonstrations=ids))) == {
        "demonstrations"
    }
    hidden = next(case for case in desk.cases if case.split == "holdout")
    copied = desk.edit(PROMPT, SORT + f"Ticket: {hidden.inputs['ticket']}\n")
    result = desk.review(
        copied, level="prompt", settings=Settings(demonstrations="train"), demonstrations=[hidden.id]
    )
    assert checks(result) == ["demonstrations", "leakage"]
    assert hidden.id not in words(result)


def test_quoted_cases_do_not_belong_in_code(desk: DeskCode) -> None:
    case = next(case for case in desk.cases if case.split == "train")
    body = f"return {{'team': ask({case.inputs['ticket']!r} + ticket)}}"
    settings = Settings(demonstrations="train")
    assert "leakage" in checks(desk.sort(body, settings=settings, demonstrations=[case.id]))


def test_made_up_examples(desk: DeskCode) -> None:
    lines = "".join(
        f"Ticket: the {thing} you sent is not the one in the picture\nTeam: refund\n"
        for thing in ("lamp", "chair", "rug")
    )
    edit = desk.edit(PROMPT, SORT + lines)
    assert desk.review(edit, level="prompt").problems == []
    assert checks(desk.review(edit, level="prompt", settings=Settings(max_demonstrations=2))) == [
        "demonstrations"
    ]
    assert checks(desk.review(edit, level="prompt", settings=Settings(demonstrations="off"))) == [
        "demonstrations"
    ]


def test_an_entry_of_the_scope_that_is_gone_does_not_hide_a_review(tmp_path: Path) -> None:
    desk = DeskCode(tmp_path)
    edit = desk.edit(PROMPT, SORT + "Be brief.\n")
    (tmp_path / "app/settings.py").write_text("OTHER = 1\n", encoding="utf-8")
    assert desk.review(edit, level="prompt").verdict == "pass"
    assert checks(desk.review(edit, edit, level="structure")) == ["scope"]
