"""Agents: a model that calls tools until it can answer."""

from __future__ import annotations

import itertools
import random
import re

from benchmarks.planted import cues
from benchmarks.planted.pipelines.common import project
from benchmarks.planted.spec import Fault, Planted, Row, mixed, rules_of
from benchmarks.planted.talk import Ask, Say, call

CHAT_LOOP = '''
"""An agent: the model calls tools until it answers in words."""

import json

from openai import OpenAI

from app import settings

client = OpenAI()


def converse(system, question, tools, run_tool):
    messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
    offered = [{"type": "function", "function": tool} for tool in tools]
    for _ in range(settings.MAX_TURNS):
        response = client.chat.completions.create(
            model=settings.MODEL, temperature=settings.TEMPERATURE, messages=messages, tools=offered
        )
        message = response.choices[0].message
        if not message.tool_calls:
            return (message.content or "").strip()
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls:
            result = run_tool(call.function.name, json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    return ""
'''

RESPONSES_LOOP = '''
"""An agent: the model calls tools until it answers in words."""

import json

from openai import OpenAI

from app import settings

client = OpenAI()


def converse(system, question, tools, run_tool):
    items = [{"role": "user", "content": question}]
    offered = [{"type": "function", "strict": False, **tool} for tool in tools]
    for _ in range(settings.MAX_TURNS):
        response = client.responses.create(
            model=settings.MODEL,
            temperature=settings.TEMPERATURE,
            instructions=system,
            input=items,
            tools=offered,
        )
        calls = [item for item in response.output if item.type == "function_call"]
        if not calls:
            return response.output_text.strip()
        for call in calls:
            items.append(
                {
                    "type": "function_call",
                    "call_id": call.call_id,
                    "name": call.name,
                    "arguments": call.arguments,
                }
            )
            result = run_tool(call.name, json.loads(call.arguments))
            items.append({"type": "function_call_output", "call_id": call.call_id, "output": result})
    return ""
'''

ANTHROPIC_LOOP = '''
"""An agent: the model calls tools until it answers in words."""

import anthropic

from app import settings

client = anthropic.Anthropic()


def converse(system, question, tools, run_tool):
    messages = [{"role": "user", "content": question}]
    offered = [
        {"name": tool["name"], "description": tool["description"], "input_schema": tool["parameters"]}
        for tool in tools
    ]
    for _ in range(settings.MAX_TURNS):
        answer = client.messages.create(
            model=settings.MODEL,
            max_tokens=settings.MAX_TOKENS,
            system=system,
            messages=messages,
            tools=offered,
        )
        used = [block for block in answer.content if block.type == "tool_use"]
        if not used:
            return "".join(block.text for block in answer.content if block.type == "text").strip()
        messages.append({"role": "assistant", "content": [block.model_dump() for block in answer.content]})
        results = []
        for block in used:
            result = run_tool(block.name, block.input)
            results.append(
                {
                    "type": "tool_result",
                    "tool_use_id": block.id,
                    "content": result,
                    "is_error": result.startswith("Error"),
                }
            )
        messages.append({"role": "user", "content": results})
    return ""
'''

_SETTINGS = '\nMODEL = "agent-1"\nTEMPERATURE = 0.0\nMAX_TOKENS = 500\nMAX_TURNS = 6\n'
_TURNS = "app/settings.py::MAX_TURNS = 1..10"


def _failed(ask: Ask) -> bool:
    return any(result.startswith("Error") for result in ask.results)


# --- orders of a shop: the skill names a tool that is not there -------------------------------------------


