"""Desks: texts come in, a label or a reply goes out."""

# ruff: noqa: E501  # texts stand as they are sent

from __future__ import annotations

import random
import re

from benchmarks.planted.spec import Fault, Row, mixed, rules_of
from benchmarks.planted.talk import Ask
from benchmarks.strangers.common import ASK, ASYNC, OPENAI, project
from benchmarks.strangers.spec import Stranger, asks

# --- a clinic's phone notes: the allowed words are not named -----------------------------------------------

_COMPLAINTS = {
    "emergency": [
        "chest pain that moves into the left arm",
        "cannot breathe lying down",
        "fainted twice this morning",
        "a sudden weak arm and slurred speech",
    ],
    "same-day": [
        "a fever of 39 since last night",
        "a wound that is red and hot",
        "a bad earache since this morning",
        "vomiting since last night",
    ],
    "routine": [
        "wants the yearly check",
        "needs a new prescription for thyroid pills",
        "asks for a travel vaccine",
        "has had an itchy elbow for months",
    ],
}
_LOOSE = {"emergency": "critical", "same-day": "urgent", "routine": "routine"}
_WHO = ["Mr Abel", "Ms Brandt", "Mrs Cole", "Mr Dietz", "Ms Evans", "Mr Flor"]


def _clinic() -> Stranger:
    rows = []
    for urgency, complaints in _COMPLAINTS.items():
        for complaint in complaints:
            for number, who in enumerate(_WHO):
                note = f"{who} called at {8 + number}:15, {complaint}."
                rows.append(Row({"note": note}, urgency, note, urgency, {"urgency": urgency}))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "?"
        rules = rules_of(ask, row)
        if asks(rules, r"summar|in one line|shorten"):
            return f"Caller: {row.key}"
        return (
            row.facts["urgency"]
            if "same-day" in rules and "emergency" in rules
            else _LOOSE[row.facts["urgency"]]
        )

    prompts = """
        PROMPTS = {
            "summary": "Summarize this phone note in one line.\\n\\n{note}",
            "urgency": (
                "You help at the front desk of a clinic. How urgent is the call below: emergency, same-day or routine?\\n"
                "Answer with that word only.\\n\\n{summary}"
            ),
        }
        """
    main = """
        from app.model import ask
        from app.texts import PROMPTS


        def summarize(note):
            return ask(PROMPTS["summary"].format(note=note))


        def rate(summary):
            return ask(PROMPTS["urgency"].format(summary=summary)).strip().lower()


        def handle(note):
            return rate(summarize(note))
        """
    return Stranger(
        name="clinic",
        shape="a closed set of labels that the prompt does not name",
        files=project(
            {"app/model.py": ASK, "app/texts.py": prompts, "app/main.py": main},
            test="assert run.output == case.expected",
            prompts=["app/texts.py::PROMPTS.*"],
            structure=["app/main.py"],
        ),
        rows=mixed(rows, "clinic"),
        mind=mind,
        fault=Fault(
            "rate",
            "label",
            "prompt",
            {
                "app/texts.py": (
                    "How urgent is the call below: emergency, same-day or routine?",
                    "How urgent is the call below?",
                )
            },
        ),
        fixes={
            "app/texts.py::PROMPTS.urgency": (
                "Rate the urgency of the call. Use one of these words: routine, same-day, emergency. Say only "
                "that word.\n\n{summary}"
            )
        },
        wrong=lambda row: {"emergency": "routine", "same-day": "emergency", "routine": "same-day"}[
            row.expected
        ],
    )


# --- reviews: an example in the prompt teaches the wrong thing ---------------------------------------------

_PRAISE = [
    "The lamp is bright and looks lovely",
    "Great kettle, boils fast",
    "My kids love the tent",
    "Best boots I have owned",
]
_BLAME = [
    "The lamp broke within a day",
    "The kettle leaks from the lid",
    "The tent let in all the rain",
    "The boots gave me blisters",
]
_SARCASM = [
    "Oh great, another lamp that flickers",
    "Wonderful, a kettle that needs an hour",
    "Just what I wanted, a tent with a hole",
    "Fantastic boots if you like wet feet",
]
_TAILS = [
    "Bought in March.",
    "Second one this year.",
    "Delivered on a Monday.",
    "It was a gift.",
    "Ordered online.",
]


