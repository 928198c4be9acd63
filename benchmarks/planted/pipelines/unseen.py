"""Pipelines that were written after the rules of the diagnosis, to see what these are worth elsewhere."""

from __future__ import annotations

import itertools
import json
import random
import re

from benchmarks.planted import cues
from benchmarks.planted.pipelines.common import OPENAI, project
from benchmarks.planted.spec import Fault, Planted, Row, mixed, rules_of
from benchmarks.planted.talk import Ask

_DISHES = ["soup", "pie", "fish", "rice", "stew", "figs"]


# --- a menu board: how the dishes are parted --------------------------------------------------------------


def _menus() -> Planted:
    rows = []
    for number, (one, two) in enumerate(itertools.permutations(_DISHES, 2)):
        for day in ("Monday", "Friday"):
            text = f"{day} {number}: {one}, then {two}"
            kind = "loose" if number % 3 else "strict"
            rows.append(Row({"board": text}, {"dishes": [one, two]}, text, kind, {"dishes": [one, two]}))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return ""
        parted = row.kind == "strict" or cues.says(rules_of(ask, row), "semicolon|;")
        return ("; " if parted else " and ").join(row.facts["dishes"])

    pipeline = """
        from app.llm import complete
        from app.prompts import load


        def handle(board):
            return {"dishes": parse(list_dishes(board))}


        def list_dishes(board):
            return complete(load("dishes").format(board=board))


        def parse(text):
            return [part.strip() for part in text.split(";")]
        """
    prompt = (
        "Which dishes are on the board?\n\n{board}\n\n"
        "Answer with their names, separated by semicolons, nothing else.\n"
    )
    return Planted(
        name="menus",
        shape="extract",
        files=project(
            {"app/pipeline.py": pipeline, "app/prompts/dishes.md": prompt},
            test="""assert run.output["dishes"] == case.expected["dishes"]""",
        ),
        rows=mixed(rows, "menus"),
        mind=mind,
        fault=Fault(
            "list_dishes",
            "format",
            "prompt",
            {"app/prompts/dishes.md": (", separated by semicolons,", " and")},
        ),
        fixes={
            "app/prompts/dishes.md": prompt.replace("separated by semicolons", "with a semicolon between")
        },
    )


# --- essays: a limit that is off by one -------------------------------------------------------------------


def _bands() -> Planted:
    rows = []
    for number in range(60):
        points = 41 + number if number % 2 == 0 else (50, 70, 90)[number % 3]
        band = "A" if points >= 90 else "B" if points >= 70 else "C" if points >= 50 else "D"
        text = f"Essay {number}: worth {points} points"
        kind = "any" if number % 2 == 0 else "edge"
        rows.append(Row({"essay": text}, {"band": band}, text, kind, {"points": points}))

    def mind(ask: Ask, row: Row | None) -> str:
        return "0" if row is None else str(row.facts["points"])

    pipeline = """
        from app.llm import complete
        from app.prompts import load


        def handle(essay):
            return {"band": band(points(essay))}


        def points(essay):
            return int(complete(load("points").format(essay=essay)))


        def band(score):
            if score >= 90:
                return "A"
            if score >= 70:
                return "B"
            if score >= 50:
                return "C"
            return "D"
        """
    prompt = "How many points is this essay worth?\n\n{essay}\n\nAnswer with the number and nothing else.\n"
    files = project(
        {"app/pipeline.py": pipeline, "app/prompts/points.md": prompt},
        test="""assert run.output["band"] == case.expected["band"]""",
        llm=OPENAI,
    )
    clean = files["app/pipeline.py"].partition("def band(score):\n")[2]
    return Planted(
        name="bands",
        shape="classify",
        files=files,
        rows=mixed(rows, "bands"),
        mind=mind,
        fault=Fault("band", "content", "structure", {"app/pipeline.py": (clean, clean.replace(">=", ">"))}),
        fixes={"app/pipeline.py::band": f"def band(score):\n{clean}"},
    )


# --- an archive: what is old is left out ------------------------------------------------------------------


