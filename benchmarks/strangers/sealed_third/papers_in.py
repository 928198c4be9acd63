"""Papers that come in: passages, fields and figures are read from texts."""

# ruff: noqa: E501  # texts stand as they are sent

from __future__ import annotations

import json
import random

from benchmarks.planted.spec import Fault, Row, mixed, rules_of
from benchmarks.planted.talk import Ask
from benchmarks.strangers.common import ASK, ASYNC, OPENAI, project
from benchmarks.strangers.spec import Stranger, asks

# --- permits: paragraphs are cut into pieces that are too small ---------------------------------------------

_STANDS = ["market stall", "carousel", "stage", "food truck", "bookstand", "tent"]
_STREETS = ["Harbor Street", "Mill Lane", "Castle Square", "Tanner Row", "Abbey Yard", "Corn Hill"]
_CLAUSES = [
    "may stand from April on if all of the neighbors agree and the fire brigade has seen it",
    "needs a plan drawn to scale, two names of people who are liable, and a copy of the insurance",
    "must leave a way of three meters for the ambulance, and be gone before the bells ring at ten",
]


def _permits() -> Stranger:
    draw = random.Random("permits")
    pairs = [(stand, street) for stand in _STANDS for street in _STREETS]
    fees = draw.sample(range(21, 99), 78)
    book, rows = [], []
    for number in range(62):
        stand, street = pairs[number % 36]
        year = "2031" if number >= 36 else "2030"
        long, absent = number % 5 < 3, number % 5 == 4
        fee = f"{fees[number]} crowns"
        if not absent:
            clause = f" {draw.choice(_CLAUSES)}," if long else ""
            book.append(f"A {stand} in {street}, {year}:{clause} {fee}.")
        asked = f"What is the fee for a {stand} in {street} in {year}?"
        rows.append(
            Row(
                {"question": asked},
                "not found" if absent else fee,
                asked,
                "absent" if absent else "long" if long else "short",
                {"fee": fee},
            )
        )
    draw.shuffle(book)

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None or row.kind == "absent":
            return "not found"
        return str(row.expected) if row.facts["fee"] in ask.text else "not found"

    main = '''
        import re
        from pathlib import Path

        from app import settings
        from app.model import ask

        BOOK = Path(__file__).with_name("handbook.txt").read_text()
        ANSWER = """From the handbook of the town office:
        {passages}

        {question}
        Answer with the fee alone, such as 12 crowns. If it does not stand there, write: not found"""


        def pieces():
            for paragraph in BOOK.split("\\n\\n"):
                words = paragraph.split()
                for start in range(0, len(words), settings.WORDS):
                    yield " ".join(words[start : start + settings.WORDS])


        def terms(text):
            return set(re.findall(r"\\w+", text.lower())) - {"the", "what", "is", "for", "in"}


        def search(question):
            wanted = terms(question)
            return sorted(pieces(), key=lambda piece: -len(wanted & terms(piece)))[: settings.TOP]


        def answer(question, passages):
            return ask(ANSWER.format(passages="\\n".join(passages), question=question)).strip()


        def handle(question):
            return answer(question, search(question))
        '''
    return Stranger(
        name="permits",
        shape="paragraphs cut into pieces that are too small; wrong labels",
        files=project(
            {
                "app/model.py": ASK,
                "app/settings.py": "WORDS = 60\nTOP = 2\n",
                "app/main.py": main,
                "app/handbook.txt": "\n\n".join(book) + "\n",
            },
            test="assert run.output == case.expected",
            prompts=["app/main.py::ANSWER"],
            params=["app/settings.py::WORDS = 5..200", "app/settings.py::TOP = 1..10"],
            structure=["app/main.py"],
            steps=["app.main:search", "app.main:answer"],
        ),
        rows=mixed(rows, "permits"),
        mind=mind,
        fault=Fault(
            "search",
            "retrieval",
            "param",
            {"app/settings.py": ("WORDS = 60", "WORDS = 11")},
            also=("pieces",),
        ),
        fixes={"app/settings.py::WORDS": "50"},
        wrong=lambda row: f"{int(row.facts['fee'].split()[0]) + 100} crowns",
    )


# --- bills: a field that is an object in the labels and not in the prompt -----------------------------------


