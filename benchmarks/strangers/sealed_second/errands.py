"""Errands: something is looked up, remembered, handed on or made to fit."""

# ruff: noqa: E501  # texts stand as they are sent

from __future__ import annotations

import json
import random

from benchmarks.planted.spec import Fault, Row, mixed, rules_of
from benchmarks.planted.talk import Ask
from benchmarks.strangers.common import ASK, ASYNC, OPENAI, project
from benchmarks.strangers.spec import Stranger, asks

# --- anglers: the query that a model writes is too narrow ---------------------------------------------------------

_FISH = ["pike", "perch", "trout", "zander"]
_RARE = ["eel", "tench", "bream", "ruffe", "asp", "dace", "barbel", "burbot"]
_WATERS = ["Oker", "Leine", "Ilme", "Bode", "Innerste", "Fuhse", "Aue", "Wietze"]
_MONTHS = ["March", "April", "May", "June", "July", "August"]


def _anglers() -> Stranger:
    draw = random.Random("anglers")
    pairs = [(fish, water) for fish in _FISH for water in _WATERS]
    pairs += [(fish, draw.choice(_WATERS)) for fish in _RARE]
    draw.shuffle(pairs)
    rules, rows = [], []
    for number, (fish, water) in enumerate(pairs):
        month = draw.choice(_MONTHS)
        rules.append(f"{fish.capitalize()} in the {water}: from {month} on.")
        rare = fish in _RARE
        for place, wording in enumerate(
            ["From when may I take {} in the {}?", "When does the season for {} begin in the {}?"]
        ):
            if rare or (number + place) % 2:
                asked = wording.format(fish, water)
                rows.append(
                    Row(
                        {"question": asked},
                        month,
                        asked,
                        "rare" if rare else "common",
                        {"fish": fish, "water": water, "rule": rules[-1]},
                    )
                )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "not stated"
        text = rules_of(ask, row)
        if "Rules of the anglers" in text:
            return str(row.expected) if row.facts["rule"] in ask.text else "not stated"
        wide = asks(text, r"\b(waters?|rivers?|place|where|everything|all)\b") or (
            asks(text, r"\b(words|keywords|terms)\b") and not asks(text, r"\b(one|single) (key)?word\b")
        )
        return f"{row.facts['fish']} {row.facts['water']}" if wide else row.facts["fish"]

    main = '''
        import json
        from pathlib import Path

        from app.model import Model

        RULES = json.loads(Path(__file__).with_name("rules.json").read_text())
        QUERY = "Write a query for our index: the fish and the river. Nothing else."
        ANSWER = """Rules of the anglers' club:
        {rules}

        Answer with the month alone. If the rules do not tell, write: not stated
        {question}"""
        model = Model("house-7b")


        async def make_query(question):
            return await model(QUERY, question)


        async def look_up(query):
            wanted = {word.strip("?,.").lower() for word in query.split()}
            hits = [(len(wanted & set(rule.replace(":", "").lower().split())), rule) for rule in RULES]
            return [rule for score, rule in sorted(hits, key=lambda hit: -hit[0]) if score][:2]


        async def answer(question, rules):
            text = ANSWER.format(rules="\\n".join(rules), question=question)
            return await model("You help the members of a club.", text)


        async def handle(question):
            return await answer(question, await look_up(await make_query(question)))
        '''
    return Stranger(
        name="anglers",
        shape="a query for the index that is too narrow",
        files=project(
            {"app/model.py": ASYNC, "app/main.py": main, "app/rules.json": json.dumps(rules, indent=0)},
            test="assert run.output == case.expected",
            prompts=["app/main.py::QUERY", "app/main.py::ANSWER"],
            structure=["app/main.py"],
            steps=["app.main:make_query", "app.main:look_up", "app.main:answer"],
        ),
        rows=mixed(rows, "anglers"),
        mind=mind,
        fault=Fault(
            "make_query",
            "retrieval",
            "prompt",
            {
                "app/main.py": (
                    "Write a query for our index: the fish and the river. Nothing else.",
                    "Write a query for our index: one word, the fish. Nothing else.",
                )
            },
            also=("look_up",),
        ),
        fixes={"app/main.py::QUERY": "For a search: name the fish and the water that the question is about."},
    )


# --- a coach: what was said a while ago is forgotten ------------------------------------------------------------------


