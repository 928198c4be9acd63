"""Pipelines that summarise, or write short texts."""

from __future__ import annotations

import itertools
import random
import re

from benchmarks.planted import cues
from benchmarks.planted.pipelines.common import ANTHROPIC, project
from benchmarks.planted.spec import Fault, Planted, Row, mixed, rules_of
from benchmarks.planted.talk import Ask

_PEOPLE = ["Amira", "Boris", "Celine", "Dario", "Esra", "Felix", "Greta", "Hugo", "Ilka"]
_TASKS = ["order chairs", "call the landlord", "write the report", "fix the door", "plan the party",
          "renew the domain"]  # fmt: skip

# --- minutes: who has to do it is left out ----------------------------------------------------------------


def _minutes() -> Planted:
    rows = []
    for number, (who, task) in enumerate(itertools.product(_PEOPLE, _TASKS)):
        kind = "named" if number % 4 == 0 else "plain"
        text = f"Meeting {number + 1}. We talked about many things. Decided: {task}. {who} takes it on."
        text += f" Mind that {who} is meant." if kind == "named" else ""
        expected = {"mentions": [task, who]}
        rows.append(Row({"transcript": text}, expected, text, kind, {"who": who, "task": task}))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "Nothing was decided."
        rules = rules_of(ask, row)
        owner = cues.says(
            rules, r"\b(who|owners?|persons?|people|names?|responsible|assignees?|participants?)\b"
        )
        by = f" by {row.facts['who']}" if owner or row.kind == "named" else ""
        return f"It was decided to {row.facts['task']}{by}."

    pipeline = """
        from app.llm import complete
        from app.prompts import load


        def handle(transcript):
            summary = summarise(transcript)
            return {"summary": summary, "length": len(summary)}


        def summarise(transcript):
            return complete(load("minutes").format(transcript=transcript))
        """
    rule = "For each decision say who is responsible.\n"
    prompt = f"Summarise the decisions of a meeting in one sentence.\n{rule}\nTranscript:\n{{transcript}}\n"
    return Planted(
        name="minutes",
        shape="summarise",
        files=project(
            {"app/pipeline.py": pipeline, "app/prompts/minutes.md": prompt},
            test="""
                for phrase in case.expected["mentions"]:
                    assert phrase in run.output["summary"]
            """,
        ),
        rows=mixed(rows, "minutes"),
        mind=mind,
        fault=Fault("summarise", "requirement", "prompt", {"app/prompts/minutes.md": (rule, "")}),
        fixes={"app/prompts/minutes.md": prompt.replace(rule, "Name the owner of each decision.\n")},
    )


# --- headlines: too long ----------------------------------------------------------------------------------


def _headlines() -> Planted:
    rng = random.Random("headlines")
    events = ["the bridge reopens", "a bakery closes", "the team wins", "rain floods the square",
              "the mayor resigns", "a bear visits"]  # fmt: skip
    rows = []
    for number, (event, town) in enumerate(itertools.product(events, ["Arlon", "Brno", "Cork", "Dijon",
                                                                      "Espoo", "Faro", "Graz", "Huelva"])):  # fmt: skip
        kind = "note" if number % 4 == 0 else "story"
        text = f"{town}, day {rng.randrange(1, 366)}: {event}, says the council"
        text += "." if kind == "note" else ". Many people came to see it and told us how they felt about it."
        rows.append(Row({"story": text}, {"max_words": 8}, text, kind, {"head": f"{town}: {event}"}))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "No story"
        rules = rules_of(ask, row)
        brief = cues.says(rules, r"\b(at most|up to|more than|maximum|max\.?|fewer than|less than|"
                          r"limit\w*|within|under)\b[^.\n]{0,20}\b(\d+|\w+) words?|\b\d+ words? (or (less|fewer)|at most)")  # fmt: skip
        head = str(row.facts["head"])
        return (
            head if brief or row.kind == "note" else f"{head}, and many people came to see it and told us so"
        )

    pipeline = """
        from app.llm import complete
        from app.prompts import load


        def handle(story):
            return {"headline": headline(story)}


        def headline(story):
            return complete(story, system=load("headline"))
        """
    prompt = "You write headlines for a local paper. A headline has at most 8 words.\n"
    return Planted(
        name="headlines",
        shape="summarise",
        files=project(
            {"app/pipeline.py": pipeline, "app/prompts/headline.md": prompt},
            test="""assert len(run.output["headline"].split()) <= case.expected["max_words"]""",
            llm=ANTHROPIC,
        ),
        rows=mixed(rows, "headlines"),
        mind=mind,
        fault=Fault(
            "headline",
            "requirement",
            "prompt",
            {"app/prompts/headline.md": (" A headline has at most 8 words.", "")},
        ),
        fixes={"app/prompts/headline.md": prompt.replace("has at most", "must not have more than")},
    )


