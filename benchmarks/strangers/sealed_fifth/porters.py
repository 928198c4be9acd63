"""Porters: what is wrong lies in the code or the settings around the model."""

# ruff: noqa: E501  # texts stand as they are sent

from __future__ import annotations

import json
import random
import re
from datetime import datetime, timedelta

from benchmarks.planted.spec import Fault, Row, mixed, rules_of
from benchmarks.planted.talk import Ask
from benchmarks.strangers.common import ASK, ASYNC, OPENAI, project
from benchmarks.strangers.sealed_fourth.bureaus import taught
from benchmarks.strangers.spec import BARE, Stranger, asks

# --- a town council: the small one of two models loses itself in nested negations -----------------------------------

_FEES = [
    "the parking fee",
    "the dog tax",
    "the price of the pool",
    "the rent of the allotments",
    "the library fee",
]
_MOTIONS = {
    ("plain", "yes"): ["to raise {}", "to put up {} by a tenth"],
    ("plain", "no"): ["to lower {}", "to leave {} as it is"],
    ("twisted", "yes"): ["not to refuse the raise of {}", "to withdraw the ban on raising {}"],
    ("twisted", "no"): ["not to carry out the raise of {}", "to oppose that {} be raised"],
}


def _council() -> Stranger:
    draw = random.Random("council")
    rows = []
    for number in range(60):
        kind, label = [
            ("plain", "yes"),
            ("twisted", "no"),
            ("plain", "no"),
            ("twisted", "yes"),
            ("plain", "yes"),
        ][number % 5]
        motion = f"Motion {41 + number}/25: {draw.choice(_MOTIONS[kind, label]).format(draw.choice(_FEES))}"
        rows.append(Row({"motion": motion}, label, motion, kind, {"label": label}))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "no"
        if "Dearer:" in ask.user:
            return "The councillors will hear both sides on Monday."
        helped = asks(rules_of(ask, row), r"negati|step by step|twice|nested") or taught(
            ask, rows, row, lambda each: each.facts["label"]
        )
        right = str(row.facts["label"])
        lost = ask.model != "house-70b" and row.kind == "twisted" and not helped
        return {"yes": "no", "no": "yes"}[right] if lost else right

    main = """
        import json
        from pathlib import Path

        from app.model import ask

        MODELS = json.loads(Path(__file__).with_name("models.json").read_text())
        DEARER = "Will something become dearer for the residents if this motion is carried? Reply yes or no."
        NOTICE = "Write one sentence for the notice board about the motion."


        def dearer(motion):
            return ask(motion, system=DEARER, **MODELS["dearer"])


        def notice(motion, said):
            return ask(f"{motion}\\nDearer: {said}", system=NOTICE, **MODELS["notice"])


        def handle(motion):
            said = dearer(motion).strip().lower().rstrip(".")
            return {"dearer": said, "notice": notice(motion, said)}
        """
    models = """
        {
          "dearer": {"model": "house-70b", "max_tokens": 5},
          "notice": {"model": "house-7b", "max_tokens": 80}
        }
        """
    return Stranger(
        name="council",
        shape="yes or no; the settings name the smaller of two models",
        files=project(
            {"app/model.py": ASK, "app/main.py": main, "app/models.json": models},
            test="""assert run.output["dearer"] == case.expected""",
            prompts=["app/main.py::DEARER", "app/main.py::NOTICE"],
            params=[
                "app/models.json::dearer.model = house-7b | house-70b",
                "app/models.json::dearer.max_tokens = 2..50",
                "app/models.json::notice.model = house-7b | house-70b",
            ],
            structure=["app/main.py"],
        ),
        rows=mixed(rows, "council"),
        mind=mind,
        fault=Fault(
            "dearer",
            "label",
            "param",
            {"app/models.json": ('"dearer": {"model": "house-70b"', '"dearer": {"model": "house-7b"')},
        ),
        fixes={"app/models.json::dearer.model": '"house-70b"'},
    )


# --- an observatory: the clock of the log is not the clock of the house ---------------------------------------------

_SEEN = ["M31", "M13", "M57", "NGC 891", "NGC 2403", "Vesta", "Saturn"]


