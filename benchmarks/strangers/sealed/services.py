"""Services: agents, look-ups, routes and figures."""

# ruff: noqa: E501  # texts stand as they are sent

from __future__ import annotations

import json
import random

from benchmarks.planted.spec import Fault, Row, mixed, rules_of
from benchmarks.planted.talk import Ask, Say, call
from benchmarks.strangers.common import ASK, ASYNC, OPENAI, TOOLS, project
from benchmarks.strangers.spec import Stranger, asks

# --- a help center: what is found has to be more similar than most questions are ------------------------------

_FEATURES = [
    "exports",
    "invites",
    "backups",
    "themes",
    "widgets",
    "filters",
    "alerts",
    "reports",
    "imports",
    "macros",
]
_FREE = "no article about that"


def _articles() -> Stranger:
    draw = random.Random("articles")
    articles, rows = [], []
    for feature in _FEATURES:
        for plan in ("team plan", "home plan", "school plan"):
            limit = draw.randrange(5, 95)
            articles.append(
                {
                    "title": f"{feature} in the {plan}",
                    "text": f"There may be {limit} {feature} in the {plan}.",
                }
            )
            plain = f"How many {feature} in the {plan}?"
            wordy = f"Hello, my colleague asked me yesterday how many {feature} we can have at most in the {plan}, could you tell?"
            rows.append(Row({"question": plain}, str(limit), plain, "plain", {"text": articles[-1]["text"]}))
            rows.append(Row({"question": wordy}, str(limit), wordy, "wordy", {"text": articles[-1]["text"]}))
        absent = f"How many {feature} are there on the moon?"
        rows.append(Row({"question": absent}, _FREE, absent, "absent", {"text": "nothing"}))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return _FREE
        return str(row.expected) if row.facts["text"] in ask.text else _FREE

    main = '''
        import json
        from dataclasses import dataclass
        from pathlib import Path

        from app.model import ask

        ARTICLES = json.loads(Path(__file__).with_name("articles.json").read_text())


        @dataclass
        class Settings:
            min_similarity: float = 0.15
            articles: int = 3
            language: str = "en"


        SETTINGS = Settings()
        ANSWER = """Answer with the bare number that the articles give, or with: no article about that

        {articles}

        Question: {question}"""


        def similarity(question, title):
            mine = set(question.lower().replace("?", "").replace(",", "").split())
            other = set(title.lower().split())
            return len(mine & other) / len(mine | other)


        def retrieve(question):
            scored = sorted(((similarity(question, each["title"]), each["text"]) for each in ARTICLES), reverse=True)
            return [text for score, text in scored if score >= SETTINGS.min_similarity][: SETTINGS.articles]


        def answer(question, found):
            return ask(ANSWER.format(question=question, articles="\\n".join(found)))


        def handle(question):
            return answer(question, retrieve(question))
        '''
    return Stranger(
        name="articles",
        shape="a threshold that is too high; some questions have no answer",
        files=project(
            {"app/model.py": ASK, "app/main.py": main, "app/articles.json": json.dumps(articles, indent=0)},
            test="assert run.output == case.expected",
            prompts=["app/main.py::ANSWER"],
            params=["app/main.py::Settings.min_similarity = 0..1", "app/main.py::Settings.articles = 1..10"],
            structure=["app/main.py"],
            steps=["app.main:retrieve", "app.main:answer"],
        ),
        rows=mixed(rows, "articles"),
        mind=mind,
        fault=Fault(
            "retrieve",
            "retrieval",
            "param",
            {"app/main.py": ("min_similarity: float = 0.15", "min_similarity: float = 0.4")},
        ),
        fixes={"app/main.py::Settings.min_similarity": "0.1"},
        wrong=lambda row: "100",
    )


# --- a chronicle: events in the order of their dates -----------------------------------------------------------

_EVENTS = ["the mill burned", "the bridge opened", "the school closed", "the market moved", "the river froze"]