def _reviews() -> Stranger:
    rows = []
    for kind, label, texts in (
        ("plain", "positive", _PRAISE),
        ("plain", "negative", _BLAME),
        ("sarcasm", "negative", _SARCASM),
    ):
        for text in texts:
            for tail in _TAILS:
                review = f"{text}. {tail}"
                rows.append(Row({"text": review, "stars": None}, {"sentiment": label}, review, kind))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "neutral"
        if row.kind != "sarcasm":
            return str(row.expected["sentiment"])
        rules = rules_of(ask, row)
        misled = re.search(
            r"(great|wonderful|lovely|fantastic)[^\n]*\n?[^\n]*?(->|:|=)\s*positive", rules, re.I
        )
        taught = asks(rules, r"sarcas|iron(y|ic)|mock|not (mean|meant) literally|tongue")
        return "negative" if taught or not misled else "positive"

    prompt = """
        Is the customer's review positive or negative? Answer with one word, nothing else.

        Works as described, would buy again. -> positive
        Oh wonderful, a clock that runs backwards. -> negative
        Arrived in pieces. -> negative

        {text} ->
        """
    main = """
        from pathlib import Path

        from app.model import chat

        HERE = Path(__file__).parent


        class Reviewer:
            def __init__(self, template=None):
                self.template = template or (HERE / "prompts" / "sentiment.txt").read_text()

            def sentiment(self, text):
                return chat([{"role": "user", "content": self.template.format(text=text)}])

            def handle(self, text, stars=None):
                return {"sentiment": self.sentiment(text), "stars": stars}
        """
    return Stranger(
        name="reviews",
        shape="a few-shot example with the wrong label",
        files=project(
            {"app/model.py": OPENAI, "app/prompts/sentiment.txt": prompt, "app/main.py": main},
            test="""assert run.output["sentiment"] == case.expected["sentiment"]""",
            prompts=["app/prompts/*.txt"],
            run="app.main:Reviewer().handle",
        ),
        rows=mixed(rows, "reviews"),
        mind=mind,
        fault=Fault(
            "sentiment",
            "content",
            "prompt",
            {"app/prompts/sentiment.txt": ("backwards. -> negative", "backwards. -> positive")},
            also=("Reviewer.sentiment",),
        ),
        fixes={
            "app/prompts/sentiment.txt": (
                "Positive or negative? Mind that praise may be meant as irony. One word only.\n\n{text} ->\n"
            )
        },
        wrong=lambda row: {"sentiment": "negative" if row.expected["sentiment"] == "positive" else "neutral"},
    )


# --- replies: every answer is cut off, and that is not why some of them fail -------------------------------

_ISSUES = ["a broken zip", "a missing strap", "the wrong color", "a late parcel", "a torn bag", "a bent pole"]


