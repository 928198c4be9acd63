"""Watches: texts are labeled, read and tagged."""

# ruff: noqa: E501  # texts stand as they are sent

from __future__ import annotations

import hashlib
import json
import random
import re

from benchmarks.planted.spec import Fault, Row, mixed, rules_of
from benchmarks.planted.talk import Ask
from benchmarks.strangers.common import ASK, ASYNC, OPENAI, project
from benchmarks.strangers.spec import Stranger, asks

# --- a watch over servers: the prompt has other words for the labels than the team has ----------------------

_ALARMS = {
    "outage": ["nobody can log in", "every request ends with 503", "the site is down"],
    "degraded": ["pages take nine seconds", "one upload in five fails", "search finds half of the items"],
    "cosmetic": ["the logo is blurred", "a button is two pixels off", "the footer has an old year"],
}
_SERVICES = ["shop", "wiki", "mail", "maps", "forum", "radio", "bank", "clock"]
_OTHER_WORDS = {"outage": "outage", "degraded": "slowdown", "cosmetic": "minor"}


def _alarms() -> Stranger:
    rows = []
    for severity, alarms in _ALARMS.items():
        for number, alarm in enumerate(alarms):
            for place, service in enumerate(_SERVICES):
                text = f"{service}-{place + 8 * number + 1:02}: {alarm}"
                rows.append(Row({"alarm": text}, severity, text, severity))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "outage"
        rules = rules_of(ask, row)
        if asks(rules, r"name of the service|which service"):
            return row.key.partition("-")[0]
        return row.kind if row.kind in rules else _OTHER_WORDS[row.kind]

    chain = '''
        class Link:
            """Something that can be invoked, and be piped into the next."""

            def __init__(self, work):
                self.invoke = work

            def __or__(self, other):
                return Link(lambda value: other.invoke(self.invoke(value)))


        def template(text):
            return Link(lambda values: [{"role": "user", "content": text.format(**values)}])
        '''
    main = """
        from pathlib import Path

        import yaml

        from app.chain import Link, template
        from app.model import chat

        PROMPTS = yaml.safe_load((Path(__file__).parent / "prompts.yml").read_text(encoding="utf-8"))

        model = Link(chat)
        lower = Link(str.lower)


        def service(alarm):
            return (template(PROMPTS["service"]) | model).invoke({"alarm": alarm})


        def severity(alarm):
            return (template(PROMPTS["severity"]) | model | lower).invoke({"alarm": alarm})


        def handle(alarm):
            return {"service": service(alarm), "severity": severity(alarm)}
        """
    prompts = """
        service: |
          Which service does this alarm come from? Give the name of the service only.
          {alarm}
        severity: |
          You are on call. Rate this alarm: outage, degraded or cosmetic?
          Answer with one of these words and nothing else.
          {alarm}
        """
    return Stranger(
        name="alarms",
        shape="a chain whose prompt has other words for the labels; wrong labels",
        files=project(
            {
                "app/model.py": OPENAI,
                "app/chain.py": chain,
                "app/prompts.yml": prompts,
                "app/main.py": main,
            },
            test="""assert run.output["severity"] == case.expected""",
            prompts=["app/prompts.yml::*"],
            structure=["app/main.py"],
            steps=["app.main:service", "app.main:severity"],
        ),
        rows=mixed(rows, "alarms"),
        mind=mind,
        fault=Fault(
            "severity",
            "label",
            "prompt",
            {"app/prompts.yml": ("outage, degraded or cosmetic?", "outage, slowdown or minor?")},
        ),
        fixes={
            "app/prompts.yml::severity": "How bad is this alarm? Say one word: outage, degraded or cosmetic.\n{alarm}\n"
        },
        wrong=lambda row: {"outage": "cosmetic", "degraded": "outage", "cosmetic": "degraded"}[row.kind],
    )


# --- an auction: nobody said who gets the lot when two bids are equal ----------------------------------------


