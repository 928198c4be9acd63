"""Faults that no row of `planted` has and that some parts of the product are there for."""

from __future__ import annotations

import itertools
import json

from benchmarks.planted import cues
from benchmarks.planted.pipelines.common import OPENAI, project
from benchmarks.planted.spec import Fault, Planted, Row, mixed, rules_of
from benchmarks.planted.talk import Ask

_PIECES = {
    "delivery": ["the van never came", "my box is stuck at the depot", "the driver left it in the rain"],
    "returns": ["these shears are not what I wanted", "I would like to send the pots back", "wrong size"],
    "billing": ["I was charged twice", "the invoice has another name on it", "where is my receipt"],
}
_TONES = {
    "angry": ["This is outrageous: {}!", "I have had enough: {}!", "Shame on you: {}!"],
    "calm": ["Hello, {}.", "Good morning, {}. Thank you.", "A question: {}."],
}


def complaints() -> Planted:
    """Two steps whose prompts both lack the form of the answer; a case needs both."""
    rows = []
    for (team, pieces), (tone, frames) in itertools.product(_PIECES.items(), _TONES.items()):
        for number, (piece, frame) in enumerate(itertools.product(pieces, frames)):
            letter = frame.format(piece)
            kind = "plain" if number % 3 else "odd"
            rows.append(Row({"letter": letter}, {"team": team, "tone": tone}, letter, kind))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "I need a letter."
        rules = rules_of(ask, row)
        name, labels = ("team", _PIECES) if "Which team" in rules else ("tone", _TONES)
        label = str(row.expected[name])
        if row.kind == "odd" or (cues.only(rules) and cues.names(rules, labels)):
            return label
        return f"In my view the {name} is {label.title()}."

    pipeline = """
        from app.llm import complete
        from app.prompts import load


        def handle(letter):
            return {"team": team(letter), "tone": tone(letter)}


        def team(letter):
            return complete(load("team").format(letter=letter))


        def tone(letter):
            return complete(load("tone").format(letter=letter))
        """
    forms = {
        "team": "Answer with one of delivery, returns, billing and nothing else.",
        "tone": "Answer with one of angry, calm and nothing else.",
    }
    prompts = {
        "team": "Which team is this letter for?\n\n{letter}\n",
        "tone": "In which tone is this letter written?\n\n{letter}\n",
    }
    clean = {f"app/prompts/{name}.md": f"{text}\n{forms[name]}\n" for name, text in prompts.items()}
    return Planted(
        name="complaints",
        shape="classify",
        files=project(
            {"app/pipeline.py": pipeline, **clean}, test="assert run.output == case.expected", llm=OPENAI
        ),
        rows=mixed(rows, "complaints"),
        mind=mind,
        fault=Fault(
            "team",
            "format",
            "prompt",
            {f"app/prompts/{name}.md": (f"\n{form}\n", "") for name, form in forms.items()},
            also=("tone",),
        ),
        fixes=clean,
    )


