"""Pipelines that answer from passages which they look up first."""

from __future__ import annotations

import itertools
import random

from benchmarks.planted import cues
from benchmarks.planted.pipelines.common import ASYNC, OPENAI, project
from benchmarks.planted.spec import Fault, Planted, Row, mixed, rules_of
from benchmarks.planted.talk import Ask

SEARCH = '''
"""Word search over the notes in docs.json."""

import json
import re
from pathlib import Path

STOP = set("a an and are at by does do for from how i in is it of on or that the to was what when which who with".split())


def words(text):
    return [word for word in re.findall(r"[a-z0-9]+", text.lower()) if word not in STOP]


class Index:
    def __init__(self, path):
        self.notes = json.loads(Path(path).read_text(encoding="utf-8"))

    def search(self, query, limit, least=0.0):
        asked = set(words(query))
        scored = []
        for number, note in enumerate(self.notes):
            hits = len(asked & set(words(note["text"])))
            score = hits / max(1, len(asked))
            if hits and score >= least:
                scored.append((-score, number))
        return [self.notes[number] for _, number in sorted(scored)[:limit]]


INDEX = Index(Path(__file__).with_name("docs.json"))
'''

_THINGS = ["kettle", "toaster", "blender", "grinder", "juicer", "steamer", "mixer", "fryer", "scale"]
_PARTS = {
    "warranty": ("{n} years", "the warranty of the {thing} runs for {n} years"),
    "cable": ("{n} cm", "the cable of the {thing} is {n} cm long"),
    "weight": ("{n} kg", "the weight of the {thing} is {n} kg"),
    "power": ("{n} watts", "the power of the {thing} is {n} watts"),
    "price": ("{n} euros", "the price of the {thing} is {n} euros"),
    "noise": ("{n} decibels", "the noise of the {thing} is {n} decibels"),
}


def _facts(seed: str) -> list[tuple[str, str, str, str]]:
    """(thing, part, value, sentence) of every thing and part."""
    rng = random.Random(seed)
    found = []
    for thing, (part, (value, sentence)) in itertools.product(_THINGS, _PARTS.items()):
        number = rng.randrange(2, 90)
        found.append((thing, part, value.format(n=number), sentence.format(thing=thing, n=number)))
    return found


def _json(notes: list[dict[str, str]]) -> str:
    import json

    return json.dumps(notes, indent=1) + "\n"


_RAG = """
    from app import settings
    from app.llm import complete
    from app.prompts import load
    from app.search import INDEX


    def handle(question):
        notes = retrieve(question)
        return {"answer": answer(question, notes)}


    def retrieve(question):
        return INDEX.search(question, settings.TOP_K)


    def answer(question, notes):
        context = "\\n".join(f"[{note['id']}] {note['text']}" for note in notes)
        return complete(load("answer").format(question=question, context=context))
    """
_ANSWER = (
    "Answer the question from the notes.\n\nNotes:\n{context}\n\nQuestion: {question}\n\n"
    "Answer with the bare value as the notes give it, and nothing else.\n"
    "If the notes do not tell, answer: not stated\n"
)


def _settings(*lines: str) -> str:
    return "\n".join(["", 'MODEL = "small-1"', "TEMPERATURE = 0.0", "MAX_TOKENS = 300", *lines, ""])


# --- a handbook of kitchen things: too few notes ----------------------------------------------------------