def _observatory() -> Stranger:
    draw = random.Random("observatory")
    rows = []
    for number in range(60):
        kind = ["late", "evening", "morning", "late", "late", "morning"][number % 6]
        hour = draw.choice({"late": [22, 23], "evening": [19, 20, 21], "morning": [0, 1, 2, 3]}[kind])
        start = datetime(2025, 4, 3, hour, draw.randrange(60)) + timedelta(days=draw.randrange(90))
        seen = draw.choice(_SEEN)
        line = f"Frame {412 + number}: {seen}, shutter open {start:%d %b %Y %H:%M} UT, seeing {draw.randrange(8, 30) / 10}"
        local = start + timedelta(hours=2)
        expected = {"object": seen, "day": local.date().isoformat()}
        rows.append(Row({"line": line}, expected, line, kind, {"start": start.isoformat(timespec="minutes")}))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "{}"
        if "Local day:" in ask.user:
            return f"{row.expected['object']}, as we saw it."
        return json.dumps({"object": row.expected["object"], "start": row.facts["start"]})

    main = """
        import json

        from app.clock import local_day
        from app.model import chat

        READ = "Read a line of the camera's log. Reply with JSON: object, and start (ISO 8601 without zone)."
        CAPTION = "Write a short caption for the picture."
        CAPTION_TOKENS = 60


        def read(line):
            return json.loads(chat([{"role": "system", "content": READ}, {"role": "user", "content": line}]))


        def caption(line, day):
            asked = f"{line}\\nLocal day: {day}"
            return chat(
                [{"role": "system", "content": CAPTION}, {"role": "user", "content": asked}], max_tokens=CAPTION_TOKENS
            )


        def handle(line):
            found = read(line)
            day = local_day(found["start"])
            return {"object": found["object"], "day": day, "caption": caption(line, day)}
        """
    clock = """
        from datetime import datetime, timedelta

        HOURS_EAST = 2


        def local_day(start):
            return (datetime.fromisoformat(start) + timedelta(hours=HOURS_EAST)).date().isoformat()
        """
    return Stranger(
        name="observatory",
        shape="a date in the wrong time zone, from a number in the code",
        files=project(
            {"app/model.py": OPENAI, "app/main.py": main, "app/clock.py": clock},
            test="""
            for key in ("object", "day"):
                assert run.output[key] == case.expected[key]
            """,
            prompts=["app/main.py::READ", "app/main.py::CAPTION"],
            params=["app/clock.py::HOURS_EAST = -12..14", "app/main.py::CAPTION_TOKENS = 10..200"],
            structure=["app/main.py", "app/clock.py"],
            steps=["app.main:read", "app.clock:local_day", "app.main:caption"],
        ),
        rows=mixed(rows, "observatory"),
        mind=mind,
        fault=Fault("local_day", "content", "param", {"app/clock.py": ("HOURS_EAST = 2", "HOURS_EAST = 0")}),
        fixes={"app/clock.py::HOURS_EAST": "2"},
    )


# --- darts: a penalty on words that have been said makes equal throws one ------------------------------------------

_WORDS = {1: "one", 3: "three", 5: "five", 12: "twelve", 18: "eighteen", 19: "nineteen", 20: "twenty"}


