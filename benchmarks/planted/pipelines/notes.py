"""Searchable notes on kitchen things, and the plain pipeline that answers from them."""

from __future__ import annotations

import itertools
import json
import random

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

THINGS = ["kettle", "toaster", "blender", "grinder", "juicer", "steamer", "mixer", "fryer", "scale"]
PARTS = {
    "warranty": ("{n} years", "the warranty of the {thing} runs for {n} years"),
    "cable": ("{n} cm", "the cable of the {thing} is {n} cm long"),
    "weight": ("{n} kg", "the weight of the {thing} is {n} kg"),
    "power": ("{n} watts", "the power of the {thing} is {n} watts"),
    "price": ("{n} euros", "the price of the {thing} is {n} euros"),
    "noise": ("{n} decibels", "the noise of the {thing} is {n} decibels"),
}


def facts_of(seed: str) -> list[tuple[str, str, str, str]]:
    """(thing, part, value, sentence) of every thing and part."""
    rng = random.Random(seed)
    found = []
    for thing, (part, (value, sentence)) in itertools.product(THINGS, PARTS.items()):
        number = rng.randrange(2, 90)
        found.append((thing, part, value.format(n=number), sentence.format(thing=thing, n=number)))
    return found


def as_json(notes: list[dict[str, str]]) -> str:
    return json.dumps(notes, indent=1) + "\n"


RAG = """
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
ANSWER = (
    "Answer the question from the notes.\n\nNotes:\n{context}\n\nQuestion: {question}\n\n"
    "Answer with the bare value as the notes give it, and nothing else.\n"
    "If the notes do not tell, answer: not stated\n"
)


def settings(*lines: str) -> str:
    return "\n".join(["", 'MODEL = "small-1"', "TEMPERATURE = 0.0", "MAX_TOKENS = 300", *lines, ""])
