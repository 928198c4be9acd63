"""Records: dates, amounts, SQL and documents that are taken apart."""

# ruff: noqa: E501  # texts stand as they are sent

from __future__ import annotations

import datetime
import json
import random

from benchmarks.planted.spec import Fault, Row, mixed, rules_of
from benchmarks.planted.talk import Ask
from benchmarks.strangers.common import ASK, ASYNC, OPENAI, project
from benchmarks.strangers.spec import Stranger, asks

# --- rental contracts: dates as they stand in the contract, not as the label has them ----------------------


def _rentals() -> Stranger:
    draw = random.Random("rentals")
    rows = []
    for number in range(60):
        day = datetime.date(2026, 1, 1) + datetime.timedelta(days=draw.randrange(360))
        rent = draw.randrange(5, 19) * 50
        spelled = number % 5 > 1
        written = f"{day:%d %B %Y}" if spelled else f"{day:%Y-%m-%d}"
        text = f"Contract no. {300 + number}: flat in Mill Lane, from {written}, {rent} euros a month."
        expected = {"start": f"{day:%Y-%m-%d}", "rent": rent}
        rows.append(
            Row(
                {"contract": text},
                expected,
                text,
                "spelled" if spelled else "iso",
                {"written": written, "rent": rent},
            )
        )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "{}"
        iso = asks(rules_of(ask, row), r"iso\b|iso[- ]?8601|yyyy-mm-dd|\d{4}-\d{2}-\d{2}|year-month-day")
        start = row.expected["start"] if iso else row.facts["written"]
        return json.dumps({"start": start, "rent": row.facts["rent"]})

    main = '''
        import json

        from app.model import Model

        model = Model("house-7b")
        SYSTEM = "You read rental contracts."


        async def read_contract(contract):
            """The two facts that the ledger needs."""
            user = (
                'Give a JSON object with the keys "start" (first day, YYYY-MM-DD) and "rent" (euros a month, a number). '
                "No other text.\\n\\n" + contract
            )
            return json.loads(await model(SYSTEM, user))


        async def check(facts):
            facts["rent"] = int(facts["rent"])
            return facts


        async def handle(contract):
            return await check(await read_contract(contract))
        '''
    return Stranger(
        name="rentals",
        shape="dates in another form",
        files=project(
            {"app/model.py": ASYNC, "app/main.py": main},
            test="""
            assert run.output["rent"] == case.expected["rent"]
            assert run.output["start"] == case.expected["start"]
            """,
            prompts=["app/main.py::SYSTEM", "app/main.py::read_contract.user"],
            structure=["app/main.py"],
            steps=["app.main:*"],
        ),
        rows=mixed(rows, "rentals"),
        mind=mind,
        fault=Fault(
            "read_contract", "format", "prompt", {"app/main.py": ("(first day, YYYY-MM-DD)", "(first day)")}
        ),
        fixes={"app/main.py::SYSTEM": "You read rental contracts. Write every date in ISO 8601."},
    )


# --- a ledger: thousands that are written with a k ------------------------------------------------------------