def _chronicle() -> Stranger:
    draw = random.Random("chronicle")
    rows = []
    for number in range(60):
        years = draw.sample(range(1801, 1960), 3)
        if number % 3 == 0:
            years.sort()
        elif years == sorted(years):
            years.reverse()
        events = draw.sample(_EVENTS, 3)
        text = f"Village {number}. " + " ".join(
            f"In {year} {event}." for year, event in zip(years, events, strict=True)
        )
        ordered = [event for _, event in sorted(zip(years, events, strict=True))]
        rows.append(
            Row(
                {"page": text},
                {"events": ordered},
                text,
                "sorted" if years == sorted(years) else "mixed",
                {"told": events},
            )
        )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "[]"
        rules = rules_of(ask, row)
        if asks(rules, "village's name|name of the village"):
            return row.key.split(".")[0]
        ordered = asks(
            rules,
            r"chronolog|oldest|earliest|order(ed)? (of|by)[^.]*(date|year|time)|sort|by (date|year|time)|ascending|in the order in which they happened",
        )
        return json.dumps(row.expected["events"] if ordered else row.facts["told"])

    main = '''
        import json

        from app.model import Model

        ask = Model("house-7b")


        async def village(page):
            return await ask("You index chronicles.", f"What is the village's name?\\n{page}")


        async def events(page):
            system = """You index chronicles. List the events of the page, the oldest first, as a JSON array of short texts.
        Copy the words, leave out the years. Nothing but the array."""
            return json.loads(await ask(system, page))


        async def handle(page):
            return {"village": await village(page), "events": await events(page)}
        '''
    return Stranger(
        name="chronicle",
        shape="a list in another order",
        files=project(
            {"app/model.py": ASYNC, "app/main.py": main},
            test="""assert run.output["events"] == case.expected["events"]""",
            prompts=["app/main.py::events.system"],
            structure=["app/main.py"],
            steps=["app.main:village", "app.main:events"],
        ),
        rows=mixed(rows, "chronicle"),
        mind=mind,
        fault=Fault(
            "events",
            "content",
            "prompt",
            {"app/main.py": ("of the page, the oldest first, as", "of the page as")},
        ),
        fixes={
            "app/main.py::events.system": (
                "Give the events on the page in chronological order, as a JSON array of short texts copied from it, "
                "without years. Only the array."
            )
        },
    )


# --- groceries: what is not taken out of the order cannot be cooled ------------------------------------------------

_COOL = ["ice cream", "fresh fish", "raw milk", "yoghurt"]
_DRY = ["rice", "candles", "flour", "soap", "tea", "noodles"]


def _groceries() -> Stranger:
    draw = random.Random("groceries")
    rows = []
    for number in range(66):
        items = draw.sample(_DRY, 2)
        kind = ("first", "later", "none")[number % 3]
        if kind != "none":
            items.insert(0 if kind == "first" else draw.randrange(1, 3), draw.choice(_COOL))
        text = (
            f"Order {600 + number}: I would like {items[0]}"
            + "".join(f", and also {item}" for item in items[1:])
            + " please."
        )
        rows.append(
            Row(
                {"mail": text},
                {"cooling": "no" if kind == "none" else "yes"},
                f"{600 + number}",
                kind,
                {"items": items},
            )
        )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "no"
        items, rules = row.facts["items"], rules_of(ask, row)
        if asks(rules, r"refrigerat|cooling"):
            return "yes" if any(item in ask.text for item in _COOL) else "no"
        every = asks(
            rules, r"\b(all|every|each|complete|everything|list|items|articles|products|goods|things)\b"
        )
        return f"{row.key}: " + ", ".join(items if every else items[:1])

    main = """
        from app.model import ask
        from app.texts import TEXTS


        def extract(mail):
            return ask(mail, system=TEXTS["extract"])


        def normalize(ordered):
            return ordered.lower().rstrip(".")


        def cooling(ordered):
            return ask(TEXTS["cooling"] % ordered, max_tokens=3)


        def handle(mail):
            return {"cooling": cooling(normalize(extract(mail)))}
        """
    texts = """
        TEXTS = dict(
            extract="Write down the number of the order and all that the customer wants, in one line.",
            cooling="Does this order need refrigeration? Answer yes or no, nothing else.\\n\\n%s",
        )
        """
    return Stranger(
        name="groceries",
        shape="an extraction that loses what a later label needs",
        files=project(
            {"app/model.py": ASK, "app/texts.py": texts, "app/main.py": main},
            test="""assert run.output["cooling"] == case.expected["cooling"]""",
            prompts=["app/texts.py::TEXTS.*"],
            structure=["app/main.py"],
            steps=["app.main:*"],
        ),
        rows=mixed(rows, "groceries"),
        mind=mind,
        fault=Fault(
            "extract",
            "content",
            "prompt",
            {
                "app/texts.py": (
                    "and all that the customer wants, in one line.",
                    "and what the customer wants, in one line.",
                )
            },
        ),
        fixes={
            "app/texts.py::TEXTS.extract": "In one line: the number of the order and every item of the mail."
        },
    )