def _auction() -> Stranger:
    draw = random.Random("auction")
    rows = []
    for number in range(64):
        people = draw.sample(["Aino", "Boris", "Chike", "Dolores", "Emre", "Fatou"], 3)
        top, low = draw.randrange(60, 95), draw.randrange(20, 55)
        tied = number % 2 == 0
        bids = [top, top, low] if tied else [top, low, low + 3]
        order = draw.sample(range(3), 3)
        people, bids = [people[place] for place in order], [bids[place] for place in order]
        text = f"Lot {200 + number}: " + ", ".join(
            f"{who} bids {bid}" for who, bid in zip(people, bids, strict=True)
        )
        best = [who for who, bid in zip(people, bids, strict=True) if bid == top]
        rows.append(
            Row({"lot": text}, best[0], text, "tied" if tied else "clear", {"late": best[-1], "bids": bids})
        )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "nobody"
        rules = rules_of(ask, row)
        if asks(rules, "highest bid|hammer price"):
            return str(max(row.facts["bids"]))
        told = asks(rules, r"\b(tie|tied|equal|same|level|draw|both)\b", r"\b(first|earl\w+|before|order)\b")
        return str(row.expected if told else row.facts["late"])

    main = """
        from pathlib import Path

        from app.model import ask

        FOLDER = Path(__file__).parent / "wording"


        def price(lot):
            return int(ask(lot, system=(FOLDER / "price.txt").read_text()))


        def buyer(lot):
            return ask(lot, system=(FOLDER / "buyer.txt").read_text()).strip()


        def handle(lot):
            return {"buyer": buyer(lot), "price": price(lot)}
        """
    return Stranger(
        name="auction",
        shape="a rule for ties that only the labels know",
        files=project(
            {
                "app/model.py": ASK,
                "app/main.py": main,
                "app/wording/price.txt": "Write down the hammer price of this lot, digits only.\n",
                "app/wording/buyer.txt": "Who gets this lot? Write the name alone.\nOf equal bids the one that came first wins.\n",
            },
            test="""assert run.output["buyer"] == case.expected""",
            prompts=["app/wording/price.txt", "app/wording/buyer.txt"],
            structure=["app/main.py"],
        ),
        rows=mixed(rows, "auction"),
        mind=mind,
        fault=Fault(
            "buyer",
            "content",
            "prompt",
            {"app/wording/buyer.txt": ("Of equal bids the one that came first wins.\n", "")},
        ),
        fixes={
            "app/wording/buyer.txt": "Name the person who gets the lot, and write nothing else. In a tie it goes to the earlier bid.\n"
        },
    )


# --- ferries: how long is long ---------------------------------------------------------------------------------


def _ferries() -> Stranger:
    draw = random.Random("ferries")
    harbors = ["Amble", "Brora", "Cullen", "Dornie", "Eyemouth"]
    rows = []
    for number in range(66):
        long = number % 5 > 1
        hours, minutes = (draw.randrange(1, 4) if long else 0), draw.randrange(11, 59)
        one, other = draw.sample(harbors, 2)
        spoken = f"{hours} hours and {minutes} minutes" if long else f"{minutes} minutes"
        text = (
            f"Ferry {40 + number} leaves {one} at {draw.randrange(6, 20)}:10 and needs {spoken} to {other}."
        )
        rows.append(
            Row(
                {"notice": text},
                {"minutes": str(60 * hours + minutes), "to": other},
                text,
                "long" if long else "short",
                {"clock": f"{hours}:{minutes}" if long else f"{minutes}"},
            )
        )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "0"
        rules = rules_of(ask, row)
        if asks(rules, "harbor"):
            return str(row.expected["to"])
        return str(row.expected["minutes"] if asks(rules, r"\bminutes?\b") else row.facts["clock"])

    main = '''
        import asyncio

        from app.model import Model


        class Timetable:
            """Reads notices at the pier."""

            WHERE_TO = "At which harbor does the ferry arrive? The name only."
            DURATION = "How long does the crossing take, in minutes? Give the figure only."

            def __init__(self):
                self.model = Model()

            async def where_to(self, notice):
                return await self.model(self.WHERE_TO, notice)

            async def duration(self, notice):
                return await self.model(self.DURATION, notice, max_tokens=20)

            async def read(self, notice):
                to, minutes = await asyncio.gather(self.where_to(notice), self.duration(notice))
                return {"to": to, "minutes": minutes}
        '''
    return Stranger(
        name="ferries",
        shape="durations in another form",
        files=project(
            {"app/model.py": ASYNC, "app/main.py": main},
            test="""
            assert run.output["to"] == case.expected["to"]
            assert run.output["minutes"] == case.expected["minutes"]
            """,
            prompts=["app/main.py::Timetable.WHERE_TO", "app/main.py::Timetable.DURATION"],
            run="app.main:Timetable().read",
        ),
        rows=mixed(rows, "ferries"),
        mind=mind,
        fault=Fault(
            "duration",
            "format",
            "prompt",
            {"app/main.py": ("does the crossing take, in minutes?", "does the crossing take?")},
            also=("Timetable.duration",),
        ),
        fixes={
            "app/main.py::Timetable.DURATION": "The length of the crossing as a whole number of minutes; just that number."
        },
    )