def _ledger() -> Stranger:
    draw = random.Random("ledger")
    rows = []
    for number in range(64):
        short = number % 2 == 0
        amount = draw.randrange(11, 99) * 100 if short else draw.randrange(120, 980)
        written = f"{amount / 1000:g}k" if short else f"{amount}"
        text = (
            f"Post {number + 1}: {draw.choice(['paper', 'chairs', 'travel', 'lamps'])}, {written} EUR, paid"
        )
        rows.append(Row({"line": text}, amount, text, "short" if short else "plain", {"amount": amount}))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "0"
        amount, rules = row.facts["amount"], rules_of(ask, row)
        if asks(rules, "category"):
            return "office"
        whole = asks(
            rules,
            r"thousand|\bk\b|1[,.]?000|full (number|amount|figure)|whole euros|written out|in full|unit",
        )
        return f"{amount / 1000:g}" if row.kind == "short" and not whole else str(amount)

    main = """
        from app.model import ask


        class Ledger:
            amount_prompt = (
                "How many euros are on this line of a ledger? A k stands for thousand. Give the number alone, without a "
                "currency.\\nLine: {line}"
            )
            category_prompt = "Which category has this line? One word.\\nLine: {line}"

            def amount(self, line):
                return float(ask(self.amount_prompt.format(line=line)).replace(",", ""))

            def category(self, line):
                return ask(self.category_prompt.format(line=line))

            def post(self, line):
                return self.category(line), self.amount(line)


        def handle(line):
            category, amount = Ledger().post(line)
            return {"category": category, "amount": amount}
        """
    return Stranger(
        name="ledger",
        shape="a slip of the unit, compared with a tolerance",
        files=project(
            {"app/model.py": ASK, "app/main.py": main},
            test="""assert run.output["amount"] == pytest.approx(case.expected, rel=0.01)""",
            prompts=["app/main.py::Ledger.*"],
            structure=["app/main.py"],
        ),
        rows=mixed(rows, "ledger"),
        mind=mind,
        fault=Fault(
            "amount",
            "content",
            "prompt",
            {"app/main.py": (" A k stands for thousand.", "")},
            also=("Ledger.amount",),
        ),
        fixes={
            "app/main.py::Ledger.amount_prompt": "The amount in whole euros, written out (3.2k is 3200), the number only.\nLine: {line}"
        },
    )


# --- a shop's database: a rule that the model cannot know ---------------------------------------------------


_LEFT_OUT = "not count|exclud|ignor|leave out|left out|skip|without|never|omit|cancel|filter|except|!=|<>"


def _shop() -> Stranger:
    draw = random.Random("shop")
    sales = [
        (
            number,
            draw.choice(["tea", "mugs", "cake", "jam", "milk", "figs"]),
            month,
            draw.randrange(2, 40),
            "void" if draw.random() < 0.25 else "ok",
        )
        for number, month in enumerate(sorted(list(range(1, 11)) * 18))
    ]
    rows = []
    for month in range(1, 11):
        for item in ("tea", "mugs", "cake", "jam", "milk", "figs"):
            mine = [each for each in sales if each[1] == item and each[2] == month]
            total = sum(each[3] for each in mine if each[4] == "ok")
            question = f"How much {item} did we sell in month {month}?"
            kind = "void" if any(each[4] == "void" for each in mine) else "plain"
            rows.append(
                Row({"question": question}, {"total": total}, question, kind, {"item": item, "month": month})
            )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "SELECT 1"
        where = f"item = '{row.facts['item']}' AND month = {row.facts['month']}"
        rules = rules_of(ask, row)
        if asks(rules, rf"void[^.\n]*\b({_LEFT_OUT})|\b({_LEFT_OUT})[^.\n]*void|only[^.\n]*'?ok\b"):
            where += " AND state != 'void'"
        return f"SELECT SUM(amount) FROM sales WHERE {where}"

    main = """
        import sqlite3
        from functools import cache
        from pathlib import Path

        from app.model import ask

        PROMPT = Path(__file__).with_name("sql.md")


        @cache
        def rows():
            script = Path(__file__).with_name("sales.sql").read_text()
            base = sqlite3.connect(":memory:", check_same_thread=False)
            base.executescript(script)
            return base


        def write_sql(question):
            return ask(question, system=PROMPT.read_text())


        def execute(sql):
            return rows().execute(sql).fetchall()


        def handle(question):
            found = execute(write_sql(question))
            return {"total": found[0][0] or 0}
        """
    script = "CREATE TABLE sales (id INT, item TEXT, month INT, amount INT, state TEXT);\n" + "".join(
        f"INSERT INTO sales VALUES ({n}, '{item}', {month}, {amount}, '{state}');\n"
        for n, item, month, amount, state in sales
    )
    prompt = """
        Write one SELECT for SQLite that answers the question. SQL only, no fences.

        Table sales: id, item, month (1 to 12), amount, state ('ok' or 'void').
        Sales that are void do not count.
        """
    return Stranger(
        name="shop",
        shape="SQL that lacks a rule of the house",
        files=project(
            {"app/model.py": ASK, "app/main.py": main, "app/sales.sql": script, "app/sql.md": prompt},
            test="""assert run.output["total"] == case.expected["total"]""",
            prompts=["app/sql.md"],
            structure=["app/main.py"],
            steps=["app.main:write_sql", "app.main:execute"],
        ),
        rows=mixed(rows, "shop"),
        mind=mind,
        fault=Fault(
            "write_sql", "content", "prompt", {"app/sql.md": ("Sales that are void do not count.\n", "")}
        ),
        fixes={
            "app/sql.md": (
                "One SQLite query, without fences, over sales(id, item, month, amount, state). Always leave out rows "
                "whose state is 'void'.\n"
            )
        },
    )


