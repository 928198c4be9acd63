"""Bureaus: notes and forms are read, graded and answered; what is wrong stands in a text for a model."""

# ruff: noqa: E501  # texts stand as they are sent

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence

from benchmarks.planted.spec import Fault, Row, mixed, rules_of
from benchmarks.planted.talk import Ask, Say, call
from benchmarks.strangers.common import ASK, ASYNC, OPENAI, project
from benchmarks.strangers.spec import Stranger, asks


def taught(ask: Ask, rows: Sequence[Row], row: Row, tell: Callable[[Row], str]) -> bool:
    """True if the request shows two other cases of the kind with their right answers."""
    others = [each for each in rows if each is not row and each.kind == row.kind]
    return sum(each.key in ask.text and tell(each) in ask.text for each in others) > 1


# --- a greenhouse: probes of two makers, and no unit in the prompt ----------------------------------------------

_AIR = [12.5, 15.0, 17.5, 20.0, 25.0, 27.5, 30.0]


def _greenhouse() -> Stranger:
    draw = random.Random("greenhouse")
    rows = []
    for number in range(62):
        kind = ["imported", "local", "imported", "local", "imported"][number % 5]
        air = draw.choice(_AIR)
        read = f"{air * 9 / 5 + 32:.1f} °F" if kind == "imported" else f"{air:.1f} °C"
        vents = draw.choice(["vents shut", "vents half open", "shade cloth drawn", "floor still wet"])
        note = f"Bay {11 + number}, {draw.randrange(5, 10):02}:{draw.randrange(60):02}: probe shows {read}, {vents}."
        rows.append(Row({"note": note}, {"bay": 11 + number, "air": air}, note, kind, {"read": read}))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "{}"
        if "Measured:" in ask.user:
            return "Open the vents by a hand and look again in an hour."
        told = asks(rules_of(ask, row), r"celsius|centigrade|°\s?C\b") or taught(
            ask, rows, row, lambda each: str(each.expected["air"])
        )
        shown = float(row.facts["read"].split()[0])
        return json.dumps({"bay": row.expected["bay"], "air": row.expected["air"] if told else shown})

    def wrong(row: Row) -> dict[str, float]:
        shown = float(row.facts["read"].split()[0])
        if row.kind == "imported":  # the rule of thumb
            return {**row.expected, "air": (shown - 30) / 2}
        tens, ones = divmod(int(shown), 10)  # digits in the wrong order
        return {**row.expected, "air": ones * 10 + tens + shown % 1}

    main = '''
        import json

        from app.model import chat

        READ = """You read the notes of gardeners on their morning round.
        Reply with a JSON object with two keys:
        "bay": the number of the bay
        "air": the temperature of the air in degrees Celsius, a number"""
        ADVISE = "You are an old gardener. Say in one sentence what to do now."


        def read(note):
            said = chat([{"role": "system", "content": READ}, {"role": "user", "content": note}])
            return json.loads(said)


        def advise(note, found):
            asked = f"{note}\\nMeasured: {found['air']}"
            return chat([{"role": "system", "content": ADVISE}, {"role": "user", "content": asked}])


        def handle(note):
            found = read(note)
            return {**found, "advice": advise(note, found)}
        '''
    return Stranger(
        name="greenhouse",
        shape="a JSON object with a number whose unit the prompt does not name; wrong labels",
        files=project(
            {"app/model.py": OPENAI, "app/main.py": main},
            test="""
            assert run.output["bay"] == case.expected["bay"]
            assert math.isclose(run.output["air"], case.expected["air"], abs_tol=0.2)
            """,
            prompts=["app/main.py::READ", "app/main.py::ADVISE"],
            structure=["app/main.py"],
            steps=["app.main:read", "app.main:advise"],
        ),
        rows=mixed(rows, "greenhouse"),
        mind=mind,
        fault=Fault(
            "read",
            "knowledge",
            "prompt",
            {"app/main.py": ("of the air in degrees Celsius, a number", "of the air, a number")},
        ),
        fixes={
            "app/main.py::READ": 'From the gardener\'s note, reply with JSON: {"bay": number, "air": temperature}. Convert every temperature to Celsius (°C).'
        },
        wrong=wrong,
    )