def _bills() -> Stranger:
    draw = random.Random("bills")
    firms = [("Alder", "Riga"), ("Birch", "Turku"), ("Cedar", "Split"), ("Elm", "Ghent"), ("Fir", "Graz")]
    rows = []
    for number in range(64):
        firm, city = draw.choice(firms)
        amount = draw.randrange(400, 99000) / 4
        home = number % 5 < 3
        currency = "EUR" if home else draw.choice(["CHF", "SEK", "USD"])
        text = f"Bill {5100 + number} of {firm}, {city}. To be paid: {currency if not home else ''} {amount:.2f} within {draw.choice([14, 30])} days."
        rows.append(
            Row(
                {"bill": text},
                {"supplier": {"name": firm, "city": city}, "total": {"amount": amount, "currency": currency}},
                text,
                "home" if home else "abroad",
            )
        )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "{}"
        told = asks(rules_of(ask, row), r"\bamount\b", r"\bcurrency\b")
        found = dict(row.expected)
        if row.kind == "home" and not told:
            found["total"] = found["total"]["amount"]
        return json.dumps(found)

    main = '''
        import json

        from app.model import Model


        class Clerk:
            """Reads bills."""

            FIELDS = """Read this bill and give JSON and nothing else.
        supplier: an object with name and city.
        total: what is to be paid, an object with amount and currency."""

            def __init__(self):
                self.model = Model()

            async def read(self, bill):
                return await self.model(self.FIELDS, bill)

            async def handle(self, bill):
                return json.loads(await self.read(bill))
        '''
    return Stranger(
        name="bills",
        shape="nested JSON of which the prompt tells too little",
        files=project(
            {"app/model.py": ASYNC, "app/main.py": main},
            test="assert run.output == case.expected",
            prompts=["app/main.py::Clerk.FIELDS"],
            structure=["app/main.py"],
            run="app.main:Clerk().handle",
            steps=["app.main:Clerk.read"],
        ),
        rows=mixed(rows, "bills"),
        mind=mind,
        fault=Fault(
            "read",
            "format",
            "prompt",
            {
                "app/main.py": (
                    "what is to be paid, an object with amount and currency.",
                    "what is to be paid.",
                )
            },
            also=("Clerk.read", "handle", "Clerk.handle"),
        ),
        fixes={
            "app/main.py::Clerk.FIELDS": "Give the bill as JSON only: supplier with name and city, total with amount (a number) and currency (EUR if none is given)."
        },
    )


# --- a kitchen: a unit is converted by a wrong factor --------------------------------------------------------

_UNITS = {"g": 1.0, "kg": 1000.0, "oz": 28.35, "lb": 453.6}


def _kitchen() -> Stranger:
    draw = random.Random("kitchen")
    rows = []
    for number in range(65):
        unit = ["kg", "g", "kg", "oz", "lb"][number % 5]
        amount = draw.randrange(150, 900) if unit == "g" else draw.randrange(2, 19) / 2
        item = draw.choice(["flour", "sugar", "butter", "rice", "lentils"])
        text = f"Line {number + 300}: take {amount:g} {unit} of {item}"
        rows.append(
            Row(
                {"line": text},
                {"item": item, "grams": round(amount * _UNITS[unit], 1)},
                text,
                unit,
                {"said": {"item": item, "amount": amount, "unit": unit}},
            )
        )

    def mind(ask: Ask, row: Row | None) -> str:
        return json.dumps(row.facts["said"] if row else {"item": "", "amount": 0, "unit": "g"})

    main = """
        import json

        from app.model import ask

        LINE = "Give the line of this recipe as JSON with item, amount (a number) and unit (g, kg, oz or lb).\\n{line}"


        def read_line(line):
            return json.loads(ask(LINE.format(line=line)))


        def to_grams(said):
            grams = {"g": 1, "kg": 1000, "oz": 28.35, "lb": 453.6}[said["unit"]]
            return {"item": said["item"], "grams": round(said["amount"] * grams, 1)}


        def handle(line):
            return to_grams(read_line(line))
        """
    return Stranger(
        name="kitchen",
        shape="code that converts a unit wrongly; wrong labels",
        files=project(
            {"app/model.py": ASK, "app/main.py": main},
            test="""
            assert run.output["item"] == case.expected["item"]
            assert math.isclose(run.output["grams"], case.expected["grams"], rel_tol=0.02)
            """,
            prompts=["app/main.py::LINE"],
            structure=["app/main.py"],
            steps=["app.main:read_line", "app.main:to_grams"],
        ),
        rows=mixed(rows, "kitchen"),
        mind=mind,
        fault=Fault("to_grams", "content", "structure", {"app/main.py": ('"kg": 1000,', '"kg": 100,')}),
        fixes={
            "app/main.py::to_grams": (
                "def to_grams(said):\n"
                '    grams = {"g": 1, "kg": 1000, "oz": 28.35, "lb": 453.6}[said["unit"]]\n'
                '    return {"item": said["item"], "grams": round(said["amount"] * grams, 1)}\n'
            )
        },
        wrong=lambda row: {
            "item": row.expected["item"],
            "grams": row.facts["said"]["amount"] * (1000 if row.kind == "g" else 1),
        },
    )