def _coach() -> Stranger:
    draw = random.Random("coach")
    chatter = ["I slept well.", "It rains here.", "My shoes are new.", "I ran a bit.", "My dog came along."]
    rows = []
    for number in range(60):
        distance = draw.choice(["5 km", "10 km", "half marathon", "marathon"])
        far = number % 5 > 1
        fact = f"I am runner {700 + number} and I train for the {distance}."
        before, after = draw.sample(chatter, 2), draw.sample(chatter, 4 if far else 1)
        turns = [before[0], fact, *after] if far else [*before, fact, *after]
        asked = f"Runner {700 + number} again: which race was mine?"
        rows.append(
            Row({"told": turns, "question": asked}, distance, asked, "far" if far else "near", {"fact": fact})
        )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "Tell me which."
        return str(row.expected) if row.facts["fact"] in ask.text else "you have not told me"

    memory = '''
        class Memory:
            """The last things that were said."""

            SIZE = 12

            def __init__(self, told):
                self.told = list(told)

            def recall(self):
                return self.told[-self.SIZE :]
        '''
    main = """
        from app.memory import Memory
        from app.model import chat

        SYSTEM = "You are a running coach. Answer in as few words as you can: 5 km, 10 km, half marathon or marathon."


        def recall(told):
            return Memory(told).recall()


        def reply(remembered, question):
            said = [{"role": "user", "content": each} for each in [*remembered, question]]
            return chat([{"role": "system", "content": SYSTEM}, *said], max_tokens=50)


        def handle(told, question):
            return reply(recall(told), question)
        """
    return Stranger(
        name="coach",
        shape="a conversation of which too little is remembered",
        files=project(
            {"app/model.py": OPENAI, "app/memory.py": memory, "app/main.py": main},
            test="assert run.output == case.expected",
            prompts=["app/main.py::SYSTEM"],
            params=["app/memory.py::Memory.SIZE = 1..40"],
            structure=["app/main.py"],
            steps=["app.main:recall", "app.main:reply"],
        ),
        rows=mixed(rows, "coach"),
        mind=mind,
        fault=Fault("recall", "missing-input", "param", {"app/memory.py": ("SIZE = 12", "SIZE = 2")}),
        fixes={"app/memory.py::Memory.SIZE": "20"},
    )


# --- board games: two facts are needed, one is kept ----------------------------------------------------------------------


def _games() -> Stranger:
    draw = random.Random("games")
    facts, rows = [], []
    for number in range(20):
        game = f"Quarto-{number + 10}"
        tower, bridge = draw.randrange(2, 9), draw.randrange(11, 19)
        mine = [
            f"{game}: a tower scores {tower}.",
            f"{game}: a bridge scores {bridge}.",
            f"{game}: the youngest begins.",
        ]
        facts += draw.sample(mine, 3)
        for asked, points, needed, kind in (
            (f"In {game}, what scores a bridge?", bridge, mine[1:2], "one"),
            (f"In {game}, what scores a tower and a bridge together?", tower + bridge, mine[:2], "two"),
            (f"In {game}, what scores a bridge more than a tower?", bridge - tower, mine[:2], "two"),
        ):
            rows.append(Row({"question": asked}, {"points": points}, asked, kind, {"needed": needed}))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return '{"points": null}'
        known = all(fact in ask.text for fact in row.facts["needed"])
        return json.dumps({"points": row.expected["points"] if known else None})

    main = r'''
        import json
        import re
        from pathlib import Path

        from app.model import ask
        from app.options import OPTIONS

        FACTS = json.loads(Path(__file__).with_name("facts.json").read_text())
        REFEREE = """You are the referee. Rules:
        {rules}
        {question} Answer as JSON: {{"points": number or null}}"""


        def words(text):
            return set(re.findall(r"[a-z]+-?\d*", text.lower()))


        class Rules:
            def candidates(self, question):
                game = re.search(r"Quarto-\d+", question)[0]
                return [fact for fact in FACTS if fact.startswith(game)][: OPTIONS["candidates"]]

            def rerank(self, question, found):
                best = sorted(found, key=lambda fact: -len(words(fact) & words(question)))
                return best[: OPTIONS["keep"]]

            def decide(self, question, rules):
                return json.loads(ask(REFEREE.format(rules="\n".join(rules), question=question)))

            def ask(self, question):
                return self.decide(question, self.rerank(question, self.candidates(question)))
        '''
    return Stranger(
        name="games",
        shape="too little is kept of what was found, where two facts are needed",
        files=project(
            {
                "app/model.py": ASK,
                "app/options.py": "OPTIONS = {\n    'candidates': 8,\n    'keep': 3,\n    'language': 'en',\n}\n",
                "app/main.py": main,
                "app/facts.json": json.dumps(facts, indent=0),
            },
            test="""assert run.output["points"] == case.expected["points"]""",
            prompts=["app/main.py::REFEREE"],
            params=["app/options.py::OPTIONS.candidates = 1..20", "app/options.py::OPTIONS.keep = 1..20"],
            structure=["app/main.py"],
            steps=["app.main:Rules.candidates", "app.main:Rules.rerank", "app.main:Rules.decide"],
            run="app.main:Rules().ask",
        ),
        rows=mixed(rows, "games"),
        mind=mind,
        fault=Fault(
            "rerank",
            "retrieval",
            "param",
            {"app/options.py": ("'keep': 3", "'keep': 1")},
            also=("Rules.rerank",),
        ),
        fixes={"app/options.py::OPTIONS.keep": "4"},
    )


# --- subtitles: nobody looks whether the line fits --------------------------------------------------------------------------


