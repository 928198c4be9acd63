"""Pipelines that sort a text into one of a few labels."""

from __future__ import annotations

import itertools

from benchmarks.planted import cues
from benchmarks.planted.pipelines.common import ANTHROPIC, OPENAI, project
from benchmarks.planted.spec import Fault, Planted, Row, mixed, rules_of
from benchmarks.planted.talk import Ask

# --- tickets of a garden shop: which team -----------------------------------------------------------------

_TEAMS = {
    "delivery": ["the van never came", "my box is stuck at the depot", "the driver left it in the rain"],
    "returns": ["these shears are not what I wanted", "I would like to send the pots back", "wrong size"],
    "plants": ["my fern is turning brown", "how much light does a calathea need", "the basil has spots"],
    "other": ["do you sell gift cards", "are you open on Sunday", "your site is slow today"],
}
_OPENINGS = ["", "Hello, ", "Good morning! ", "Sorry to bother you: ", "Second message about this, "]


def _tickets() -> Planted:
    rows = []
    for (team, texts), opening in itertools.product(_TEAMS.items(), _OPENINGS):
        for text in texts:
            ticket = f"{opening}{text}" + (" Can you help?" if len(text) % 2 else "")
            rows.append(Row({"ticket": ticket}, {"team": team}, ticket, "long" if opening else "short"))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "I need a ticket."
        rules = rules_of(ask, row)
        team = row.expected["team"]
        if row.kind == "short" or (cues.only(rules) and cues.names(rules, _TEAMS)):
            return str(team)
        return f"This looks like something for the {team.title()} team."

    pipeline = """
        from pathlib import Path

        from app.llm import complete

        PROMPT = (Path(__file__).parent / "prompts" / "sort.md").read_text(encoding="utf-8")


        def handle(ticket):
            team = sort(ticket)
            return {"team": team, "urgent": is_urgent(ticket)}


        def sort(ticket):
            return complete(PROMPT.format(ticket=ticket))


        def is_urgent(ticket):
            return "second message" in ticket.lower()
        """
    prompt = (
        "You read the mail of a garden shop and decide which team handles it.\n\nTicket: {ticket}\n\n"
        "Answer with one of delivery, returns, plants, other, in lower case and with nothing else.\n"
    )
    ending = "Answer with one of delivery, returns, plants, other, in lower case and with nothing else."
    return Planted(
        name="tickets",
        shape="classify",
        files=project(
            {"app/pipeline.py": pipeline, "app/prompts/sort.md": prompt},
            test="""assert run.output["team"] == case.expected["team"]""",
            llm=OPENAI,
        ),
        rows=mixed(rows, "tickets"),
        mind=mind,
        fault=Fault("sort", "format", "prompt", {"app/prompts/sort.md": (ending, "Which team is it for?")}),
        fixes={
            "app/prompts/sort.md": prompt.replace(
                ending, "Reply with exactly one word: delivery, returns, plants or other. No other words."
            )
        },
    )


# --- what a bank's customer wants -------------------------------------------------------------------------

_PENDING = [
    "my transfer to {who} has still not arrived",
    "I am waiting for the money {who} should have by now",
    "{who} has not received what I sent, it just shows as on its way",
]
_FAILED = [
    "my transfer to {who} was rejected",
    "sending money to {who} gives an error every time",
    "the payment to {who} was declined and came back",
]
_INTENTS = {
    "transfer_pending": _PENDING,
    "transfer_failed": _FAILED,
    "card_lost": ["I left my card at {who}'s place", "I cannot find my card since I met {who}"],
    "fee_question": ["why was I charged a fee for paying {who}", "what does a transfer to {who} cost"],
}
_PEOPLE = ["Ada", "Bruno", "Chiara", "Deniz", "Emil", "Farah"]
_DEFINED = (
    "- transfer_pending: the money was sent and has not arrived yet; the customer is still waiting.\n"
    "- transfer_failed: the transfer was rejected, declined or ended in an error.\n"
)


