"""Clerks: what is wrong lies in the code or the settings around the model."""

# ruff: noqa: E501  # texts stand as they are sent

from __future__ import annotations

import json
import random
import re

from benchmarks.planted.spec import Fault, Row, mixed, rules_of
from benchmarks.planted.talk import Ask, Say
from benchmarks.strangers.common import ASK, ASYNC, OPENAI, project
from benchmarks.strangers.sealed_fourth.bureaus import taught
from benchmarks.strangers.spec import Stranger, asks

# --- towns: a search that loses letters with accents -----------------------------------------------------------------

_ACCENTS = {
    "Málaga": "Malaga", "Örebro": "Orebro", "Besançon": "Besancon", "Győr": "Gyor", "Coruña": "Coruna",
    "Děčín": "Decin", "Tromsé": "Tromse", "Nîmes": "Nimes", "Köln": "Koln", "Évora": "Evora",
    "Şile": "Sile", "Žilina": "Zilina", "Orléans": "Orleans", "Lučenec": "Lucenec", "Gijón": "Gijon",
    "Mérida": "Merida", "Bursá": "Bursa", "Pécs": "Pecs", "Sète": "Sete", "Umeå": "Umea",
    "Jaén": "Jaen", "Türi": "Turi", "Kırk": "Kirk", "Łeba": "Leba", "Plzeň": "Plzen",
    "Brașov": "Brasov", "Cádiz": "Cadiz", "León": "Leon", "Nyköping": "Nykoping", "Châtel": "Chatel",
}  # fmt: skip
_PLAIN = [
    "Utrecht",
    "Porto",
    "Bergen",
    "Torino",
    "Nantes",
    "Kotka",
    "Ostrava",
    "Zwolle",
    "Bilbao",
    "Linz",
    "Lugano",
    "Varna",
    "Split",
    "Bremen",
    "Tartu",
    "Lublin",
    "Chester",
    "Verona",
    "Metz",
    "Padova",
    "Delft",
    "Gent",
]
_ABSENT = ["Marren", "Ostby", "Vellin", "Quarto", "Hollst", "Tarvik", "Domber", "Sarnoy"]


def _towns() -> Stranger:
    draw = random.Random("towns")
    codes = {name: str(draw.randrange(10000, 99999)) for name in [*_ACCENTS.values(), *_PLAIN]}
    codes["Kirk"], codes["Leba"] = "48213", "71930"
    rows = []
    for number, name in enumerate([*_ACCENTS, *_PLAIN, *_ABSENT]):
        plain = _ACCENTS.get(name, name)
        kind = "absent" if name in _ABSENT else "accented" if name in _ACCENTS else "plain"
        wish = [
            "Where does a letter to {} go?",
            "The code of {}, please.",
            "I send a box to {}: which code?",
        ][number % 3]
        question = wish.format(name)
        rows.append(
            Row({"question": question}, codes.get(plain, "unknown"), question, kind, {"plain": plain})
        )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "unknown"
        held = re.search(rf"{row.facts['plain']}: (\d+)", ask.user)
        return f"The code is {held[1]}." if held else "This town is unknown to me."

    def wrong(row: Row) -> str:
        return (
            "20100" if row.kind == "absent" else row.expected[-1] + row.expected[1:-1] + row.expected[0] + "0"
        )

    search = """
        import csv
        import re
        import unicodedata
        from pathlib import Path

        with open(Path(__file__).with_name("towns.csv"), newline="") as file:
            TOWNS = list(csv.DictReader(file))
        OTHERS = str.maketrans("ıłŁ", "ilL")
        LIMIT = 4


        def fold(text):
            text = unicodedata.normalize("NFKD", text.translate(OTHERS))
            return text.encode("ascii", "ignore").decode().lower()


        def find(question):
            words = set(re.findall(r"[a-z]+", fold(question)))
            near = [town for town in TOWNS if town["name"].lower() in words]
            also = [town for town in TOWNS if town["name"][:1].lower() in {word[0] for word in words}]
            return (near + [town for town in also if town not in near])[:LIMIT]
        """
    main = """
        from app.model import ask
        from app.search import find

        SYSTEM = "You answer questions about postal codes from the lines of our list. Where the town is not on it, say that it is unknown."


        def answer(question, towns):
            lines = "\\n".join(f"{town['name']}: {town['code']}" for town in towns)
            return ask(f"List:\\n{lines}\\n\\n{question}", SYSTEM)


        def handle(question):
            return answer(question, find(question))
        """
    table = "name,code\n" + "".join(f"{name},{code}\n" for name, code in sorted(codes.items()))
    return Stranger(
        name="towns",
        shape="a search that drops letters with accents; questions without an answer; wrong labels",
        files=project(
            {"app/model.py": ASK, "app/main.py": main, "app/search.py": search, "app/towns.csv": table},
            test="""assert case.expected in run.output""",
            prompts=["app/main.py::SYSTEM"],
            params=["app/search.py::LIMIT = 1..8"],
            structure=["app/search.py", "app/main.py"],
            steps=["app.search:find", "app.main:answer"],
        ),
        rows=mixed(rows, "towns"),
        mind=mind,
        fault=Fault(
            "find",
            "retrieval",
            "structure",
            {"app/search.py": ('unicodedata.normalize("NFKD", text.translate(OTHERS))', "text.strip()")},
        ),
        fixes={
            "app/search.py::fold": 'def fold(text):\n    plain = unicodedata.normalize("NFKD", text.translate(OTHERS))\n    return plain.encode("ascii", "ignore").decode().lower()\n'
        },
        wrong=wrong,
    )