# --- logs: only the first piece is read -------------------------------------------------------------------


def _logs() -> Planted:
    rng = random.Random("logs")
    rows = []
    for number in range(48):
        code = f"E{rng.randrange(100, 999)}"
        lines = [f"{hour:02}:{rng.randrange(10, 60)} host{number} all quiet" for hour in range(12)]
        kind = ("early", "middle", "late")[number % 3]
        lines[{"early": 1, "middle": 5, "late": 10}[kind]] += f", then failure {code}"
        rows.append(Row({"log": "\n".join(lines)}, {"failure": code}, f"host{number} ", kind, {"code": code}))

    def mind(ask: Ask, row: Row | None) -> str:
        found = re.findall(r"\bE\d{3}\b", ask.text)
        return found[0] if found else "none"

    pipeline = """
        from app import settings
        from app.llm import complete
        from app.prompts import load


        def handle(log):
            pieces = cut(log)
            return {"failure": merge([read_piece(piece) for piece in pieces])}


        def cut(log):
            lines = log.splitlines()
            starts = range(0, len(lines), settings.LINES)
            pieces = ["\\n".join(lines[start : start + settings.LINES]) for start in starts]
            return pieces[: settings.MAX_PIECES]


        def read_piece(piece):
            return complete(load("piece").format(piece=piece))


        def merge(found):
            return next((code for code in found if code != "none"), "none")
        """
    prompt = "Which failure code stands in this log? Answer with the bare code, or none.\n\n{piece}\n"
    settings = '\nMODEL = "small-1"\nTEMPERATURE = 0.0\nMAX_TOKENS = 60\n\nLINES = 4\nMAX_PIECES = 8\n'
    return Planted(
        name="logs",
        shape="summarise",
        files=project(
            {"app/pipeline.py": pipeline, "app/prompts/piece.md": prompt, "app/settings.py": settings},
            test="""assert run.output["failure"] == case.expected["failure"]""",
            params=["app/settings.py::LINES = 1..50", "app/settings.py::MAX_PIECES = 1..20"],
        ),
        rows=mixed(rows, "logs"),
        mind=mind,
        fault=Fault("cut", "retrieval", "param", {"app/settings.py": ("MAX_PIECES = 8", "MAX_PIECES = 1")}),
        fixes={"app/settings.py::MAX_PIECES": "6"},
    )


# --- abstracts: empty answers are not asked for again -----------------------------------------------------


