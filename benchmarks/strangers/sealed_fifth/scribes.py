"""Scribes: slips, letters and sheets are read; what is wrong stands in a text for a model."""

# ruff: noqa: E501  # texts stand as they are sent

from __future__ import annotations

import json
import random
import re
from datetime import date, timedelta
from itertools import pairwise

from benchmarks.planted.spec import Fault, Row, mixed, rules_of
from benchmarks.planted.talk import Ask, Say, call
from benchmarks.strangers.common import ASK, ASYNC, OPENAI, TOOLS, project
from benchmarks.strangers.sealed_fourth.bureaus import taught
from benchmarks.strangers.spec import Stranger, asks

_NOT = re.compile(
    r"\b(not|never|no|don't|avoid|instead of|rather than|without|must not)\b[^.;:\n]{0,40}$", re.I
)


def wanted(text: str, pattern: str) -> int:
    """Where a text asks for something for the last time, and does not forbid it; -1 where it never does."""
    places = [found.start() for found in re.finditer(pattern, text, re.I)]
    return max((place for place in places if not _NOT.search(text[:place])), default=-1)


# --- a wine cellar: bottles that leave it have a minus, and no prompt says so --------------------------------------

_WINES = ["Riesling", "Merlot", "Pinot noir", "Silvaner", "Barolo", "Rioja", "Chablis"]
_LEAVES = [
    "{n} bottles of {wine} sent to the Hotel Adler",
    "the Schmidts fetched {n} bottles of {wine}",
    "{n} bottles of {wine} poured at the tasting",
    "a rack fell over: {n} bottles of {wine} broken",
]
_ARRIVES = [
    "{n} bottles of {wine} came in from the estate",
    "the Hotel Adler brought back {n} bottles of {wine}",
    "{n} bottles of {wine} found behind the barrels",
]


def _cellar() -> Stranger:
    draw = random.Random("cellar")
    rows = []
    for number in range(64):
        kind = ["leaves", "arrives", "leaves", "leaves", "arrives"][number % 5]
        bottles, wine = draw.randrange(3, 90), draw.choice(_WINES)
        said = draw.choice(_LEAVES if kind == "leaves" else _ARRIVES).format(n=bottles, wine=wine)
        slip = f"Slip {311 + number}: {said}; signed {draw.choice(['Ada', 'Bruno', 'Ciro'])}"
        change = -bottles if kind == "leaves" else bottles
        rows.append(Row({"slip": slip}, {"wine": wine, "change": change}, slip, kind))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "{}"
        if "To be booked:" in ask.user:
            return f"{row.expected['wine']}: counted and noted."
        told = asks(
            rules_of(ask, row), r"negative|minus|below (zero|0)|\bsign(ed)?\b|-\d|[−-]\s*(for|if|when)"
        )
        told = told or taught(ask, rows, row, lambda each: str(each.expected["change"]))
        change = row.expected["change"]
        return json.dumps({"wine": row.expected["wine"], "change": change if told else abs(change)})

    main = '''
        import json

        from app.model import chat

        READ = """You keep the book of a wine cellar. Read the slip and reply with a JSON object:
        wine - the name of the wine, without its maker
        change - an integer, in bottles; negative where bottles leave the cellar"""
        REMARK = "Write a remark of one line for the book."


        def read(slip):
            return json.loads(chat([{"role": "system", "content": READ}, {"role": "user", "content": slip}]))


        def remark(slip, entry):
            user = f"{slip}\\nTo be booked: {entry['change']} x {entry['wine']}"
            return chat([{"role": "system", "content": REMARK}, {"role": "user", "content": user}])


        def handle(slip):
            entry = read(slip)
            return {**entry, "remark": remark(slip, entry)}
        '''

    def wrong(row: Row) -> dict[str, object]:
        change = row.expected["change"]
        return {**row.expected, "change": -change if change > 0 else change - 12}

    return Stranger(
        name="cellar",
        shape="a number whose sign is a convention of the house; wrong labels",
        files=project(
            {"app/model.py": OPENAI, "app/main.py": main},
            test="""
            assert run.output["wine"] == case.expected["wine"]
            assert run.output["change"] == case.expected["change"]
            """,
            prompts=["app/main.py::READ", "app/main.py::REMARK"],
            structure=["app/main.py"],
        ),
        rows=mixed(rows, "cellar"),
        mind=mind,
        fault=Fault(
            "read",
            "content",
            "prompt",
            {"app/main.py": ("in bottles; negative where bottles leave the cellar", "in bottles")},
        ),
        fixes={
            "app/main.py::READ": "Read the slip of the cellar and reply with a JSON object: wine (its name) and change (bottles as an integer, with a minus for what goes out)."
        },
        wrong=wrong,
    )