# --- expeditions: a stop sequence that is also what parts the list ----------------------------------------------------

_NEEDS = {
    "on the glacier": "crampons",
    "with a rope team": "harness",
    "nights in the open": "tent",
    "crossing a river": "dry bag",
    "above the tree line": "sunglasses",
    "through bear country": "bear spray",
}


def _expedition() -> Stranger:
    draw = random.Random("expedition")
    rows = []
    for number in range(60):
        several = number % 5 in (0, 2, 4)
        chosen = draw.sample(list(_NEEDS), draw.choice([2, 3]) if several else 1)
        brief = f"Trip {12 + number}: {', '.join(chosen)}; {draw.randrange(2, 9)} people"
        rows.append(
            Row({"brief": brief}, [_NEEDS[each] for each in chosen], brief, "several" if several else "one")
        )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "rope"
        if "Gear:" in ask.user:
            said = "Check every item; then pack the heavy ones first."
        else:
            lines = asks(
                rules_of(ask, row),
                r"(per|each on|own|separate|single|a) (a |its own |one )?line\b|line by line",
            )
            said = ("\n" if lines else "; ").join(row.expected)
        for stop in ask.body.get("stop") or []:
            said = said.partition(stop)[0]
        return said

    main = """
        import json
        import re
        from pathlib import Path

        from app.model import chat

        SETTINGS = json.loads(Path(__file__).with_name("settings.json").read_text())
        GEAR = "You pack for expeditions. List the special gear that the trip asks for."
        NOTE = "Write one line of advice for whoever packs this."


        def options(step):
            return {"max_tokens": SETTINGS[step]["max_tokens"], "stop": [SETTINGS[step]["stop"]]}


        def gear(brief):
            said = chat([{"role": "system", "content": GEAR}, {"role": "user", "content": brief}], **options("gear"))
            return [item.strip() for item in re.split(r"[;\\n]", said) if item.strip()]


        def note(brief, items):
            asked = f"{brief}\\nGear: {', '.join(items)}"
            return chat([{"role": "system", "content": NOTE}, {"role": "user", "content": asked}], **options("note"))


        def handle(brief):
            items = gear(brief)
            return {"gear": items, "note": note(brief, items)}
        """
    settings = {step: {"max_tokens": 200, "stop": "###"} for step in ("gear", "note")}
    text = json.dumps(settings, indent=2)
    planted = text.replace('"###"', '";"', 1)
    return Stranger(
        name="expedition",
        shape="a list that a stop sequence of the settings cuts off behind its first item",
        files=project(
            {"app/model.py": OPENAI, "app/main.py": main, "app/settings.json": text},
            test="""assert sorted(run.output["gear"]) == sorted(case.expected)""",
            prompts=["app/main.py::GEAR", "app/main.py::NOTE"],
            params=[
                "app/settings.json::gear.stop = ; | ###",
                "app/settings.json::gear.max_tokens = 20..500",
                "app/settings.json::note.max_tokens = 20..500",
            ],
            structure=["app/main.py"],
            steps=["app.main:gear", "app.main:note"],
        ),
        rows=mixed(rows, "expedition"),
        mind=mind,
        fault=Fault("gear", "truncation", "param", {"app/settings.json": (text, planted)}),
        fixes={"app/settings.json::gear.stop": '"###"'},
    )


