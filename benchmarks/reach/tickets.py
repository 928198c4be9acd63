"""The task of all projects of the benchmark: tickets that belong to a team, and the model that sorts them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.planted.optimizers import proposal, shown
from benchmarks.planted.talk import Ask, Say, call

TEAMS = ("billing", "shipping", "technical")

_KNOWN = {
    "billing": {"invoice", "charged"},
    "shipping": {"parcel", "courier"},
    "technical": {"crash", "error"},
}
"""What the model knows by itself; the rest a prompt must say."""

_TICKETS = {
    "billing": (
        "The invoice has a wrong total.",
        "I was charged twice in June.",
        "Where is my refund for the blue chair?",
        "A refund was promised last week.",
        "Please pay the refund to my new account.",
        "The refund is ten euros short.",
        "Send the invoice again.",
        "My refund came without the postage.",
    ),
    "shipping": (
        "The parcel lies at a neighbor's.",
        "The courier never rang.",
        "My package stood open in the rain.",
        "The package went to my old street.",
        "Is the package on its way?",
        "Half of the package is missing.",
        "A courier left a card.",
        "Leave the package at the back door.",
    ),
    "technical": (
        "A crash comes after the update.",
        "The search shows an error.",
        "The password form stays blank.",
        "My password is refused.",
        "No mail for a new password arrives.",
        "The app forgets the password each day.",
        "An error on saving.",
        "The password field takes no umlauts.",
    ),
}


def cases() -> list[Mapping[str, Any]]:
    """The labeled tickets, in turns of the teams."""
    found: list[Mapping[str, Any]] = []
    for number, trio in enumerate(zip(*_TICKETS.values(), strict=True)):
        split = ("train", "train", "train", "val", "train", "holdout", "train", "train")[number]
        for team, ticket in zip(TEAMS, trio, strict=True):
            case = {"inputs": {"message": ticket}, "expected": {"team": team}, "split": split}
            found.append({"id": f"t{len(found) + 1:02}", **case})
    return found


def sorted_by_model(ask: Ask) -> Say:
    """Return the team whose words the ticket holds: those that the model knows, and those of definitions
    (`- billing: …`) in the prompt or in the descriptions of tools and answers."""
    text = ask.text
    found = re.search(r"<ticket>(.*?)</ticket>", text, re.S)
    ticket = found[1] if found else next(turn.text for turn in reversed(ask.turns) if turn.role == "user")
    rules = "\n".join([text.replace(ticket, " "), *_descriptions(ask.body)])
    words = set(_words(ticket))
    scores = {team: len(words & (_KNOWN[team] | _defined(team, rules))) for team in TEAMS}
    return Say(max(TEAMS, key=lambda team: (scores[team], team == "technical")))


def in_the_shape_asked_for(ask: Ask) -> Say:
    """Answer as `sorted_by_model`: by the tool that must be called, as JSON, or in the fields of DSPy."""
    team = sorted_by_model(ask).text
    choice, text = ask.body.get("tool_choice"), ask.body.get("text")
    if ask.tools and choice not in (None, "auto", "none"):
        return call(ask.tools[0], team=team)
    asked_format = ask.body.get("response_format") or (text.get("format") if isinstance(text, dict) else None)
    if isinstance(asked_format, dict) and asked_format.get("type") == "json_schema":
        return Say(json.dumps({"team": team}))
    if "[[ ## team ## ]]" in ask.text:
        return Say(f"[[ ## team ## ]]\n{team}\n\n[[ ## completed ## ]]")
    return Say(team)


_DEFINITIONS = """
- billing: invoices, payments and any refund
- shipping: the courier, and where a parcel or package is
- technical: crashes, errors, and trouble with a password
"""


def defining_teams(ask: Ask) -> Say:
    """Propose, as an optimizer's model, to define the teams in the prompt that names them."""
    texts = shown(ask)
    address = next((each for each, text in texts.items() if all(team in text for team in TEAMS)), "")
    if not address:
        return proposal({}, "no text names the teams")
    edit = {address: texts[address].rstrip() + "\n" + _DEFINITIONS}
    return proposal(edit, "the teams are named and not defined", "define labels")


def _descriptions(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, part in value.items():
            if name == "description" and isinstance(part, str):
                yield part
            else:
                yield from _descriptions(part)
    elif isinstance(value, list):
        for part in value:
            yield from _descriptions(part)


def _defined(team: str, rules: str) -> set[str]:
    lines = re.findall(rf"^\W*{team}\W*[:=-]+ *(.*)$", rules, re.M | re.I)
    return {word for line in lines for word in _words(line) if len(word) > 5}


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())