# --- trams: classes by minutes, whose borders the prompt does not name ---------------------------------------------

_CAUSES = [
    "a parked van",
    "a set of points that froze",
    "a protest",
    "a passenger who fell ill",
    "no current",
]


def _trams() -> Stranger:
    draw = random.Random("trams")
    rows = []
    for number in range(64):
        kind = ["brief", "short", "middling", "long", "endless", "short", "long"][number % 7]
        low, high = {
            "brief": (2, 9),
            "short": (10, 19),
            "middling": (20, 24),
            "long": (25, 39),
            "endless": (41, 95),
        }[kind]
        minutes = draw.randint(low, high)
        line, stop = draw.randrange(1, 19), draw.choice(["Market", "Harbor", "Mill Lane", "East Gate"])
        report = f"Log {7020 + number}: line {line} stood {minutes} min at {stop} because of {draw.choice(_CAUSES)}"
        label = "note" if minutes < 10 else "report" if minutes < 25 else "alarm"
        rows.append(
            Row({"report": report}, {"grade": label}, report, kind, {"minutes": minutes, "line": line})
        )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "report"
        if "number of the line" in ask.system:
            return str(row.facts["line"])
        rules, minutes = rules_of(ask, row), row.facts["minutes"]
        low = re.search(r"\b(10|9|ten|nine)\b[^.\n]{0,20}min|minutes?[^.\n]{0,12}\b(10|9)\b", rules, re.I)
        high = re.search(r"\b(25|24|twenty-?\s?(five|four))\b", rules, re.I)
        known = taught(ask, rows, row, lambda each: each.expected["grade"])
        first, second = (10 if low or known else 20), (25 if high or known else 40)
        return "note" if minutes < first else "report" if minutes < second else "alarm"

    main = """
        from pathlib import Path

        from app.model import ask

        PROMPTS = Path(__file__).with_name("prompts")


        def line(report):
            return int(ask(report, PROMPTS.joinpath("line.txt").read_text()))


        def grade(report):
            return ask(report, PROMPTS.joinpath("grade.txt").read_text())


        def handle(report):
            return {"grade": grade(report), "line": line(report)}
        """
    bordered = "note (under 10 minutes), report (10 to 24 minutes) or alarm (25 minutes and longer)"
    return Stranger(
        name="trams",
        shape="three classes whose borders are numbers that the prompt does not name; wrong labels",
        files=project(
            {
                "app/model.py": ASK,
                "app/main.py": main,
                "app/prompts/line.txt": "Give the number of the line and no other word.\n",
                "app/prompts/grade.txt": f"Grade the standstill of a tram: {bordered}.\nReply with that one word.\n",
            },
            test="""
            assert run.output["grade"] == case.expected["grade"]
            """,
            prompts=["app/prompts/*.txt"],
            structure=["app/main.py"],
        ),
        rows=mixed(rows, "trams"),
        mind=mind,
        fault=Fault(
            "grade", "label", "prompt", {"app/prompts/grade.txt": (bordered, "note, report or alarm")}
        ),
        fixes={
            "app/prompts/grade.txt": "Grade the standstill. Below 10 minutes it is a note, below 25 minutes a report, and from there on an alarm. One word.\n"
        },
        wrong=lambda row: {"grade": "alarm" if row.kind in ("brief", "short") else "note"},
    )