def _parcels() -> Planted:
    rng = random.Random("parcels")
    states = ["packed", "on the road", "at the depot", "delivered"]
    rows, table = [], {}
    for number in range(54):
        order = f"A{rng.randrange(10)}-{1000 + number * 7}"
        table[order] = rng.choice(states)
        kind = "polite" if number % 3 else "brief"
        text = f"Could you tell me where order {order} is?" if number % 3 else f"status {order}"
        rows.append(Row({"question": text}, {"state": table[order]}, text, kind, {"order": order}))

    def mind(ask: Ask, row: Row | None) -> Say:
        if row is None:
            return Say("Which order?")
        if not ask.results:
            named = re.findall(r"`(\w+)`", ask.system)
            tool = named[0] if named and row.kind == "polite" else "order_status"
            return call(tool, order=row.facts["order"])
        if _failed(ask):
            return Say("I am sorry, I have no way to look that up.")
        return Say(ask.results[-1])

    pipeline = """
        from pathlib import Path

        from app.agent import converse
        from app.shop import ORDERS

        SKILL = (Path(__file__).parent / "skills" / "orders" / "SKILL.md").read_text(encoding="utf-8")
        TOOLS = [
            {
                "name": "order_status",
                "description": "Where an order is.",
                "parameters": {"type": "object", "properties": {"order": {"type": "string"}}},
            },
            {
                "name": "opening_hours",
                "description": "When the shop is open.",
                "parameters": {"type": "object", "properties": {}},
            },
        ]


        def handle(question):
            return {"state": assist(question)}


        def assist(question):
            return converse(SKILL.split("---")[2], question, TOOLS, run_tool)


        def run_tool(name, arguments):
            if name == "order_status":
                return ORDERS.get(arguments["order"], "Error: no such order")
            if name == "opening_hours":
                return "9 to 18"
            return f"Error: unknown tool {name!r}; there are order_status and opening_hours"
        """
    skill = (
        "---\nname: orders\ndescription: Answers questions on orders.\n---\n\n"
        "You answer questions of a shop's customers.\n\n"
        "- Look the order up with `order_status`.\n- Answer with the bare state and nothing else.\n"
    )
    return Planted(
        name="parcels",
        shape="agent",
        files=project(
            {
                "app/pipeline.py": pipeline,
                "app/agent.py": CHAT_LOOP,
                "app/shop.py": f"ORDERS = {table!r}\n",
                "app/skills/orders/SKILL.md": skill,
                "app/settings.py": _SETTINGS,
            },
            test="""assert run.output["state"] == case.expected["state"]""",
            prompts=["app/skills/*/SKILL.md"],
            params=[_TURNS],
        ),
        rows=mixed(rows, "parcels"),
        mind=mind,
        fault=Fault(
            "assist",
            "tool",
            "prompt",
            {"app/skills/orders/SKILL.md": ("`order_status`", "`get_order`")},
        ),
        fixes={"app/skills/orders/SKILL.md": skill.replace("Look the order up", "Find the order")},
    )


# --- a calendar: arguments in a form that the tool does not take ------------------------------------------

_MONTHS = "January February March April May June July August September October November December".split()


def _calendar() -> Planted:
    rng = random.Random("calendar")
    rows = []
    for number in range(54):
        day, month = rng.randrange(1, 29), rng.randrange(12)
        iso = f"2027-{month + 1:02}-{day:02}"
        kind = "iso" if number % 3 == 0 else "words"
        written = iso if kind == "iso" else f"{day} {_MONTHS[month]} 2027"
        text = f"Book the sauna for cabin {number + 1} on {written}"
        rows.append(Row({"wish": text}, {"booked": f"{iso}/{number + 1}"}, text, kind,
                        {"iso": iso, "written": written, "cabin": number + 1}))  # fmt: skip

    def mind(ask: Ask, row: Row | None) -> Say:
        if row is None:
            return Say("What should I book?")
        if not ask.results:
            form = cues.says(rules_of(ask, row), r"YYYY-MM-DD|ISO.?8601|\b\d{4}-\d\d-\d\d\b")
            date = row.facts["iso"] if form else row.facts["written"]
            return call("book", date=date, cabin=row.facts["cabin"])
        return Say("That did not work, sorry." if _failed(ask) else ask.results[-1])

    pipeline = """
        import re

        from app.agent import converse
        from app.prompts import load

        TOOLS = [
            {
                "name": "book",
                "description": "Book the sauna for a cabin.",
                "parameters": {
                    "type": "object",
                    "properties": {"date": {"type": "string"}, "cabin": {"type": "integer"}},
                    "required": ["date", "cabin"],
                },
            }
        ]


        def handle(wish):
            return {"booked": arrange(wish)}


        def arrange(wish):
            return converse(load("booking"), wish, TOOLS, run_tool)


        def run_tool(name, arguments):
            return book(**arguments) if name == "book" else f"Error: unknown tool {name!r}"


        def book(date, cabin):
            if not re.fullmatch(r"\\d{4}-\\d\\d-\\d\\d", date):
                return f"Error: invalid argument date={date!r}: expected YYYY-MM-DD"
            return f"{date}/{cabin}"
        """
    rule = "Give dates to the tool as YYYY-MM-DD.\n"
    prompt = f"You book the sauna for guests of a camp site, with the tool `book`.\n{rule}Answer with its result only.\n"
    return Planted(
        name="calendar",
        shape="agent",
        files=project(
            {
                "app/pipeline.py": pipeline,
                "app/agent.py": ANTHROPIC_LOOP,
                "app/prompts/booking.md": prompt,
                "app/settings.py": _SETTINGS,
            },
            test="""assert run.output["booked"] == case.expected["booked"]""",
            params=[_TURNS],
        ),
        rows=mixed(rows, "calendar"),
        mind=mind,
        fault=Fault("arrange", "tool", "prompt", {"app/prompts/booking.md": (rule, "")}),
        fixes={"app/prompts/booking.md": prompt.replace(rule, "The tool takes ISO 8601 dates.\n")},
    )


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
                "app/settings.py": _SETTINGS,
            },
            test="""assert run.output["price"] == case.expected["price"]""",
            params=[_TURNS],
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
                "app/settings.py": _SETTINGS,
            },
            test="""assert run.output["text"] == case.expected["text"]""",
            params=[_TURNS],
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
                "app/settings.py": _SETTINGS,
            },
            test="""assert run.output["trip"] == case.expected["trip"]""",
            params=[_TURNS],
        ),
        rows=mixed(rows, "travel"),
        mind=mind,
        fault=Fault("advise", "empty", "param", {"app/settings.py": ("MAX_TURNS = 6", "MAX_TURNS = 2")}),
        fixes={"app/settings.py::MAX_TURNS": "5"},
    )