# --- exchange: a number of digits to which is rounded -----------------------------------------------------------------

_RATES = {"EUR": 1.0, "CHF": 1.05, "GBP": 1.17, "SEK": 0.088, "PLN": 0.234}
_SPENT = {
    "travel": ["taxi rides", "train tickets"],
    "meals": ["lunches", "dinners"],
    "office": ["toner", "chairs"],
}


def _exchange() -> Stranger:
    draw = random.Random("exchange")
    rows = []
    for number in range(64):
        kind = ["foreign", "home", "foreign", "foreign", "home"][number % 5]
        account = draw.choice(list(_SPENT))
        currency = "EUR" if kind == "home" else draw.choice(["CHF", "GBP", "SEK", "PLN"])
        amount = float(draw.randrange(12, 400)) if kind == "home" else draw.randrange(1200, 40000) / 100
        while kind == "foreign" and abs(amount * _RATES[currency] % 1 - 0.5) > 0.4:
            amount = draw.randrange(1200, 40000) / 100
        line = f"Receipt {881 + number}: {draw.choice(_SPENT[account])}, {amount:.2f} {currency} in all"
        euro = round(amount * _RATES[currency], 2)
        rows.append(
            Row(
                {"line": line},
                {"euro": euro, "account": account},
                line,
                kind,
                {"amount": amount, "currency": currency},
            )
        )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "{}"
        if "In euros:" in ask.user:
            return str(row.expected["account"])
        return json.dumps({"amount": row.facts["amount"], "currency": row.facts["currency"]})

    main = """
        import json

        from app.model import ask
        from app.money import convert

        READ = "Read the line of an expense report. Reply with JSON: amount (a number) and currency (three letters)."
        BOOK = "To which account does the line belong: travel, meals or office? Answer with one word."


        def read(line):
            return json.loads(ask(line, system=READ))


        def book(line, euro):
            return ask(f"{line}\\nIn euros: {euro}", system=BOOK)


        def handle(line):
            found = read(line)
            euro = convert(found["amount"], found["currency"])
            return {"euro": euro, "account": book(line, euro)}
        """
    money = f"""
        RATES = {json.dumps(_RATES)}
        DIGITS = 2


        def convert(amount, currency):
            return round(amount * RATES[currency], DIGITS)
        """
    return Stranger(
        name="exchange",
        shape="an amount that code rounds too far; wrong labels",
        files=project(
            {"app/model.py": ASK, "app/main.py": main, "app/money.py": money},
            test="""
            assert run.output["account"] == case.expected["account"]
            assert math.isclose(run.output["euro"], case.expected["euro"], abs_tol=0.005)
            """,
            prompts=["app/main.py::READ", "app/main.py::BOOK"],
            params=["app/money.py::DIGITS = 0..6"],
            structure=["app/main.py", "app/money.py"],
            steps=["app.main:read", "app.money:convert", "app.main:book"],
        ),
        rows=mixed(rows, "exchange"),
        mind=mind,
        fault=Fault("convert", "content", "param", {"app/money.py": ("DIGITS = 2", "DIGITS = 0")}),
        fixes={"app/money.py::DIGITS": "2"},
        wrong=lambda row: {
            **row.expected,
            "euro": round(row.expected["euro"] * (10 if row.kind == "home" else 1.1) + 1, 2),
        },
    )


# --- satellites: code that changes the names it tidies ------------------------------------------------------------------


