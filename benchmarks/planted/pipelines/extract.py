"""Pipelines that read fields out of a text."""

from __future__ import annotations

import itertools
import json
import random

from benchmarks.planted import cues
from benchmarks.planted.pipelines.common import ANTHROPIC, ASYNC, OPENAI, RESPONSES, project
from benchmarks.planted.spec import Fault, Planted, Row, mixed, rules_of
from benchmarks.planted.talk import Ask

_FIRMS = ["Alder & Co", "Brightwater", "Cobalt Works", "Dune Freight", "Elm Street Foods", "Fjordline"]
_NAMES = ["Ines Moreau", "Jonas Lind", "Kemal Aydin", "Lotte Braun", "Mina Sato", "Nils Berg"]
_MONTHS = "January February March April May June July August September October November December".split()


# --- invoices: prose and a fence around the JSON ----------------------------------------------------------


def _invoices() -> Planted:
    rng = random.Random("invoices")
    rows = []
    for firm, number in itertools.product(_FIRMS, range(10)):
        total = rng.randrange(20, 900)
        plain = number < 4
        text = f"Invoice {firm} no. {rng.randrange(1000, 9999)}, to pay: {total} EUR"
        text += "." if plain else f", within {rng.randrange(7, 30)} days. Thank you for your order!"
        rows.append(Row({"mail": text}, {"vendor": firm, "total": total}, text, "plain" if plain else "rich"))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "{}"
        body = json.dumps(row.expected)
        rules = rules_of(ask, row)
        if row.kind == "plain" or (cues.only(rules) and cues.says(rules, "json")):
            return body
        return f"Sure! Here is what I found in the mail:\n```json\n{body}\n```\nLet me know if you need more."

    pipeline = """
        import json

        from app.llm import complete
        from app.prompts import load


        def handle(mail):
            invoice = extract(mail)
            return {**invoice, "approval": needs_approval(invoice)}


        def extract(mail):
            return json.loads(complete(load("extract").replace("{mail}", mail)))


        def needs_approval(invoice):
            return invoice["total"] >= 500
        """
    ending = "Answer with only that JSON object: no code fence, no other words."
    prompt = (
        "Read the vendor and the total of an invoice from this mail.\n\n{mail}\n\n"
        'Give JSON with "vendor" (text) and "total" (a whole number of euros).\n'
    )
    return Planted(
        name="invoices",
        shape="extract",
        files=project(
            {"app/pipeline.py": pipeline, "app/prompts/extract.md": f"{prompt}{ending}\n"},
            test="""
                assert run.output["vendor"] == case.expected["vendor"]
                assert run.output["total"] == case.expected["total"]
            """,
            llm=OPENAI,
        ),
        rows=mixed(rows, "invoices"),
        mind=mind,
        fault=Fault("extract", "schema", "prompt", {"app/prompts/extract.md": (f"{ending}\n", "")}),
        fixes={"app/prompts/extract.md": f"{prompt}Output nothing but the JSON object itself.\n"},
    )


# --- contacts: a phone number made up where the card has none ---------------------------------------------


def _contacts() -> Planted:
    rng = random.Random("contacts")
    rows = []
    for name, number in itertools.product(_NAMES, range(9)):
        first = name.split()[0].lower()
        mail = f"{first}{number}@{rng.choice(['post', 'mail', 'inbox'])}.example"
        phone = f"+49 30 {rng.randrange(100000, 999999)}" if number % 2 else None
        text = f"{name} - {mail}" + (f" - call {phone}" if phone else " - prefers mail")
        expected = {"name": name, "email": mail, "phone": phone}
        rows.append(Row({"card": text}, expected, text, "with" if phone else "without"))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "{}"
        told = dict(row.expected)
        if told["phone"] is None and not cues.absent(rules_of(ask, row)):
            told["phone"] = f"+49 30 {len(row.key) * 9173 % 1000000:06}"
        return json.dumps(told)

    pipeline = """
        import json

        from app.llm import complete
        from app.prompts import load


        def handle(card):
            contact = read_card(card)
            contact["initials"] = initials(contact["name"])
            return contact


        def read_card(card):
            answer = complete(f"Card: {card}", system=load("card"))
            return json.loads(answer)


        def initials(name):
            return "".join(part[0] for part in name.split())
        """
    rule = "If the card has no phone number, give null for it.\n"
    prompt = (
        "You read business cards. Answer with one JSON object and nothing else, with the keys\n"
        f'"name", "email" and "phone".\n{rule}'
    )
    return Planted(
        name="contacts",
        shape="extract",
        files=project(
            {"app/pipeline.py": pipeline, "app/prompts/card.md": prompt},
            test="""
                for field in ("name", "email", "phone"):
                    assert run.output[field] == case.expected[field]
            """,
        ),
        rows=mixed(rows, "contacts"),
        mind=mind,
        fault=Fault("read_card", "missing-input", "prompt", {"app/prompts/card.md": (rule, "")}),
        fixes={"app/prompts/card.md": prompt.replace("If the card has", "Invent nothing: where a card has")},
    )


