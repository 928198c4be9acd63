"""Pipelines that send a request to one of several handlers."""

from __future__ import annotations

import itertools
import json

from benchmarks.planted import cues
from benchmarks.planted.pipelines.common import ANTHROPIC, ASYNC, OPENAI, project
from benchmarks.planted.spec import Fault, Planted, Row, mixed, rules_of
from benchmarks.planted.talk import Ask

_DEVICES = ["router", "printer", "headset", "monitor", "laptop", "phone"]


# --- an IT desk: two desks get mixed up -------------------------------------------------------------------

_DESKS = {
    "hardware": ["the {it} makes a grinding sound", "the hinge of my {it} broke", "the {it} smells burnt"],
    "network": ["my {it} gets no address", "the {it} drops its connection", "pages time out on the {it}"],
    "access": [
        "my badge does not open the {it} room",
        "I need a login for the {it}",
        "{it}: password expired",
    ],
}
_DONE = {"hardware": "technician sent", "network": "line tested", "access": "identity checked"}


def _helpline() -> Planted:
    rows = [
        Row({"request": text}, {"desk": desk, "done": _DONE[desk]}, text, desk, {}, {"route": desk})
        for desk, patterns in _DESKS.items()
        for pattern in patterns
        for text in (pattern.format(it=it) for it in _DEVICES)
    ]
    hints = (
        "address",
        "connection",
        "connect",
        "drops?",
        "pages?",
        "time",
        "out",
        "gets",
        "offline",
        "online",
    )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "hardware"
        if cues.says(ask.text, r"\bdesk\b.*(choose|which|sort)|(choose|which|sort).*\bdesks?\b"):
            known = row.kind != "network" or cues.tells(rules_of(ask, row), "network", *hints)
            return row.kind if known else "hardware"
        return next(done for desk, done in _DONE.items() if f"{desk} desk" in ask.text)

    pipeline = """
        from app.llm import complete
        from app.prompts import load


        def handle(request):
            desk = route(request)
            return {"desk": desk, "done": work(desk, request)}


        def route(request):
            return complete(f"Request: {request}", system=load("route"))


        def work(desk, request):
            return complete(load("work").format(desk=desk, request=request))
        """
    meaning = "network: connections, addresses and pages that do not load\n"
    route = (
        "Choose the desk for a request:\n\nhardware: broken or worn parts\n"
        f"{meaning}access: badges, logins, passwords\n\nAnswer with the name of the desk and nothing else.\n"
    )
    work = "You are the {desk} desk. Do what you do and say it in two words.\n\n{request}\n"
    return Planted(
        name="helpline",
        shape="router",
        files=project(
            {"app/pipeline.py": pipeline, "app/prompts/route.md": route, "app/prompts/work.md": work},
            test="""assert run.output["done"] == case.expected["done"]""",
            llm=OPENAI,
        ),
        rows=mixed(rows, "helpline"),
        mind=mind,
        fault=Fault("route", "label", "prompt", {"app/prompts/route.md": (meaning, "network\n")}),
        fixes={
            "app/prompts/route.md": route.replace(
                meaning, "network: the device has no connection, gets no address, or pages time out\n"
            )
        },
    )


# --- a library: a handler is missing ----------------------------------------------------------------------

_WISHES = {
    "renew": ["please renew my books of {it} week", "can I keep the {it} books longer"],
    "reserve": ["reserve the new book on {it} for me", "keep the {it} atlas for me"],
    "donate": ["I want to give you my {it} books", "would you take old {it} magazines"],
}
_TOPICS = ["cooking", "sailing", "history", "math", "poetry", "travel", "chess", "moss"]


def _library() -> Planted:
    rows = [
        Row({"wish": text}, {"reply": f"{kind}: noted"}, text, kind)
        for kind, patterns in _WISHES.items()
        for pattern in patterns
        for text in (pattern.format(it=it) for it in _TOPICS)
    ]

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "renew"
        if "Reply to the visitor" in ask.text or cues.says(ask.text, r"\breply\b.*\bvisitor\b"):
            return f"{row.kind}: noted"
        return row.kind

    pipeline = """
        from app.llm import complete
        from app.prompts import load


        def handle(wish):
            kind = route(wish)
            return {"reply": dispatch(kind, wish)}


        def route(wish):
            return complete(load("route").format(wish=wish))


        def dispatch(kind, wish):
            handlers = {"renew": renew, "reserve": reserve, "donate": donate}
            return handlers[kind](wish)


        def renew(wish):
            return reply("renew", wish)


        def reserve(wish):
            return reply("reserve", wish)


        def donate(wish):
            return reply("donate", wish)


        def reply(kind, wish):
            return complete(load("reply").format(kind=kind, wish=wish))
        """
    route = "What does the visitor want: renew, reserve or donate?\n\n{wish}\n\nAnswer with that word, nothing else.\n"
    reply = "Reply to the visitor, who wants to {kind}, in the form `{kind}: noted`.\n\n{wish}\n"
    return Planted(
        name="library",
        shape="router",
        files=project(
            {"app/pipeline.py": pipeline, "app/prompts/route.md": route, "app/prompts/reply.md": reply},
            test="""assert run.output["reply"] == case.expected["reply"]""",
        ),
        rows=mixed(rows, "library"),
        mind=mind,
        fault=Fault("dispatch", "exception", "structure", {"app/pipeline.py": (', "donate": donate}', "}")}),
        fixes={
            "app/pipeline.py::dispatch": "def dispatch(kind, wish):\n"
            '    handlers = {"renew": renew, "reserve": reserve, "donate": donate}\n'
            "    return handlers[kind](wish)\n"
        },
    )