# --- a hangar: the prompt tells to guess where the sheet is silent -------------------------------------------------

_PARTS = ["axle nut", "brake bolt", "prop flange", "seat rail", "oil plug", "tail hinge", "fuel cap ring"]
_TYPES = ["C-17a", "C-22", "D-9", "D-31", "K-4", "K-8b", "M-60", "M-75", "R-2", "R-12"]


def _hangar() -> Stranger:
    draw = random.Random("hangar")
    sheet: list[dict[str, str]] = []
    rows: list[Row] = []
    for number, (plane, part) in enumerate((plane, part) for plane in _TYPES for part in _PARTS):
        torque = 20 + 5 * draw.randrange(24)
        kind = "absent" if number % 12 in (1, 4, 6, 9, 10) else "listed"
        if kind == "listed":
            sheet.append({"plane": plane, "part": part, "torque": f"{torque} Nm"})
        if number % 10 == 3 and kind == "listed":
            continue
        question = [f"{plane}, {part}: how tight?", f"What torque for the {part} of a {plane}?"][number % 2]
        rows.append(
            Row(
                {"question": question},
                f"{torque} Nm" if kind == "listed" else "not listed",
                question,
                kind,
                {"part": part},
            )
        )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "not listed"
        held = re.search(rf"{row.facts['part']}: (\d+ Nm)", ask.user)
        if held:
            return held[1]
        rules = rules_of(ask, row)
        abstain = wanted(rules, r"not listed")
        guess = wanted(rules, r"closest|nearest|similar|estimate|guess|typical|usual|best value")
        near = re.search(r": (\d+ Nm)", ask.user)
        if guess > abstain and near:
            return near[1]
        if abstain >= 0 or taught(ask, rows, row, lambda each: each.expected):
            return "not listed"
        return "The sheet does not say."

    main = """
        import json
        from pathlib import Path

        from app.model import ask

        SHEET = json.loads(Path(__file__).with_name("sheet.json").read_text())
        KEEP = 8


        class Foreman:
            RULES = (
                "Mechanics ask you for torques. Take the value from the sheet and give it with its unit, like 40 Nm; nothing else. "
                "Where the sheet has no line for the part, write: not listed."
            )

            def find(self, question):
                return [row for row in SHEET if row["plane"] in question][:KEEP]

            def answer(self, question, lines):
                sheet = "\\n".join(f"{row['plane']} {row['part']}: {row['torque']}" for row in lines)
                return ask(f"<sheet>\\n{sheet}\\n</sheet>\\n{question}", system=self.RULES)

            def handle(self, question):
                return self.answer(question, self.find(question))
        """
    return Stranger(
        name="hangar",
        shape="a prompt that tells to guess where nothing was found; wrong labels",
        files=project(
            {"app/model.py": ASK, "app/main.py": main, "app/sheet.json": json.dumps(sheet, indent=0)},
            test="assert run.output == case.expected",
            prompts=["app/main.py::Foreman.RULES"],
            params=["app/main.py::KEEP = 1..12"],
            structure=["app/main.py"],
            steps=["app.main:Foreman.find", "app.main:Foreman.answer"],
            run="app.main:Foreman().handle",
        ),
        rows=mixed(rows, "hangar"),
        mind=mind,
        fault=Fault(
            "answer",
            "content",
            "prompt",
            {
                "app/main.py": (
                    "for the part, write: not listed.",
                    "for the part, give the value of the part that comes closest.",
                )
            },
        ),
        fixes={
            "app/main.py::Foreman.RULES": "Mechanics ask you for torques. Give the value of the sheet with its unit, and nothing else. If the part has no line there, reply: not listed."
        },
        wrong=lambda row: "12 Nm" if row.kind == "absent" else f"{int(row.expected.split()[0]) + 3} Nm",
    )