def _darts() -> Stranger:
    draw = random.Random("darts")
    rows = []
    for number in range(60):
        kind = ["repeated", "distinct"][number % 2]
        hits = draw.sample(list(_WORDS), 3)
        if kind == "repeated":
            hits[draw.choice([1, 2])] = hits[0]
        who = draw.choice(["Ann", "Bert", "Cleo", "Dirk"])
        text = f"Leg {61 + number}, {who} throws: {', '.join(_WORDS[hit] for hit in hits)}"
        rows.append(Row({"spoken": text}, {"throws": hits, "total": sum(hits)}, text, kind))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "[]"
        if "Total:" in ask.user:
            return f"And that makes {row.expected['total']}!"
        throws = row.expected["throws"]
        if float(ask.body.get("frequency_penalty") or 0) > 0.7:
            throws = list(dict.fromkeys(throws))
        return json.dumps(throws)

    main = """
        import json
        from pathlib import Path

        from app.model import ask

        OPTIONS = json.loads(Path(__file__).with_name("options.json").read_text())
        THROWS = "Write down the throws of a darts player as a JSON array of numbers, in their order, each of them."
        CALL = "You are the caller. Call the total of the three throws."


        def throws(spoken):
            return json.loads(ask(spoken, system=THROWS, **OPTIONS["throws"]))


        def shout(spoken, total):
            return ask(f"{spoken}\\nTotal: {total}", system=CALL, **OPTIONS["shout"])


        def handle(spoken):
            hits = throws(spoken)
            return {"throws": hits, "total": sum(hits), "shout": shout(spoken, sum(hits))}
        """
    options = """
        {
          "throws": {"frequency_penalty": 0.0, "max_tokens": 30},
          "shout": {"frequency_penalty": 0.5, "max_tokens": 60}
        }
        """
    return Stranger(
        name="darts",
        shape="a list of numbers in which a frequency penalty makes equal ones one",
        files=project(
            {"app/model.py": ASK, "app/main.py": main, "app/options.json": options},
            test="""
            assert run.output["throws"] == case.expected["throws"]
            assert run.output["total"] == case.expected["total"]
            """,
            prompts=["app/main.py::THROWS", "app/main.py::CALL"],
            params=[
                "app/options.json::throws.frequency_penalty = 0..2",
                "app/options.json::throws.max_tokens = 5..100",
                "app/options.json::shout.frequency_penalty = 0..2",
            ],
            structure=["app/main.py"],
        ),
        rows=mixed(rows, "darts"),
        mind=mind,
        fault=Fault(
            "throws",
            "content",
            "param",
            {
                "app/options.json": (
                    '"throws": {"frequency_penalty": 0.0',
                    '"throws": {"frequency_penalty": 1.5',
                )
            },
        ),
        fixes={"app/options.json::throws.frequency_penalty": "0.1"},
    )


# --- a tiler: code takes the first number of an answer that ends with the right one --------------------------------


def _tiler() -> Stranger:
    draw = random.Random("tiler")
    rows = []
    for number in range(60):
        kind = ["rows", "told", "walls", "told"][number % 4]
        across, high = draw.randrange(6, 20), draw.randrange(3, 15)
        tiles = across * high
        job, thought = {
            "rows": (f"{high} rows of {across} tiles", f"{high} rows of {across} tiles make {tiles}."),
            "told": (f"{tiles} tiles, counted by the customer", f"{tiles} tiles."),
            "walls": (
                f"two walls, {tiles} and {high} tiles",
                f"{tiles} tiles and {high} more are {tiles + high}.",
            ),
        }[kind]
        total = tiles + high if kind == "walls" else tiles
        order = f"Order {8100 + number}: {draw.choice(['bath', 'kitchen', 'porch'])}, {job}"
        rows.append(Row({"order": order}, total, order, kind, {"thought": thought}))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "0"
        if "To be delivered:" in ask.user:
            return "We deliver on Thursday between eight and ten."
        return str(row.expected) if asks(rules_of(ask, row), BARE) else str(row.facts["thought"])

    main = """
        from app.model import Model
        from app.numbers import number

        model = Model()


        class Tiler:
            COUNT = "How many tiles does the order need? Show how you work it out and end with the number."
            OFFER = "Write a sentence to the customer about the delivery."

            async def count(self, order):
                return await model(self.COUNT, order)

            async def offer(self, order, tiles):
                return await model(self.OFFER, f"{order}\\nTo be delivered: {tiles}")

            async def handle(self, order):
                tiles = number(await self.count(order))
                return tiles, await self.offer(order, tiles)
        """
    numbers = """
        import re


        def number(text):
            found = re.findall(r"\\d+", text)
            return int(found[-1]) if found else None
        """
    return Stranger(
        name="tiler",
        shape="a number that code takes from the wrong place of a reasoned answer",
        files=project(
            {"app/model.py": ASYNC, "app/main.py": main, "app/numbers.py": numbers},
            test="""
            tiles, offer = run.output
            assert offer
            assert tiles == case.expected
            """,
            prompts=["app/main.py::Tiler.COUNT", "app/main.py::Tiler.OFFER"],
            structure=["app/main.py", "app/numbers.py"],
            steps=["app.main:Tiler.count", "app.numbers:number", "app.main:Tiler.offer"],
            run="app.main:Tiler().handle",
        ),
        rows=mixed(rows, "tiler"),
        mind=mind,
        fault=Fault("number", "content", "structure", {"app/numbers.py": ("found[-1]", "found[0]")}),
        fixes={
            "app/numbers.py::number": 'def number(text):\n    found = re.findall(r"\\d+", text)\n    return int(found.pop()) if found else None\n'
        },
    )


