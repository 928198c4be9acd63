"""Agents whose tools fail them, or who are stopped too soon."""

from __future__ import annotations

import itertools
import random

from benchmarks.planted.pipelines.common import project
from benchmarks.planted.pipelines.loops import CHAT_LOOP, RESPONSES_LOOP, SETTINGS, TURNS
from benchmarks.planted.spec import Fault, Planted, Row, mixed
from benchmarks.planted.talk import Ask, Say, call


def _failed(ask: Ask) -> bool:
    return any(result.startswith("Error") for result in ask.results)


# --- a price feed that times out at first -----------------------------------------------------------------


def _prices() -> Planted:
    rng = random.Random("prices")
    rows, table = [], {}
    for number in range(54):
        symbol = f"{rng.choice('ABCDEFGH')}{rng.choice('KLMNOP')}{number:02}"
        cold = number % 3 != 0
        table[symbol] = (rng.randrange(10, 900), cold)
        text = f"What does {symbol} cost right now?"
        rows.append(Row({"question": text}, {"price": str(table[symbol][0])}, text, "cold" if cold else "warm",
                        {"symbol": symbol}))  # fmt: skip

    def mind(ask: Ask, row: Row | None) -> Say:
        if row is None:
            return Say("Which one?")
        if not ask.results:
            return call("price", symbol=row.facts["symbol"])
        return Say("The price is not available." if _failed(ask) else ask.results[-1])

    feed = '''
        """The exchange's feed; a symbol that nobody asked for lately answers too late at first."""

        QUOTES = QUOTES_HERE
        _awake = set()


        def fetch(symbol):
            price, cold = QUOTES[symbol]
            if cold and symbol not in _awake:
                _awake.add(symbol)
                raise TimeoutError(f"the feed did not answer for {symbol} in 2 s")
            return price
        '''.replace("QUOTES_HERE", repr(table))
    pipeline = """
        from app import feed
        from app.agent import converse
        from app.prompts import load

        TOOLS = [
            {
                "name": "price",
                "description": "The current price of a symbol.",
                "parameters": {"type": "object", "properties": {"symbol": {"type": "string"}}},
            }
        ]


        def handle(question):
            return {"price": trade(question)}


        def trade(question):
            return converse(load("trader"), question, TOOLS, run_tool)


        def run_tool(name, arguments):
            return price(**arguments)


        def price(symbol):
            for _ in range(3):
                try:
                    return str(feed.fetch(symbol))
                except TimeoutError as error:
                    problem = f"Error: timed out: {error}"
            return problem
        """
    clean = (
        "    for _ in range(3):\n        try:\n            return str(feed.fetch(symbol))\n"
        '        except TimeoutError as error:\n            problem = f"Error: timed out: {error}"\n'
        "    return problem\n"
    )
    planted = (
        "    try:\n        return str(feed.fetch(symbol))\n"
        '    except TimeoutError as error:\n        return f"Error: timed out: {error}"\n'
    )
    prompt = "You tell prices, with the tool `price`. Answer with the bare number and nothing else.\n"
    return Planted(
        name="prices",
        shape="agent",
        files=project(
            {
                "app/pipeline.py": pipeline,
                "app/feed.py": feed,
                "app/agent.py": CHAT_LOOP,
                "app/prompts/trader.md": prompt,
                "app/settings.py": SETTINGS,
            },
            test="""assert run.output["price"] == case.expected["price"]""",
            params=[TURNS],
        ),
        rows=mixed(rows, "prices"),
        mind=mind,
        fault=Fault("price", "tool", "structure", {"app/pipeline.py": (clean, planted)}),
        fixes={"app/pipeline.py::price": f"def price(symbol):\n{clean}"},
    )


# --- a file server: asked with too few rights -------------------------------------------------------------