# --- a museum: the prompt forbids what is sometimes right -----------------------------------------------------------

_THINGS = ["a pewter jug", "an oak chest", "a silk shawl", "a brass lamp", "a clay pipe"]


def _museum() -> Stranger:
    draw = random.Random("museum")
    rows = []
    for number in range(66):
        dated = number % 3 > 0
        year = draw.randrange(1605, 1895)
        text = f"Inventory {3000 + number}: {draw.choice(_THINGS)}, " + (
            f"made in {year}, gift of a friend." if dated else "no maker's mark, found in the attic."
        )
        rows.append(
            Row(
                {"card": text},
                f"{year // 100 + 1}th" if dated else "undated",
                text,
                "dated" if dated else "bare",
            )
        )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "undated"
        rules = rules_of(ask, row)
        if asks(rules, "material"):
            return row.key.split()[3].strip(",")
        if row.kind == "dated":
            return str(row.expected)
        forbidden = [
            found.end()
            for found in re.finditer(r"\b(always|never|must|in any case|do not|don't)\b", rules, re.I)
        ]
        allowed = rules.rfind("undated")
        if allowed > max(forbidden, default=-1) or (allowed >= 0 and "never" not in rules.lower()):
            return "undated"
        return "19th" if forbidden else "unknown"

    main = '''
        from app.model import ask

        HOUSE = "You help in the storeroom of a small museum."
        MATERIAL = "Which material is the object on this card made of? One word."
        CENTURY = """Give the century of the object on this card, in the form 18th.
        If the card does not tell it, write: undated"""


        def material(card):
            return ask(f"{MATERIAL}\\n\\n{card}", system=HOUSE)


        def century(card):
            return ask(f"{CENTURY}\\n\\n{card}", system=HOUSE)


        def handle(card):
            return material(card), century(card)
        '''
    return Stranger(
        name="museum",
        shape="a prompt that forbids the right answer; wrong labels",
        files=project(
            {"app/model.py": ASK, "app/main.py": main},
            test="assert run.output[1] == case.expected",
            prompts=["app/main.py::HOUSE", "app/main.py::MATERIAL", "app/main.py::CENTURY"],
        ),
        rows=mixed(rows, "museum"),
        mind=mind,
        fault=Fault(
            "century",
            "content",
            "prompt",
            {
                "app/main.py": (
                    "If the card does not tell it, write: undated",
                    "Always commit yourself; never leave it open.",
                )
            },
        ),
        fixes={
            "app/main.py::CENTURY": "From which century is the object (write 17th, 18th, ...)? Write undated where nothing on the card tells."
        },
        wrong=lambda row: "17th" if row.expected != "17th" else "18th",
    )


# --- a laboratory: the examples show one hazard each ------------------------------------------------------------------

_HAZARDS = {
    "flammable": "catches fire from a spark",
    "corrosive": "eats through steel",
    "toxic": "makes mice ill",
    "oxidizing": "feeds a fire",
}