# --- orchards: a table whose numbers are sorted as text -------------------------------------------------------------

_FRUITS = ["apples", "pears", "plums", "quinces"]
_FARMS = ["Hillside", "Lakeview", "Oldmill", "Stonegate", "Brookend"]


def _orchards() -> Stranger:
    draw = random.Random("orchards")
    lines, rows = ["year,fruit,farm,crates"], []
    for number, (year, fruit) in enumerate((year, fruit) for year in range(2009, 2025) for fruit in _FRUITS):
        kind = ["crowded", "even", "crowded", "even", "even"][number % 5]
        farms = draw.sample(_FARMS, 5)
        best = draw.randrange(1010, 1900) if kind == "crowded" else draw.randrange(900, 999)
        crates = [best, *sorted(draw.sample(range(200, 890), 4), reverse=True)]
        held = list(zip(farms, crates, strict=True))
        draw.shuffle(held)
        lines += [f"{year},{fruit},{farm},{count}" for farm, count in held]
        question = f"Who brought in the most {fruit} in {year}?"
        rows.append(
            Row(
                {"question": question},
                {"facts": [farms[0], str(best)]},
                question,
                kind,
                {"year": year, "fruit": fruit, "last": [farms[4], str(crates[4])]},
            )
        )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "{}"
        if "Table:" not in ask.user:
            return json.dumps({"fruit": row.facts["fruit"], "year": row.facts["year"]})
        held = [(int(count), farm) for farm, count in re.findall(r"(\w+): (\d+) crates", ask.user)]
        if not held:
            return "Nothing is known of that harvest."
        count, farm = max(held)
        return f"It was {farm}, with {count} crates."

    main = """
        import json

        from app.model import chat
        from app.table import best

        TOPIC = "Of which fruit and year does the question ask? Reply with JSON: fruit (plural) and year (number)."
        TELL = "Answer the question from the table in one sentence; name the farm and its crates."


        def say(system, user):
            return chat([{"role": "system", "content": system}, {"role": "user", "content": user}])


        def topic(question):
            return json.loads(say(TOPIC, question))


        def tell(question, rows):
            table = "\\n".join(f"{row['farm']}: {row['crates']} crates" for row in rows)
            return say(TELL, f"Table:\\n{table}\\n\\n{question}")


        def handle(question):
            asked = topic(question)
            return tell(question, best(asked["fruit"], asked["year"]))
        """
    table = """
        import csv
        from pathlib import Path

        TOP = 2

        with Path(__file__).with_name("harvest.csv").open(newline="") as file:
            HARVEST = list(csv.DictReader(file))


        def best(fruit, year):
            found = [row for row in HARVEST if row["fruit"] == fruit and row["year"] == str(year)]
            return sorted(found, key=lambda row: int(row["crates"]), reverse=True)[:TOP]
        """
    return Stranger(
        name="orchards",
        shape="a ranking of numbers that are read as text; free text with two facts; wrong labels",
        files=project(
            {
                "app/model.py": OPENAI,
                "app/main.py": main,
                "app/table.py": table,
                "app/harvest.csv": "\n".join(lines) + "\n",
            },
            test="""
            missing = [fact for fact in case.expected["facts"] if fact not in run.output]
            assert not missing
            """,
            prompts=["app/main.py::TOPIC", "app/main.py::TELL"],
            params=["app/table.py::TOP = 1..3"],
            structure=["app/main.py", "app/table.py"],
            steps=["app.main:topic", "app.table:best", "app.main:tell"],
        ),
        rows=mixed(rows, "orchards"),
        mind=mind,
        fault=Fault(
            "best", "retrieval", "structure", {"app/table.py": ('int(row["crates"])', 'row["crates"]')}
        ),
        fixes={
            "app/table.py::best": 'def best(fruit, year):\n    found = [row for row in HARVEST if row["fruit"] == fruit and row["year"] == str(year)]\n    return sorted(found, key=lambda row: -int(row["crates"]))[:TOP]\n'
        },
        wrong=lambda row: {"facts": row.facts["last"]},
    )


