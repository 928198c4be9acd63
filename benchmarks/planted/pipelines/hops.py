"""Pipelines that need more than one look-up: who plays where, and where that is."""

from __future__ import annotations

import json
import random
import re

from benchmarks.planted import cues
from benchmarks.planted.pipelines.common import ASYNC, OPENAI, project
from benchmarks.planted.pipelines.notes import SEARCH
from benchmarks.planted.spec import Fault, Planted, Row, mixed, rules_of
from benchmarks.planted.talk import Ask

_FIRST = ["Ana", "Ben", "Cleo", "Dov", "Eva", "Finn", "Gus", "Hana", "Ivo", "Jill", "Karl", "Lea"]
_LAST = ["Novak", "Ortiz", "Petit", "Quist", "Rossi", "Soto", "Tamm", "Ueda", "Varga"]
_CLUBS = ["Albion", "Borealis", "Celtiques", "Dynamos", "Etoile", "Falcons", "Gryphons", "Hotspurs"]
_TOWNS = ["Arlon", "Brno", "Cork", "Dijon", "Espoo", "Faro", "Graz", "Huelva"]

_ANSWER = (
    "Answer the question from the notes.\n\nNotes:\n{context}\n\nQuestion: {question}\n\n"
    "Answer with the bare name of the town, or unknown if the notes do not tell, and nothing else.\n"
)
_BRIDGE = (
    "Which club has to be looked up next to answer the question?\n\nNotes:\n{context}\n\n"
    "Question: {question}\n\nAnswer with the bare name of the club and nothing else.\n"
)


def _world(seed: str) -> tuple[list[dict[str, str]], list[tuple[str, str, str]]]:
    """Notes, and (player, club, town) of 54 players."""
    rng = random.Random(seed)
    towns = dict(zip(_CLUBS, rng.sample(_TOWNS, len(_TOWNS)), strict=True))
    names = rng.sample([f"{first} {last}" for first in _FIRST for last in _LAST], 54)
    players = [(name, club, towns[club]) for name in names for club in [rng.choice(_CLUBS)]]
    notes = [f"{name} plays for the {club}" for name, club, _ in players]
    notes += [f"The {club} train in {town}" for club, town in towns.items()]
    notes += [f"{name} gave an interview on the town and the team" for name in names[:20]]
    rng.shuffle(notes)
    return [{"id": f"N{number}", "text": text} for number, text in enumerate(notes)], players


def _answer(ask: Ask, row: Row) -> str:
    known = f"The {row.facts['club']} train in {row.facts['town']}" in ask.text
    return str(row.facts["town"]) if known else "unknown"


def _rows(players: list[tuple[str, str, str]], question: str, *, labeled: bool = False) -> list[Row]:
    rows = []
    for number, (player, club, town) in enumerate(players):
        text = question.format(player=player)
        kind = "told" if number % 3 == 0 else "asked"
        text += f" The {club} player, I mean." if kind == "told" else ""
        steps = {"name_bridge": club} if labeled else {}
        rows.append(Row({"question": text}, {"town": town}, text, kind, {"club": club, "town": town}, steps))
    return rows


def _bridging(ask: Ask) -> bool:
    return cues.says(
        ask.text, r"\b(look(ed)? up|next|bridge|search|find) .{0,30}|which (club|name|entity)"
    ) and (cues.says(ask.text, r"\bclub\b") and "town, or unknown" not in ask.text)


# --- one look-up where two are needed ---------------------------------------------------------------------


def _transfers() -> Planted:
    notes, players = _world("transfers")

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "unknown"
        return str(row.facts["club"]) if _bridging(ask) else _answer(ask, row)

    pipeline = """
        from app.llm import complete
        from app.prompts import load
        from app.search import INDEX


        def handle(question):
            notes = gather(question)
            return {"town": answer(question, notes)}


        def gather(question):
            notes = INDEX.search(question, 4)
            club = complete(load("bridge").format(question=question, context=as_text(notes)))
            return notes + INDEX.search(club, 20)


        def answer(question, notes):
            return complete(load("answer").format(question=question, context=as_text(notes)))


        def as_text(notes):
            return "\\n".join(note["text"] for note in notes)
        """
    hop = (
        "    notes = INDEX.search(question, 4)\n"
        '    club = complete(load("bridge").format(question=question, context=as_text(notes)))\n'
        "    return notes + INDEX.search(club, 20)\n"
    )
    return Planted(
        name="transfers",
        shape="multi-hop",
        files=project(
            {
                "app/pipeline.py": pipeline,
                "app/search.py": SEARCH,
                "app/docs.json": json.dumps(notes, indent=1) + "\n",
                "app/prompts/answer.md": _ANSWER,
                "app/prompts/bridge.md": _BRIDGE,
            },
            test="""assert run.output["town"] == case.expected["town"]""",
            llm=OPENAI,
        ),
        rows=mixed(_rows(players, "In which town does {player} train?"), "transfers"),
        mind=mind,
        fault=Fault(
            "gather",
            "retrieval",
            "structure",
            {"app/pipeline.py": (hop, "    return INDEX.search(question, 4)\n")},
        ),
        fixes={"app/pipeline.py::gather": f"def gather(question):\n{hop}"},
    )