def _replies() -> Stranger:
    rows = []
    for number in range(60):
        issue = _ISSUES[number % 6]
        order = f"K-{4100 + 7 * number}"
        refund = number % 2 == 0
        text = f"Order {order}: {issue}. {'I want my money back.' if refund else 'What can you do?'}"
        must = [order, "14 days"] if refund else [order]
        rows.append(
            Row({"message": text}, {"must": must}, text, "refund" if refund else "other", {"order": order})
        )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "Hello."
        rules = rules_of(ask, row)
        if asks(rules, r"what is the tone"):
            return "calm"
        said = f"Thank you for writing about order {row.facts['order']}."
        if row.kind == "refund":
            told = asks(rules, r"14|fourteen|two weeks", r"refund|money back|return")
            said += " Your refund will be with you within 14 days." if told else " We will refund you soon."
        return (
            said + " We are sorry for the trouble that this has caused you, and remain at your service." * 6
        )

    texts = '''
        TONE = "In one word, what is the tone of this message?\\n{message}"

        REPLY = """You answer customers of a shop for outdoor gear (their tone: {tone}).
        Name the order's number. Where they ask for a refund, say that it takes 14 days.

        Message: {message}
        """
        '''
    main = """
        from app.model import ask
        from app import texts


        def tone(message):
            return ask(texts.TONE.format(message=message), max_tokens=5)


        def write_reply(message, mood):
            return ask(texts.REPLY.format(message=message, tone=mood), max_tokens=60)


        def handle(message):
            return write_reply(message, tone(message))
        """
    return Stranger(
        name="replies",
        shape="free text with required facts; all answers are cut off",
        files=project(
            {"app/model.py": ASK, "app/texts.py": texts, "app/main.py": main},
            test="""
            for fact in case.expected["must"]:
                assert fact in run.output
            """,
            prompts=["app/texts.py::*"],
            structure=["app/main.py"],
        ),
        rows=mixed(rows, "replies"),
        mind=mind,
        fault=Fault(
            "write_reply",
            "requirement",
            "prompt",
            {"app/texts.py": (" Where they ask for a refund, say that it takes 14 days.", "")},
        ),
        fixes={
            "app/texts.py::REPLY": (
                "Answer this customer (tone: {tone}) and name the order number. Refunds arrive within two weeks; "
                "always write that as '14 days'.\n\n{message}\n"
            )
        },
    )


# --- a hotel: replies in the guest's language, and a step that errs without harm ---------------------------

_GUESTS = {
    "de": ["Haben Sie einen Parkplatz?", "Wann gibt es Frühstück?", "Ist ein Hund erlaubt?"],
    "fr": ["Avez-vous un parking ?", "À quelle heure est le petit déjeuner ?", "Un chien est-il permis ?"],
    "en": ["Is there a car park?", "When is breakfast served?", "May we bring a dog?"],
}
_ANSWERS = {
    "de": ["Ja, hinter dem Haus.", "Von sieben bis zehn Uhr.", "Ja, kleine Hunde sind willkommen."],
    "fr": ["Oui, derrière la maison.", "De sept à dix heures.", "Oui, les petits chiens sont bienvenus."],
    "en": ["Yes, behind the house.", "From seven to ten.", "Yes, small dogs are welcome."],
}


def _hotel() -> Stranger:
    rows = []
    for language, questions in _GUESTS.items():
        for number, question in enumerate(questions):
            for room in range(7 if language == "en" else 8):
                text = f"[room {101 + 9 * room + number}] {question}"
                kind = "en" if language == "en" else "other"
                rows.append(
                    Row({"mail": text}, {"answer": _ANSWERS[language][number]}, text, kind, {"n": number})
                )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "?"
        rules = rules_of(ask, row)
        if asks(rules, "mood"):
            return "angry" if len(row.key) % 3 else "friendly"
        if row.kind == "en":
            return str(row.expected["answer"])
        same = asks(
            rules,
            r"(same|guest'?s?'?|their|his|her|sender'?s?|mail'?s|own|which|whatever|that) (own )?(language|tongue)|language (of|in which|that)|reply in (german|french)",
        )
        return str(row.expected["answer"]) if same else _ANSWERS["en"][row.facts["n"]]

    main = '''
        import asyncio
        from dataclasses import dataclass

        from app.model import Model

        MOOD = "Which mood is the guest in? One word."
        ANSWER = """You answer mails to a small hotel.
        Parking is behind the house, breakfast from seven to ten, small dogs are welcome.
        Answer in one short sentence, in the language that the guest wrote in."""


        @dataclass
        class Reply:
            answer: str
            mood: str


        class Desk:
            model = Model()

            async def mood(self, mail):
                return await self.model(MOOD, mail)

            async def answer(self, mail):
                return await self.model(ANSWER, mail)

            async def handle(self, mail):
                mood, answer = await asyncio.gather(self.mood(mail), self.answer(mail))
                return Reply(answer, mood)
        '''
    return Stranger(
        name="hotel",
        shape="the wrong language; a step that errs does not matter",
        files=project(
            {"app/model.py": ASYNC, "app/main.py": main},
            test="""assert run.output.answer == case.expected["answer"]""",
            prompts=["app/main.py::MOOD", "app/main.py::ANSWER"],
            run="app.main:Desk().handle",
        ),
        rows=mixed(rows, "hotel"),
        mind=mind,
        fault=Fault(
            "answer",
            "content",
            "prompt",
            {
                "app/main.py": (
                    "one short sentence, in the language that the guest wrote in.",
                    "one short sentence.",
                )
            },
            also=("Desk.answer",),
        ),
        fixes={
            "app/main.py::ANSWER": (
                "You answer mails to a small hotel: parking behind the house, breakfast seven to ten, small dogs "
                "welcome. One short sentence in the same language as the mail."
            )
        },
    )