# --- an embassy: the rule for minors is buried in a long prompt -----------------------------------------------------

_PURPOSES = {
    "visitor": ["to visit an aunt", "to see the lakes", "for a wedding"],
    "student": ["for a year at the university", "to learn the language at a school"],
    "worker": ["to pick fruit for the season", "to work in a clinic"],
}
_DOCUMENTS = {
    "visitor": ["a return ticket", "proof of funds"],
    "student": ["a letter of admission", "proof of funds"],
    "worker": ["a contract of employment", "a certificate of good conduct"],
    "minor": ["the consent of both parents", "the passport of a guardian"],
}
_MINORS = "An applicant under 18 is a minor, whatever the purpose of the journey.\n"
_HABITS = """Be neutral: the nationality of the applicant does not matter here.
Forms are filled in by hand, so expect spelling mistakes.
Where two purposes are given, the first one counts.
Journeys in transit are handled by another desk.
"""
_MORE = """Do not guess at anything that the form does not say.
The length of the stay does not change the category.
A stay with relatives is a visit.
An internship without pay is still work.
"""


def _category(first: str, between: str) -> str:
    return (
        f"You sort applications at the counter of an embassy.\n{first}"
        f"The categories are visitor, student, worker and minor.\n{_HABITS}{between}{_MORE}"
        "Seasonal work is work.\nA language school is a school.\nAnswer with the category alone.\n"
    )


def _embassy() -> Stranger:
    draw = random.Random("embassy")
    names = ["Ana Reis", "Tomas Hlavac", "Mei Tan", "Omar Said", "Lotte Bruun", "Ivo Maric"]
    rows = []
    for number in range(60):
        minor = number % 5 in (0, 3)
        purpose = draw.choice(list(_PURPOSES))
        age = draw.randrange(12, 18) if minor else draw.randrange(19, 70)
        kind = "minor" if minor else purpose
        form = f"Application {2101 + number}: {draw.choice(names)}, aged {age}, {draw.randrange(10, 90)} days, {draw.choice(_PURPOSES[purpose])}."
        rows.append(Row({"form": form}, _DOCUMENTS[kind], form, kind, {"purpose": purpose, "age": age}))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "visitor"
        listed = re.search(r"Documents: (.*)", ask.user)
        if listed:
            return f"Dear applicant, please bring {listed[1]} to your appointment."
        if "Applicant:" not in ask.user:
            return json.dumps({"age": row.facts["age"], "purpose": row.facts["purpose"]})
        lines = [line for line in ask.system.splitlines() if line.strip()]
        seen = lines if len(lines) < 9 else lines[:4] + lines[-3:]
        seen += [
            line for line in lines if re.search(r"\*\*|important|note well|always|first of all", line, re.I)
        ]
        told = asks(
            "\n".join(seen), r"\b(under|below|younger|less than) (the age of )?(18|eighteen)|underage"
        )
        learned = taught(ask, rows, row, lambda each: each.kind)
        return "minor" if row.kind == "minor" and (told or learned) else str(row.facts["purpose"])

    main = """
        import json
        from pathlib import Path

        from app.model import ask

        PROMPTS = Path(__file__).parent / "prompts"
        DOCUMENTS = json.loads(Path(__file__).with_name("documents.json").read_text())


        def text(name):
            return (PROMPTS / f"{name}.md").read_text()


        def read_form(form):
            return json.loads(ask(form, text("read")))


        def category(form, fields):
            return ask(f"{form}\\nApplicant: {json.dumps(fields)}", text("category")).strip().lower()


        def documents(kind):
            return DOCUMENTS.get(kind, ["a passport"])


        def letter(form, papers):
            return ask(f"{form}\\nDocuments: {' and '.join(papers)}", text("letter"))


        def handle(form):
            fields = read_form(form)
            return letter(form, documents(category(form, fields)))
        """
    return Stranger(
        name="embassy",
        shape="a letter with required documents; a rule of the second step stands in the middle of a long prompt",
        files=project(
            {
                "app/model.py": ASK,
                "app/main.py": main,
                "app/documents.json": json.dumps(_DOCUMENTS, indent=1),
                "app/prompts/read.md": "Read the form. Reply with a JSON object: age and purpose (visitor, student or worker).\n",
                "app/prompts/category.md": _category(_MINORS, ""),
                "app/prompts/letter.md": "Write a short letter that names every document which the applicant has to bring.\n",
            },
            test="""
            for document in case.expected:
                assert document in run.output
            """,
            prompts=["app/prompts/*.md"],
            structure=["app/main.py"],
            steps=["app.main:read_form", "app.main:category", "app.main:documents", "app.main:letter"],
        ),
        rows=mixed(rows, "embassy"),
        mind=mind,
        fault=Fault(
            "category",
            "instruction",
            "prompt",
            {"app/prompts/category.md": (_category(_MINORS, ""), _category("", _MINORS))},
        ),
        fixes={
            "app/prompts/category.md": "Sort the application: visitor, student, worker or minor.\nWhoever is under 18 is a minor, whatever the purpose.\nAnswer with the category alone.\n"
        },
    )