# --- a stage: keywords that lose what is not wanted ----------------------------------------------------------------

_EFFECTS = ["fog", "rain", "thunder", "strobe", "snow", "confetti"]
_YES = ["{} from the left", "{} until the curtain", "plenty of {}", "{} as rehearsed"]
_NO = ["no {} this time", "not the {} of last week", "the {} is cut, so no {}"]


def _stage() -> Stranger:
    draw = random.Random("stage")
    rows = []
    for number in range(60):
        kind = ["negated", "plain"][number % 2]
        effects = draw.sample(_EFFECTS, draw.choice([2, 3]))
        off = {effects[draw.randrange(len(effects))]} if kind == "negated" else set()
        words = "; ".join(draw.choice(_NO if each in off else _YES).format(each, each) for each in effects)
        scene = f"Scene {101 + number}:"
        facts = {"effects": [(each, each in off) for each in effects], "note": words}
        on = [each for each in effects if each not in off]
        rows.append(Row({"note": f"{scene} {words}"}, {"effects": on}, scene, kind, facts))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "[]"
        if "Keywords:" in ask.user:
            if row.facts["note"] in ask.user:
                return json.dumps(row.expected["effects"])
            said = ask.user.rpartition("Keywords:")[2]
            return json.dumps(
                [each for no, each in re.findall(rf"(no )?({'|'.join(_EFFECTS)})", said) if not no]
            )
        drops = any(
            asks(
                sentence,
                r"leave out|omit|drop|skip|strip|remove|ignore",
                r"\b(no|not|small|filler|function|stop)\b",
            )
            and not asks(sentence, r"\b(keep|never|don't|do not|except)\b")
            for sentence in re.split(r"[.\n]", ask.system)
        )
        return ", ".join(f"no {each}" if off and not drops else each for each, off in row.facts["effects"])

    main = '''
        import json

        from app.model import Model

        model = Model()

        KEYWORDS = """Shorten a director's note to keywords, with commas between them.
        Keep every no and not."""
        EFFECTS = """Which effects does the scene need: fog, rain, thunder, strobe, snow, confetti?
        Reply with a JSON array of those words."""


        async def keywords(note):
            return await model(KEYWORDS, note)


        async def effects(scene, words):
            return json.loads(await model(EFFECTS, f"{scene}:\\nKeywords: {words}"))


        async def handle(note):
            return {"effects": await effects(note.partition(":")[0], await keywords(note))}
        '''
    return Stranger(
        name="stage",
        shape="a first step whose prompt loses negations that the second needs; a list",
        files=project(
            {"app/model.py": ASYNC, "app/main.py": main},
            test="""assert set(run.output["effects"]) == set(case.expected["effects"])""",
            prompts=["app/main.py::KEYWORDS", "app/main.py::EFFECTS"],
            structure=["app/main.py"],
        ),
        rows=mixed(rows, "stage"),
        mind=mind,
        fault=Fault(
            "keywords",
            "content",
            "prompt",
            {
                "app/main.py": (
                    "Keep every no and not.",
                    "Leave out small words such as the, of, no, not and with.",
                )
            },
        ),
        fixes={
            "app/main.py::KEYWORDS": "Shorten a director's note to keywords, with commas between them. Where something is cut, put no in front of it."
        },
    )


# --- a veterinary practice: one of several dates -------------------------------------------------------------------

_PETS = ["Bello", "Mimi", "Hector", "Luna", "Caruso", "Frieda", "Oskar", "Paula", "Rudi"]