def _hazards() -> Stranger:
    draw = random.Random("hazards")
    rows = []
    for number in range(66):
        count = (1, 2, 3)[number % 3]
        found = sorted(draw.sample(list(_HAZARDS), count))
        text = f"Substance {500 + number}: {' and '.join(_HAZARDS[each] for each in found)}."
        rows.append(Row({"sheet": text}, found, text, f"{count}"))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "[]"
        every = asks(
            rules_of(ask, row),
            r"\b(all|every|each|several|multiple|any of|one or more|as many|complete)\b|\[\"\w+\", ?\"\w+",
        )
        return json.dumps(row.expected if every else row.expected[:1])

    main = """
        import json
        from functools import partial

        from app.model import chat
        from app.samples import SAMPLES

        TASK = "Tag the sheets of a laboratory with hazards (flammable, corrosive, toxic, oxidizing), as a JSON array."


        def message(role, content):
            return {"role": role, "content": content}


        system, user = partial(message, "system"), partial(message, "user")


        def tag(sheet):
            return json.loads(chat([system(TASK), user(f"{SAMPLES}\\n{sheet}")]))


        def handle(sheet):
            return tag(sheet)
        """
    samples = '''
        SAMPLES = """Methylated spirits: burn with a pale flame. -> ["flammable"]
        Drain cleaner: burns skin, and is a poison. -> ["corrosive", "toxic"]
        Table salt: does nothing. -> []
        """
        '''
    return Stranger(
        name="hazards",
        shape="several labels where the examples show one; wrong labels",
        files=project(
            {"app/model.py": OPENAI, "app/samples.py": samples, "app/main.py": main},
            test="assert set(run.output) == set(case.expected)",
            prompts=["app/main.py::TASK", "app/samples.py::SAMPLES"],
            structure=["app/main.py"],
        ),
        rows=mixed(rows, "hazards"),
        mind=mind,
        fault=Fault(
            "tag",
            "label",
            "prompt",
            {
                "app/samples.py": (
                    'burns skin, and is a poison. -> ["corrosive", "toxic"]',
                    'burns skin, and is a poison. -> ["corrosive"]',
                )
            },
        ),
        fixes={
            "app/samples.py::SAMPLES": 'Rat bait in acid: kills, and eats metal. -> ["toxic", "corrosive"]\nSand: nothing. -> []\n'
        },
        wrong=lambda row: ["toxic"] if row.expected != ["toxic"] else ["corrosive", "oxidizing"],
    )


# --- vacancies: the titles are wanted in one language --------------------------------------------------------------------

_TITLES = {
    "de": {"Bäcker": "baker", "Krankenpfleger": "nurse", "Tischler": "carpenter"},
    "it": {"panettiere": "baker", "infermiere": "nurse", "falegname": "carpenter"},
    "en": {"baker": "baker", "nurse": "nurse", "carpenter": "carpenter"},
}
_SENTENCE = {
    "de": "Wir suchen ab Mai: {}, Stelle {}.",
    "it": "Cerchiamo da maggio: {}, posto {}.",
    "en": "Wanted from May: {}, post {}.",
}