# --- an archive: an example in the prompt is wrong -----------------------------------------------------------------

_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_TOWNS = ["Ghent", "Bruges", "Namur", "Liège", "Mons", "Ypres"]


def _archive() -> Stranger:
    draw = random.Random("archive")
    rows = []
    for number in range(60):
        kind = ["short", "late", "short", "worded", "short"][number % 5]
        month = draw.randrange(1, 13)
        day = (
            draw.randrange(13, 29) if kind == "late" else draw.choice([d for d in range(1, 13) if d != month])
        )
        year, town = draw.randrange(1840, 1899), draw.choice(_TOWNS)
        date = f"{day} {_MONTHS[month - 1]} {year}" if kind == "worded" else f"{day}.{month}.{year}"
        line = f"Deed no. {211 + number}, {town}, {date}, two seals"
        iso, swapped = f"{year}-{month:02}-{day:02}", f"{year}-{day:02}-{month:02}"
        rows.append(Row({"line": line}, {"date": iso, "town": town}, line, kind, {"swapped": swapped}))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "1900-01-01"
        if asks(ask.system, "town"):
            return str(row.expected["town"])
        before = ask.text[: ask.text.rfind(row.key)]
        pairs = re.findall(r"\b(\d{1,2})\.(\d{1,2})\.\d{4}\D.*?\b\d{4}-(\d\d)-(\d\d)\b", before, re.S)
        clear = [pair for pair in pairs if pair[0] != pair[1] and int(pair[0]) < 13]
        wrong = sum(int(first) == int(month) for first, _, month, _ in clear)
        told = asks(
            rules_of(ask, row),
            r"\bday (is |comes |stands )?(first|before|then|\.)|dd?[./]mm?[./]yyyy|european",
        )
        misled = row.kind == "short" and not told and wrong * 2 >= max(1, len(clear))
        return str(row.facts["swapped"] if misled else row.expected["date"])

    main = '''
        import json
        from pathlib import Path

        from app.model import chat

        SHOTS = json.loads(Path(__file__).with_name("shots.json").read_text())["messages"]


        class Archivist:
            """Reads the lines of an old register."""

            town_prompt = "You read old registers. Name the town of the line, nothing else."

            def date(self, line):
                return chat([*SHOTS, {"role": "user", "content": line}])

            def town(self, line):
                return chat([{"role": "system", "content": self.town_prompt}, {"role": "user", "content": line}])

            def __call__(self, line):
                return {"date": self.date(line), "town": self.town(line)}
        '''
    shots = [
        ("system", "You read old registers. Give the date of each line as YYYY-MM-DD."),
        ("user", "Deed no. 12, Bruges, 3.8.1869, one seal"),
        ("assistant", "1869-08-03"),
        ("user", "Letter no. 7, Mons, 21 March 1851"),
        ("assistant", "1851-03-21"),
    ]
    messages = [{"role": role, "content": content} for role, content in shots]
    return Stranger(
        name="archive",
        shape="a date; one of the examples, which stand as turns in a JSON file, has day and month swapped",
        files=project(
            {
                "app/model.py": OPENAI,
                "app/main.py": main,
                "app/shots.json": json.dumps({"messages": messages}, indent=1),
            },
            test="""
            assert run.output["town"] == case.expected["town"]
            assert run.output["date"] == case.expected["date"]
            """,
            prompts=[
                *[f"app/shots.json::messages[{number}].content" for number in range(len(shots))],
                "app/main.py::Archivist.town_prompt",
            ],
            structure=["app/main.py"],
            steps=["app.main:Archivist.date", "app.main:Archivist.town"],
            run="app.main:Archivist()",
        ),
        rows=mixed(rows, "archive"),
        mind=mind,
        fault=Fault("date", "example", "prompt", {"app/shots.json": ("1869-08-03", "1869-03-08")}),
        fixes={"app/shots.json::messages[2].content": "1869-08-03"},
    )


