"""The handbook and its search."""

from __future__ import annotations

from collections import Counter

import pytest
from desk import settings
from desk.retrieval import handbook, parse_handbook, retrieve


def test_the_handbook_has_forty_passages_with_unique_ids() -> None:
    passages = handbook().passages
    assert len(passages) == 40
    assert len({passage["id"] for passage in passages}) == 40
    assert all(passage["title"] and passage["text"] for passage in passages)


def test_every_team_has_its_section() -> None:
    sections = Counter(passage["section"] for passage in handbook().passages)
    assert set(sections) == {"refund", "billing", "return", "delivery", "warranty", "account"}
    assert min(sections.values()) >= 6


def test_parsing_joins_the_lines_of_a_passage() -> None:
    passages = parse_handbook("# refund\n\n## RF-9 A title\nOne line\nand another.\n")
    assert passages == [
        {"id": "RF-9", "section": "refund", "title": "A title", "text": "One line and another."}
    ]


@pytest.mark.parametrize(
    ("message", "category", "passage"),
    [
        ("My card was charged twice", "billing", "BL-1"),
        ("The toaster gave me an electric shock", "warranty", "WA-2"),
        ("I lost the return label", "return", "RT-2"),
    ],
)
def test_the_right_passage_comes_first(message: str, category: str, passage: str) -> None:
    assert retrieve(message, category)[0]["id"] == passage


def test_a_section_is_not_left() -> None:
    found = retrieve("refund of an invoice for a broken parcel", "account")
    assert len(found) == settings.TOP_K
    assert {passage["section"] for passage in found} == {"account"}


def test_an_unknown_team_searches_everything() -> None:
    found = retrieve("electric shock, smoke and sparks", "Warranty issue")
    assert found[0]["id"] == "WA-2"
