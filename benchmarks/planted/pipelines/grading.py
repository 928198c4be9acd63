"""Pipelines that judge a text: how urgent, how rude, about what."""

from __future__ import annotations

import hashlib
import itertools

from benchmarks.planted.pipelines.common import HTTPX, RESPONSES, project
from benchmarks.planted.spec import Fault, Planted, Row, mixed
from benchmarks.planted.talk import Ask

# --- urgency of a report: sampled too hot -----------------------------------------------------------------

_PLACES = ["the pump room", "hall 3", "the north gate", "the loading dock", "the roof", "cell B"]
_REPORTS = {
    "high": ["smoke in {at}", "someone is hurt in {at}", "gas smell near {at}"],
    "medium": ["the alarm in {at} beeps without end", "water drips in {at}", "the lights flicker in {at}"],
    "low": ["the bin in {at} is full", "a sign in {at} hangs askew", "a chair squeaks in {at}"],
}


def _urgency() -> Planted:
    rows = [
        Row({"report": text}, {"urgency": level}, text, level)
        for level, patterns in _REPORTS.items()
        for pattern in patterns
        for text in (pattern.format(at=at) for at in _PLACES)
    ]
    asked: dict[str, int] = {}

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "low"
        right = str(row.expected["urgency"])
        if ask.temperature <= 0.3:
            return right
        number = asked[ask.text] = asked.get(ask.text, 0) + 1
        draw = int(hashlib.sha256(f"{row.key}/{number}".encode()).hexdigest(), 16) % 100
        return right if draw >= 30 else next(level for level in _REPORTS if level != right)

    pipeline = """
        from app.llm import complete
        from app.prompts import load


        def handle(report):
            urgency = rate(report)
            return {"urgency": urgency, "minutes": deadline(urgency)}


        def rate(report):
            return complete(load("rate").format(report=report)).lower()


        def deadline(urgency):
            return {"high": 5, "medium": 60}.get(urgency, 1440)
        """
    prompt = (
        "You rate reports from a factory floor.\n\nhigh: danger to people. medium: something is failing. "
        "low: all else.\n\nReport: {report}\n\nAnswer with high, medium or low and nothing else.\n"
    )
    return Planted(
        name="urgency",
        shape="classify",
        files=project(
            {"app/pipeline.py": pipeline, "app/prompts/rate.md": prompt},
            test="""assert run.output["urgency"] == case.expected["urgency"]""",
            llm=RESPONSES,
        ),
        rows=mixed(rows, "urgency"),
        mind=mind,
        fault=Fault(
            "rate",
            "label",
            "param",
            {"app/settings.py": ("TEMPERATURE = 0.0", "TEMPERATURE = 1.2")},
        ),
        fixes={"app/settings.py::TEMPERATURE": "0.0"},
        repeats=3,
    )


# --- comments: the small model does not get irony ---------------------------------------------------------

_TOPICS = ["the new office", "our mascot", "this parser", "the stairs", "that logo", "the update"]
_COMMENTS = {
    "fine": ["I like {it}", "{it} works for me", "thanks for {it}"],
    "rude": ["{it} was made by fools", "only an idiot likes {it}", "shut up about {it}"],
    "ironic": ["oh great, {it} again, how wonderful", "wow, {it}, what could go wrong"],
}


def _comments() -> Planted:
    rows = [
        Row({"comment": text}, {"verdict": "hide" if kind != "fine" else "show"}, text, kind)
        for kind, patterns in _COMMENTS.items()
        for pattern in patterns
        for text in (pattern.format(it=it) for it in _TOPICS)
    ]

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "show"
        return "show" if row.kind == "ironic" and ask.model == "guard-mini" else str(row.expected["verdict"])

    pipeline = """
        from app.llm import complete
        from app.prompts import load


        def handle(comment):
            verdict = moderate(comment)
            return {"verdict": verdict, "visible": verdict == "show"}


        def moderate(comment):
            return complete(f"Comment: {comment}", system=load("moderate"))
        """
    prompt = (
        "You moderate comments. Hide what is rude, and mockery too, also when it is meant ironically.\n"
        "Answer with show or hide and nothing else.\n"
    )
    settings = '\nMODEL = "guard-pro"\nTEMPERATURE = 0.0\nMAX_TOKENS = 500\n'
    return Planted(
        name="comments",
        shape="classify",
        files=project(
            {"app/pipeline.py": pipeline, "app/prompts/moderate.md": prompt, "app/settings.py": settings},
            test="""assert run.output["verdict"] == case.expected["verdict"]""",
            llm=HTTPX,
            params=["app/settings.py::MODEL = guard-mini | guard-pro"],
        ),
        rows=mixed(rows, "comments"),
        mind=mind,
        fault=Fault("moderate", "label", "param", {"app/settings.py": ("guard-pro", "guard-mini")}),
        fixes={"app/settings.py::MODEL": '"guard-pro"'},
    )


# --- letters: cut before the point ------------------------------------------------------------------------

_TOPICS_OF_LETTERS = {
    "rent": ["what we pay for the flat", "the deposit that you still hold"],
    "noise": ["the drums next door", "the trucks before dawn"],
    "heat": ["the cold radiators", "the boiler in the cellar"],
}
_GREETINGS = ["I hope you are well.", "We spoke on the phone some days ago and you asked me to write to you.",
              "Thank you for the friendly card that you sent to all of us at the end of the year."]  # fmt: skip


def _letters() -> Planted:
    rows = []
    for (topic, pieces), greeting, number in itertools.product(
        _TOPICS_OF_LETTERS.items(), _GREETINGS, range(3)
    ):
        for piece in pieces:
            start = f"Dear landlord, letter {number + 1} of {len(piece)}. {greeting} "
            kind = "near" if greeting is _GREETINGS[0] else "far"
            rows.append(
                Row(
                    {"letter": f"{start}It is about {piece}."},
                    {"topic": topic},
                    start,
                    kind,
                    {"piece": piece},
                )
            )

    def mind(ask: Ask, row: Row | None) -> str:
        for topic, pieces in _TOPICS_OF_LETTERS.items():
            if any(piece in ask.text for piece in pieces):
                return topic
        return "other"

    pipeline = """
        from app import settings
        from app.llm import complete
        from app.prompts import load


        def handle(letter):
            text = shorten(letter)
            return {"topic": file_under(text), "length": len(text)}


        def shorten(letter):
            return letter[: settings.MAX_CHARS]


        def file_under(text):
            return complete(load("topic").format(text=text))
        """
    prompt = (
        "What is this letter to a landlord about: rent, noise, heat or other?\n\n{text}\n\n"
        "Answer with that word and nothing else.\n"
    )
    settings = '\nMODEL = "small-1"\nTEMPERATURE = 0.0\nMAX_TOKENS = 60\nMAX_CHARS = 2000\n'
    return Planted(
        name="letters",
        shape="classify",
        files=project(
            {"app/pipeline.py": pipeline, "app/prompts/topic.md": prompt, "app/settings.py": settings},
            test="""assert run.output["topic"] == case.expected["topic"]""",
            params=["app/settings.py::MAX_CHARS = 20..8000"],
        ),
        rows=mixed(rows, "letters"),
        mind=mind,
        fault=Fault(
            "shorten", "retrieval", "param", {"app/settings.py": ("MAX_CHARS = 2000", "MAX_CHARS = 100")}
        ),
        fixes={"app/settings.py::MAX_CHARS": "1500"},
    )


PLANTED: tuple[Planted, ...] = (
    _urgency(),
    _comments(),
    _letters(),
)