def _subtitles() -> Stranger:
    draw = random.Random("subtitles")
    rows = []
    for number in range(60):
        who = draw.choice(["the miller", "the aunt", "the pilot", "the queen", "the baker"])
        word = f"{draw.choice(['lantern', 'letter', 'violin', 'ladder'])} {number + 20}"
        long = number % 5 > 1
        text = f"And then {who} said{' with a sigh, after all these years,' if long else ''} that {word} was gone."
        draft = (
            f"{who.capitalize()} says with a sigh that {word} is gone"
            if long
            else f"{who.capitalize()}: {word} gone"
        )
        rows.append(Row({"line": text}, {"word": word}, word, "long" if long else "short", {"draft": draft}))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return ""
        if row.kind == "long" and row.facts["draft"] in ask.text:
            return f"{row.key} is gone"  # it cannot count, but it can do better than a draft that is shown
        return str(row.facts["draft"])

    main = """
        from app.model import ask

        LIMIT = 36
        PROMPT = "Make a subtitle of at most 36 characters of this line of a film; keep what it is about.\\n\\n{line}"
        AGAIN = "{prompt}\\n\\nYou wrote: {draft}\\nThat is too long. Write a shorter one."


        def write(prompt):
            return ask(prompt).strip()


        def subtitle(line):
            prompt = PROMPT.format(line=line)
            draft = write(prompt)
            if len(draft) > LIMIT:
                draft = write(AGAIN.format(prompt=prompt, draft=draft))
            return draft


        def handle(line):
            return {"text": subtitle(line), "length": len(line)}
        """
    return Stranger(
        name="subtitles",
        shape="a check of the answer that is missing",
        files=project(
            {"app/model.py": ASK, "app/main.py": main},
            test="""
            assert case.expected["word"] in run.output["text"]
            assert len(run.output["text"]) <= 36
            """,
            prompts=["app/main.py::PROMPT"],
            structure=["app/main.py"],
            steps=["app.main:write", "app.main:subtitle"],
        ),
        rows=mixed(rows, "subtitles"),
        mind=mind,
        fault=Fault(
            "subtitle",
            "requirement",
            "structure",
            {
                "app/main.py": (
                    "    draft = write(prompt)\n    if len(draft) > LIMIT:\n        draft = write(AGAIN.format(prompt=prompt, draft=draft))\n    return draft\n",
                    "    return write(prompt)\n",
                )
            },
            also=("write",),
        ),
        fixes={
            "app/main.py::subtitle": (
                "def subtitle(line):\n"
                "    prompt = PROMPT.format(line=line)\n"
                "    text = write(prompt)\n"
                "    for _ in range(2):\n"
                "        if len(text) <= LIMIT:\n"
                "            break\n"
                "        text = write(AGAIN.format(prompt=prompt, draft=text))\n"
                "    return text\n"
            )
        },
    )


# --- a library: one step writes a field that the next one does not read -------------------------------------------------------

_WISHES = {
    "loans": ("renew", "I would like to keep my book for another week"),
    "rooms": ("room", "We need a quiet place for four people"),
    "general": ("general", "How old is this building?"),
    "cards": ("card", "I have lost my card"),
}


def _library() -> Stranger:
    rows = []
    for number in range(64):
        desk = list(_WISHES)[number % 4]
        text = f"Visitor {number + 1} says: {_WISHES[desk][1]}{['.', ', thanks.', ' please.', '!'][number // 4 % 4]}"
        rows.append(Row({"message": text}, {"desk": desk}, text, desk, {"topic": _WISHES[desk][0]}))

    def mind(ask: Ask, row: Row | None) -> str:
        return json.dumps({"topic": row.facts["topic"] if row else "general", "polite": True})

    main = '''
        import json

        from app.desks import send
        from app.model import chat


        def understand(message):
            """The wish as fields."""
            system = 'You work in a library. Give JSON {"topic": "renew" | "room" | "card" | "general", "polite": true | false}.'
            said = chat([{"role": "system", "content": system}, {"role": "user", "content": message}])
            return json.loads(said)


        def handle(message):
            wish = understand(message)
            return {"topic": wish["topic"], "desk": send(wish)}
        '''
    desks = """
        DESKS = {"renew": "loans", "room": "rooms", "card": "cards"}


        def send(wish):
            return DESKS.get(wish.get("topic", ""), "general")
        """
    return Stranger(
        name="library",
        shape="two steps that disagree about the name of a field",
        files=project(
            {"app/model.py": OPENAI, "app/desks.py": desks, "app/main.py": main},
            test="""assert run.output["desk"] == case.expected["desk"]""",
            prompts=["app/main.py::understand.system"],
            structure=["app/main.py", "app/desks.py"],
            steps=["app.main:understand", "app.desks:send"],
        ),
        rows=mixed(rows, "library"),
        mind=mind,
        fault=Fault(
            "send",
            "content",
            "structure",
            {"app/desks.py": ('wish.get("topic", "")', 'wish.get("subject", "")')},
        ),
        fixes={
            "app/desks.py::send": 'def send(wish):\n    return DESKS.get(wish["topic"], "general")\n',
        },
    )


STRANGERS = (_anglers(), _coach(), _games(), _subtitles(), _library())
