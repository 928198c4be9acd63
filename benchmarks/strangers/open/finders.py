"""Finders: something has to be looked up before there is an answer."""

# ruff: noqa: E501  # texts stand as they are sent

from __future__ import annotations

import json
import random

from benchmarks.planted.spec import Fault, Row, mixed, rules_of
from benchmarks.planted.talk import Ask, Say, call
from benchmarks.strangers.common import ASK, TOOLS, project
from benchmarks.strangers.spec import Stranger, asks

# --- a handbook: too few passages are looked up; some questions have no answer -----------------------------

_TOPICS = [
    "leave",
    "laptops",
    "travel",
    "parking",
    "lunch",
    "badges",
    "training",
    "phones",
    "remote work",
    "bonuses",
]


def _handbook() -> Stranger:
    draw = random.Random("handbook")
    passages, rows = [], []
    for topic in _TOPICS:
        for country in ("Spain", "Norway", "Japan"):
            days = draw.randrange(2, 60)
            filler = f"Our {topic} policy in {country} is kept by the office there."
            fact = f"The deadline for {topic}, {country}: {days} days."
            passages += (
                [
                    filler,
                    f"About {topic} in {country}, see the rules of the office.",
                    f"Ask about {topic} in {country}; the rules change.",
                    fact,
                ]
                if draw.random() < 0.6
                else [fact, filler]
            )
            question = f"What are the rules on the deadline for {topic} in {country}?"
            rows += [
                Row({"question": asked}, f"{days} days", asked, "there", {"fact": fact})
                for asked in (question, question.replace("?", ", please?"))
            ]
        question = f"What are the rules on the deadline for {topic} in Latvia?"
        rows.append(
            Row({"question": question}, "not in the handbook", question, "absent", {"fact": "none at all"})
        )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return ""
        return str(row.expected) if row.facts["fact"] in ask.text else "not in the handbook"

    main = r'''
        import json
        import re
        from pathlib import Path

        import yaml

        from app.model import ask

        HERE = Path(__file__).parent
        CONFIG = yaml.safe_load((HERE / "config.yaml").read_text())
        PASSAGES = json.loads((HERE / "handbook.json").read_text())
        ANSWER = """Answer from these passages alone, with the bare number of days such as "12 days".
        If they do not tell, answer: not in the handbook

        {passages}

        Question: {question}"""


        def words(text):
            return set(re.findall(r"\w+", text.lower()))


        def search(question):
            wanted = words(question)
            ranked = sorted(PASSAGES, key=lambda passage: -len(wanted & words(passage)))
            return ranked[: CONFIG["search"]["passages"]]


        def answer(question, passages):
            return ask(ANSWER.format(question=question, passages="\n".join(passages))).strip()


        def handle(question):
            return answer(question, search(question))
        '''
    config = """
        model: house-7b
        search:
          passages: 4
          language: en
        """
    return Stranger(
        name="handbook",
        shape="too few passages; some questions have no answer",
        files=project(
            {
                "app/model.py": ASK,
                "app/main.py": main,
                "app/config.yaml": config,
                "app/handbook.json": json.dumps(passages, indent=0),
            },
            test="assert run.output == case.expected",
            prompts=["app/main.py::ANSWER"],
            params=["app/config.yaml::search.passages = 1..30"],
            structure=["app/main.py"],
            steps=["app.main:search", "app.main:answer"],
        ),
        rows=mixed(rows, "handbook"),
        mind=mind,
        fault=Fault("search", "retrieval", "param", {"app/config.yaml": ("passages: 4", "passages: 1")}),
        fixes={"app/config.yaml::search.passages": "6"},
        wrong=lambda row: "90 days",
    )


# --- a warehouse: the tool's description says the wrong thing ----------------------------------------------

_GOODS = ["red mug", "blue mug", "oak table", "pine table", "wool rug", "jute rug", "floor lamp", "desk lamp"]


