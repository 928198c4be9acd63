"""Pipelines whose model writes code: formulas, queries, patterns."""

from __future__ import annotations

import json
import random

from benchmarks.planted import cues
from benchmarks.planted.pipelines.common import OPENAI, project
from benchmarks.planted.spec import Fault, Planted, Row, mixed, rules_of
from benchmarks.planted.talk import Ask

_PEOPLE = ["Amira", "Boris", "Celine", "Dario", "Esra", "Felix", "Greta", "Hugo", "Ilka"]
_TASKS = ["order chairs", "call the landlord", "write the report", "fix the door", "plan the party",
          "renew the domain"]  # fmt: skip

# --- formulas: code with words around it ------------------------------------------------------------------

_FORMULAS = {"twice {a}": "2 * {a}", "{a} plus {b}": "{a} + {b}", "{a} squared": "{a} ** 2",
             "{a} less than {b} (difference)": "{b} - {a}", "{a} times {b}": "{a} * {b}",
             "the mean of {a} and {b}": "({a} + {b}) / 2"}  # fmt: skip


def _formulas() -> Planted:
    rng = random.Random("formulas")
    rows = []
    for number, (words, code) in enumerate(list(_FORMULAS.items()) * 9):
        values = {"a": rng.randrange(2, 60), "b": rng.randrange(60, 99)}
        kind = "plain" if number % 6 in (0, 4) else "wordy"
        text = f"Task {number + 1}: {words.format(**values)}"
        source = code.format(**values)
        rows.append(Row({"task": text}, {"value": eval(source)}, text, kind, {"code": source}))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "0"
        code = str(row.facts["code"])
        if row.kind == "plain" or cues.only(rules_of(ask, row)):
            return code
        return f"Here is the expression:\n```python\n{code}\n```"

    pipeline = """
        import ast

        from app.llm import complete
        from app.prompts import load


        def handle(task):
            return {"value": evaluate(write_code(task))}


        def write_code(task):
            return complete(load("code").format(task=task))


        def evaluate(code):
            tree = ast.parse(code, mode="eval")
            return eval(compile(tree, "<formula>", "eval"), {"__builtins__": {}})
        """
    ending = "Answer with the bare expression: no fence, no other words.\n"
    prompt = f"Write a Python expression for this task.\n\n{{task}}\n\n{ending}"
    return Planted(
        name="formulas",
        shape="code",
        files=project(
            {"app/pipeline.py": pipeline, "app/prompts/code.md": prompt},
            test="""assert run.output["value"] == case.expected["value"]""",
            llm=OPENAI,
        ),
        rows=mixed(rows, "formulas"),
        mind=mind,
        fault=Fault("write_code", "format", "prompt", {"app/prompts/code.md": (ending, "")}),
        fixes={"app/prompts/code.md": prompt.replace(ending, "Output only the expression itself.\n")},
    )


# --- queries: the columns are guessed ---------------------------------------------------------------------


def _queries() -> Planted:
    towns = ["Arlon", "Brno", "Cork", "Dijon", "Espoo", "Faro"]
    rng = random.Random("queries")
    table = [(name, rng.choice(towns), rng.randrange(20, 60)) for name in _PEOPLE * 3]
    rows = []
    for number in range(54):
        if number % 3 == 0:
            text = f"Question {number + 1}: how many guests are there in all?"
            rows.append(Row({"question": text}, {"count": len(table)}, text, "all", {}))
            continue
        town = towns[number % len(towns)]
        text = f"Question {number + 1}: how many guests come from {town}?"
        count = sum(1 for _, place, _ in table if place == town)
        rows.append(Row({"question": text}, {"count": count}, text, "town", {"town": town}))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "SELECT 1"
        if row.kind == "all":
            return "SELECT COUNT(*) FROM guests"
        column = "home_town" if cues.says(ask.text, r"\bhome_town\b") else "city"
        return f"SELECT COUNT(*) FROM guests WHERE {column} = '{row.facts['town']}'"

    pipeline = """
        import sqlite3

        from app.guests import GUESTS
        from app.llm import complete
        from app.prompts import load


        def handle(question):
            return {"count": run_query(write_query(question))}


        def write_query(question):
            return complete(load("query").format(question=question))


        def run_query(sql):
            with sqlite3.connect(":memory:") as db:
                db.execute("CREATE TABLE guests (name TEXT, home_town TEXT, age INTEGER)")
                db.executemany("INSERT INTO guests VALUES (?, ?, ?)", GUESTS)
                return db.execute(sql).fetchone()[0]
        """
    columns = "guests (name, home_town, age)"
    prompt = (
        f"Write one SQLite query that answers the question from the table {columns}.\n\n{{question}}\n\n"
        "Answer with the bare query and nothing else.\n"
    )
    return Planted(
        name="queries",
        shape="code",
        files=project(
            {
                "app/pipeline.py": pipeline,
                "app/guests.py": f"GUESTS = {json.loads(json.dumps(table))!r}\n",
                "app/prompts/query.md": prompt,
            },
            test="""assert run.output["count"] == case.expected["count"]""",
        ),
        rows=mixed(rows, "queries"),
        mind=mind,
        fault=Fault("write_query", "content", "prompt", {"app/prompts/query.md": (columns, "guests")}),
        fixes={
            "app/prompts/query.md": prompt.replace(
                columns, "guests, whose columns are name, home_town and age"
            )
        },
    )