def _archive() -> Planted:
    rng = random.Random("archive")
    docs: list[dict[str, object]] = []
    rows = []
    for number in range(54):
        age = rng.choice([10, 20, 200, 300])
        amount = f"{rng.randrange(100, 999)} crowns"
        text = f"invoice {700 + number} came to {amount}"
        docs.append({"text": text, "age": age})
        question = f"What did invoice {700 + number} come to?"
        kind = "old" if age > 30 else "new"
        rows.append(Row({"question": question}, {"amount": amount}, question, kind, {"text": text}))

    def mind(ask: Ask, row: Row | None) -> str:
        return str(row.expected["amount"]) if row is not None and row.facts["text"] in ask.text else "unknown"

    pipeline = """
        import json
        from pathlib import Path

        from app import settings
        from app.llm import complete
        from app.prompts import load

        DOCS = json.loads((Path(__file__).parent / "docs.json").read_text(encoding="utf-8"))


        def handle(question):
            found = find(question)
            return {"amount": answer(question, found)}


        def find(question):
            words = set(question.lower().rstrip("?").split())
            fresh = [doc for doc in DOCS if doc["age"] <= settings.MAX_AGE_DAYS]
            ranked = sorted(fresh, key=lambda doc: -len(words & set(doc["text"].split())))
            return [doc["text"] for doc in ranked[:3]]


        def answer(question, found):
            return complete(load("answer").format(question=question, found="\\n".join(found)))
        """
    prompt = "Notes:\n{found}\n\nQuestion: {question}\n\nAnswer with the bare amount, or unknown.\n"
    settings = '\nMODEL = "small-1"\nTEMPERATURE = 0.0\nMAX_TOKENS = 300\nMAX_AGE_DAYS = 365\n'
    return Planted(
        name="archive",
        shape="RAG",
        files=project(
            {
                "app/pipeline.py": pipeline,
                "app/docs.json": json.dumps(docs) + "\n",
                "app/prompts/answer.md": prompt,
                "app/settings.py": settings,
            },
            test="""assert run.output["amount"] == case.expected["amount"]""",
            params=["app/settings.py::MAX_AGE_DAYS = 1..3650"],
        ),
        rows=mixed(rows, "archive"),
        mind=mind,
        fault=Fault(
            "find", "retrieval", "param", {"app/settings.py": ("MAX_AGE_DAYS = 365", "MAX_AGE_DAYS = 30")}
        ),
        fixes={"app/settings.py::MAX_AGE_DAYS": "730"},
    )


# --- orders by mail: the first step loses what the second needs -------------------------------------------


def _relay() -> Planted:
    rng = random.Random("relay")
    rows = []
    for number in range(54):
        quantity, item = rng.randrange(2, 90), rng.choice(_DISHES)
        kind = "tidy" if number % 3 == 0 else "messy"
        text = f"order {number}: {quantity} x {item}"
        if kind == "messy":
            text = f"hi, order {number} here, we need erm {quantity} of the {item} pls"
        facts = {"short": f"ORDER {number}: {item}", "full": f"ORDER {number}: {quantity} x {item}"}
        rows.append(Row({"mail": text}, {"quantity": quantity, "item": item}, text, kind, facts))

    def mind(ask: Ask, row: Row | None) -> str:
        if cues.says(ask.text, "JSON"):
            found = re.search(r"ORDER (\d+): (?:(\d+) x )?(\w+)", ask.text)
            return json.dumps({"quantity": int(found[2] or 1), "item": found[3]}) if found else "{}"
        if row is None:
            return "?"
        told = cues.says(rules_of(ask, row), r"quantit|amount|number|how many|figures|digits")
        return str(row.facts["full"] if row.kind == "tidy" or told else row.facts["short"])

    pipeline = """
        import json

        from app.llm import complete
        from app.prompts import load


        def handle(mail):
            return read_order(tidy(mail))


        def tidy(mail):
            return complete(load("tidy").format(mail=mail))


        def read_order(text):
            return json.loads(complete(load("read").replace("<<text>>", text)))
        """
    keep = " Keep the quantity."
    tidy = f"Put this mail into one short line of the form ORDER <id>: <goods>.{keep}\n\n{{mail}}\n"
    read = (
        'Read "quantity" (number) and "item" from this line. Answer with one JSON object only.\n\n<<text>>\n'
    )
    return Planted(
        name="relay",
        shape="extract",
        files=project(
            {"app/pipeline.py": pipeline, "app/prompts/tidy.md": tidy, "app/prompts/read.md": read},
            test="""
                assert run.output["item"] == case.expected["item"]
                assert run.output["quantity"] == case.expected["quantity"]
            """,
        ),
        rows=mixed(rows, "relay"),
        mind=mind,
        fault=Fault("tidy", "content", "prompt", {"app/prompts/tidy.md": (keep, "")}),
        fixes={"app/prompts/tidy.md": tidy.replace(keep, " State how many pieces, in digits.")},
    )


PLANTED: tuple[Planted, ...] = (_menus(), _bands(), _archive(), _relay())