def _handbook() -> Planted:
    facts = _facts("handbook")
    notes = []
    for number, (thing, part, _, sentence) in enumerate(facts):
        chatter = f"Customers often ask what the {part} of the {thing} is"
        if number % 3 == 0:
            notes.append({"id": f"F{number}", "text": f"{chatter}; see the data sheet"})
        notes.append({"id": f"D{number}", "text": sentence})
        if number % 3 == 1:
            notes.append({"id": f"F{number}", "text": f"{chatter}; see the data sheet"})
    rows = [
        Row({"question": f"What is the {part} of the {thing}?"}, {"answer": value},
            f"the {part} of the {thing}?", str(number % 3), {"text": sentence})
        for number, (thing, part, value, sentence) in enumerate(facts)
    ]  # fmt: skip

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None or row.facts["text"] not in ask.text:
            return "not stated"
        return str(row.expected["answer"])

    return Planted(
        name="handbook",
        shape="RAG",
        files=project(
            {
                "app/pipeline.py": _RAG,
                "app/search.py": SEARCH,
                "app/docs.json": _json(notes),
                "app/prompts/answer.md": _ANSWER,
                "app/settings.py": _settings("TOP_K = 5"),
            },
            test="""assert run.output["answer"] == case.expected["answer"]""",
            llm=OPENAI,
            params=["app/settings.py::TOP_K = 1..20"],
        ),
        rows=mixed(rows, "handbook"),
        mind=mind,
        fault=Fault("retrieve", "retrieval", "param", {"app/settings.py": ("TOP_K = 5", "TOP_K = 1")}),
        fixes={"app/settings.py::TOP_K": "4"},
    )


# --- house rules: a threshold that finds nothing ----------------------------------------------------------

_RULES = {
    "pets": "Pets are allowed on floor {n} only",
    "bikes": "Bikes are kept in room {n} of the yard",
    "parcels": "Parcels wait behind door {n} for a week",
    "laundry": "Laundry is done on machine {n} until ten",
    "guests": "Guests park on place {n} at night",
    "music": "Music ends at {n} hours",
    "keys": "Keys are with the janitor in flat {n}",
    "trash": "Trash goes to bin {n} behind the house",
    "garden": "Garden parties are held on lawn {n}",
    "lift": "Lift repairs are called in on line {n}",
}
_ASKED = ["{it}: which number?", "Which number is it for {it} these days, please tell me?",
          "Can somebody say which number belongs to {it} here?", "{it}, number?",
          "I forgot the number for {it} again, sorry"]  # fmt: skip


def _policies() -> Planted:
    notes, rows = [], []
    for number, (topic, sentence) in enumerate(_RULES.items()):
        text = sentence.format(n=number * 3 + 2)
        notes.append({"id": f"H{number + 1}", "text": text})
        for place, pattern in enumerate(_ASKED):
            question = pattern.format(it=topic.title() if place in (0, 3) else topic)
            expected = {"number": str(number * 3 + 2)}
            rows.append(Row({"question": question}, expected, question, f"{place}", {"text": text}))

    pipeline = """
        from app import settings
        from app.llm import complete
        from app.search import INDEX
        from app.texts import ANSWER


        async def handle(question):
            found = lookup(question)
            return {"number": await reply(question, found), "sources": [note["id"] for note in found]}


        def lookup(question):
            return INDEX.search(question, settings.TOP_K, settings.MIN_SCORE)


        async def reply(question, found):
            rules = "\\n".join(note["text"] for note in found)
            return await complete(ANSWER.format(rules=rules, question=question))
        """
    texts = (
        'ANSWER = """House rules:\n{rules}\n\nA tenant asks: {question}\n\n'
        'Answer with the bare number from the rules. If they give none, answer: none\n"""\n'
    )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None or row.facts["text"] not in ask.text:
            return "none"
        return str(row.expected["number"])

    return Planted(
        name="policies",
        shape="RAG",
        files=project(
            {
                "app/pipeline.py": pipeline,
                "app/search.py": SEARCH,
                "app/docs.json": _json(notes),
                "app/texts.py": texts,
                "app/settings.py": _settings("TOP_K = 3", "MIN_SCORE = 0.1", '"""Share of words found."""'),
            },
            test="""assert run.output["number"] == case.expected["number"]""",
            llm=ASYNC,
            prompts=["app/texts.py::ANSWER"],
            params=["app/settings.py::TOP_K = 1..10", "app/settings.py::MIN_SCORE = 0..1"],
        ),
        rows=mixed(rows, "policies"),
        mind=mind,
        fault=Fault(
            "lookup", "retrieval", "param", {"app/settings.py": ("MIN_SCORE = 0.1", "MIN_SCORE = 0.3")}
        ),
        fixes={"app/settings.py::MIN_SCORE": "0.05"},
    )