def _satellites() -> Stranger:
    draw = random.Random("satellites")
    rows = []
    for number in range(62):
        kind = ["lettered", "digits", "lettered", "digits", "lettered"][number % 5]
        count = draw.choice([1, 2, 3])
        if kind == "lettered":
            units = [
                f"{draw.choice('BKQTZ')}{draw.choice('xvn')}-{draw.randrange(10, 99)}{draw.choice('bRe')}"
                for _ in range(count)
            ]
        else:
            units = [f"{draw.randrange(10, 99)}-{draw.randrange(100, 999)}" for _ in range(count)]
        units = sorted(set(units))
        log = f"Pass {17 + number}: low power at {', '.join(units)}; the antenna points {draw.choice(['well', 'two degrees off'])}."
        rows.append(Row({"log": log}, {"units": units}, log, kind))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return ""
        if "Units:" in ask.user:
            return "Charge them in the next sunlight."
        return ", ".join(row.expected["units"]) + "."

    def wrong(row: Row) -> dict[str, list[str]]:
        units = row.expected["units"]
        return {"units": units[:-1] if len(units) > 1 else [*units, "90-117"]}

    main = '''
        from app.model import Model

        model = Model()
        UNITS = "You read the log of a ground station. Name the units that report low power, with commas between them."
        ADVICE = "Advise the next shift in one sentence."


        async def extract(log):
            return await model(UNITS, log)


        def tidy(said):
            """One list, each unit once."""
            units = []
            for part in said.split(","):
                unit = part.strip(" .\\n")
                if unit and unit not in units:
                    units.append(unit)
            return units


        async def advise(log, units):
            return await model(ADVICE, f"{log}\\nUnits: {units}")


        async def handle(log):
            units = tidy(await extract(log))
            return {"units": units, "advice": await advise(log, units)}
        '''
    return Stranger(
        name="satellites",
        shape="a list of names that code puts into small letters; wrong labels",
        files=project(
            {"app/model.py": ASYNC, "app/main.py": main},
            test="""assert sorted(run.output["units"]) == sorted(case.expected["units"])""",
            prompts=["app/main.py::UNITS", "app/main.py::ADVICE"],
            structure=["app/main.py"],
            steps=["app.main:extract", "app.main:tidy", "app.main:advise"],
        ),
        rows=mixed(rows, "satellites"),
        mind=mind,
        fault=Fault(
            "tidy",
            "content",
            "structure",
            {"app/main.py": ('part.strip(" .\\n")', 'part.strip(" .\\n").lower()')},
        ),
        fixes={
            "app/main.py::tidy": 'def tidy(said):\n    """One list, each unit once."""\n    parts = [part.strip(" .\\n") for part in said.split(",")]\n    return [part for number, part in enumerate(parts) if part and part not in parts[:number]]\n'
        },
        wrong=wrong,
    )


# --- a florist: what is kept for the next line is kept under too short a name -------------------------------------------

_PRICES = {"rose": (4, 2), "lily": (6, 3), "tulip": (3, 1), "iris": (5, 2)}


def _florist() -> Stranger:
    draw = random.Random("florist")
    rows = []
    for number in range(60):
        kind = ["twice", "once", "twice", "once", "twice"][number % 5]
        first, second, third = draw.sample(list(_PRICES), 3)
        flowers = [first, second, first] if kind == "twice" else [first, second, third][: draw.choice([2, 3])]
        stems = ["long", draw.choice(["long", "short"]), "short"][: len(flowers)]
        lines = [
            {"count": draw.randrange(1, 9), "flower": flower, "stem": stem}
            for flower, stem in zip(flowers, stems, strict=True)
        ]
        text = ", ".join(f"{line['count']} {line['flower']} ({line['stem']})" for line in lines)
        order = f"Order {31 + number}: {text}"
        total = sum(
            int(str(line["count"])) * _PRICES[str(line["flower"])][line["stem"] == "short"] for line in lines
        )
        rows.append(Row({"order": order}, {"total": total}, order, kind, {"lines": lines}))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "[]"
        if "Total:" in ask.user:
            return "Thank you for your order; it will be at your door tomorrow."
        return json.dumps(row.facts["lines"])

    main = """
        import json

        from app.model import chat
        from app.prices import PRICES

        READ = "Read the order for a florist. Reply with a JSON list of lines, each with count, flower and stem (long or short)."
        THANK = "Thank the customer in one sentence."


        class Florist:
            def read(self, order):
                return json.loads(chat([{"role": "system", "content": READ}, {"role": "user", "content": order}]))

            def price(self, flower, stem, known):
                key = (flower, stem)
                if key not in known:
                    known[key] = PRICES[flower][stem]
                return known[key]

            def thank(self, order, total):
                asked = f"{order}\\nTotal: {total}"
                return chat([{"role": "system", "content": THANK}, {"role": "user", "content": asked}])

            def handle(self, order):
                known, total = {}, 0
                for line in self.read(order):
                    total += line["count"] * self.price(line["flower"], line["stem"], known)
                return {"total": total, "thanks": self.thank(order, total)}
        """
    prices = {flower: {"long": long, "short": short} for flower, (long, short) in _PRICES.items()}
    return Stranger(
        name="florist",
        shape="a loop over lines whose memory mixes up two of them",
        files=project(
            {
                "app/model.py": OPENAI,
                "app/main.py": main,
                "app/prices.py": f"PRICES = {json.dumps(prices)}\n",
            },
            test="""assert run.output["total"] == case.expected["total"]""",
            prompts=["app/main.py::READ", "app/main.py::THANK"],
            structure=["app/main.py"],
            steps=["app.main:Florist.read", "app.main:Florist.price", "app.main:Florist.thank"],
            run="app.main:Florist().handle",
        ),
        rows=mixed(rows, "florist"),
        mind=mind,
        fault=Fault(
            "price", "content", "structure", {"app/main.py": ("key = (flower, stem)", "key = flower")}
        ),
        fixes={
            "app/main.py::Florist.price": "def price(self, flower, stem, known):\n    if (flower, stem) not in known:\n        known[flower, stem] = PRICES[flower][stem]\n    return known[flower, stem]\n"
        },
    )