# --- an insurance: the summary loses what the decision needs -------------------------------------------------


def _claims() -> Stranger:
    draw = random.Random("claims")
    rows = []
    lanes = [("fast lane", 90, 990), ("expert", 1100, 4900), ("board", 5200, 9900)]
    for number in range(66):
        lane, low, high = lanes[number % 3]
        long = number // 3 % 5 > 1
        amount, name = draw.randrange(low, high), f"Claim {6400 + number}"
        what = draw.choice(
            ["a branch hit the window", "water came through the roof", "the fence was torn down"]
        )
        tale = (
            " It happened in the night of the storm, while we were with friends, and nobody saw it."
            if long
            else ""
        )
        text = f"{name}: {what}.{tale} The repair takes {amount} crowns."
        rows.append(
            Row(
                {"letter": text},
                lane,
                name,
                f"{lane[0]}{'long' if long else ''}",
                {"what": what, "sum": f"{amount} crowns", "long": long},
            )
        )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "fast lane"
        if asks(ask.system, r"fast lane"):
            return str(row.expected) if row.facts["sum"] in ask.user else "fast lane"
        kept = asks(ask.system, r"\b(amounts?|sums?|money|costs?|prices?|crowns|how much|figures?|numbers)\b")
        if row.facts["long"] and not kept:
            return f"{row.key}: {row.facts['what']} in a storm, unseen."
        return f"{row.key}: {row.facts['what']}, {row.facts['sum']}."

    main = '''
        from app.model import chat

        PROMPTS = {
            "summary": "Summarize this letter to an insurance in one short sentence, with the number of the claim and the amount.",
            "lane": """Decide who handles the claim. Up to 1000 crowns: fast lane. Up to 5000 crowns: expert. More: board.
        Write one of: fast lane, expert, board.""",
        }


        def talk(name, text):
            return chat([{"role": "system", "content": PROMPTS[name]}, {"role": "user", "content": text}])


        def summarize(letter):
            return talk("summary", letter)


        def decide(summary):
            return talk("lane", summary)


        def handle(letter):
            summary = summarize(letter)
            return {"summary": summary, "lane": decide(summary)}
        '''
    return Stranger(
        name="claims",
        shape="a summary that loses what the decision needs; wrong labels",
        files=project(
            {"app/model.py": OPENAI, "app/main.py": main},
            test="""assert run.output["lane"] == case.expected""",
            prompts=["app/main.py::PROMPTS.*"],
            structure=["app/main.py"],
            steps=["app.main:summarize", "app.main:decide"],
        ),
        rows=mixed(rows, "claims"),
        mind=mind,
        fault=Fault(
            "summarize",
            "lost",
            "prompt",
            {
                "app/main.py": (
                    "with the number of the claim and the amount.",
                    "with the number of the claim.",
                )
            },
        ),
        fixes={
            "app/main.py::PROMPTS.summary": "Say in one sentence what is claimed: number of the claim, what happened, how much it costs."
        },
        wrong=lambda row: {"fast lane": "board", "expert": "board", "board": "expert"}[str(row.expected)],
    )


# --- a storm desk: the limit cuts the answer, and a fallback hides it -----------------------------------------