# --- a help centre: the answer must name its source -------------------------------------------------------


def _helpdesk() -> Planted:
    facts = _facts("helpdesk")
    notes = [{"id": f"HC-{100 + number}", "text": fact[3]} for number, fact in enumerate(facts)]
    rows = []
    for number, (thing, part, value, sentence) in enumerate(facts):
        question = f"A customer wants to know the {part} of the {thing}"
        expected = {"must_include": [value, f"HC-{100 + number}"]}
        kind = "proof" if number % 4 == 0 else "plain"
        question += ", with proof" if kind == "proof" else ""
        facts_ = {"text": sentence, "source": f"HC-{100 + number}", "value": value}
        rows.append(Row({"question": question}, expected, question, kind, facts_))

    pipeline = """
        from app import settings
        from app.llm import complete
        from app.prompts import load
        from app.search import INDEX


        def handle(question):
            notes = find_notes(question)
            return {"reply": write_reply(question, notes)}


        def find_notes(question):
            return INDEX.search(question, settings.TOP_K)


        def write_reply(question, notes):
            lines = [f"{note['id']}: {note['text']}" for note in notes]
            return complete(load("reply").format(question=question, notes="\\n".join(lines)))
        """
    rule = "Name the id of the note that you used, in brackets.\n"
    prompt = f"Write a reply of one sentence to the customer.\n\n{{notes}}\n\n{{question}}\n\n{rule}"

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None or row.facts["text"] not in ask.text:
            return "I could not find that."
        rules = rules_of(ask, row)
        cites = cues.says(
            rules,
            r"\b(cite|name|quote|include|give|mention|state|add|put|refer)\w*\b[^.\n]{0,60}"
            r"\b(ids?|source|reference|note|HC)\b",
        )
        source = f" [{row.facts['source']}]" if cites or row.kind == "proof" else ""
        return f"Dear customer, {row.facts['text']}{source}."

    return Planted(
        name="helpdesk",
        shape="RAG",
        files=project(
            {
                "app/pipeline.py": pipeline,
                "app/search.py": SEARCH,
                "app/docs.json": _json(notes),
                "app/prompts/reply.md": prompt,
                "app/settings.py": _settings("TOP_K = 3"),
            },
            test="""
                for phrase in case.expected["must_include"]:
                    assert phrase in run.output["reply"]
            """,
            params=["app/settings.py::TOP_K = 1..10"],
        ),
        rows=mixed(rows, "helpdesk"),
        mind=mind,
        fault=Fault("write_reply", "requirement", "prompt", {"app/prompts/reply.md": (rule, "")}),
        fixes={"app/prompts/reply.md": prompt.replace(rule, "Cite the id of your source at the end.\n")},
    )


# --- a museum: the question's words are not the notes' words ----------------------------------------------

_WORKS = ["The Harbour", "Winter Road", "Two Sisters", "Blue Table", "The Miller", "Night Fair"]
_MUSEUM = {
    "born": ("Where does the painter of {work} come from", "{work} is by an artist of {city} origin", "city"),
    "year": ("How old is {work}", "{work} dates to the year {year}", "year"),
    "size": ("How big is {work}", "{work} measures {year} millimetres", "year"),
    "hall": ("Where does {work} hang", "{work} is on display in gallery {n}", "n"),
}
_CITIES = ["Bergen", "Porto", "Lyon", "Gdansk", "Bath", "Siena"]


