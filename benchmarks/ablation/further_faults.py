"""Faults that no row of `planted` has and that some parts of the product are there for."""

from __future__ import annotations

import itertools

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