def _warehouse() -> Stranger:
    draw = random.Random("warehouse")
    stock = {f"W{700 + number}": draw.randrange(3, 90) for number in range(64)}
    rows = []
    for number, (sku, amount) in enumerate(stock.items()):
        good = _GOODS[number % 8]
        named = number % 3 > 0
        text = f"How many of the {good} ({sku}) are left?" if named else f"How many of {sku} are left?"
        rows.append(
            Row({"question": text}, amount, sku, "named" if named else "plain", {"sku": sku, "good": good})
        )

    def mind(ask: Ask, row: Row | None) -> Say:
        if row is None:
            return Say("I do not know.")
        if ask.results:
            found = json.loads(ask.results[-1])
            return Say(f"There are {found['left']} left." if "left" in found else "I could not find it.")
        rules = json.dumps(ask.body.get("tools")) + rules_of(ask, row)
        told = asks(
            rules,
            r"sku|article (number|code)|item (number|code)|product (number|code|id)|\bcode\b|W\d{3}|number in (brackets|parenth)|parenthes",
        )
        wanted = row.facts["sku"] if told or row.kind == "plain" else row.facts["good"]
        return call("look_up", item=wanted)

    tools = """
        import json
        from pathlib import Path

        STOCK = json.loads((Path(__file__).parent / "stock.json").read_text())

        SPECS = [
            {
                "type": "function",
                "function": {
                    "name": "look_up",
                    "description": "Tells how many pieces of an item are in stock, by its article number (W and three digits).",
                    "parameters": {
                        "type": "object",
                        "properties": {"item": {"type": "string"}},
                        "required": ["item"],
                    },
                },
            }
        ]


        def look_up(item):
            if item not in STOCK:
                return {"error": f"no item {item!r}"}
            return {"left": STOCK[item]}
        """
    main = """
        import json

        from app.model import arguments, turn
        from app.tools import SPECS, look_up

        SYSTEM = "You answer questions about our stock. Use the tool. Answer in one sentence with the number."


        def agent(question):
            messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
            for _ in range(4):
                message = turn(messages, SPECS)
                messages.append(message)
                if not message.get("tool_calls"):
                    return message["content"]
                for call in message["tool_calls"]:
                    found = look_up(**arguments(call))
                    messages.append({"role": "tool", "tool_call_id": call["id"], "content": json.dumps(found)})
            return ""


        def handle(question):
            return agent(question)
        """
    return Stranger(
        name="warehouse",
        shape="an agent whose tool is described wrongly",
        files=project(
            {
                "app/model.py": TOOLS,
                "app/tools.py": tools,
                "app/main.py": main,
                "app/stock.json": json.dumps(stock),
            },
            test=r"assert re.search(rf'\b{case.expected}\b', run.output)",
            prompts=["app/tools.py::SPECS[0].function.description", "app/main.py::SYSTEM"],
            structure=["app/main.py"],
            steps=["app.main:agent", "app.main:look_up"],
        ),
        rows=mixed(rows, "warehouse"),
        mind=mind,
        fault=Fault(
            "agent",
            "tool",
            "prompt",
            {"app/tools.py": ("by its article number (W and three digits).", "by its name.")},
            also=("look_up",),
        ),
        fixes={
            "app/main.py::SYSTEM": "You answer questions about our stock with the tool, which wants the SKU (such as W123). One sentence with the number."
        },
    )


# --- a family tree: one look into the book is not enough ---------------------------------------------------

_NAMES = ["Ilse", "Jonas", "Kora", "Levin", "Mira", "Nils", "Olga", "Piet", "Ruth", "Sven"]


def _family() -> Stranger:
    draw = random.Random("family")
    notes, rows = [], []
    for number in range(60):
        child, parent = f"{draw.choice(_NAMES)} {number}a", f"{draw.choice(_NAMES)} {number}b"
        town = draw.choice(["Bergen", "Turku", "Malmo", "Aarhus", "Visby"])
        notes.append(f"{child} is a child of {parent}.")
        notes.append(f"{parent} was born in {town}.")
        direct = number % 3 == 0
        question = (
            f"Where was {parent} born?" if direct else f"Where was the mother or father of {child} born?"
        )
        rows.append(
            Row(
                {"question": question},
                {"town": town},
                question,
                "one" if direct else "two",
                {"fact": notes[-1], "link": notes[-2], "parent": parent},
            )
        )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return ""
        return row.expected["town"] if row.facts["fact"] in ask.text else "unknown"

    main = r'''
        import json
        import re
        from pathlib import Path

        from app.model import ask

        NOTES = json.loads((Path(__file__).parent / "notes.json").read_text())
        PROMPT = """Notes of a family:
        {notes}

        {question} Answer with the name of the town alone, or: unknown"""


        def names(text):
            return set(re.findall(r"[A-Z][a-z]+ \d+[ab]", text))


        def retrieve(text):
            return [note for note in NOTES if names(note) & names(text)]


        def collect(question):
            found = retrieve(question)
            found += [note for note in retrieve(" ".join(found)) if note not in found]
            return found


        def answer(question, notes):
            return ask(PROMPT.format(question=question, notes="\n".join(notes)))


        def handle(question):
            return {"town": answer(question, collect(question))}
        '''
    return Stranger(
        name="family",
        shape="a second look-up that is missing",
        files=project(
            {"app/model.py": ASK, "app/main.py": main, "app/notes.json": json.dumps(notes, indent=0)},
            test="""assert run.output["town"] == case.expected["town"]""",
            prompts=["app/main.py::PROMPT"],
            structure=["app/main.py"],
            steps=["app.main:*"],
        ),
        rows=mixed(rows, "family"),
        mind=mind,
        fault=Fault(
            "collect",
            "retrieval",
            "structure",
            {
                "app/main.py": (
                    '    found += [note for note in retrieve(" ".join(found)) if note not in found]\n',
                    "",
                )
            },
            also=("retrieve",),
        ),
        fixes={
            "app/main.py::collect": (
                "def collect(question):\n    found = retrieve(question)\n    for note in list(found):\n"
                "        found += [other for other in retrieve(note) if other not in found]\n    return found\n"
            )
        },
    )


STRANGERS = (_handbook(), _warehouse(), _family())
