"""Pipelines that look notes up and answer from them: how much is found."""

from __future__ import annotations

from benchmarks.planted import cues
from benchmarks.planted.pipelines.common import ASYNC, OPENAI, project
from benchmarks.planted.pipelines.notes import ANSWER, RAG, SEARCH, as_json, facts_of, settings
from benchmarks.planted.spec import Fault, Planted, Row, mixed, rules_of
from benchmarks.planted.talk import Ask

# --- a handbook of kitchen things: too few notes ----------------------------------------------------------


def _handbook() -> Planted:
    facts = facts_of("handbook")
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
                "app/pipeline.py": RAG,
                "app/search.py": SEARCH,
                "app/docs.json": as_json(notes),
                "app/prompts/answer.md": ANSWER,
                "app/settings.py": settings("TOP_K = 5"),
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
                "app/docs.json": as_json(notes),
                "app/texts.py": texts,
                "app/settings.py": settings("TOP_K = 3", "MIN_SCORE = 0.1", '"""Share of words found."""'),
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


# --- a help center: the answer must name its source -------------------------------------------------------


def _helpdesk() -> Planted:
    facts = facts_of("helpdesk")
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
                "app/docs.json": as_json(notes),
                "app/prompts/reply.md": prompt,
                "app/settings.py": settings("TOP_K = 3"),
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


PLANTED: tuple[Planted, ...] = (
    _handbook(),
    _policies(),
    _helpdesk(),
)