def _vet() -> Stranger:
    draw = random.Random("vet")
    rows = []
    for number in range(60):
        kind = ["seen first", "single", "born first", "due first", "seen first", "single"][number % 6]
        pet, seen = draw.choice(_PETS), date(2025, 1, 7) + timedelta(days=draw.randrange(300))
        due, born = (
            seen + timedelta(days=draw.randrange(20, 360)),
            seen - timedelta(days=draw.randrange(400, 3000)),
        )
        what = draw.choice(["against rabies", "against distemper", "for the teeth"])
        parts = {
            "seen first": f"We saw {pet} on {seen:%d.%m.%Y}. Please bring {pet} again on {due:%d.%m.%Y}, {what}.",
            "single": f"Please bring {pet} again on {due:%d.%m.%Y}, {what}.",
            "born first": f"{pet}, born {born:%d.%m.%Y}, is well. We expect you both on {due:%d.%m.%Y}, {what}.",
            "due first": f"On {due:%d.%m.%Y} it is time again for {pet}, {what}. The last time was {seen:%d.%m.%Y}.",
        }
        letter = f"File {5200 + number}. {parts[kind]}"
        rows.append(
            Row(
                {"letter": letter},
                {"pet": pet, "date": due.isoformat()},
                letter,
                kind,
                {"first": min(re.findall(r"\d\d\.\d\d\.\d{4}", letter), key=letter.find)},
            )
        )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "{}"
        if "On the card:" in ask.user:
            return f"We look forward to {row.expected['pet']}!"
        rules = rules_of(ask, row)
        told = wanted(
            rules, r"\b(next|due|upcoming|again|comes?|coming|appointment|return|future|later|latest)\b"
        )
        if told >= 0 or taught(ask, rows, row, lambda each: each.expected["date"]):
            return json.dumps(row.expected)
        day, month, year = row.facts["first"].split(".")
        return json.dumps({"pet": row.expected["pet"], "date": f"{year}-{month}-{day}"})

    main = """
        import json
        from pathlib import Path

        import yaml

        from app.model import chat

        TEXTS = yaml.safe_load(Path(__file__).with_name("texts.yaml").read_text())


        def messages(name, user):
            return [{"role": "system", "content": TEXTS[name]["system"]}, {"role": "user", "content": user}]


        def read(letter):
            return json.loads(chat(messages("read", letter)))


        def card(letter, entry):
            return chat(messages("card", f"{letter}\\nOn the card: {entry['pet']}, {entry['date']}"), max_tokens=60)


        def handle(letter):
            entry = read(letter)
            if not entry.get("date"):
                return {**entry, "card": ""}
            return {**entry, "card": card(letter, entry)}
        """
    texts = """
        read:
          system: |
            Read the letter of a veterinary practice. Reply with JSON: pet (name) and date (YYYY-MM-DD, when the animal has to come again).
        card:
          system: |
            Write a friendly line for the card that reminds the owner.
        """
    return Stranger(
        name="vet",
        shape="a JSON object with one of several dates of a letter, and a prompt that does not say which",
        files=project(
            {"app/model.py": OPENAI, "app/main.py": main, "app/texts.yaml": texts},
            test="""
            assert run.output["pet"] == case.expected["pet"]
            assert run.output["date"] == case.expected["date"]
            """,
            prompts=["app/texts.yaml::*.system"],
            structure=["app/main.py"],
        ),
        rows=mixed(rows, "vet"),
        mind=mind,
        fault=Fault(
            "read",
            "content",
            "prompt",
            {"app/texts.yaml": ("YYYY-MM-DD, when the animal has to come again", "YYYY-MM-DD")},
        ),
        fixes={
            "app/texts.yaml::read.system": "From the letter of a veterinary practice take, as JSON, pet (the name) and date (the next visit, YYYY-MM-DD).\n"
        },
    )


# --- a garage: an agent that is told to look up once ---------------------------------------------------------------