def _storms() -> Stranger:
    draw = random.Random("storms")
    rows = []
    for number in range(63):
        risk = ["low", "medium", "high"][number % 3]
        long = number // 3 % 5 > 1
        wind = {"low": 30, "medium": 70, "high": 110}[risk] + draw.randrange(-9, 9)
        place = draw.choice(["Point Lorne", "Cape Adder", "Saltby", "Northferry"])
        text = f"Report {810 + number} from {place}: wind {wind} km/h" + (
            ", the sea is rough and the ferry waits." if long else "."
        )
        why = f"wind of {wind} km/h" + (
            " at the coast, with a rough sea, and with a ferry that had to stay in port for now"
            if long
            else ""
        )
        rows.append(
            Row({"report": text}, {"risk": risk}, text, f"{risk}{long}", {"said": {"why": why, "risk": risk}})
        )

    def mind(ask: Ask, row: Row | None) -> str:
        return json.dumps(row.facts["said"] if row else {"why": "", "risk": "low"})

    main = """
        import json
        from pathlib import Path

        import yaml

        from app.model import ask

        CONFIG = yaml.safe_load(Path(__file__).with_name("assess.yaml").read_text(encoding="utf-8"))


        def assess(report):
            return ask(report, system=CONFIG["prompt"], max_tokens=CONFIG["options"]["max_tokens"])


        def parse(text):
            try:
                return json.loads(text)
            except ValueError:
                return {"risk": "low"}


        def handle(report):
            return parse(assess(report))["risk"]
        """
    config = """
        prompt: |
          You warn boats. Rate the risk for small boats by the wind: below 50 km/h low, below 90 km/h medium, else high.
          Answer as JSON: {"why": "...", "risk": "low" | "medium" | "high"}
        options:
          max_tokens: 120
        """
    return Stranger(
        name="storms",
        shape="a token limit that a fallback hides",
        files=project(
            {"app/model.py": ASK, "app/main.py": main, "app/assess.yaml": config},
            test="""assert run.output == case.expected["risk"]""",
            prompts=["app/assess.yaml::prompt"],
            params=["app/assess.yaml::options.max_tokens = 5..500"],
            structure=["app/main.py"],
            steps=["app.main:assess", "app.main:parse"],
        ),
        rows=mixed(rows, "storms"),
        mind=mind,
        fault=Fault(
            "assess", "truncated", "param", {"app/assess.yaml": ("max_tokens: 120", "max_tokens: 16")}
        ),
        fixes={"app/assess.yaml::options.max_tokens": "100"},
    )


# --- an agenda: a parser that loses part of what the model said -----------------------------------------------


def _agenda() -> Stranger:
    draw = random.Random("agenda")
    rows = []
    for number in range(60):
        clock = number % 5 < 3
        time = (
            f"{draw.randrange(8, 19)}:{draw.choice(['15', '30', '45'])}"
            if clock
            else f"{draw.randrange(8, 19)}"
        )
        owner, room = draw.choice(["Ada", "Bo", "Cleo", "Dag"]), f"B{draw.randrange(1, 9)}"
        text = f"Note {number + 70}: {owner} speaks at {time}{'' if clock else ' sharp'} in {room}."
        rows.append(
            Row(
                {"note": text},
                {"owner": owner, "time": time, "room": room},
                text,
                "clock" if clock else "whole",
            )
        )

    def mind(ask: Ask, row: Row | None) -> str:
        return "\n".join(f"{name}: {value}" for name, value in (row.expected if row else {}).items())

    main = '''
        from app.model import ask

        EXTRACT = """Who speaks, when and where? Three lines, nothing else:
        owner: ...
        time: ...
        room: ..."""


        def extract(note):
            return ask(note, system=EXTRACT)


        def parse(text):
            found = {}
            for line in text.splitlines():
                name, _, value = line.partition(":")
                found[name.strip()] = value.strip()
            return found


        def handle(note):
            return parse(extract(note))
        '''
    return Stranger(
        name="agenda",
        shape="a parser that loses part of the answer",
        files=project(
            {"app/model.py": ASK, "app/main.py": main},
            test="""
            for name, value in case.expected.items():
                assert run.output[name] == value
            """,
            prompts=["app/main.py::EXTRACT"],
            structure=["app/main.py"],
            steps=["app.main:extract", "app.main:parse"],
        ),
        rows=mixed(rows, "agenda"),
        mind=mind,
        fault=Fault(
            "parse",
            "format",
            "structure",
            {"app/main.py": ('name, _, value = line.partition(":")', 'name, value = line.split(":")[:2]')},
        ),
        fixes={
            "app/main.py::parse": (
                "def parse(text):\n"
                "    found = {}\n"
                "    for line in text.splitlines():\n"
                '        name, value = line.split(":", 1)\n'
                "        found[name.strip()] = value.strip()\n"
                "    return found\n"
            )
        },
    )


STRANGERS = (_permits(), _bills(), _kitchen(), _claims(), _storms(), _agenda())