# --- tickets: two faults at once -----------------------------------------------------------------------------

_TEAMS = {
    "Billing": "an invoice that is wrong",
    "Shipping": "a parcel that is lost",
    "Accounts": "a password that does not work",
}


def _tickets() -> Stranger:
    draw = random.Random("tickets")
    rows = []
    for number in range(72):
        team = list(_TEAMS)[number % 3]
        vip = number % 4 == 0
        text = f"Ticket {900 + number}: {'gold' if vip else 'basic'} customer with {_TEAMS[team]}, since {draw.randrange(2, 9)} days"
        kind = f"{'gold' if vip else 'basic'} {team}"
        rows.append(
            Row({"ticket": text}, {"team": team, "priority": "high" if vip else "normal"}, text, kind)
        )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return ""
        rules, team = rules_of(ask, row), row.expected["team"]
        if asks(rules, "team"):
            return team if team != "Accounts" or "Accounts" in rules else "IT support"
        gold = "gold" in row.kind and asks(rules, r"gold|premium|best customers")
        return "high" if gold else "normal"

    texts = """
        team: |
          Which team takes this ticket: Billing, Shipping or Accounts?
          Answer with the name of the team and nothing else.
        priority: |
          Which priority has this ticket, high or normal? It is high for gold customers.
          Answer with one word, nothing else.
        """
    main = """
        from pathlib import Path

        import yaml

        from app.model import chat

        TEXTS = yaml.safe_load((Path(__file__).parent / "texts.yaml").read_text(encoding="utf-8"))


        def _say(key, ticket):
            return [{"role": "system", "content": TEXTS[key]}, {"role": "user", "content": ticket}]


        def pick_team(ticket):
            return chat(_say("team", ticket))


        def pick_priority(ticket):
            return chat(_say("priority", ticket))


        def handle(ticket):
            return {"team": pick_team(ticket), "priority": pick_priority(ticket)}
        """
    return Stranger(
        name="tickets",
        shape="two faults at once",
        files=project(
            {"app/model.py": OPENAI, "app/texts.yaml": texts, "app/main.py": main},
            test="assert run.output == case.expected",
            prompts=["app/texts.yaml::*"],
            steps=["app.main:pick_*"],
        ),
        rows=mixed(rows, "tickets"),
        mind=mind,
        fault=Fault(
            "pick_team",
            "label",
            "prompt",
            {
                "app/texts.yaml": (
                    ": Billing, Shipping or Accounts?\n  Answer with the name of the team and nothing else.\n"
                    "priority: |\n  Which priority has this ticket, high or normal? It is high for gold customers.\n",
                    "?\n  Answer with the name of the team and nothing else.\n"
                    "priority: |\n  Which priority has this ticket, high or normal?\n",
                )
            },
            also=("pick_priority",),
        ),
        fixes={
            "app/texts.yaml::team": "Pick the team: Accounts, Billing or Shipping. Only its name.\n",
            "app/texts.yaml::priority": "Priority of the ticket: high if it is a gold customer's, else normal. One word only.\n",
        },
    )


STRANGERS = (_clinic(), _reviews(), _replies(), _hotel(), _tickets())