def _shares() -> Planted:
    rng = random.Random("shares")
    rows, table = [], {}
    for number, folder in itertools.product(range(18), ("public", "staff", "board")):
        path = f"{folder}/note{number}.txt"
        table[path] = f"{rng.choice(['budget', 'roster', 'menu', 'plan'])} {rng.randrange(100, 999)}"
        role = {"public": "guest", "staff": "staff", "board": "board"}[folder]
        text = f"What does {path} say?"
        rows.append(
            Row({"question": text, "role": role}, {"text": table[path]}, text, folder, {"path": path})
        )

    def mind(ask: Ask, row: Row | None) -> Say:
        if row is None:
            return Say("Which file?")
        if not ask.results:
            return call("read_file", path=row.facts["path"])
        return Say("I may not read that file." if _failed(ask) else ask.results[-1])

    pipeline = """
        from app.agent import converse
        from app.files import FILES, READERS
        from app.prompts import load

        TOOLS = [
            {
                "name": "read_file",
                "description": "Read a file of the share.",
                "parameters": {"type": "object", "properties": {"path": {"type": "string"}}},
            }
        ]


        def handle(question, role):
            return {"text": browse(question, role)}


        def browse(question, role):
            def run_tool(name, arguments):
                return read_file(arguments["path"], role)

            return converse(load("files"), question, TOOLS, run_tool)


        def read_file(path, role="guest"):
            if role not in READERS[path.split("/")[0]]:
                return f"Error: permission denied for {role}: {path}"
            return FILES[path]
        """
    readers = {"public": ["guest", "staff", "board"], "staff": ["staff", "board"], "board": ["board"]}
    prompt = (
        "You read files for people, with the tool `read_file`. Answer with the file's text, nothing else.\n"
    )
    return Planted(
        name="shares",
        shape="agent",
        files=project(
            {
                "app/pipeline.py": pipeline,
                "app/files.py": f"FILES = {table!r}\nREADERS = {readers!r}\n",
                "app/agent.py": RESPONSES_LOOP,
                "app/prompts/files.md": prompt,
                "app/settings.py": SETTINGS,
            },
            test="""assert run.output["text"] == case.expected["text"]""",
            params=[TURNS],
        ),
        rows=mixed(rows, "shares"),
        mind=mind,
        fault=Fault(
            "browse",
            "tool",
            "structure",
            {"app/pipeline.py": ('read_file(arguments["path"], role)', 'read_file(arguments["path"])')},
            also=("read_file",),
        ),
        fixes={
            "app/pipeline.py::browse": "def browse(question, role):\n"
            "    def run_tool(name, arguments):\n"
            '        return read_file(arguments["path"], role=role)\n\n'
            '    return converse(load("files"), question, TOOLS, run_tool)\n'
        },
    )


# --- a travel desk: the agent is stopped before it can answer ---------------------------------------------


def _travel() -> Planted:
    rng = random.Random("travel")
    towns = ["Arlon", "Brno", "Cork", "Dijon", "Espoo", "Faro", "Graz", "Huelva", "Izmir", "Jena"]
    codes = {town: town[:3].upper() for town in towns}
    table, rows = {}, []
    for number, (here, there) in enumerate(rng.sample(list(itertools.permutations(towns, 2)), 54)):
        minutes = rng.randrange(40, 400)
        table[f"{codes[here]}-{codes[there]}"] = f"{minutes} minutes"
        kind = "code" if number % 3 == 0 else "name"
        one, two = (codes[here], codes[there]) if kind == "code" else (here, there)
        text = f"How long is the trip from {one} to {two}?"
        rows.append(Row({"question": text}, {"trip": f"{minutes} minutes"}, text, kind,
                        {"names": [one, two], "codes": [codes[here], codes[there]]}))  # fmt: skip

    def mind(ask: Ask, row: Row | None) -> Say:
        if row is None:
            return Say("Which trip?")
        looked_up = [arguments for name, arguments in ask.called if name == "code_of"]
        if row.kind == "name" and len(looked_up) < 2:
            return call("code_of", town=row.facts["names"][len(looked_up)])
        if not any(name == "duration" for name, _ in ask.called):
            return call("duration", route="-".join(row.facts["codes"]))
        return Say(ask.results[-1])

    pipeline = """
        from app.agent import converse
        from app.prompts import load
        from app.timetable import CODES, TRIPS

        TOOLS = [
            {
                "name": "code_of",
                "description": "The code of a town.",
                "parameters": {"type": "object", "properties": {"town": {"type": "string"}}},
            },
            {
                "name": "duration",
                "description": "How long a route (CODE-CODE) takes.",
                "parameters": {"type": "object", "properties": {"route": {"type": "string"}}},
            },
        ]


        def handle(question):
            return {"trip": advise(question)}


        def advise(question):
            return converse(load("travel"), question, TOOLS, run_tool)


        def run_tool(name, arguments):
            if name == "code_of":
                return CODES[arguments["town"]]
            return TRIPS[arguments["route"]]
        """
    prompt = (
        "You know trips. Look up codes, then the duration. Answer with the bare duration and nothing else.\n"
    )
    return Planted(
        name="travel",
        shape="agent",
        files=project(
            {
                "app/pipeline.py": pipeline,
                "app/timetable.py": f"CODES = {codes!r}\nTRIPS = {table!r}\n",
                "app/agent.py": CHAT_LOOP,
                "app/prompts/travel.md": prompt,
                "app/settings.py": SETTINGS,
            },
            test="""assert run.output["trip"] == case.expected["trip"]""",
            params=[TURNS],
        ),
        rows=mixed(rows, "travel"),
        mind=mind,
        fault=Fault("advise", "empty", "param", {"app/settings.py": ("MAX_TURNS = 6", "MAX_TURNS = 2")}),
        fixes={"app/settings.py::MAX_TURNS": "5"},
    )


PLANTED: tuple[Planted, ...] = (
    _prices(),
    _shares(),
    _travel(),
)