# --- the link between the look-ups comes as a sentence ----------------------------------------------------


def _scouts() -> Planted:
    notes, players = _world("scouts")

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "unknown"
        if not _bridging(ask):
            return _answer(ask, row)
        club = str(row.facts["club"])
        if cues.only(rules_of(ask, row)) or row.kind == "told":
            return club
        return (
            f"{row.key.split(' train')[0].removeprefix('Where does ')} gave an interview and plays for {club}"
        )

    pipeline = """
        from app.llm import complete
        from app.prompts import load
        from app.search import INDEX


        def handle(question):
            notes = retrieve(question)
            club = name_bridge(question, notes)
            notes = notes + retrieve_club(club)
            return {"town": answer(question, notes)}


        def retrieve(question):
            return INDEX.search(question, 3)


        def name_bridge(question, notes):
            return complete(load("bridge").format(question=question, context=as_text(notes)))


        def retrieve_club(club):
            return [note for note in INDEX.search(club, 20) if note["text"].startswith(f"The {club} ")]


        def answer(question, notes):
            return complete(load("answer").format(question=question, context=as_text(notes)))


        def as_text(notes):
            return "\\n".join(note["text"] for note in notes)
        """
    ending = "Answer with the bare name of the club and nothing else."
    return Planted(
        name="scouts",
        shape="multi-hop",
        files=project(
            {
                "app/pipeline.py": pipeline,
                "app/search.py": SEARCH,
                "app/docs.json": json.dumps(notes, indent=1) + "\n",
                "app/prompts/answer.md": _ANSWER,
                "app/prompts/bridge.md": _BRIDGE,
            },
            test="""assert run.output["town"] == case.expected["town"]""",
        ),
        rows=mixed(_rows(players, "Where does {player} train?", labeled=True), "scouts"),
        mind=mind,
        fault=Fault(
            "name_bridge",
            "format",
            "prompt",
            {"app/prompts/bridge.md": (ending, "Which club is it?")},
        ),
        fixes={"app/prompts/bridge.md": _BRIDGE.replace(ending, "Give only the club's name.")},
    )


# --- a chain of managers: too few rounds ------------------------------------------------------------------


def _managers() -> Planted:
    rng = random.Random("managers")
    names = rng.sample([f"{first} {last}" for first in _FIRST for last in _LAST], 90)
    notes: list[str] = []
    rows = []
    for number in range(48):
        person, boss, chief = names[number], names[48 + number % 20], names[70 + number % 10]
        depth = number % 3
        notes.append(f"{person} reports to {boss}")
        town = _TOWNS[(number % 10) % len(_TOWNS)]
        if number < 20:
            notes.append(f"{boss} reports to {chief}")
        if number < 10:
            notes.append(f"{chief} works in {town}")
        question = f"Where does the head of {person}'s line work?"
        if depth == 0:
            notes.append(f"The head of {person} works in {town}, says the page of {person}")
        rows.append(Row({"question": question}, {"town": town}, question, f"{depth}",
                        {"person": person, "boss": boss, "chief": chief, "town": town}))  # fmt: skip

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "unknown"
        facts, text = row.facts, ask.text
        if "reported to" in text or cues.says(text, "whose page"):
            chain = [facts["person"], facts["boss"], facts["chief"]]
            seen = [name for name in chain[1:] if f"reports to {name}" in text]
            return str(seen[-1] if seen else facts["person"])
        told = f"The head of {facts['person']} works" in text or f"{facts['chief']} works in" in text
        return str(facts["town"]) if told else "unknown"

    pipeline = """
        from app import settings
        from app.llm import complete
        from app.prompts import load
        from app.search import INDEX


        async def handle(question):
            notes = await research(question)
            return {"town": await answer(question, notes)}


        async def research(question):
            notes = lookup(question)
            for _ in range(settings.ROUNDS):
                name = await whom_next(question, notes)
                notes = notes + [note for note in lookup(name) if note not in notes]
            return notes


        def lookup(text):
            return INDEX.search(text, settings.TOP_K)


        async def whom_next(question, notes):
            return await complete(load("next").format(question=question, context=as_text(notes)))


        async def answer(question, notes):
            return await complete(load("answer").format(question=question, context=as_text(notes)))


        def as_text(notes):
            return "\\n".join(note["text"] for note in notes)
        """
    following = (
        "To answer the question, whose page do you want to see next?\n\nNotes:\n{context}\n\n"
        "Question: {question}\n\nAnswer with the bare name and nothing else.\n"
    )
    settings = '\nMODEL = "small-1"\nTEMPERATURE = 0.0\nMAX_TOKENS = 300\nROUNDS = 3\nTOP_K = 6\n'
    listed = [{"id": f"P{number}", "text": text} for number, text in enumerate(notes)]
    return Planted(
        name="managers",
        shape="multi-hop",
        files=project(
            {
                "app/pipeline.py": pipeline,
                "app/search.py": SEARCH,
                "app/docs.json": json.dumps(listed, indent=1) + "\n",
                "app/prompts/answer.md": _ANSWER,
                "app/prompts/next.md": following,
                "app/settings.py": settings,
            },
            test="""assert run.output["town"] == case.expected["town"]""",
            llm=ASYNC,
            params=["app/settings.py::ROUNDS = 1..6", "app/settings.py::TOP_K = 1..20"],
        ),
        rows=mixed(rows, "managers"),
        mind=mind,
        fault=Fault("research", "retrieval", "param", {"app/settings.py": ("ROUNDS = 3", "ROUNDS = 1")}),
        fixes={"app/settings.py::ROUNDS": "3"},
    )