def _intents() -> Planted:
    rows = [
        Row({"message": text}, {"intent": label}, text, label)
        for label, patterns in _INTENTS.items()
        for pattern in patterns
        for text in (pattern.format(who=who) for who in _PEOPLE)
    ]
    hints = ("arrive[ds]?", "waiting", "wait", "still", "received?", "on its way", "yet", "way")

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "unclear"
        rules = rules_of(ask, row)
        if row.kind == "transfer_pending" and not cues.tells(rules, row.kind, *hints):
            return "transfer_failed"
        return str(row.expected["intent"])

    pipeline = """
        from app.llm import complete
        from app.texts import INTENT_PROMPT

        ACTIONS = {
            "transfer_pending": "track",
            "transfer_failed": "retry",
            "card_lost": "block",
            "fee_question": "explain",
        }


        def handle(message):
            intent = find_intent(message)
            return {"intent": intent, "action": next_action(intent)}


        def find_intent(message):
            return complete(f"<message>\\n{message}\\n</message>", system=INTENT_PROMPT)


        def next_action(intent):
            return ACTIONS.get(intent, "ask")
        """
    texts = (
        'INTENT_PROMPT = """\\\nYou name the intent of a message to a bank. The intents are:\n'
        f"{_DEFINED}- card_lost\n- fee_question\nAnswer with the name of the intent and nothing else.\n"
        '"""\n'
    )
    bare = "- transfer_pending\n- transfer_failed\n"
    fixed = texts.split('"""\\\n')[1].split('"""')[0].replace("not arrived yet", "not been received yet")
    return Planted(
        name="intents",
        shape="classify",
        files=project(
            {"app/pipeline.py": pipeline, "app/texts.py": texts},
            test="""assert run.output["intent"] == case.expected["intent"]""",
            prompts=["app/texts.py::*_PROMPT"],
        ),
        rows=mixed(rows, "intents"),
        mind=mind,
        fault=Fault("find_intent", "label", "prompt", {"app/texts.py": (_DEFINED, bare)}),
        fixes={"app/texts.py::INTENT_PROMPT": fixed},
    )


# --- reviews: a label that the prompt forgets -------------------------------------------------------------

_DISHES = ["the soup", "the dumplings", "the lamb", "the tofu", "the pie"]
_MOODS = {
    "positive": ["{a} was a joy and {b} even better", "I dream of {a}; {b} came quickly"],
    "negative": ["{a} was cold and {b} never came", "{a} tasted of nothing, {b} of salt"],
    "mixed": ["{a} was lovely but {b} was burnt", "I liked {a}, yet {b} made me ill"],
}


def _moods() -> Planted:
    rows = []
    for mood, patterns in _MOODS.items():
        for pattern, (one, two) in itertools.product(patterns, itertools.permutations(_DISHES, 2)):
            if (_DISHES.index(one) + _DISHES.index(two)) % 2:
                text = pattern.format(a=one, b=two)
                rows.append(Row({"review": text[:1].upper() + text[1:]}, {"mood": mood}, text[4:], mood))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "neutral"
        rules = rules_of(ask, row)
        if row.kind == "mixed" and not cues.named(rules, "mixed"):
            return "negative" if len(row.key) % 3 else "positive"
        return row.kind

    pipeline = """
        import re

        from app.llm import complete
        from app.prompts import load


        def handle(review):
            text = clean(review)
            return {"mood": judge(text), "words": len(text.split())}


        def clean(review):
            return re.sub(r"\\s+", " ", review).strip()


        def judge(text):
            return complete(text, system=load("judge"))
        """
    prompt = (
        "You read reviews of a restaurant. Say what the guest felt: positive, negative or mixed.\n"
        "Answer with that one word in lower case and nothing else.\n"
    )
    return Planted(
        name="moods",
        shape="classify",
        files=project(
            {"app/pipeline.py": pipeline, "app/prompts/judge.md": prompt},
            test="""assert run.output["mood"] == case.expected["mood"]""",
            llm=ANTHROPIC,
        ),
        rows=mixed(rows, "moods"),
        mind=mind,
        fault=Fault(
            "judge", "label", "prompt", {"app/prompts/judge.md": (", negative or mixed", " or negative")}
        ),
        fixes={"app/prompts/judge.md": prompt.replace("mixed.", "mixed (where both occur).")},
    )


PLANTED: tuple[Planted, ...] = (
    _tickets(),
    _intents(),
    _moods(),
)