# --- a marina: the last page of a register is never read ------------------------------------------------------------

_BOATS = [f"{first} {second}" for first in ("Sea", "Wind", "Salt", "Moon", "Gray", "Swift", "North", "Old", "Red", "Far")
          for second in ("Rose", "Otter", "Heron", "Pearl", "Lady", "Comet", "Drum", "Willow", "Fox", "Bell")]  # fmt: skip


def _marina() -> Stranger:
    draw = random.Random("marina")
    names = draw.sample(_BOATS, len(_BOATS))
    register: dict[str, list[list[str]]] = {}
    rows = []
    for place, quay in enumerate("ABCDEFG"):
        count = [11, 11, 10, 11, 11, 10, 11][place]
        berths = draw.sample(range(1, 40), count)
        register[quay] = [[names.pop(), f"{quay}{berth}"] for berth in berths]
        for position, (boat, berth) in enumerate(register[quay]):
            if position < 5 or position >= 8:
                rows.append((quay, boat, berth, "late" if position >= 8 else "early"))
        rows.append((quay, names.pop(), "not here", "absent"))
    cases = []
    for number, (quay, boat, berth, kind) in enumerate(rows):
        question = [f"I look for the {boat}, on quay {quay}.", f"Quay {quay}: where is the {boat}?"][
            number % 2
        ]
        cases.append(
            Row({"question": question}, {"berth": berth}, question, kind, {"quay": quay, "boat": boat})
        )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "not here"
        if "Register:" not in ask.user:
            return str(row.facts["quay"])
        held = re.search(rf"{row.facts['boat']} - (\w+)", ask.user)
        if held:
            return held[1]
        told = asks(rules_of(ask, row), r"not here") or taught(
            ask, cases, row, lambda each: each.expected["berth"]
        )
        return "not here" if told else "I cannot find that boat."

    main = """
        import asyncio

        from app.model import Model
        from app.register import Register

        QUAY = "Which quay is it about? Write its letter."
        BERTH = "In which berth does the boat lie? Write the berth alone, or: not here."
        model, register = Model(), Register()


        async def quay(question):
            return (await model(QUAY, question)).strip()


        async def collect(letter):
            total = await register.total(letter)
            pages = -(-total // register.SIZE)
            read = await asyncio.gather(*[register.page(letter, number) for number in range(pages)])
            return [entry for page in read for entry in page]


        async def berth(question, entries):
            lines = "\\n".join(f"{boat} - {place}" for boat, place in entries)
            return await model(BERTH, f"Register:\\n{lines}\\n\\n{question}")


        async def handle(question):
            return {"berth": await berth(question, await collect(await quay(question)))}
        """
    pages = """
        import json
        from pathlib import Path


        class Register:
            SIZE = 4

            def __init__(self):
                self.boats = json.loads(Path(__file__).with_name("boats.json").read_text())

            async def total(self, quay):
                return len(self.boats.get(quay, []))

            async def page(self, quay, number):
                return self.boats.get(quay, [])[number * self.SIZE : (number + 1) * self.SIZE]
        """
    return Stranger(
        name="marina",
        shape="pages of a register of which code never reads the last; questions without an answer",
        files=project(
            {
                "app/model.py": ASYNC,
                "app/main.py": main,
                "app/register.py": pages,
                "app/boats.json": json.dumps(register),
            },
            test="""assert run.output["berth"] == case.expected["berth"]""",
            prompts=["app/main.py::QUAY", "app/main.py::BERTH"],
            structure=["app/main.py"],
            steps=["app.main:quay", "app.main:collect", "app.main:berth"],
        ),
        rows=mixed(cases, "marina"),
        mind=mind,
        fault=Fault(
            "collect",
            "retrieval",
            "structure",
            {"app/main.py": ("-(-total // register.SIZE)", "total // register.SIZE")},
        ),
        fixes={
            "app/main.py::collect": (
                "async def collect(letter):\n"
                "    total = await register.total(letter)\n"
                "    starts = range(0, total, register.SIZE)\n"
                "    read = await asyncio.gather(*[register.page(letter, start // register.SIZE) for start in starts])\n"
                "    return [entry for page in read for entry in page]\n"
            )
        },
    )


STRANGERS = (_council(), _observatory(), _darts(), _tiler(), _orchards(), _marina())