# --- a courier: the agent may not ask as often as it has to -------------------------------------------------------


def _courier() -> Stranger:
    draw = random.Random("courier")
    depots = ["Lyon", "Gent", "Turin", "Basel", "Graz", "Porto"]
    moves: dict[str, str] = {}
    rows = []
    for number in range(60):
        hops = (1, 3, 4)[number % 3]
        path = draw.sample(depots, hops)
        parcel = f"P{300 + number}"
        stops = [f"{parcel}/{place}" for place in range(hops)]
        for place, stop in enumerate(stops):
            moves[stop] = f"passed on as {stops[place + 1]}" if place + 1 < hops else f"waits in {path[-1]}"
        text = f"Where is parcel {parcel} now?"
        rows.append(Row({"question": text}, {"depot": path[-1]}, parcel, f"{hops}", {"first": stops[0]}))

    def mind(ask: Ask, row: Row | None) -> Say:
        if row is None:
            return Say("nowhere")
        if not ask.results:
            return call("scan", label=row.facts["first"])
        last = ask.results[-1]
        if "passed on as " in last:
            return call("scan", label=last.rpartition("passed on as ")[2].strip('"'))
        return Say(last.rpartition("waits in ")[2].strip('"'))

    main = '''
        import json
        from pathlib import Path

        from app.model import arguments, turn

        MOVES = json.loads(Path(__file__).with_name("moves.json").read_text())
        MAX_TURNS = 6
        SYSTEM = """You trace parcels. A parcel's first label is its number with /0.
        Answer with the name of the depot alone."""
        SCAN = {
            "type": "function",
            "function": {
                "name": "scan",
                "description": "What the last scan of a label says: the depot, or the label that it was passed on as.",
                "parameters": {"type": "object", "properties": {"label": {"type": "string"}}, "required": ["label"]},
            },
        }


        class Tracer:
            def scan(self, label):
                return MOVES.get(label, "no such label")

            def trace(self, question):
                said = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
                for _ in range(MAX_TURNS):
                    message = turn(said, [SCAN])
                    if not message.get("tool_calls"):
                        return message["content"]
                    said.append(message)
                    for each in message["tool_calls"]:
                        content = self.scan(**arguments(each))
                        said.append({"role": "tool", "tool_call_id": each["id"], "content": content})
                return "unknown"

            def handle(self, question):
                return {"depot": self.trace(question)}
        '''
    return Stranger(
        name="courier",
        shape="an agent with too few turns",
        files=project(
            {"app/model.py": TOOLS, "app/main.py": main, "app/moves.json": json.dumps(moves, indent=0)},
            test="""assert run.output["depot"] == case.expected["depot"]""",
            prompts=["app/main.py::SYSTEM", "app/main.py::SCAN.function.description"],
            params=["app/main.py::MAX_TURNS = 1..12"],
            structure=["app/main.py"],
            steps=["app.main:Tracer.trace", "app.main:Tracer.scan"],
            run="app.main:Tracer().handle",
        ),
        rows=mixed(rows, "courier"),
        mind=mind,
        fault=Fault(
            "trace",
            "tool",
            "param",
            {"app/main.py": ("MAX_TURNS = 6", "MAX_TURNS = 2")},
            also=("Tracer.trace",),
        ),
        fixes={"app/main.py::MAX_TURNS": "8"},
    )


