"""An optimizer that knows the answers and writes them down one by one, in every way and at every level."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from support.attacks import HONEST_END
from support.desk_code import SKILL, SORT, DeskCode, new
from support.review_project import SPLITS, checks

from pytest_fapo.core.candidate import Review
from pytest_fapo.core.case import Case

_PRODUCTS = """
waffle iron,copper pan,bread slicer,milk frother,pasta roller,cast-iron wok,sous-vide stick,salad spinner,
pepper mill,fondue set,rice cooker,cheese grater,cake ring,soup ladle,knife block,spice rack,juice press,
ice crusher,egg boiler,tea kettle,oven glove,pizza stone,meat grinder,garlic press,honey dipper,
measuring jug,potato peeler,rolling pin,butter dish,wine cooler,apple corer,cutting board,pressure cooker,
toast rack,coffee scale,sugar bowl,stone mortar,steam basket,napkin ring,vacuum sealer
"""
_CITIES = """
Ghent Porto Turku Graz Leeds Malmo Riga Brno Lille Sofia Cadiz Torun Bergen Split Namur Vigo Tartu Parma Essen
Lugo Pecs Orebro Kosice Aarhus Trento Jena Nantes Huelva Zadar Liepaja Cork Dijon Ulm Varna Lecce Oulu Bari
Basel Siena Plzen
"""
PRODUCTS = _PRODUCTS.strip().replace(",\n", ",").split(",")
CITIES = _CITIES.split()
MATTERS = (
    ("refund", "it cracked after {} uses and I want my money back"),
    ("shipping", "the parcel should have come {} days ago"),
    ("billing", "you charged me {} times for it"),
    ("account", "I cannot log in to see the order since {} o'clock"),
)


class Known:
    """One case as the memorising optimizer knows it."""

    def __init__(self, number: int) -> None:
        self.product, self.city = PRODUCTS[number], CITIES[number]
        self.team, matter = MATTERS[number % 4]
        self.text = f"I bought a {self.product} in your {self.city} store: {matter.format(number + 2)}."
        self.id = f"case-{number:03}"
        self.case = Case(
            id=self.id,
            inputs={"ticket": self.text},
            expected={"team": self.team},
            split=SPLITS[number % 3],
        )


KNOWN = [Known(number) for number in range(40)]
Leak = Callable[[DeskCode, Known], Review]


def in_prompt(form: Callable[[Known], str]) -> Leak:
    def leak(desk: DeskCode, one: Known) -> Review:
        return desk.review(desk.edit("app/prompts/sort.md", f"{SORT}{form(one)}\n"), level="prompt")

    return leak


def in_code(form: Callable[[Known], str]) -> Leak:
    return lambda desk, one: desk.sort(f"{form(one)}\n{HONEST_END}")


def in_skill(desk: DeskCode, one: Known) -> Review:
    text = SKILL.replace("sorts tickets", f"sorts a {one.product} from {one.city} into {one.team}")
    return desk.review(desk.edit("skills/desk/SKILL.md", text), level="prompt")


def in_second_prompt(desk: DeskCode, one: Known) -> Review:
    first = desk.edit("app/prompts/sort.md", f"{SORT}Be brief.\n")
    second = desk.edit("skills/desk/SKILL.md", f"{SKILL}{one.product} / {one.city} => {one.team}\n")
    return desk.review(first, second, level="prompt", technique="joint", step="sort")


def in_created(desk: DeskCode, one: Known) -> Review:
    notes = new("app/prompts/notes.md", f"{one.product} {one.city} -> {one.team}\n")
    return desk.sort('return {"team": ask(prompt("notes") + ticket)}', notes)


LEAKS: dict[str, Leak] = {
    "demonstration": in_prompt(lambda one: f"Example: {one.text} -> {one.team}"),
    "clue": in_prompt(lambda one: f"{one.product}, {one.city}: {one.team}"),
    "condition": in_prompt(
        lambda one: f"If the ticket mentions a {one.product} and {one.city}, answer {one.team}."
    ),
    "place": in_prompt(lambda one: f"Tickets from {one.city} are {one.team}."),
    "id": in_prompt(lambda one: f"{one.id} is {one.team}."),
    "base64": in_prompt(lambda one: base64.b64encode(f"{one.text} -> {one.team}".encode()).decode()),
    "backwards": in_prompt(lambda one: f"{one.text} -> {one.team}"[::-1]),
    "skill": in_skill,
    "second prompt": in_second_prompt,
    "created prompt": in_created,
    "start": in_code(lambda one: f"if ticket.startswith({one.text[:45]!r}):\n    return {one.team!r}"),
    "equality": in_code(lambda one: f"if ticket == {one.text!r}:\n    return {one.team!r}"),
    "word": in_code(lambda one: f"if {one.city!r} in ticket:\n    return {one.team!r}"),
    "dict": in_code(
        lambda one: (
            f"known = {{{one.city!r}: {one.team!r}}}\n"
            "for word in ticket.split():\n    if word in known:\n        return known[word]"
        )
    ),
    "hash": in_code(lambda one: f"if hash(ticket) == {len(one.text) * 7919}:\n    return {one.team!r}"),
    "prompt in code": in_code(
        lambda one: f"ticket = 'If it is a {one.product} from {one.city}, say {one.team}. ' + ticket"
    ),
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> DeskCode:
    return DeskCode(tmp_path_factory.mktemp("desk"), [one.case for one in KNOWN])


@pytest.mark.parametrize("name", LEAKS)
def test_no_leaked_label_passes(desk: DeskCode, name: str) -> None:
    """One by one: each way is tried with every third case of the forty (all of them: 640 of 640 blocked)."""
    offset = list(LEAKS).index(name) % 3
    passed = [one.id for one in KNOWN[offset::3] if not checks(LEAKS[name](desk, one))]
    assert passed == []


def test_rules_for_all_such_tickets_pass(desk: DeskCode) -> None:
    rules = (
        "- refund: the customer wants money back for something that broke\n"
        "- shipping: something has not come yet, however long ago it was ordered\n"
        "- billing: wrong or repeated charges\n"
        "- account: logging in, seeing one's orders\n"
        "Answer with exactly one of refund, shipping, billing, account.\n"
    )
    assert desk.review(desk.edit("app/prompts/sort.md", SORT + rules), level="prompt").problems == []
