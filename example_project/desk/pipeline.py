"""A ticket in, a reply and a filled-in record out: triage, retrieve, draft, finalize."""

from __future__ import annotations

import json
from typing import Any

from desk.llm import complete
from desk.orders import find_order_number
from desk.prompts import load, render
from desk.retrieval import Passage, retrieve
from desk.texts import HOUSE_STYLE, NO_ORDER

FIELDS = ("category", "action", "policy", "order", "priority")


def answer(message: str) -> dict[str, Any]:
    """Handle one ticket.

    Returns:
        The fields of the record (`category`, `action`, `policy`, `order`, `priority`) and the `reply`.

    Raises:
        ValueError: the model's record cannot be read.
    """
    order = find_order_number(message)
    category = triage(message)
    passages = retrieve(message, category)
    reply = draft(message, category, order, passages)
    record = finalize(message, category, order, passages, reply)
    return {**record, "reply": reply}


def triage(message: str) -> str:
    """The team that a ticket goes to."""
    return complete(f"<ticket>\n{message}\n</ticket>", system=load("triage"))


def draft(message: str, category: str, order: str | None, passages: list[Passage]) -> str:
    """The reply to the customer."""
    prompt = render(
        "draft",
        ticket=message,
        category=category,
        order=order or NO_ORDER,
        passages=_as_text(passages),
    )
    return complete(prompt, system=HOUSE_STYLE)


def finalize(
    message: str, category: str, order: str | None, passages: list[Passage], reply: str
) -> dict[str, Any]:
    """The record of the ticket for the desk's system."""
    prompt = render(
        "finalize",
        ticket=message,
        category=category,
        order=order or NO_ORDER,
        passages=_as_text(passages),
        reply=reply,
    )
    return parse_record(complete(prompt))


def parse_record(text: str) -> dict[str, Any]:
    """The record in the model's answer.

    Raises:
        ValueError: the answer is no JSON object, or a field is missing.
    """
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"the record is not JSON ({error.msg}): {text[:60]!r}") from None
    if not isinstance(record, dict):
        raise ValueError(f"the record is {type(record).__name__}, not an object: {text[:60]!r}")
    if missing := [field for field in FIELDS if field not in record]:
        raise ValueError(f"the record lacks {', '.join(missing)}; it has {', '.join(record)}")
    return {field: record[field] for field in FIELDS}


def _as_text(passages: list[Passage]) -> str:
    return "\n\n".join(f"[{passage['id']}] {passage['title']}\n{passage['text']}" for passage in passages)