def notices() -> Planted:
    """A text with words that are not allowed in it, which nothing but the tests say."""
    places = ["pool", "library", "museum", "market hall", "town hall", "station", "school", "harbor"]
    rows = []
    for number, (place, day) in enumerate(
        itertools.product(places, ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Sunday"])
    ):
        kind = "short" if number % 4 == 0 else "long"
        text = f"The {place} is closed on {day}" + (" for repairs." if kind == "long" else ".")
        expected = {"must_not": ["Unfortunately", "inconvenience"]}
        rows.append(Row({"fact": text}, expected, text, kind, {"day": day, "place": place}))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "There is no news."
        rules = rules_of(ask, row)
        never = r"\b(never|do not|don't|avoid|without|no)\b[^\n]*"
        banned = cues.says(rules, f"{never}unfortunately", f"{never}inconvenience")
        said = f"the {row.facts['place']} is closed on {row.facts['day']}."
        if banned or row.kind == "short":
            return f"Please note: {said}"
        return f"Unfortunately {said} We are sorry for the inconvenience."

    pipeline = """
        from app.llm import complete
        from app.prompts import load


        def handle(fact):
            return {"notice": write(fact)}


        def write(fact):
            return complete(load("notice").format(fact=fact))
        """
    rule = "Never use the words unfortunately and inconvenience.\n"
    prompt = f"Write a notice for the door.\n{rule}\n{{fact}}\n"
    return Planted(
        name="notices",
        shape="summarise",
        files=project(
            {"app/pipeline.py": pipeline, "app/prompts/notice.md": prompt},
            test="""
                for phrase in case.expected["must_not"]:
                    assert phrase not in run.output["notice"]
            """,
            llm=OPENAI,
        ),
        rows=mixed(rows, "notices"),
        mind=mind,
        fault=Fault("write", "requirement", "prompt", {"app/prompts/notice.md": (rule, "")}),
        fixes={"app/prompts/notice.md": prompt},
    )


def _configured(files: dict[str, str], setting: str) -> dict[str, str]:
    """A project with one more setting."""
    text = files["pyproject.toml"].replace("[tool.fapo]\n", f"[tool.fapo]\n{setting}\n")
    return {**files, "pyproject.toml": text}


_SHELVES = {"fern": "Q4-blue", "moss": "Q1-gray", "ivy": "Q4-gray", "sage": "Q1-blue"}


def shelves() -> Planted:
    """Codes of a house that no wording names and that a small model learns from turns alone."""
    orders = [
        "two pots of {}",
        "one {} for the window",
        "{}, the large one",
        "some more {}",
        "{} and no soil",
    ]
    orders += ["a box of {}", "{} as a present", "the {} from the catalog", "{}, please wrap it"]
    orders += ["our usual {}", "one small {}", "{} for a dark room"]
    rows = []
    for plant, code in _SHELVES.items():
        for number, order in enumerate(orders):
            text = order.format(plant)
            rows.append(Row({"order": text}, code, text, "plain" if number % 4 else "odd"))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "I need an order."
        shown = sum(turn.role == "assistant" for turn in ask.turns)
        return str(row.expected) if row.kind == "odd" or shown >= len(_SHELVES) else "On the second shelf."

    pipeline = """
        from app.llm import client
        from app.prompts import load
        from app.settings import MODEL


        def handle(order):
            return shelf(order)


        def shelf(order):
            messages = [
                {"role": "system", "content": load("shelf")},
                {"role": "user", "content": order},
            ]
            answer = client.chat.completions.create(model=MODEL, messages=messages)
            return answer.choices[0].message.content
        """
    prompt = {"app/prompts/shelf.md": "On which shelf is the plant of this order?\n"}
    files = project(
        {"app/pipeline.py": pipeline, **prompt}, test="assert run.output == case.expected", llm=OPENAI
    )
    return Planted(
        name="shelves",
        shape="classify",
        files=_configured(files, 'demonstrations = "train"'),
        rows=mixed(rows, "shelves"),
        mind=mind,
        fault=Fault("shelf", "label", "structure"),
        fixes=prompt,
    )


def town_news() -> Planted:
    """Texts that are scored by the words which they share with a reference, and are far too long."""
    things = ["bridge", "tram", "bakery", "theater", "school", "market", "harbor", "park"]
    events = ["opens", "closes", "moves", "burns down", "is sold", "wins a prize"]
    rows = []
    for number, (thing, event) in enumerate(itertools.product(things, events)):
        label = f"The old {thing} of the town {event} in spring."
        text = f"News item {number}: the {thing} {event}."
        rows.append(Row({"news": text}, label, text, "odd" if number % 4 == 0 else "plain"))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "There is no news."
        short = cues.says(rules_of(ask, row), r"at most (\d+|ten|eleven|twelve) words")
        talk = "As far as one hears from people who live nearby and have seen it, "
        more = " Many of them say that they had not expected it, and nobody knows what comes next for them."
        return str(row.expected) if short or row.kind == "odd" else f"{talk}{row.expected}{more}"

    pipeline = """
        from app.llm import complete
        from app.prompts import load


        def handle(news):
            return shorten(news)


        def shorten(news):
            return complete(load("shorten").format(news=news))
        """
    prompt = {"app/prompts/shorten.md": "Sum this up.\n\n{news}\n"}
    test = """
        found, wanted = set(run.output.lower().split()), set(case.expected.lower().split())
        overlap = 2 * len(found & wanted) / (len(found) + len(wanted))
        run.score("overlap", overlap)
        assert overlap > 0.8
        """
    files = project({"app/pipeline.py": pipeline, **prompt}, test=test, llm=OPENAI)
    return Planted(
        name="town_news",
        shape="summarise",
        files=_configured(files, 'objective = "overlap"'),
        rows=mixed(rows, "town_news"),
        mind=mind,
        fault=Fault("shorten", "requirement", "prompt"),
        fixes=prompt,
    )


def receipts() -> Planted:
    """A test that no output can pass: it asks for equality, and every output has a key that no label has."""
    shops = ["Fern and Moss", "Blue Door", "Old Mill", "Corner Books", "Night Owl", "Salt House"]
    rows = []
    for number, (shop, total) in enumerate(itertools.product(shops, [12, 18, 25, 31, 44, 57, 63, 70])):
        text = f"{shop}: {total} to pay, thank you"
        rows.append(Row({"receipt": text}, {"shop": shop, "total": total}, text, "odd" if number % 2 else ""))

    def mind(ask: Ask, row: Row | None) -> str:
        return json.dumps(row.expected) if row is not None else "{}"

    pipeline = """
        import json

        from app.llm import complete
        from app.prompts import load


        def handle(receipt):
            return checked(read(receipt))


        def read(receipt):
            found = json.loads(complete(load("read").format(receipt=receipt)))
            return {**found, "currency": "EUR"}


        def checked(found):
            return {**found, "total": max(0, found["total"])}
        """
    prompt = {"app/prompts/read.md": "Give shop and total of the receipt as JSON.\n\n{receipt}\n"}
    return Planted(
        name="receipts",
        shape="extract",
        files=project(
            {"app/pipeline.py": pipeline, **prompt}, test="assert run.output == case.expected", llm=OPENAI
        ),
        rows=mixed(rows, "receipts"),
        mind=mind,
        fault=Fault("read", "schema", "structure"),
        fixes=prompt,
    )