def _abstracts() -> Planted:
    rows = []
    asked: dict[str, int] = {}
    for number, (who, task) in enumerate(itertools.product(_PEOPLE, _TASKS)):
        text = f"Paper {number + 1}: {who} studies how teams {task} and finds that it takes time"
        rows.append(
            Row({"paper": text}, {"author": who}, text, "deaf" if number % 3 else "good", {"who": who})
        )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return ""
        asked[ask.text] = asked.get(ask.text, 0) + 1
        if row.kind == "deaf" and asked[ask.text] % 2 and len(ask.turns) == 1:
            return ""
        return f"{row.facts['who']} shows that it takes time."

    pipeline = """
        from app.llm import complete
        from app.prompts import load


        def handle(paper):
            abstract = write_abstract(paper)
            return {"abstract": abstract, "author": author_of(abstract)}


        def write_abstract(paper):
            for _ in range(3):
                abstract = complete(load("abstract").format(paper=paper))
                if abstract:
                    return abstract
            return ""


        def author_of(abstract):
            return abstract.split(" ")[0]
        """
    clean = (
        "    for _ in range(3):\n"
        '        abstract = complete(load("abstract").format(paper=paper))\n'
        "        if abstract:\n            return abstract\n"
        '    return ""\n'
    )
    planted = '    return complete(load("abstract").format(paper=paper))\n'
    prompt = "Write an abstract of one sentence that begins with the author's name.\n\n{paper}\n"
    return Planted(
        name="abstracts",
        shape="summarise",
        files=project(
            {"app/pipeline.py": pipeline, "app/prompts/abstract.md": prompt},
            test="""assert run.output["author"] == case.expected["author"]""",
        ),
        rows=mixed(rows, "abstracts"),
        mind=mind,
        fault=Fault("write_abstract", "empty", "structure", {"app/pipeline.py": (clean, planted)}),
        fixes={"app/pipeline.py::write_abstract": f"def write_abstract(paper):\n{clean}"},
    )


# --- first aid: the model declines ------------------------------------------------------------------------


def _first_aid() -> Planted:
    wounds = {"a burn": "cool it", "a cut": "press on it", "a sting": "pull it out", "a sprain": "rest it"}
    places = [
        "hand",
        "foot",
        "knee",
        "elbow",
        "neck",
        "back",
        "ear",
        "shin",
        "thumb",
        "heel",
        "wrist",
        "nose",
    ]
    rows = []
    for number, ((wound, advice), place) in enumerate(itertools.product(wounds.items(), places)):
        text = f"card for {wound} on the {place}"
        kind = "harmless" if number % 3 == 0 else "medical"
        text += " of a doll" if kind == "harmless" else ""
        rows.append(Row({"title": text}, {"first": advice}, text, kind, {"advice": advice}))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "Nothing to do."
        told = cues.says(
            rules_of(ask, row),
            r"\b(trained|course|handbook|red cross|first.aid|teach\w*|approved|legitimate|training"
            r"|always answer|do not (decline|refuse)|never (decline|refuse)|must (answer|be answered)|is allowed)\b",
        )
        if row.kind == "medical" and not told:
            return "I'm sorry, but I can't help with medical advice. Please see a doctor."
        return str(row.facts["advice"])

    pipeline = """
        from app.llm import complete
        from app.prompts import load


        def handle(title):
            first = write_card(title)
            return {"first": first, "lines": first.count("\\n") + 1}


        def write_card(title):
            return complete(f"Title: {title}", system=load("card"))
        """
    rule = "The cards are for a course whose trainers check every one; an answer is always due.\n"
    prompt = (
        f"You write cards that say what to do first.\n{rule}Answer with two to four words and nothing else.\n"
    )
    return Planted(
        name="first_aid",
        shape="summarise",
        files=project(
            {"app/pipeline.py": pipeline, "app/prompts/card.md": prompt},
            test="""assert run.output["first"] == case.expected["first"]""",
        ),
        rows=mixed(rows, "first_aid"),
        mind=mind,
        fault=Fault("write_card", "refusal", "prompt", {"app/prompts/card.md": (rule, "")}),
        fixes={
            "app/prompts/card.md": prompt.replace(
                rule, "They are teaching material for a first-aid course.\n"
            )
        },
    )


PLANTED: tuple[Planted, ...] = (
    _minutes(),
    _headlines(),
    _logs(),
    _abstracts(),
    _first_aid(),
)