# --- a triage: too careful a threshold --------------------------------------------------------------------

_COMPLAINTS = {
    "skin": ["a rash on my {at}", "dry skin on my {at}"],
    "bones": ["I fell on my {at}", "my {at} cracks when I stand up"],
    "nerves": ["my {at} tingles at night", "no feeling in my {at}"],
}
_PARTS = ["knee", "elbow", "wrist", "hip", "neck", "foot", "hand", "back"]


def _triage() -> Planted:
    rows = []
    for clinic, patterns in _COMPLAINTS.items():
        for number, (pattern, at) in enumerate(itertools.product(patterns, _PARTS)):
            text = pattern.format(at=at)
            sure = 0.93 if number % 3 == 0 else 0.7 + (number % 5) / 50
            rows.append(Row({"complaint": text}, {"clinic": clinic}, text, clinic, {"sure": sure}))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return json.dumps({"clinic": "none", "confidence": 0.1})
        return json.dumps({"clinic": row.kind, "confidence": row.facts["sure"]})

    pipeline = """
        import json

        from app import settings
        from app.llm import complete
        from app.prompts import load


        async def handle(complaint):
            guess = await judge(complaint)
            return {"clinic": choose(guess)}


        async def judge(complaint):
            return json.loads(await complete(load("judge").replace("{complaint}", complaint)))


        def choose(guess):
            if guess["confidence"] < settings.MIN_CONFIDENCE:
                return "nurse"
            return guess["clinic"]
        """
    judge = (
        "Which clinic fits: skin, bones or nerves?\n\n{complaint}\n\n"
        'Answer with only a JSON object: "clinic", and "confidence" from 0 to 1.\n'
    )
    settings = '\nMODEL = "small-1"\nTEMPERATURE = 0.0\nMAX_TOKENS = 100\n\nMIN_CONFIDENCE = 0.5\n'
    return Planted(
        name="triage",
        shape="router",
        files=project(
            {"app/pipeline.py": pipeline, "app/prompts/judge.md": judge, "app/settings.py": settings},
            test="""assert run.output["clinic"] == case.expected["clinic"]""",
            llm=ASYNC,
            params=["app/settings.py::MIN_CONFIDENCE = 0..1"],
        ),
        rows=mixed(rows, "triage"),
        mind=mind,
        fault=Fault(
            "choose",
            "label",
            "param",
            {"app/settings.py": ("MIN_CONFIDENCE = 0.5", "MIN_CONFIDENCE = 0.9")},
        ),
        fixes={"app/settings.py::MIN_CONFIDENCE": "0.6"},
    )


# --- translations: nothing to fall back on ----------------------------------------------------------------

_WORDS = {"bread": "pan", "water": "agua", "house": "casa", "dog": "perro", "sun": "sol", "tree": "arbol",
          "moon": "luna", "hand": "mano", "road": "camino"}  # fmt: skip
_STYLES = ["{w}", "the {w}", "a {w}", "my {w}", "this {w}", "every {w}"]
_SPANISH = {"{w}": "{w}", "the {w}": "el {w}", "a {w}": "un {w}", "my {w}": "mi {w}", "this {w}": "este {w}",
            "every {w}": "cada {w}"}  # fmt: skip


def _glossary() -> Planted:
    rows = []
    for (english, spanish), style in itertools.product(_WORDS.items(), _STYLES):
        text, right = style.format(w=english), _SPANISH[style].format(w=spanish)
        kind = "listed" if style in _STYLES[:2] else "free"
        rows.append(Row({"phrase": text}, {"spanish": right}, f"<<{text}>>", kind, {"right": right}))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return ""
        if cues.says(ask.text, "glossary"):
            return str(row.facts["right"]) if row.kind == "listed" else ""
        return str(row.facts["right"])

    pipeline = """
        from app.llm import complete
        from app.prompts import load


        def handle(phrase):
            draft = translate(phrase)
            return {"spanish": polish(phrase, draft)}


        def translate(phrase):
            found = complete(load("glossary").format(phrase=phrase))
            if not found:
                found = complete(load("free").format(phrase=phrase))
            return found


        def polish(phrase, draft):
            return draft.strip().lower()
        """
    glossary = "Give the Spanish for <<{phrase}>> if our glossary has it, else give an empty answer.\n"
    free = "Translate <<{phrase}>> into Spanish. Answer with the translation only.\n"
    clean = '    if not found:\n        found = complete(load("free").format(phrase=phrase))\n'
    return Planted(
        name="glossary",
        shape="router",
        files=project(
            {"app/pipeline.py": pipeline, "app/prompts/glossary.md": glossary, "app/prompts/free.md": free},
            test="""assert run.output["spanish"] == case.expected["spanish"]""",
            llm=ANTHROPIC,
        ),
        rows=mixed(rows, "glossary"),
        mind=mind,
        fault=Fault("translate", "cascade", "structure", {"app/pipeline.py": (clean, "")}),
        fixes={
            "app/pipeline.py::translate": "def translate(phrase):\n"
            '    found = complete(load("glossary").format(phrase=phrase))\n'
            '    return found or complete(load("free").format(phrase=phrase))\n'
        },
    )


PLANTED: tuple[Planted, ...] = (_helpline(), _library(), _triage(), _glossary())