def _vacancies() -> Stranger:
    rows = []
    for language, titles in _TITLES.items():
        for title, english in titles.items():
            for number in range(8):
                text = _SENTENCE[language].format(title, f"{language}{title[:2]}{number}")
                rows.append(Row({"ad": text}, {"title": english}, text, language, {"title": title}))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return ""
        rules = rules_of(ask, row)
        if asks(rules, "full-time"):
            return "unknown"
        return str(row.expected["title"] if asks(rules, r"\benglish\b|\btranslat") else row.facts["title"])

    main = """
        from dataclasses import dataclass
        from string import Template

        from app.model import ask

        TITLE = Template("Which trade is looked for in this advertisement? Answer in English, one word.\\n\\n$ad")
        HOURS = Template("Is this post full-time, part-time or unknown? One word.\\n\\n$ad")


        @dataclass
        class Vacancy:
            title: str
            hours: str


        class Reader:
            def title(self, ad):
                return ask(TITLE.substitute(ad=ad)).strip()

            def hours(self, ad):
                return ask(HOURS.substitute(ad=ad)).strip()

            def __call__(self, ad):
                return Vacancy(self.title(ad), self.hours(ad))


        read = Reader()
        """
    return Stranger(
        name="vacancies",
        shape="the answer in the language of the text, where one language is wanted",
        files=project(
            {"app/model.py": ASK, "app/main.py": main},
            test="""assert run.output.title == case.expected["title"]""",
            prompts=["app/main.py::TITLE[0]", "app/main.py::HOURS[0]"],
            structure=["app/main.py"],
            run="app.main:read",
        ),
        rows=mixed(rows, "vacancies"),
        mind=mind,
        fault=Fault(
            "title",
            "content",
            "prompt",
            {"app/main.py": ("? Answer in English, one word.", "? Answer in one word.")},
            also=("Reader.title",),
        ),
        fixes={"app/main.py::TITLE[0]": "Name the trade in this advertisement by its English word.\n\n$ad"},
    )


# --- a radio room: too warm to be steady -----------------------------------------------------------------------------------

_CALLS = {
    "distress": ["we take water fast", "fire in the engine room", "a man is overboard"],
    "weather": ["what wind do you give for tonight", "is the fog lifting", "any gale on the way"],
    "berth": ["is there a place at the quay", "may we moor until noon", "which pier is free"],
}


def _radio() -> Stranger:
    rows = []
    for wish, calls in _CALLS.items():
        for number, words in enumerate(calls):
            for ship in range(7):
                text = f"Here is vessel {110 + 7 * number + ship}, {words}, over."
                rows.append(Row({"call": text}, {"wish": wish}, text, wish))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "weather"
        if asks(rules_of(ask, row), "number of the vessel"):
            return row.key.split()[3].strip(",")
        roll = int(hashlib.sha256(f"{ask.text} {ask.temperature}".encode()).hexdigest(), 16) % 100
        astray = roll < 45 * max(0.0, min(1.0, (ask.temperature - 0.3) / 0.7))
        others = [wish for wish in _CALLS if wish != row.kind]
        return others[roll % 2] if astray else row.kind

    main = """
        import json
        from pathlib import Path

        from app.model import ask

        MODELS = json.loads(Path(__file__).with_name("models.json").read_text())
        VESSEL = "Write down the number of the vessel that calls."
        WISH = "What is this call about: distress, weather or berth? That word only."


        def vessel(call):
            return ask(call, system=VESSEL, **MODELS["vessel"])


        def wish(call):
            return ask(call, system=WISH, **MODELS["wish"])


        def handle(call):
            return {"vessel": vessel(call), "wish": wish(call)}
        """
    models = """
        {
          "vessel": {"temperature": 0.0, "max_tokens": 12},
          "wish": {"temperature": 0.0, "max_tokens": 9}
        }
        """
    return Stranger(
        name="radio",
        shape="a temperature that is too high",
        files=project(
            {"app/model.py": ASK, "app/main.py": main, "app/models.json": models},
            test="""assert run.output["wish"] == case.expected["wish"]""",
            prompts=["app/main.py::VESSEL", "app/main.py::WISH"],
            params=[
                "app/models.json::vessel.temperature = 0..2",
                "app/models.json::wish.temperature = 0..2",
                "app/models.json::wish.max_tokens = 2..50",
            ],
            structure=["app/main.py"],
        ),
        rows=mixed(rows, "radio"),
        mind=mind,
        fault=Fault(
            "wish",
            "label",
            "param",
            {"app/models.json": ('"wish": {"temperature": 0.0,', '"wish": {"temperature": 1.2,')},
        ),
        fixes={"app/models.json::wish.temperature": "0.1"},
    )


STRANGERS = (_alarms(), _auction(), _ferries(), _museum(), _hazards(), _vacancies(), _radio())