# --- a station for wild animals: two steps that do not share their words ---------------------------------------------

_SIGNS = {
    "surgery": ["bleeds from the flank", "has a broken wing", "does not wake up"],
    "observation": ["is thin and tired", "limps a little", "coughs"],
    "release": ["is only cold from the rain", "was trapped in a shed and is well", "is fit and angry"],
}
_GRADES = {
    "surgery": ("red", "critical"),
    "observation": ("amber", "stable"),
    "release": ("green", "healthy"),
}


def _wildlife() -> Stranger:
    draw = random.Random("wildlife")
    rows = []
    for number in range(66):
        ward = ["surgery", "observation", "release", "surgery", "observation", "release", "observation"][
            number % 7
        ]
        animal = draw.choice(["hedgehog", "owl", "fox", "swift", "badger"])
        report = f"Call {1040 + number}: a {animal} near the {draw.choice(['mill', 'canal', 'ring road'])}, {draw.choice(_SIGNS[ward])}."
        rows.append(Row({"report": report}, ward, report, ward))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "observation"
        rules = rules_of(ask, row)
        given = re.search(r"Grade: *(\w+)", ask.user)
        if given is None:
            colors = asks(rules, r"\bred\b", r"\bamber\b", r"\bgreen\b")
            return _GRADES[row.kind][0 if colors else 1]
        known = re.search(
            rf"\b{given[1]}\b[^a-z]*(?:goes to |to |means |is )?(?:the )?(surgery|observation|release)",
            rules,
            re.I,
        )
        if known:
            return known[1].lower()
        return row.kind if taught(ask, rows, row, lambda each: each.kind) else "observation"

    main = """
        from pathlib import Path

        import yaml

        from app.model import ask

        TEXTS = yaml.safe_load((Path(__file__).parent / "texts.yaml").read_text())


        def grade(report):
            return ask(report, TEXTS["grade"]["system"]).strip()


        def ward(report, graded):
            return ask(f"{report}\\nGrade: {graded}", TEXTS["ward"]["system"]).strip()


        def handle(report):
            return ward(report, grade(report))
        """
    texts = (
        "grade:\n  system: |\n    You take calls about wild animals that were found.\n    Grade the animal: red, amber or green.\n    Write the grade alone.\n"
        "ward:\n  system: |\n    You send an animal to its ward by its grade.\n    red: surgery\n    amber: observation\n    green: release\n    Any other grade: observation. Write the ward alone.\n"
    )
    return Stranger(
        name="wildlife",
        shape="two prompts that do not share a vocabulary; wrong labels",
        files=project(
            {"app/model.py": ASK, "app/main.py": main, "app/texts.yaml": texts},
            test="""assert run.output == case.expected""",
            prompts=["app/texts.yaml::*.system"],
            structure=["app/main.py"],
            steps=["app.main:grade", "app.main:ward"],
        ),
        rows=mixed(rows, "wildlife"),
        mind=mind,
        fault=Fault(
            "grade",
            "format",
            "prompt",
            {
                "app/texts.yaml": (
                    "Grade the animal: red, amber or green.",
                    "Grade the animal: critical, stable or healthy.",
                )
            },
            also=("ward",),
        ),
        fixes={
            "app/texts.yaml::grade.system": "How bad is it for the animal? Write red (in danger), amber (weak) or green (well) and nothing else.\n"
        },
        wrong=lambda row: {"surgery": "release", "observation": "surgery", "release": "surgery"}[row.kind],
    )


# --- a choir: what a word means in this house ------------------------------------------------------------------------