# --- patterns: the first draft is not checked -------------------------------------------------------------


def _patterns() -> Planted:
    rng = random.Random("patterns")
    rows = []
    for number in range(48):
        letters, digits = rng.randrange(1, 4), rng.randrange(2, 6)
        kind = "anchored" if number % 3 == 0 else "loose"
        good = "".join(rng.choice("ABCDEF") for _ in range(letters)) + "".join(
            rng.choice("0123456789") for _ in range(digits)
        )
        text = f"Code {number + 1}: {letters} capital letters, then {digits} digits"
        rows.append(Row({"wish": text, "good": good, "bad": f"x{good}9"}, {"accepts": True, "rejects": True},
                        text, kind, {"core": f"[A-Z]{{{letters}}}[0-9]{{{digits}}}"}))  # fmt: skip

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "OK"
        core = str(row.facts["core"])
        revising = cues.says(ask.text, r"\b(improve|revise|correct|better|rewrite|fix|repair|check|review)\b")
        if row.kind == "anchored" or revising:
            return f"^{core}$"
        return core

    pipeline = """
        import re

        from app.llm import complete
        from app.prompts import load


        def handle(wish, good, bad):
            pattern = write_pattern(wish)
            return judge(pattern, good, bad)


        def write_pattern(wish):
            draft = complete(load("pattern").format(wish=wish))
            return complete(load("revise").format(wish=wish, draft=draft))


        def judge(pattern, good, bad):
            return {"accepts": bool(re.search(pattern, good)), "rejects": not re.search(pattern, bad)}
        """
    clean = (
        '    draft = complete(load("pattern").format(wish=wish))\n'
        '    return complete(load("revise").format(wish=wish, draft=draft))\n'
    )
    planted = '    return complete(load("pattern").format(wish=wish))\n'
    revise = (
        "Wish: {wish}\nDraft: {draft}\n\nCheck the draft and correct it where it is wrong. "
        "Answer with the expression alone.\n"
    )
    files = project(
        {
            "app/pipeline.py": pipeline,
            "app/prompts/pattern.md": (
                "Write a regular expression that matches the whole text and no longer one: {wish}. "
                "Answer with it alone.\n"
            ),
            "app/prompts/revise.md": revise,
        },
        test="""
            assert run.output["accepts"] == case.expected["accepts"]
            assert run.output["rejects"] == case.expected["rejects"]
        """,
    )
    return Planted(
        name="patterns",
        shape="code",
        files=files,
        rows=mixed(rows, "patterns"),
        mind=mind,
        fault=Fault(
            "write_pattern",
            "content",
            "structure",
            {"app/pipeline.py": (clean, planted)},
            missing=("app/prompts/revise.md",),
        ),
        fixes={
            "app/pipeline.py::write_pattern": f"def write_pattern(wish):\n{clean}",
            "app/prompts/revise.md": revise,
        },
    )


PLANTED: tuple[Planted, ...] = (
    _formulas(),
    _queries(),
    _patterns(),
)