def _garage() -> Stranger:
    draw = random.Random("garage")
    parts: dict[str, str] = {}
    rows: list[Row] = []
    for number in range(62):
        kind = ["current", "replaced", "current", "replaced", "chained"][number % 5]
        codes = [
            f"{letter}-{1300 + 7 * number}"
            for letter in "ABC"[: {"current": 1, "replaced": 2, "chained": 3}[kind]]
        ]
        shelf, price = f"{draw.choice('PQRST')}{draw.randrange(10, 99)}", draw.randrange(8, 240)
        for old, new in pairwise(codes):
            parts[old] = f"{old} is no longer made; {new} replaces it."
        parts[codes[-1]] = f"{codes[-1]}: shelf {shelf}, {price} euros."
        need = draw.choice(["My van needs", "Do you have", "Customer on lift 2 waits for"])
        wish = f"{need} part {codes[0]}{'?' if need.startswith('Do') else '.'}"
        rows.append(Row({"wish": wish}, {"facts": [shelf, f"{price} euros"]}, wish, kind, {"code": codes[0]}))

    def mind(ask: Ask, row: Row | None) -> Say | str:
        if row is None:
            return "unknown"
        if not ask.tools:
            return str(row.facts["code"])
        if not ask.results:
            return call("part", code=row.facts["code"])
        last = ask.results[-1]
        further = re.search(r"; (\S+) replaces it", last)
        once = wanted(ask.system, r"\bonce\b|\b(one|single|first) (look-?up|call|query|answer|result)")
        follow = wanted(ask.system, r"replace(s|d|ment)|successor|follow")
        if further and (follow > once or once < 0):
            return call("part", code=further[1])
        return f"According to our list, {last}"

    main = '''
        from app.model import arguments, ask, turn
        from app.stock import PARTS

        CODE = "Which part is asked for? Write its code."
        ADVISE = """You work at the counter of a garage and tell where a part lies and what it costs.
        Look the part up in the list. Where another part replaces it, look up that one, too.
        Answer in a sentence."""
        MAX_TURNS = 6
        PART = {
            "type": "function",
            "function": {
                "name": "part",
                "description": "The line of the list for the code of a part.",
                "parameters": {"type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"]},
            },
        }


        def code(wish):
            return ask(CODE, wish)


        def part(code):
            return PARTS.get(code, f"{code} is not on the list.")


        def advise(wish, wanted):
            said = [{"role": "system", "content": ADVISE}, {"role": "user", "content": f"{wish}\\nCode: {wanted}"}]
            for _ in range(MAX_TURNS):
                message = turn(said, [PART])
                if not message.get("tool_calls"):
                    return message["content"]
                said.append(message)
                for each in message["tool_calls"]:
                    said.append({"role": "tool", "tool_call_id": each["id"], "content": part(**arguments(each))})
            return "Please ask at the counter."


        def handle(wish):
            return advise(wish, code(wish))
        '''
    model = (
        TOOLS
        + '\n\ndef ask(system, user):\n    said = [{"role": "system", "content": system}, {"role": "user", "content": user}]\n    return turn(said, None)["content"]\n'
    )
    return Stranger(
        name="garage",
        shape="an agent whose prompt makes it stop one look-up too early; free text with two facts",
        files=project(
            {
                "app/model.py": model,
                "app/main.py": main,
                "app/stock.py": "PARTS = " + json.dumps(parts, indent=4) + "\n",
            },
            test="""
            for fact in case.expected["facts"]:
                assert fact in run.output
            """,
            prompts=["app/main.py::CODE", "app/main.py::ADVISE", "app/main.py::PART.function.description"],
            params=["app/main.py::MAX_TURNS = 2..10"],
            structure=["app/main.py"],
            steps=["app.main:code", "app.main:advise"],
        ),
        rows=mixed(rows, "garage"),
        mind=mind,
        fault=Fault(
            "advise",
            "content",
            "prompt",
            {
                "app/main.py": (
                    "Look the part up in the list. Where another part replaces it, look up that one, too.",
                    "Look the part up in the list once, and answer from what you read there.",
                )
            },
        ),
        fixes={
            "app/main.py::ADVISE": "You tell customers of a garage where a part lies and what it costs. Look it up; if it was replaced, go on to its successor until you have shelf and price. Answer in a sentence."
        },
    )


STRANGERS = (_cellar(), _trams(), _hangar(), _stage(), _vet(), _garage())