def _choir() -> Stranger:
    draw = random.Random("choir")
    names = ["Ines Falk", "Jonas Wirth", "Petra Lang", "Ravi Nair", "Sofie Dahl", "Karel Novy"]
    rows = []
    for number in range(64):
        status = ["resting", "active", "resting", "lapsed", "active"][number % 5]
        sung = draw.randrange(1, 10) if status == "resting" else draw.randrange(11, 21)
        paid = f"{draw.randrange(1, 13)}/2028" if status == "lapsed" else f"{draw.randrange(2, 7)}/2031"
        member = f"No. {301 + number}, {draw.choice(names)}: sang in {sung} of 20 rehearsals, last fee {paid}, today 7/2031"
        rows.append(Row({"member": member}, {"status": status}, member, status))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "active"
        if "Status:" in ask.user:
            return "We look forward to singing with you."
        told = asks(rules_of(ask, row), r"\bresting\b", r"\b(half|50 ?%|fifty|ten|10)\b") or taught(
            ask, rows, row, lambda each: each.kind
        )
        return "active" if row.kind == "resting" and not told else row.kind

    main = '''
        from app.model import Model


        class Secretary:
            """Keeps the list of members."""

            STATUS = """You keep the list of members of a choir.
        Each member is active, resting or lapsed.
        Lapsed is who has paid no fee for more than a year.
        Resting is who has paid, and sang in fewer than half of the rehearsals.
        Write the status in one word."""
            GREETING = "Write one friendly sentence to a member of our choir."

            def __init__(self):
                self.model = Model()

            async def status(self, member):
                return (await self.model(self.STATUS, member)).strip().lower()

            async def greeting(self, member, status):
                return await self.model(self.GREETING, f"{member}\\nStatus: {status}")

            async def handle(self, member):
                status = await self.status(member)
                return {"status": status, "greeting": await self.greeting(member, status)}
        '''
    return Stranger(
        name="choir",
        shape="a label that has a meaning of its own in this house; wrong labels",
        files=project(
            {"app/model.py": ASYNC, "app/main.py": main},
            test="""assert run.output["status"] == case.expected["status"]""",
            prompts=["app/main.py::Secretary.STATUS", "app/main.py::Secretary.GREETING"],
            structure=["app/main.py"],
            steps=["app.main:Secretary.status", "app.main:Secretary.greeting"],
            run="app.main:Secretary().handle",
        ),
        rows=mixed(rows, "choir"),
        mind=mind,
        fault=Fault(
            "status",
            "knowledge",
            "prompt",
            {
                "app/main.py": (
                    "Resting is who has paid, and sang in fewer than half of the rehearsals.\n",
                    "",
                )
            },
        ),
        fixes={
            "app/main.py::Secretary.STATUS": "Status of this member, one word: lapsed (no fee for over a year), resting (fee paid, but came to less than half of the rehearsals) or active."
        },
        wrong=lambda row: {
            "status": {"resting": "lapsed", "active": "resting", "lapsed": "resting"}[row.kind]
        },
    )


# --- tides: a tool that promises what another one does -----------------------------------------------------------------

_HARBORS = ["Husum", "Wick", "Calais", "Vigo"]


