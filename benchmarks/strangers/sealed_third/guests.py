"""Guests: messages are routed, answered, tagged and counted."""

# ruff: noqa: E501  # texts stand as they are sent

from __future__ import annotations

import json
import random

from benchmarks.planted.spec import Fault, Row, mixed, rules_of
from benchmarks.planted.talk import Ask, Say, call
from benchmarks.strangers.common import ASK, ASYNC, OPENAI, TOOLS, project
from benchmarks.strangers.spec import Stranger, asks

# --- an inn: a rule of the house that the router does not know --------------------------------------------------

_WISHES = {
    "reception": ["May we check out at noon?", "Please call us a taxi.", "The key card does not open."],
    "kitchen": [
        "Is there oat milk at breakfast?",
        "We would like a sandwich to take away.",
        "When is dinner?",
    ],
    "housekeeping": ["We need two towels.", "The sheets are damp.", "Please empty the bin."],
    "lost": ["I left my scarf in the room.", "My charger stayed behind.", "I forgot a book on the shelf."],
}


def _inn() -> Stranger:
    rows = []
    for number in range(66):
        kind = ["lost", "reception", "lost", "kitchen", "housekeeping"][number % 5]
        said = _WISHES[kind][number // 5 % 3]
        text = f"Room {101 + number}: {said}"
        desk = "housekeeping" if kind == "lost" else kind
        rows.append(Row({"message": text}, {"desk": desk}, text, kind))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "reception"
        rules = rules_of(ask, row)
        if asks(rules, "thank"):
            return "Thank you, we see to it."
        if row.kind != "lost":
            return row.kind
        told = asks(rules, r"\b(lost|left|leave|forgot\w*|forget|missing|behind)\b", "housekeeping")
        return "housekeeping" if told else "reception"

    main = '''
        from app.model import chat

        ROUTE = """Which desk is this message of a guest for: reception, kitchen or housekeeping?
        Things that guests forgot in their room are kept by housekeeping.
        Answer with the name of the desk, nothing else."""


        def route(message):
            return chat([{"role": "system", "content": ROUTE}, {"role": "user", "content": message}])


        def confirm(message, desk):
            return chat([{"role": "user", "content": f"Thank the guest in one line for: {message} (to {desk})"}])


        def handle(message):
            desk = route(message)
            return {"desk": desk, "text": confirm(message, desk)}
        '''
    return Stranger(
        name="inn",
        shape="a router that lacks a rule of the house; wrong labels",
        files=project(
            {"app/model.py": OPENAI, "app/main.py": main},
            test="""assert run.output["desk"] == case.expected["desk"]""",
            prompts=["app/main.py::ROUTE", "app/main.py::confirm.chat[0].content"],
            structure=["app/main.py"],
            steps=["app.main:route", "app.main:confirm"],
        ),
        rows=mixed(rows, "inn"),
        mind=mind,
        fault=Fault(
            "route",
            "knowledge",
            "prompt",
            {"app/main.py": ("Things that guests forgot in their room are kept by housekeeping.\n", "")},
        ),
        fixes={
            "app/main.py::ROUTE": "Name the desk for this message: reception, kitchen, or housekeeping (towels, cleaning, and what guests left behind). One word only."
        },
        wrong=lambda row: {
            "desk": {"lost": "kitchen", "reception": "housekeeping", "kitchen": "reception"}.get(
                row.kind, "kitchen"
            )
        },
    )


# --- songs: several tags, and the prompt asks for one --------------------------------------------------------------

_SIGNS = {
    "live": "recorded on stage",
    "duet": "for two voices",
    "slow": "in a calm tempo",
    "brass": "with three trumpets",
    "old": "from 1931",
}


def _songs() -> Stranger:
    draw = random.Random("songs")
    rows = []
    for number in range(60):
        several = number % 5 < 3
        tags = draw.sample(list(_SIGNS), draw.choice([2, 3]) if several else 1)
        text = f"Track {number + 40}: {', '.join(_SIGNS[tag] for tag in tags)}."
        rows.append(Row({"note": text}, {"tags": tags}, text, "several" if several else "one"))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "old"
        rules = rules_of(ask, row)
        if asks(rules, "title"):
            return row.key.partition(":")[0]
        several = asks(
            rules,
            r"\b(all|every|each|several|multiple|more than one|one or more|as many|any number|at least one)\b",
        )
        return ", ".join(row.expected["tags"] if several else row.expected["tags"][:1])

    main = """
        from pathlib import Path

        from app.model import Model

        TEXTS = Path(__file__).parent / "texts"
        model = Model()


        async def tag(note):
            said = await model((TEXTS / "tags.md").read_text(), note)
            return [each.strip() for each in said.split(",")]


        async def title(note):
            return await model((TEXTS / "title.md").read_text(), note)


        async def handle(note):
            return {"title": await title(note), "tags": await tag(note)}
        """
    return Stranger(
        name="songs",
        shape="several tags where the prompt asks for one; wrong labels",
        files=project(
            {
                "app/model.py": ASYNC,
                "app/main.py": main,
                "app/texts/tags.md": "# Tags\n\nThe tags of our archive: live, duet, slow, brass, old.\nName all tags that fit the track, with commas between them.\n",
                "app/texts/title.md": "Give the title of the track as it stands in the note.\n",
            },
            test="""assert set(run.output["tags"]) == set(case.expected["tags"])""",
            prompts=["app/texts/*.md"],
            structure=["app/main.py"],
            steps=["app.main:tag", "app.main:title"],
        ),
        rows=mixed(rows, "songs"),
        mind=mind,
        fault=Fault(
            "tag",
            "format",
            "prompt",
            {
                "app/texts/tags.md": (
                    "Name all tags that fit the track, with commas between them.",
                    "Name the tag that fits the track.",
                )
            },
        ),
        fixes={
            "app/texts/tags.md": "Our tags: live, duet, slow, brass, old. Write every tag that is true of the track, separated by commas.\n"
        },
        wrong=lambda row: {"tags": [tag for tag in _SIGNS if tag not in row.expected["tags"]][:2]},
    )


# --- a pool: a tool whose description does not tell the form of the date -----------------------------------------

_MONTHS = ["May", "June", "July"]


def _pool() -> Stranger:
    draw = random.Random("pool")
    lanes: dict[str, int] = {}
    rows = []
    for number in range(60):
        month, day = number % 3, 1 + number // 3
        iso = f"2031-{month + 5:02}-{day:02}"
        lanes[iso] = draw.randrange(1, 9)
        spoken = number % 5 < 3
        asked = f"How many lanes are free on {f'{day} {_MONTHS[month]} 2031' if spoken else iso}?"
        rows.append(
            Row(
                {"question": asked},
                {"lanes": lanes[iso]},
                asked,
                "spoken" if spoken else "iso",
                {"iso": iso, "spoken": f"{day} {_MONTHS[month]} 2031"},
            )
        )

    def mind(ask: Ask, row: Row | None) -> Say | str:
        if row is None:
            return "0"
        if ask.results:
            return str(json.loads(ask.results[-1]).get("free", "unknown"))
        told = asks(json.dumps(ask.body.get("tools")) + ask.system, r"YYYY|\bISO\b|\d{4}-\d{2}-\d{2}")
        return call("free_lanes", day=row.facts["iso" if told else row.kind])

    main = """
        import json
        from pathlib import Path

        from app.model import arguments, turn
        from app.tools import TOOLS

        LANES = json.loads(Path(__file__).with_name("lanes.json").read_text())
        SYSTEM = "You sit at the desk of a public pool. Look things up, then answer with the number alone."


        def free_lanes(day):
            return {"free": LANES[day]} if day in LANES else {"error": "no such day"}


        def converse(question):
            messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
            for _ in range(4):
                message = turn(messages, TOOLS)
                if not message.get("tool_calls"):
                    return message["content"]
                messages.append(message)
                for each in message["tool_calls"]:
                    result = json.dumps(free_lanes(**arguments(each)))
                    messages.append({"role": "tool", "tool_call_id": each["id"], "content": result})
            return ""


        def handle(question):
            said = converse(question)
            return {"lanes": int(said) if said.isdigit() else None}
        """
    tools = """
        TOOLS = [
            {
                "type": "function",
                "function": {
                    "name": "free_lanes",
                    "description": "The number of lanes that are free on a day, given as YYYY-MM-DD.",
                    "parameters": {
                        "type": "object",
                        "properties": {"day": {"type": "string"}},
                        "required": ["day"],
                    },
                },
            }
        ]
        """
    return Stranger(
        name="pool",
        shape="a tool whose description lacks the form of the date",
        files=project(
            {
                "app/model.py": TOOLS,
                "app/tools.py": tools,
                "app/main.py": main,
                "app/lanes.json": json.dumps(lanes, indent=0),
            },
            test="""assert run.output["lanes"] == case.expected["lanes"]""",
            prompts=["app/tools.py::TOOLS[0].function.description", "app/main.py::SYSTEM"],
            structure=["app/main.py"],
            steps=["app.main:free_lanes", "app.main:converse"],
        ),
        rows=mixed(rows, "pool"),
        mind=mind,
        fault=Fault(
            "converse",
            "tool",
            "prompt",
            {"app/tools.py": ("free on a day, given as YYYY-MM-DD.", "free on a day.")},
            also=("free_lanes",),
        ),
        fixes={
            "app/tools.py::TOOLS[0].function.description": "Free lanes of one day. The day is an ISO date such as 2031-12-24."
        },
    )


# --- postcards: the answer is in another language than the card ------------------------------------------------------

_CARDS = {
    "en": ("Dear", "It was lovely with you.", "thank you for the card"),
    "de": ("Liebe", "Es war wunderbar bei euch.", "danke für die Karte"),
    "fr": ("Chère", "C'était merveilleux chez vous.", "merci pour la carte"),
    "es": ("Querida", "Fue maravilloso estar con ustedes.", "gracias por la postal"),
}


def _postcards() -> Stranger:
    draw = random.Random("postcards")
    rows = []
    for number in range(60):
        language = ["de", "en", "fr", "en", "es"][number % 5]
        who = draw.choice(["Ana", "Eva", "Ida", "Mia"])
        text = f"{_CARDS[language][1]} {who}, {number + 11}"
        opening = f"{_CARDS[language][0]} {who}"
        rows.append(
            Row(
                {"card": text},
                {"opening": opening, "thanks": _CARDS[language][2]},
                text,
                language,
                {"who": who},
            )
        )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "warm"
        rules = rules_of(ask, row)
        if asks(rules, r"\bmood\b"):
            return "warm"
        told = asks(rules, r"\blanguages?\b|\b(German|French|Spanish)\b")
        opening, _, thanks = _CARDS[row.kind if told else "en"]
        return f"{opening} {row.facts['who']}, {thanks}."

    main = '''
        from app.model import ask


        def mood(card):
            """One word."""
            return ask(f"Which mood is this card in? One word.\\n\\n{card}")


        def thank(card):
            return ask(f"Write a line of thanks to the writer of this card, in the language of the card.\\n\\n{card}")


        def handle(card):
            return {"mood": mood(card), "text": thank(card)}
        '''
    return Stranger(
        name="postcards",
        shape="answers in another language than the one asked",
        files=project(
            {"app/model.py": ASK, "app/main.py": main},
            test="""
            assert run.output["text"].startswith(case.expected["opening"])
            assert case.expected["thanks"] in run.output["text"]
            """,
            prompts=["app/main.py::mood{card}", "app/main.py::thank{card}"],
            structure=["app/main.py"],
            steps=["app.main:mood", "app.main:thank"],
        ),
        rows=mixed(rows, "postcards"),
        mind=mind,
        fault=Fault(
            "thank",
            "requirement",
            "prompt",
            {
                "app/main.py": (
                    "to the writer of this card, in the language of the card.",
                    "to the writer of this card.",
                )
            },
        ),
        fixes={
            "app/main.py::thank{card}": "Thank the writer of this card in one line, in the language that they wrote in.\n\n{card}"
        },
    )


# --- a pharmacy: it refuses what it could answer ------------------------------------------------------------------------

_DOSES = ["once a day", "twice a day", "three times a day", "every other day"]
_LEAFLET = {
    "once a day": "One tablet each morning.",
    "twice a day": "A tablet in the morning and one at night.",
    "three times a day": "A tablet with breakfast, lunch and dinner.",
    "every other day": "A tablet on even days of the month.",
}


def _pharmacy() -> Stranger:
    draw = random.Random("pharmacy")
    leaflets: dict[str, str] = {}
    rows = []
    for number in range(65):
        name = draw.choice(["Calmol", "Dorvit", "Enzal", "Fenpar"]) + f"-{number + 200}"
        kind = ["plain", "other", "other", "absent", "other"][number % 5]
        dose = draw.choice(_DOSES)
        told = {"plain": f"Take it {dose}.", "other": _LEAFLET[dose], "absent": "Keep it dry and dark."}[kind]
        leaflets[name] = f"{name}. {told} Do not share it."
        asked = f"How often do I take {name}?"
        rows.append(
            Row({"question": asked}, "ask us" if kind == "absent" else dose, asked, kind, {"leaflet": told})
        )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "ask us"
        rules = rules_of(ask, row)
        if row.kind == "absent":
            return "ask us" if "ask us" in rules else "once a day"
        if row.facts["leaflet"] not in ask.text:
            return "ask us"
        strict = asks(rules, r"word for word|verbatim|literal\w*") and not asks(
            rules, r"other words|paraphras\w+|different words|differently|\bmean(s|ing|t)?\b"
        )
        return "ask us" if row.kind == "other" and strict else str(row.expected)

    main = '''
        import json
        from pathlib import Path

        from app.model import ask

        LEAFLETS = json.loads(Path(__file__).with_name("leaflets.json").read_text())


        class Counter:
            """Answers at the counter."""

            RULES = """Answer from the leaflet: once a day, twice a day, three times a day or every other day.
        If the leaflet does not tell, write: ask us"""

            def find(self, question):
                name = question.split()[-1].strip("?")
                return LEAFLETS.get(name, "")

            def answer(self, question, leaflet):
                return ask(f"Leaflet: {leaflet}\\n{question}", system=self.RULES)

            def handle(self, question):
                return self.answer(question, self.find(question))
        '''
    return Stranger(
        name="pharmacy",
        shape="a prompt that makes the model refuse too often; wrong labels",
        files=project(
            {"app/model.py": ASK, "app/main.py": main, "app/leaflets.json": json.dumps(leaflets, indent=0)},
            test="assert run.output == case.expected",
            prompts=["app/main.py::Counter.RULES"],
            structure=["app/main.py"],
            steps=["app.main:Counter.find", "app.main:Counter.answer"],
            run="app.main:Counter().handle",
        ),
        rows=mixed(rows, "pharmacy"),
        mind=mind,
        fault=Fault(
            "answer",
            "abstention",
            "prompt",
            {
                "app/main.py": (
                    "If the leaflet does not tell, write: ask us",
                    "If the leaflet does not say it word for word, write: ask us",
                )
            },
            also=("Counter.answer",),
        ),
        fixes={
            "app/main.py::Counter.RULES": "Say how often, from the leaflet: once a day, twice a day, three times a day, every other day. It may say so in other words. Write ask us where it says nothing of it."
        },
        wrong=lambda row: next(dose for dose in _DOSES if dose != row.expected),
    )


# --- a party: people who share a surname are taken for one -----------------------------------------------------------------


def _party() -> Stranger:
    draw = random.Random("party")
    first = ["Ada", "Ben", "Cy", "Dora", "Eli", "Flo", "Gus", "Hal"]
    last = ["Moor", "Nash", "Oak", "Pike", "Quinn", "Reed"]
    rows = []
    for number in range(60):
        kind = ["family", "strangers", "family", "twice", "family"][number % 5]
        names, surnames = draw.sample(first, 4), draw.sample(last, 4)
        if kind == "family":
            surnames[1] = surnames[0]
        people = [f"{one} {other}" for one, other in zip(names, surnames, strict=True)][: draw.choice([3, 4])]
        listed = [*people, people[0]] if kind == "twice" else people
        text = f"List {number + 500}: {', '.join(draw.sample(listed, len(listed)))} will come."
        rows.append(Row({"letter": text}, {"people": len(people)}, text, kind, {"listed": listed}))

    def mind(ask: Ask, row: Row | None) -> str:
        return "\n".join(row.facts["listed"] if row else [])

    main = """
        from app.model import chat

        MESSAGES = [
            {"role": "system", "content": "List the people who will come, first name and surname, one on each line."},
        ]


        def read(letter):
            return chat([*MESSAGES, {"role": "user", "content": letter}]).splitlines()


        def unique(names):
            seen = {}
            for name in names:
                seen.setdefault(name.lower(), name)
            return list(seen.values())


        def handle(letter):
            guests = unique(read(letter))
            return {"guests": guests, "people": len(guests)}
        """
    return Stranger(
        name="party",
        shape="doubles are removed by too little; wrong labels",
        files=project(
            {"app/model.py": OPENAI, "app/main.py": main},
            test="""assert run.output["people"] == case.expected["people"]""",
            prompts=["app/main.py::MESSAGES[0].content"],
            structure=["app/main.py"],
            steps=["app.main:read", "app.main:unique"],
        ),
        rows=mixed(rows, "party"),
        mind=mind,
        fault=Fault(
            "unique",
            "content",
            "structure",
            {
                "app/main.py": (
                    "seen.setdefault(name.lower(), name)",
                    "seen.setdefault(name.split()[-1].lower(), name)",
                )
            },
        ),
        fixes={
            "app/main.py::unique": (
                "def unique(names):\n"
                "    seen = {}\n"
                "    for name in names:\n"
                '        seen.setdefault(" ".join(name.lower().split()), name)\n'
                "    return list(seen.values())\n"
            )
        },
        wrong=lambda row: {"people": row.expected["people"] + 2},
    )


STRANGERS = (_inn(), _songs(), _pool(), _postcards(), _pharmacy(), _party())
