"""The example's labeled tickets are what its README says."""

from __future__ import annotations

import ast
import re
from collections import Counter
from typing import Any

import pytest
from support.desk_example import EXAMPLE, module, tickets

Ticket = dict[str, Any]


def _message(ticket: Ticket) -> str:
    return str(ticket["inputs"]["message"])


def test_there_are_enough_and_the_splits_are_stratified() -> None:
    assert len(tickets()) >= 150
    per_team = Counter((ticket["split"], ticket["expected"]["category"]) for ticket in tickets())
    assert len(per_team) == 18
    for split, size in {"train": 15, "val": 7, "holdout": 7}.items():
        assert {count for (name, _), count in per_team.items() if name == split} == {size}


def test_ids_and_texts_are_unique() -> None:
    assert len({ticket["id"] for ticket in tickets()}) == len(tickets())
    assert len({_message(ticket).lower() for ticket in tickets()}) == len(tickets())


def test_no_ticket_is_a_template_of_another() -> None:
    """No two tickets share half of their three-word sequences."""
    grams = []
    for ticket in tickets():
        words = re.findall(r"[a-z']+", _message(ticket).lower())
        grams.append({tuple(words[start : start + 3]) for start in range(len(words) - 2)})
    worst = max(
        len(one & other) / max(1, min(len(one), len(other)))
        for place, one in enumerate(grams)
        for other in grams[place + 1 :]
    )
    assert worst < 0.5


def test_order_numbers_are_those_that_the_desk_finds() -> None:
    find = module("desk.orders").find_order_number
    assert {ticket["id"]: find(_message(ticket)) for ticket in tickets()} == {
        ticket["id"]: ticket["expected"]["order"] for ticket in tickets()
    }


def test_policies_stand_in_the_section_of_the_team() -> None:
    sections = {passage["id"]: passage["section"] for passage in module("desk.retrieval").handbook().passages}
    for ticket in tickets():
        assert sections[ticket["expected"]["policy"]] == ticket["expected"]["category"], ticket["id"]


def test_every_passage_of_the_handbook_answers_some_train_ticket() -> None:
    used = {ticket["expected"]["policy"] for ticket in tickets() if ticket["split"] == "train"}
    assert len(used) == len(module("desk.retrieval").handbook().passages)


@pytest.mark.parametrize("split", ["train", "val", "holdout"])
def test_wishes_for_the_reply_follow_from_the_ticket(split: str) -> None:
    for ticket in (ticket for ticket in tickets() if ticket["split"] == split):
        wanted = ticket["expected"]
        if wanted["order"]:
            assert wanted["must_include"] == [wanted["order"]], ticket["id"]
        else:
            needed = [] if wanted["category"] == "account" else ["order number"]
            assert wanted["must_include"] == needed, ticket["id"]


def test_the_application_knows_nothing_of_the_plugin_or_the_stand_in() -> None:
    for path in (EXAMPLE / "desk").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imported = {
            name.split(".")[0]
            for node in ast.walk(tree)
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
        assert not imported & {"pytest_fapo", "pytest", "desk_offline"}, path.name
