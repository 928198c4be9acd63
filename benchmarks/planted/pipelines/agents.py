"""Agents whose prompt or skill file misleads them about their tools."""

from __future__ import annotations

import random
import re

from benchmarks.planted import cues
from benchmarks.planted.pipelines.common import project
from benchmarks.planted.pipelines.loops import ANTHROPIC_LOOP, CHAT_LOOP, SETTINGS, TURNS
from benchmarks.planted.spec import Fault, Planted, Row, mixed, rules_of
from benchmarks.planted.talk import Ask, Say, call


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
                "app/settings.py": SETTINGS,
            },
            test="""assert run.output["state"] == case.expected["state"]""",
            prompts=["app/skills/*/SKILL.md"],
            params=[TURNS],
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
                "app/settings.py": SETTINGS,
            },
            test="""assert run.output["booked"] == case.expected["booked"]""",
            params=[TURNS],
        ),
        rows=mixed(rows, "calendar"),
        mind=mind,
        fault=Fault("arrange", "tool", "prompt", {"app/prompts/booking.md": (rule, "")}),
        fixes={"app/prompts/booking.md": prompt.replace(rule, "The tool takes ISO 8601 dates.\n")},
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
                "app/settings.py": SETTINGS,
            },
            test="""assert run.output["tiles"] == case.expected["tiles"]""",
            params=[TURNS],
        ),
        rows=mixed(rows, "sums"),
        mind=mind,
        fault=Fault("count_tiles", "content", "prompt", {"app/prompts/tiles.md": (rule, "")}),
        fixes={"app/prompts/tiles.md": prompt.replace(rule, "Use the tool `multiply` for every product.\n")},
    )


PLANTED: tuple[Planted, ...] = (
    _parcels(),
    _calendar(),
    _sums(),
)