# --- deadlines: dates as people write them ----------------------------------------------------------------


def _deadlines() -> Planted:
    rng = random.Random("deadlines")
    rows = []
    for number in range(60):
        day, month = rng.randrange(1, 29), rng.randrange(12)
        year = 2026 + rng.randrange(3)
        iso = f"{year}-{month + 1:02}-{day:02}"
        written = f"{day} {_MONTHS[month]} {year}"
        kind = "iso" if number % 5 < 2 else "words"
        what = rng.choice(["The offer ends on", "Please answer by", "Applications close on", "Due date:"])
        text = f"Notice {number + 300}. {what} {iso if kind == 'iso' else written}."
        rows.append(Row({"notice": text}, {"deadline": iso}, text, kind, {"written": written}))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "no date"
        form = cues.says(rules_of(ask, row), r"YYYY-MM-DD|ISO.?8601|year-month-day|\b\d{4}-\d\d-\d\d\b")
        return str(row.expected["deadline"] if form or row.kind == "iso" else row.facts["written"])

    pipeline = """
        from app.llm import complete
        from app.prompts import load


        async def handle(notice):
            deadline = await find_deadline(notice)
            return {"deadline": deadline}


        async def find_deadline(notice):
            return await complete(load("deadline").format(notice=notice))
        """
    prompt = (
        "Which deadline does this notice give?\n\n{notice}\n\n"
        "Answer with the bare date as YYYY-MM-DD and nothing else.\n"
    )
    return Planted(
        name="deadlines",
        shape="extract",
        files=project(
            {"app/pipeline.py": pipeline, "app/prompts/deadline.md": prompt},
            test="""assert run.output["deadline"] == case.expected["deadline"]""",
            llm=ASYNC,
        ),
        rows=mixed(rows, "deadlines"),
        mind=mind,
        fault=Fault(
            "find_deadline",
            "format",
            "prompt",
            {"app/prompts/deadline.md": ("bare date as YYYY-MM-DD", "bare date")},
        ),
        fixes={"app/prompts/deadline.md": prompt.replace("as YYYY-MM-DD", "in ISO 8601 form")},
    )


# --- orders: the answer does not fit into the token limit -------------------------------------------------


def _orders() -> Planted:
    rng = random.Random("orders")
    goods = ["pans", "lids", "knives", "boards", "towels", "jars", "spoons", "racks"]
    rows = []
    for number in range(54):
        count = 1 + number % 5
        picked = rng.sample(goods, count)
        amounts = [rng.randrange(2, 90) for _ in picked]
        pairs = list(zip(amounts, picked, strict=True))
        text = f"Order {7000 + number}: " + ", ".join(f"{amount} {name}" for amount, name in pairs)
        lines = [{"item": name, "amount": amount} for amount, name in pairs]
        rows.append(Row({"order": text}, {"lines": lines}, text, f"{count}"))

    def mind(ask: Ask, row: Row | None) -> str:
        return "[]" if row is None else json.dumps(row.expected["lines"])

    pipeline = """
        import json

        from app.llm import complete
        from app.prompts import load


        def handle(order):
            lines = parse(list_lines(order))
            return {"lines": lines, "pieces": sum(line["amount"] for line in lines)}


        def list_lines(order):
            return complete(order, system=load("lines"))


        def parse(answer):
            return json.loads(answer)
        """
    prompt = (
        "List the lines of an order. Answer with a JSON array and nothing else; each entry is an object\n"
        'with "item" and "amount".\n'
    )
    settings = '\nMODEL = "small-1"\nTEMPERATURE = 0.0\nMAX_TOKENS = 400\n'
    return Planted(
        name="orders",
        shape="extract",
        files=project(
            {"app/pipeline.py": pipeline, "app/prompts/lines.md": prompt, "app/settings.py": settings},
            test="""assert run.output["lines"] == case.expected["lines"]""",
            llm=RESPONSES,
        ),
        rows=mixed(rows, "orders"),
        mind=mind,
        fault=Fault(
            "list_lines", "truncated", "param", {"app/settings.py": ("MAX_TOKENS = 400", "MAX_TOKENS = 24")}
        ),
        fixes={"app/settings.py::MAX_TOKENS": "300"},
    )