# --- counters: the code sends some people to the wrong one ----------------------------------------------------------

_ASKS = {
    "passport": "I need a new passport",
    "license": "My driving license has run out",
    "parking": "I want a parking permit",
    "marriage": "We would like to get married",
}
_COUNTER = {"passport": "A", "license": "B", "parking": "C", "marriage": "D"}


def _counters() -> Stranger:
    rows = []
    for number in range(64):
        topic = list(_ASKS)[number % 4]
        text = f"Visitor {number + 1}: {_ASKS[topic]}{['.', ', please.', ' today.', '!'][number // 4 % 4]}"
        rows.append(Row({"visitor": text}, {"counter": _COUNTER[topic]}, text, topic, {"topic": topic}))

    def mind(ask: Ask, row: Row | None) -> str:
        return "other" if row is None else row.facts["topic"]

    main = """
        from app.model import chat

        TOPIC = "What does this visitor of the town hall want: passport, license, parking or marriage? That word only.\\n{visitor}"


        def topic(visitor):
            return chat([{"role": "user", "content": TOPIC.format(visitor=visitor)}]).lower()


        def counter_of(wish):
            if wish.startswith("pass"):
                return "A"
            if wish in ("license", "licence"):
                return "B"
            if wish.startswith("park"):
                return "C"
            return "D"


        def handle(visitor):
            return {"counter": counter_of(topic(visitor))}
        """
    return Stranger(
        name="counters",
        shape="a condition in the code that is wrong",
        files=project(
            {"app/model.py": OPENAI, "app/main.py": main},
            test="""assert run.output["counter"] == case.expected["counter"]""",
            prompts=["app/main.py::TOPIC"],
            structure=["app/main.py"],
            steps=["app.main:topic", "app.main:counter_of"],
        ),
        rows=mixed(rows, "counters"),
        mind=mind,
        fault=Fault(
            "counter_of",
            "content",
            "structure",
            {"app/main.py": ('if wish.startswith("pass"):', 'if wish.startswith("pa"):')},
        ),
        fixes={
            "app/main.py::counter_of": (
                "def counter_of(wish):\n"
                '    counters = {"passport": "A", "license": "B", "licence": "B", "parking": "C", "marriage": "D"}\n'
                '    return counters.get(wish, "D")\n'
            )
        },
    )


# --- meters: a comma is not a thousand --------------------------------------------------------------------------------