# --- applications: a limit that was set for shorter ones -----------------------------------------------------


def _applications() -> Stranger:
    draw = random.Random("applications")
    rows = []
    for number in range(60):
        skill = draw.choice(["Python", "Welding", "French", "Excel", "Sewing", "Go"])
        long = number % 3 > 0
        name = f"{draw.choice(['Ada', 'Ben', 'Cleo', 'Dan'])} {draw.choice(['Voss', 'Hale', 'Ito', 'Mora'])} ({number})"
        hobbies = ", ".join(
            draw.sample(["chess", "hiking", "baking", "opera", "rowing", "birds", "maps", "yoga"], 6)
        )
        text = (
            f"I am {name}. "
            + (f"In my free time I enjoy {hobbies} and the like. " * 2 if long else "")
            + f"What I can do best: {skill}."
        )
        rows.append(
            Row(
                {"letter": text},
                {"skill": skill},
                f"({number}).",
                "long" if long else "short",
                {"skill": skill},
            )
        )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return ""
        told = (
            f"What I can do best: {row.facts['skill']}." in ask.text
            or f"Best at {row.facts['skill']}" in ask.text
        )
        if asks(rules_of(ask, row), "sum up"):
            return f"({number_of(row)}). Best at {row.facts['skill']}" if told else ""
        return row.facts["skill"] if told else ""

    def number_of(row: Row) -> str:
        return row.key.strip("().")

    main = """
        from app import settings
        from app.model import chat


        def clip(letter):
            return letter[: settings.MAX_CHARS]


        def sum_up(text):
            return chat([{"role": "user", "content": f"Sum up what this person can do.\\n\\n{text}"}])


        def skill(summary):
            return chat([{"role": "user", "content": f"Which one skill is named here? That word only, or nothing.\\n\\n{summary}"}])


        def handle(letter):
            return {"skill": skill(sum_up(clip(letter)))}
        """
    return Stranger(
        name="applications",
        shape="a cascade from a limit that is too small",
        files=project(
            {
                "app/model.py": OPENAI,
                "app/main.py": main,
                "app/settings.py": "# how much of a letter is read\nMAX_CHARS = 2000\nRETRIES = 2\n",
            },
            test="""assert run.output["skill"] == case.expected["skill"]""",
            prompts=["app/main.py::sum_up.chat[0].content", "app/main.py::skill.chat[0].content"],
            params=["app/settings.py::MAX_CHARS = 50..10000", "app/settings.py::RETRIES = 0..5"],
            structure=["app/main.py"],
            steps=["app.main:clip", "app.main:sum_up", "app.main:skill"],
        ),
        rows=mixed(rows, "applications"),
        mind=mind,
        fault=Fault(
            "clip",
            "cascade",
            "param",
            {"app/settings.py": ("MAX_CHARS = 2000", "MAX_CHARS = 120")},
            also=("sum_up",),
        ),
        fixes={"app/settings.py::MAX_CHARS": "4000"},
    )


STRANGERS = (_rentals(), _ledger(), _shop(), _applications())
