"""Properties of the prompts that must stay true, whoever edits them."""

from __future__ import annotations

import string

import pytest
from desk.prompts import load, render
from desk.texts import HOUSE_STYLE

PLACEHOLDERS = {
    "triage": set(),
    "draft": {"category", "ticket", "order", "passages"},
    "finalize": {"category", "ticket", "order", "passages", "reply"},
}
TRIAGE_BUDGET = 1600
"""Characters. Triage runs on every mail, spam included; its prompt is the one that we pay for most."""
CONSOLE_FIELD = 600
"""Characters. When the desk is down, agents paste the draft prompt into their console; it takes no more."""


@pytest.mark.parametrize("name", sorted(PLACEHOLDERS))
def test_placeholders(name: str) -> None:
    names = {field for _, field, _, _ in string.Formatter().parse(load(name)) if field is not None}
    assert names == PLACEHOLDERS[name]


def test_rendering_fills_in_every_value() -> None:
    values = {
        "category": "refund",
        "ticket": "Where is my money?",
        "order": "KC-12345",
        "passages": "[RF-1] Soon",
    }
    text = render("draft", **values)
    assert all(value in text for value in values.values())


def test_rendering_without_a_value_is_an_error() -> None:
    with pytest.raises(KeyError):
        render("draft", ticket="Hello")


def test_the_triage_prompt_stays_within_its_budget() -> None:
    assert len(load("triage")) <= TRIAGE_BUDGET


def test_the_draft_prompt_fits_into_the_agents_console() -> None:
    assert len(load("draft")) <= CONSOLE_FIELD


def test_the_legal_notice_stays_in_the_draft_prompt() -> None:
    assert "Statutory rights of consumers are not affected" in " ".join(load("draft").split())


def test_replies_are_signed_by_the_desk() -> None:
    assert '"Your Kettle & Crane desk"' in HOUSE_STYLE