# --- excursions: a conversation that loses the turns of one side ---------------------------------------------------------

_TOURS = ["harbor", "vineyards", "cave", "lighthouse", "old town", "salt flats"]
_NTH = ["first", "second", "third"]


def _excursions() -> Stranger:
    draw = random.Random("excursions")
    rows = []
    for number in range(60):
        kind = ["ordinal", "named", "ordinal", "named", "ordinal"][number % 5]
        offered = draw.sample(_TOURS, 3)
        chosen, people = draw.randrange(3), draw.randrange(2, 9)
        offer = f"Tomorrow we have three tours: {', '.join(offered)}."
        wish = f"the {_NTH[chosen]} one" if kind == "ordinal" else f"the tour called {offered[chosen]}"
        last = f"Then {wish} for {people} people, please. I am in cabin {401 + number}."
        turns = [
            {"by": "guest", "text": "Good evening, what can one do tomorrow?"},
            {"by": "desk", "text": offer},
            {"by": "guest", "text": last},
        ]
        facts = {"offer": offer}
        rows.append(Row({"turns": turns}, {"tour": offered[chosen], "people": people}, last, kind, facts))

    def mind(ask: Ask, row: Row | None) -> Say | str:
        if row is None:
            return "{}"
        if "Booked:" in ask.user:
            return "It is booked; we meet you at the gangway at nine."
        known = (
            row.kind == "named"
            or row.facts["offer"] in ask.text
            or taught(ask, rows, row, lambda each: each.facts["offer"])
        )
        return json.dumps(
            {"tour": row.expected["tour"] if known else "unknown", "people": row.expected["people"]}
        )

    main = '''
        import json

        from app.model import chat

        ROLES = {"guest": "user", "desk": "assistant"}
        UNDERSTAND = """You book excursions for the guests of a ship.
        Reply with JSON: tour (its name, or unknown) and people (a number)."""
        CONFIRM = "Confirm the booking in one sentence."


        def history(turns):
            return [{"role": ROLES[turn["by"]], "content": turn["text"]} for turn in turns]


        def understand(messages):
            return json.loads(chat([{"role": "system", "content": UNDERSTAND}, *messages]))


        def confirm(wish, booking):
            asked = f"{wish}\\nBooked: {booking['tour']}"
            return chat([{"role": "system", "content": CONFIRM}, {"role": "user", "content": asked}])


        def handle(turns):
            booking = understand(history(turns))
            return {**booking, "text": confirm(turns[-1]["text"], booking)}
        '''
    return Stranger(
        name="excursions",
        shape="a conversation of which code passes on the turns of one side alone",
        files=project(
            {"app/model.py": OPENAI, "app/main.py": main},
            test="""
            assert run.output["tour"] == case.expected["tour"]
            assert run.output["people"] == case.expected["people"]
            """,
            prompts=["app/main.py::UNDERSTAND", "app/main.py::CONFIRM"],
            structure=["app/main.py"],
            steps=["app.main:history", "app.main:understand", "app.main:confirm"],
        ),
        rows=mixed(rows, "excursions"),
        mind=mind,
        fault=Fault(
            "history",
            "missing-input",
            "structure",
            {
                "app/main.py": (
                    '"content": turn["text"]} for turn in turns]',
                    '"content": turn["text"]} for turn in turns if turn["by"] == "guest"]',
                )
            },
        ),
        fixes={
            "app/main.py::history": 'def history(turns):\n    messages = []\n    for turn in turns:\n        messages.append({"role": ROLES[turn["by"]], "content": turn["text"]})\n    return messages\n'
        },
    )


STRANGERS = [_towns(), _expedition(), _exchange(), _satellites(), _florist(), _excursions()]