def _museum() -> Planted:
    rng = random.Random("museum")
    notes: list[dict[str, str]] = []
    rows = []
    for work, (kind, (asked, told, value)) in itertools.product(_WORKS, _MUSEUM.items()):
        values = {"city": rng.choice(_CITIES), "year": rng.randrange(1600, 1900), "n": rng.randrange(2, 40)}
        text = told.format(work=work, **values)
        notes.append({"id": f"M{len(notes) + 1}", "text": text})
        for ending in ("?", ", do you know?"):
            question = asked.format(work=work) + ending
            rows.append(Row({"question": question}, {"answer": str(values[value])}, question, kind,
                            {"text": text, "query": told.format(work=work, city="", year="", n="")}))  # fmt: skip
    for work in _WORKS:
        for word in ("painter", "come", "old", "big", "hang"):
            text = f"{work}: a note on how to {word} and where, for visitors who want it"
            notes.append({"id": f"M{len(notes) + 1}", "text": text})

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "not stated"
        if cues.says(ask.text, r"\b(query|queries|search|keywords|rewrite|rephrase)\b"):
            return " ".join(str(row.facts["query"]).split())
        return str(row.expected["answer"]) if row.facts["text"] in ask.text else "not stated"

    pipeline = """
        from app import settings
        from app.llm import complete
        from app.prompts import load
        from app.search import INDEX


        def handle(question):
            notes = retrieve(question)
            return {"answer": answer(question, notes)}


        def retrieve(question):
            query = complete(load("query").format(question=question))
            return INDEX.search(query, settings.TOP_K)


        def answer(question, notes):
            context = "\\n".join(f"[{note['id']}] {note['text']}" for note in notes)
            return complete(load("answer").format(question=question, context=context))
        """
    query = "Rewrite the question as a search query in the words of a museum's catalogue.\n\n{question}\n"
    clean = (
        '    query = complete(load("query").format(question=question))\n'
        "    return INDEX.search(query, settings.TOP_K)"
    )
    return Planted(
        name="museum",
        shape="RAG",
        files=project(
            {
                "app/pipeline.py": pipeline,
                "app/search.py": SEARCH,
                "app/docs.json": _json(notes),
                "app/prompts/answer.md": _ANSWER,
                "app/prompts/query.md": query,
                "app/settings.py": _settings("TOP_K = 3"),
            },
            test="""assert run.output["answer"] == case.expected["answer"]""",
        ),
        rows=mixed(rows, "museum"),
        mind=mind,
        fault=Fault(
            "retrieve",
            "retrieval",
            "structure",
            {"app/pipeline.py": (clean, "    return INDEX.search(question, settings.TOP_K)")},
            missing=("app/prompts/query.md",),
        ),
        fixes={
            "app/pipeline.py::retrieve": f"def retrieve(question):\n{clean}\n",
            "app/prompts/query.md": query,
        },
    )


# --- a knowledge base with a reranker: a depth in a YAML file ---------------------------------------------