# --- two things compared: the parts of a question in one line ---------------------------------------------


def _compare() -> Planted:
    rng = random.Random("compare")
    peaks = [f"{word} {kind}" for word in ("Grey", "North", "Old", "Twin", "Bald", "Red") for kind in
             ("Peak", "Horn", "Fell")]  # fmt: skip
    heights = {peak: rng.randrange(800, 4000) for peak in peaks}
    notes = [{"id": f"B{number}", "text": f"The summit of {peak} lies at {height} metres"}
             for number, (peak, height) in enumerate(heights.items())]  # fmt: skip
    rows = []
    for number in range(54):
        one, two = rng.sample(peaks, 2)
        higher = one if heights[one] > heights[two] else two
        question = f"{one} or {two}: which is higher?"
        question = question if number % 3 else f"{question} (asked {number} times)"
        rows.append(Row({"question": question}, {"higher": higher}, question, "plain" if number % 3 else "often",
                        {"one": one, "two": two}))  # fmt: skip

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "unknown"
        one, two = row.facts["one"], row.facts["two"]
        rules = rules_of(ask, row)
        if cues.says(rules, r"\b(sub-?questions?|parts|split|decompose|break)\b"):
            lines = cues.says(
                rules, r"\b(per|own|separate|new|each|one) (\w+ )?lines?\b|line of its own|line by line"
            )
            return ("\n" if lines or row.kind == "often" else " and then ").join(
                f"summit {peak}" for peak in (one, two)
            )
        told = {name: int(height) for name, height in re.findall(r"of ([\w ]+) lies at (\d+)", ask.text)}
        known = [peak for peak in (one, two) if peak in told]
        return (
            max(known, key=lambda peak: told[peak])
            if len(known) == 2
            else f"{(known or ['unknown'])[0]}, perhaps"
        )

    pipeline = """
        from app.llm import complete
        from app.prompts import load
        from app.search import INDEX


        def handle(question):
            parts = split(question)
            notes = [note for part in parts for note in find(part)]
            return {"higher": conclude(question, notes)}


        def split(question):
            text = complete(load("split").format(question=question))
            return [line.strip() for line in text.splitlines() if line.strip()]


        def find(part):
            return INDEX.search(part, 1)


        def conclude(question, notes):
            context = "\\n".join(note["text"] for note in notes)
            return complete(load("conclude").format(question=question, context=context))
        """
    rule = "Write every sub-question on a line of its own.\n"
    split = (
        f"Split the question into sub-questions that can be looked up one by one.\n\n{{question}}\n\n{rule}"
    )
    conclude = "Facts:\n{context}\n\nQuestion: {question}\n\nAnswer with the bare name of the peak and nothing else.\n"
    return Planted(
        name="compare",
        shape="multi-hop",
        files=project(
            {
                "app/pipeline.py": pipeline,
                "app/search.py": SEARCH,
                "app/docs.json": json.dumps(notes, indent=1) + "\n",
                "app/prompts/split.md": split,
                "app/prompts/conclude.md": conclude,
            },
            test="""assert run.output["higher"] == case.expected["higher"]""",
        ),
        rows=mixed(rows, "compare"),
        mind=mind,
        fault=Fault("split", "format", "prompt", {"app/prompts/split.md": (rule, "")}),
        fixes={"app/prompts/split.md": split.replace(rule, "One sub-question per line.\n")},
    )


PLANTED: tuple[Planted, ...] = (_transfers(), _scouts(), _managers(), _compare())