def _tides() -> Stranger:
    draw = random.Random("tides")
    predicted: dict[str, int] = {}
    measured: dict[str, int] = {}
    rows = []
    for number in range(60):
        harbor, day = _HARBORS[number % 4], 1 + number // 4
        past = day < 10
        place = f"{harbor} 2031-05-{day:02}"
        predicted[place] = draw.randrange(180, 420)
        if past:
            measured[place] = predicted[place] + draw.choice([-31, -18, 12, 27, 44])
        verb = "did the water stand" if past else "will the water stand"
        asked = f"It is 10 May 2031. How high {verb} in {harbor} on 2031-05-{day:02} at noon?"
        right = measured[place] if past else predicted[place]
        arguments = {"harbor": harbor, "day": f"2031-05-{day:02}"}
        rows.append(Row({"question": asked}, {"cm": right}, asked, "past" if past else "future", arguments))

    def mind(ask: Ask, row: Row | None) -> Say | str:
        if row is None:
            return "0"
        if ask.results:
            return str(json.loads(ask.results[-1]).get("cm", "unknown"))
        table = next(tool for tool in ask.body["tools"] if tool["name"] == "tide_table")["description"]
        promises = asks(table, r"\b(past|over|any day|every day|each day|earlier)\b") and not asks(
            table, "gauge|predict|forecast"
        )
        sent = asks(ask.system, "gauge", r"past|over|measured|has been|already|before") or taught(
            ask, rows, row, lambda each: str(each.expected["cm"])
        )
        name = "tide_table" if row.kind == "future" or (promises and not sent) else "gauge"
        return call(name, **row.facts)

    model = """
        import os

        import httpx

        http = httpx.Client(base_url=os.environ["ANTHROPIC_BASE_URL"], timeout=60)


        def message(system, messages, tools):
            body = {"model": "house-7b", "max_tokens": 300, "system": system, "messages": messages, "tools": tools}
            headers = {"x-api-key": os.environ["ANTHROPIC_API_KEY"], "anthropic-version": "2023-06-01"}
            return http.post("/v1/messages", json=body, headers=headers).raise_for_status().json()["content"]
        """
    main = """
        import json
        from pathlib import Path

        from app.model import message
        from app.tools import TOOLS

        WATER = json.loads(Path(__file__).with_name("water.json").read_text())
        SYSTEM = "You answer the questions of sailors with the help of your tools. Your answer is the height in centimeters, a number without its unit."


        def tide_table(harbor, day):
            height = WATER["predicted"].get(f"{harbor} {day}")
            return {"error": "no such day"} if height is None else {"cm": height}


        def gauge(harbor, day):
            height = WATER["measured"].get(f"{harbor} {day}")
            return {"error": "nothing was measured"} if height is None else {"cm": height}


        class Desk:
            def converse(self, question):
                messages = [{"role": "user", "content": question}]
                for _ in range(3):
                    content = message(SYSTEM, messages, TOOLS)
                    uses = [block for block in content if block["type"] == "tool_use"]
                    if not uses:
                        return content[0]["text"]
                    results = [{"type": "tool_result", "tool_use_id": use["id"], "content": self.use(use)} for use in uses]
                    messages += [{"role": "assistant", "content": content}, {"role": "user", "content": results}]
                return ""

            def use(self, block):
                tool = {"tide_table": tide_table, "gauge": gauge}[block["name"]]
                return json.dumps(tool(**block["input"]))

            def handle(self, question):
                said = self.converse(question)
                return {"cm": int(said) if said.isdigit() else None}
        """
    tools = """
        SCHEMA = {
            "type": "object",
            "properties": {"harbor": {"type": "string"}, "day": {"type": "string", "description": "YYYY-MM-DD"}},
            "required": ["harbor", "day"],
        }
        TOOLS = [
            {
                "name": "tide_table",
                "description": "The height that was predicted for a harbor and a day, for days to come.",
                "input_schema": SCHEMA,
            },
            {"name": "gauge", "description": "The height at noon from the gauge of a harbor.", "input_schema": SCHEMA},
        ]
        """
    return Stranger(
        name="tides",
        shape="an agent with two tools, one of which is described as if it did the other's work",
        files=project(
            {
                "app/model.py": model,
                "app/main.py": main,
                "app/tools.py": tools,
                "app/water.json": json.dumps({"predicted": predicted, "measured": measured}, indent=0),
            },
            test="""assert run.output["cm"] == case.expected["cm"]""",
            prompts=["app/tools.py::TOOLS[*].description", "app/main.py::SYSTEM"],
            structure=["app/main.py"],
            steps=["app.main:Desk.converse", "app.main:tide_table", "app.main:gauge"],
            run="app.main:Desk().handle",
        ),
        rows=mixed(rows, "tides"),
        mind=mind,
        fault=Fault(
            "converse",
            "tool",
            "prompt",
            {
                "app/tools.py": (
                    "The height that was predicted for a harbor and a day, for days to come.",
                    "The height of the water in a harbor at noon, on any day past or to come.",
                )
            },
            also=("tide_table",),
        ),
        fixes={
            "app/tools.py::TOOLS[0].description": "Forecast: the predicted height for a harbor on a day to come. For days that are over use gauge."
        },
    )


STRANGERS = [_greenhouse(), _embassy(), _archive(), _wildlife(), _choir(), _tides()]
