"""Pipelines that look notes up and answer from them: what is asked, ranked and said."""

from __future__ import annotations

import itertools
import random

from benchmarks.planted import cues
from benchmarks.planted.pipelines.common import project
from benchmarks.planted.pipelines.notes import ANSWER, RAG, SEARCH, as_json, facts_of, settings
from benchmarks.planted.spec import Fault, Planted, Row, mixed, rules_of
from benchmarks.planted.talk import Ask

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
                "app/docs.json": as_json(notes),
                "app/prompts/answer.md": ANSWER,
                "app/prompts/query.md": query,
                "app/settings.py": settings("TOP_K = 3"),
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
    facts = facts_of("catalogue")
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
                "app/docs.json": as_json(notes),
                "app/prompts/answer.md": ANSWER,
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
    facts = facts_of("factsheet")
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
                "app/pipeline.py": RAG,
                "app/search.py": SEARCH,
                "app/docs.json": as_json(notes),
                "app/prompts/answer.md": ANSWER,
                "app/settings.py": settings("TOP_K = 4"),
            },
            test="""assert run.output["answer"] == case.expected["answer"]""",
            params=["app/settings.py::TOP_K = 1..20"],
        ),
        rows=mixed(rows, "factsheet"),
        mind=mind,
        fault=Fault("answer", "format", "prompt", {"app/prompts/answer.md": (ending, "")}),
        fixes={"app/prompts/answer.md": ANSWER.replace(ending, "Give only the value itself, no sentence.\n")},
    )


PLANTED: tuple[Planted, ...] = (
    _museum(),
    _catalogue(),
    _factsheet(),
)