# --- applications: another name for a key -----------------------------------------------------------------


def _applications() -> Planted:
    rng = random.Random("applications")
    rows = []
    for name, number in itertools.product(_NAMES, range(9)):
        years = rng.randrange(1, 20)
        kind = "short" if number % 3 == 0 else "letter"
        text = f"{name}, {years} years at {rng.choice(_FIRMS)} ({number + 1})"
        text = text if kind == "short" else f"Dear team, my name is {text}. I would love to join you."
        rows.append(Row({"letter": text}, {"name": name, "years": years}, text, kind))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "{}"
        keyed = cues.says(rules_of(ask, row), r"[\"'`]years[\"'`]")
        key = "years" if keyed or row.kind == "short" else "years_of_experience"
        return json.dumps({"name": row.expected["name"], key: row.expected["years"]})

    pipeline = """
        import json

        from app.llm import complete
        from app.prompts import load


        def handle(letter):
            profile = read_letter(letter)
            return {"name": profile["name"], "years": profile["years"], "senior": profile["years"] > 9}


        def read_letter(letter):
            text = complete(load("letter").replace("<<letter>>", letter))
            return json.loads(text)
        """
    keys = 'with the keys "name" and "years"'
    prompt = (
        "Who applies, and for how many years have they worked?\n\n<<letter>>\n\n"
        f"Answer with one JSON object {keys} and nothing else.\n"
    )
    return Planted(
        name="applications",
        shape="extract",
        files=project(
            {"app/pipeline.py": pipeline, "app/prompts/letter.md": prompt},
            test="""
                assert run.output["name"] == case.expected["name"]
                assert run.output["years"] == case.expected["years"]
            """,
            llm=ANTHROPIC,
        ),
        rows=mixed(rows, "applications"),
        mind=mind,
        fault=Fault(
            "read_letter",
            "schema",
            "prompt",
            {"app/prompts/letter.md": (keys, "with their name and years of experience")},
        ),
        fixes={
            "app/prompts/letter.md": prompt.replace(keys, 'that has exactly two keys, "name" and "years",')
        },
    )


# --- amounts: the code after the model drops what it does not expect --------------------------------------


def _amounts() -> Planted:
    rng = random.Random("amounts")
    rows = []
    for number in range(54):
        kind = ("whole", "cents", "thousands")[number % 3]
        whole = rng.randrange(3, 900) + (rng.randrange(1, 9) * 1000 if kind == "thousands" else 0)
        cents = rng.randrange(10, 99) if kind != "whole" else 0
        written = f"{whole:,}.{cents:02}" if cents else f"{whole:,}"
        text = f"Receipt {number + 1}: {rng.choice(_FIRMS)} charged {written} dollars"
        rows.append(Row({"receipt": text}, {"amount": whole + cents / 100}, text, kind, {"said": written}))

    def mind(ask: Ask, row: Row | None) -> str:
        return "none" if row is None else f"${row.facts['said']}"

    pipeline = """
        import re

        from app.llm import complete
        from app.prompts import load


        def handle(receipt):
            said = find_amount(receipt)
            return {"amount": to_number(said)}


        def find_amount(receipt):
            return complete(load("amount").format(receipt=receipt))


        def to_number(text):
            found = re.search(r"[\\d,]+(?:\\.\\d+)?", text)
            return float(found[0].replace(",", ""))
        """
    prompt = (
        "Which amount was charged?\n\n{receipt}\n\nAnswer with the amount as it is printed, nothing else.\n"
    )
    clean = 'r"[\\d,]+(?:\\.\\d+)?", text)\n    return float(found[0].replace(",", ""))'
    planted = 'r"\\d+", text)\n    return float(found[0])'
    return Planted(
        name="amounts",
        shape="extract",
        files=project(
            {"app/pipeline.py": pipeline, "app/prompts/amount.md": prompt},
            test="""assert run.output["amount"] == case.expected["amount"]""",
        ),
        rows=mixed(rows, "amounts"),
        mind=mind,
        fault=Fault("to_number", "content", "structure", {"app/pipeline.py": (clean, planted)}),
        fixes={
            "app/pipeline.py::to_number": "def to_number(text):\n"
            '    found = re.search(r"\\d[\\d,]*(\\.\\d+)?", text)\n'
            '    return float(found.group().replace(",", ""))\n'
        },
    )


PLANTED: tuple[Planted, ...] = (
    _invoices(),
    _contacts(),
    _deadlines(),
    _orders(),
    _applications(),
    _amounts(),
)