# --- sums: done in the head instead of with the tool ------------------------------------------------------


def _sums() -> Planted:
    rng = random.Random("sums")
    rows = []
    for number in range(54):
        small = number % 3 == 0
        one, two = (rng.randrange(2, 9), rng.randrange(2, 9)) if small else (rng.randrange(111, 999),
                                                                             rng.randrange(111, 999))  # fmt: skip
        text = f"Room {number + 1}: {one} tiles in each of {two} rows, how many tiles?"
        rows.append(Row({"question": text}, {"tiles": one * two}, text, "small" if small else "big",
                        {"one": one, "two": two}))  # fmt: skip

    def mind(ask: Ask, row: Row | None) -> Say:
        if row is None:
            return Say("0")
        one, two = row.facts["one"], row.facts["two"]
        rules = rules_of(ask, row)
        told = cues.says(
            rules, r"\b(use|with|call|always|through|let)\b[^.\n]{0,60}\b(tool|multiply|calculator)\b"
        )
        if not ask.results and told:
            return call("multiply", a=one, b=two)
        if ask.results:
            return Say(ask.results[-1])
        return Say(str(one * two if row.kind == "small" else one * two + 100))

    pipeline = """
        from app.agent import converse
        from app.prompts import load

        TOOLS = [
            {
                "name": "multiply",
                "description": "Multiply two numbers.",
                "parameters": {
                    "type": "object",
                    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
                },
            }
        ]


        def handle(question):
            return {"tiles": int(count_tiles(question))}


        def count_tiles(question):
            return converse(load("tiles"), question, TOOLS, run_tool)


        def run_tool(name, arguments):
            return str(arguments["a"] * arguments["b"])
        """
    rule = "Always calculate with the tool `multiply`, never in your head.\n"
    prompt = f"You count tiles for a craftsman.\n{rule}Answer with the bare number and nothing else.\n"
    return Planted(
        name="sums",
        shape="agent",
        files=project(
            {
                "app/pipeline.py": pipeline,
                "app/agent.py": CHAT_LOOP,
                "app/prompts/tiles.md": prompt,
                "app/settings.py": _SETTINGS,
            },
            test="""assert run.output["tiles"] == case.expected["tiles"]""",
            params=[_TURNS],
        ),
        rows=mixed(rows, "sums"),
        mind=mind,
        fault=Fault("count_tiles", "content", "prompt", {"app/prompts/tiles.md": (rule, "")}),
        fixes={"app/prompts/tiles.md": prompt.replace(rule, "Use the tool `multiply` for every product.\n")},
    )


PLANTED: tuple[Planted, ...] = (_parcels(), _calendar(), _prices(), _shares(), _travel(), _sums())