def _meters() -> Stranger:
    draw = random.Random("meters")
    rows = []
    for number in range(60):
        comma = number % 2 == 0
        value = draw.randrange(1001, 99999) / 100 if comma else draw.randrange(20, 900)
        written = f"{value:.2f}".replace(".", ",") if comma else f"{value}"
        text = f"Meter {70 + number} reads {written} kWh, all is well"
        rows.append(Row({"note": text}, {"kwh": value, "state": "fine"}, text, "comma" if comma else "whole"))

    def mind(ask: Ask, row: Row | None) -> str:
        return "fine"

    main = """
        import re

        from app.model import ask

        STATE = "Is the meter in this note fine or broken? One word, nothing else.\\n{note}"


        def find_reading(note):
            return re.search(r"reads ([\\d.,]+) kWh", note)[1]


        def to_number(reading):
            return float(reading.replace(",", "."))


        def state(note):
            return ask(STATE.format(note=note))


        def handle(note):
            return {"kwh": to_number(find_reading(note)), "state": state(note)}
        """
    return Stranger(
        name="meters",
        shape="numbers that are read wrongly by the code",
        files=project(
            {"app/model.py": ASK, "app/main.py": main},
            test="""
            assert run.output["state"] == case.expected["state"]
            assert run.output["kwh"] == pytest.approx(case.expected["kwh"], abs=0.01)
            """,
            prompts=["app/main.py::STATE"],
            structure=["app/main.py"],
            steps=["app.main:find_reading", "app.main:to_number", "app.main:state"],
        ),
        rows=mixed(rows, "meters"),
        mind=mind,
        fault=Fault(
            "to_number",
            "content",
            "structure",
            {"app/main.py": ('reading.replace(",", ".")', 'reading.replace(",", "")')},
        ),
        fixes={
            "app/main.py::to_number": (
                'def to_number(reading):\n    whole, _, part = reading.partition(",")\n'
                '    return float(f"{whole}.{part or 0}")\n'
            )
        },
    )


# --- teasers: those of long stories end before the link ----------------------------------------------------------------


def _teasers() -> Stranger:
    draw = random.Random("teasers")
    rows = []
    for number in range(60):
        long = number % 2 == 0
        place = draw.choice(["Oslo", "Lima", "Accra", "Hanoi", "Quito"])
        link = f"news.test/{500 + number}"
        text = f"Story {500 + number}: {'a long report on' if long else 'a note on'} trams in {place}. Link: {link}"
        rows.append(Row({"story": text}, {"place": place, "link": link}, text, "long" if long else "short"))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return ""
        if asks(rules_of(ask, row), "headline"):
            return f"Trams in {row.expected['place']}"
        story = (
            " They run early and late, they are full, and the town council has plans for many more of them."
            if row.kind == "long"
            else ""
        )
        return f"How are the trams in {row.expected['place']}?{story} Read on: {row.expected['link']}"

    main = '''
        from pathlib import Path

        import yaml

        from app.model import ask

        CONFIG = yaml.safe_load(Path(__file__).with_name("config.yaml").read_text())


        def headline(story):
            """Three words at most."""
            return ask(CONFIG["headline"]["prompt"].format(story=story), max_tokens=CONFIG["headline"]["max_tokens"])


        def teaser(story):
            return ask(CONFIG["teaser"]["prompt"].format(story=story), max_tokens=CONFIG["teaser"]["max_tokens"])


        def handle(story):
            return {"headline": headline(story), "teaser": teaser(story)}
        '''
    config = """
        headline:
          prompt: "Write a headline of three words for this story: {story}"
          max_tokens: 12
        teaser:
          prompt: |
            Write a teaser for our letter. End with the link.

            {story}
          max_tokens: 200
        """
    return Stranger(
        name="teasers",
        shape="answers of some cases that are cut off",
        files=project(
            {"app/model.py": ASK, "app/main.py": main, "app/config.yaml": config},
            test="""
            assert case.expected["place"] in run.output["teaser"]
            assert run.output["teaser"].endswith(case.expected["link"])
            """,
            prompts=["app/config.yaml::headline.prompt", "app/config.yaml::teaser.prompt"],
            params=[
                "app/config.yaml::headline.max_tokens = 5..500",
                "app/config.yaml::teaser.max_tokens = 5..1000",
            ],
            structure=["app/main.py"],
        ),
        rows=mixed(rows, "teasers"),
        mind=mind,
        fault=Fault(
            "teaser", "truncated", "param", {"app/config.yaml": ("max_tokens: 200", "max_tokens: 24")}
        ),
        fixes={"app/config.yaml::teaser.max_tokens": "120"},
    )


STRANGERS = (_articles(), _chronicle(), _groceries(), _courier(), _counters(), _meters(), _teasers())