def _catalogue() -> Planted:
    facts = _facts("catalogue")
    notes = [{"id": f"K{number}", "text": fact[3]} for number, fact in enumerate(facts)]
    rows = []
    for number, (thing, part, value, sentence) in enumerate(facts):
        question = f"Tell me the {part} of the {thing}"
        rows.append(Row({"question": question}, {"answer": value}, question, "abc"[number % 3],
                        {"text": sentence, "id": f"K{number}", "late": number % 3 != 0}))  # fmt: skip

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "not stated"
        if cues.says(ask.text, r"\bK\d+\b.*\n.*\bK\d+\b") and "order" in ask.text.lower():
            ids = [word.strip("[]:") for word in ask.text.split() if word.strip("[]:")[1:].isdigit()]
            ids = [name for name in ids if name.startswith("K")]
            others = [name for name in ids if name != row.facts["id"]]
            place = 2 if row.facts["late"] else 0
            return " ".join([*others[:place], row.facts["id"], *others[place:]])
        return str(row.expected["answer"]) if row.facts["text"] in ask.text else "not stated"

    pipeline = """
        from pathlib import Path

        import yaml

        from app.llm import complete
        from app.prompts import load
        from app.search import INDEX

        CONFIG = yaml.safe_load(Path("config.yaml").read_text(encoding="utf-8"))


        def handle(question):
            notes = rerank(question, search(question))
            return {"answer": answer(question, notes), "used": len(notes)}


        def search(question):
            return INDEX.search(question, CONFIG["search"]["candidates"])


        def rerank(question, notes):
            listing = "\\n".join(f"{note['id']}: {note['text']}" for note in notes)
            order = complete(load("rerank").format(question=question, listing=listing)).split()
            by_id = {note["id"]: note for note in notes}
            ranked = [by_id[name] for name in order if name in by_id]
            return ranked[: CONFIG["rerank"]["keep"]]


        def answer(question, notes):
            context = "\\n".join(note["text"] for note in notes)
            return complete(load("answer").format(question=question, context=context))
        """
    config = (
        "# how much is looked at\nsearch:\n  candidates: 6   # before reranking\n"
        "rerank:\n  keep: 4   # shown to the model\n"
    )
    rerank = "Order these notes by how well they answer: {question}\n\n{listing}\n\nAnswer with the ids in order.\n"
    return Planted(
        name="catalogue",
        shape="RAG",
        files=project(
            {
                "app/pipeline.py": pipeline,
                "app/search.py": SEARCH,
                "app/docs.json": _json(notes),
                "app/prompts/answer.md": _ANSWER,
                "app/prompts/rerank.md": rerank,
                "config.yaml": config,
            },
            test="""assert run.output["answer"] == case.expected["answer"]""",
            params=["config.yaml::search.candidates = 1..20", "config.yaml::rerank.keep = 1..10"],
        ),
        rows=mixed(rows, "catalogue"),
        mind=mind,
        fault=Fault("rerank", "retrieval", "param", {"config.yaml": ("keep: 4", "keep: 1")}),
        fixes={"config.yaml::rerank.keep": "3"},
    )


# --- a fact sheet: the answer comes as a sentence ---------------------------------------------------------


def _factsheet() -> Planted:
    facts = _facts("factsheet")
    notes = [{"id": f"S{number}", "text": fact[3]} for number, fact in enumerate(facts)]
    rows = []
    for number, (thing, part, value, sentence) in enumerate(facts):
        question = f"{part} of the {thing}" if number % 3 else f"{part} of the {thing}, in short"
        kind = "long" if number % 3 else "short"
        rows.append(Row({"question": question}, {"answer": value}, question, kind, {"text": sentence}))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None or row.facts["text"] not in ask.text:
            return "not stated"
        value = str(row.expected["answer"])
        short = cues.only(rules_of(ask, row)) or row.kind == "short"
        return value if short else f"According to the notes, {row.facts['text']}."

    ending = "Answer with the bare value as the notes give it, and nothing else.\n"
    return Planted(
        name="factsheet",
        shape="RAG",
        files=project(
            {
                "app/pipeline.py": _RAG,
                "app/search.py": SEARCH,
                "app/docs.json": _json(notes),
                "app/prompts/answer.md": _ANSWER,
                "app/settings.py": _settings("TOP_K = 4"),
            },
            test="""assert run.output["answer"] == case.expected["answer"]""",
            params=["app/settings.py::TOP_K = 1..20"],
        ),
        rows=mixed(rows, "factsheet"),
        mind=mind,
        fault=Fault("answer", "format", "prompt", {"app/prompts/answer.md": (ending, "")}),
        fixes={
            "app/prompts/answer.md": _ANSWER.replace(ending, "Give only the value itself, no sentence.\n")
        },
    )


PLANTED: tuple[Planted, ...] = (
    _handbook(),
    _policies(),
    _helpdesk(),
    _museum(),
    _catalogue(),
    _factsheet(),
)
