"""Offices: mails and notes are read, filed and answered."""

# ruff: noqa: E501  # texts stand as they are sent

from __future__ import annotations

import json
import random

from benchmarks.planted.spec import Fault, Row, mixed, rules_of
from benchmarks.planted.talk import Ask
from benchmarks.strangers.common import ASK, ASYNC, OPENAI, project
from benchmarks.strangers.spec import BARE, Stranger, asks

# --- recipes: a whole sentence, where any of some words would do ---------------------------------------------

_MAIN = {
    "zucchini": ["zucchini", "courgette"],
    "eggplant": ["eggplant", "aubergine"],
    "shrimp": ["shrimp", "prawns"],
    "chickpeas": ["chickpeas", "garbanzo beans"],
    "scallions": ["scallions", "spring onions"],
}
_DISH = ["soup", "stew", "salad", "pie", "curry", "bake"]


def _recipes() -> Stranger:
    rows = []
    for number in range(60):
        main = list(_MAIN)[number % 5]
        long = (number % 5 in (0, 2, 3) and number % 2 == 0) or number % 7 == 0
        text = f"Recipe {number}: {_DISH[number % 6]} of {main}, with salt and oil"
        text += ", garlic, a pinch of sugar and whatever herbs there are." if long else "."
        rows.append(
            Row({"recipe": text}, {"any_of": _MAIN[main]}, text, "long" if long else "short", {"main": main})
        )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return ""
        main = row.facts["main"]
        bare = asks(rules_of(ask, row), BARE)
        return f"The main ingredient of this recipe is {main}." if row.kind == "long" and not bare else main

    main = """
        from app.model import chat

        QUESTION = "What is the main ingredient of this recipe? Answer with its name only.\\n\\n{recipe}"


        def clean(recipe):
            return " ".join(recipe.split())


        def main_ingredient(recipe):
            return chat([{"role": "user", "content": QUESTION.format(recipe=recipe)}])


        def handle(recipe):
            return main_ingredient(clean(recipe))
        """
    return Stranger(
        name="recipes",
        shape="any of several references; an answer in a sentence",
        files=project(
            {"app/model.py": OPENAI, "app/main.py": main},
            test="""
            said = run.output.strip().lower()
            assert said in [name.lower() for name in case.expected["any_of"]]
            """,
            prompts=["app/main.py::QUESTION"],
            structure=["app/main.py"],
            steps=["app.main:clean", "app.main:main_ingredient"],
        ),
        rows=mixed(rows, "recipes"),
        mind=mind,
        fault=Fault(
            "main_ingredient", "format", "prompt", {"app/main.py": (" Answer with its name only.", "")}
        ),
        fixes={
            "app/main.py::QUESTION": "Name the main ingredient of the recipe in one word, without any other words.\n\n{recipe}"
        },
    )


# --- minutes: a summary that is graded by the facts in it ----------------------------------------------------

_TASKS = ["book the hall", "order new chairs", "call the printer", "update the website", "check the budget"]
_OWNERS = ["Ana", "Boris", "Chen", "Dora", "Emil", "Fay"]


def _minutes() -> Stranger:
    draw = random.Random("minutes")
    rows = []
    for number in range(60):
        owner, task = draw.choice(_OWNERS), _TASKS[number % 5]
        day = f"{draw.randrange(1, 28)} {draw.choice(['March', 'April', 'June'])}"
        due = number % 2 == 0 or number % 5 == 0
        text = f"Meeting {50 + number}. {owner} said she would {task}. We had coffee. "
        text += f"It has to be done by {day}." if due else "There is no hurry."
        facts = [owner, task, day] if due else [owner, task]
        rows.append(
            Row({"minutes": text}, {"facts": facts}, text, "due" if due else "open", {"facts": facts})
        )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "A meeting took place."
        rules, facts = rules_of(ask, row), row.facts["facts"]
        if asks(rules, "heading"):
            return "Meeting"
        told = asks(rules, r"deadline|due|by when|until when|\bdates?\b|time limit")
        by = f" by {facts[2]}" if row.kind == "due" and told else ""
        return f"{facts[0]} will {facts[1]}{by}."

    texts = """
        [heading]
        text = "Give a heading of one word for these minutes.\\n\\n{minutes}"

        [summary]
        text = "Summarize these minutes in one sentence: who does what, and by when.\\n\\n{minutes}"
        """
    main = """
        import tomllib
        from pathlib import Path

        from app.model import ask


        def prompts():
            return tomllib.loads(Path(__file__).with_name("texts.toml").read_text())


        def heading(minutes):
            return ask(prompts()["heading"]["text"].format(minutes=minutes))


        def summarize(minutes):
            return ask(prompts()["summary"]["text"].format(minutes=minutes))


        def handle(minutes):
            return {"heading": heading(minutes), "summary": summarize(minutes)}
        """
    return Stranger(
        name="minutes",
        shape="a graded score with a threshold",
        files=project(
            {"app/model.py": ASK, "app/main.py": main, "app/texts.toml": texts},
            test="""
            facts = case.expected["facts"]
            found = [fact for fact in facts if fact.lower() in run.output["summary"].lower()]
            run.score("facts", len(found) / len(facts))
            assert len(found) / len(facts) >= 0.9, f"lacks {set(facts) - set(found)}"
            """,
            prompts=["app/texts.toml::*.text"],
            structure=["app/main.py"],
        ),
        rows=mixed(rows, "minutes"),
        mind=mind,
        fault=Fault(
            "summarize",
            "requirement",
            "prompt",
            {"app/texts.toml": (": who does what, and by when.", ": who does what.")},
        ),
        fixes={
            "app/texts.toml::summary.text": "One sentence that says who does what, with the deadline where there is one.\n\n{minutes}"
        },
    )


# --- contacts: what is absent is null, and not a word for it -------------------------------------------------


def _contacts() -> Stranger:
    draw = random.Random("contacts")
    rows = []
    for number in range(64):
        name = f"{draw.choice(_OWNERS)} {draw.choice(['Berg', 'Costa', 'Dahl', 'Egan'])}"
        phone = f"0{draw.randrange(200, 900)} {draw.randrange(10000, 99999)}"
        absent = number % 2 == 1
        text = f"Mail {2000 + number}: I am {name}" + ("." if absent else f", call me at {phone}.")
        contact = {"name": name, "phone": None if absent else phone}
        rows.append(
            Row(
                {"mail": text},
                {"contact": contact},
                text,
                "absent" if absent else "there",
                {"contact": contact},
            )
        )

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "{}"
        rules = rules_of(ask, row)
        if asks(rules, "greeting"):
            return "Dear customer"
        contact = dict(row.facts["contact"])
        if contact["phone"] is None and not asks(rules, r"\bnull\b|\bnone\b|leave (it|them|that) empty"):
            contact["phone"] = "not provided"
        return json.dumps({"contact": contact, "source": "mail"})

    main = '''
        import asyncio
        import json

        from app.model import Model

        EXTRACT = """Take the contact out of the mail, as JSON:
        {"contact": {"name": "...", "phone": "..."}, "source": "mail"}
        Use null for what the mail does not give. No fence, no other text."""
        GREET = "Write a greeting for the sender, in two words."


        class Secretary:
            def __init__(self):
                self.model = Model()

            async def extract(self, mail):
                return json.loads(await self.model(EXTRACT, mail))

            async def greet(self, mail):
                return await self.model(GREET, mail)

            async def __call__(self, mail):
                found, greeting = await asyncio.gather(self.extract(mail), self.greet(mail))
                return {**found, "greeting": greeting}
        '''
    return Stranger(
        name="contacts",
        shape="nested JSON with more keys than the label; absent values",
        files=project(
            {"app/model.py": ASYNC, "app/main.py": main},
            test="""assert run.output["contact"] == case.expected["contact"]""",
            prompts=["app/main.py::EXTRACT", "app/main.py::GREET"],
            run="app.main:Secretary()",
        ),
        rows=mixed(rows, "contacts"),
        mind=mind,
        fault=Fault(
            "extract",
            "missing-input",
            "prompt",
            {"app/main.py": ("Use null for what the mail does not give. No fence", "No fence")},
            also=("Secretary.extract",),
        ),
        fixes={
            "app/main.py::EXTRACT": (
                "Give the sender's contact as a JSON object and nothing else: a key contact with name and phone, and a "
                'key source with "mail". A value that is not in the mail is null.'
            )
        },
    )


# --- a forum: two definitions that are mixed up ---------------------------------------------------------------

_POSTS = {
    "threat": [
        "I know where you park your car",
        "You had better lock your door tonight",
        "Wait until I meet you outside",
        "You will pay for this, and soon",
    ],
    "insult": [
        "You are as dumb as a brick",
        "What a clown you are",
        "Nobody is as stupid as you",
        "You write like a drunk goat",
    ],
    "fine": [
        "Thanks, that solved it for me",
        "Does anybody have the manual?",
        "I like the new version",
        "See you at the meeting",
    ],
}
_ADDED = ["", " lol", " !!!", " @Kim", " (third post today)", " #forum"]


def _forum() -> Stranger:
    rows = []
    for label, posts in _POSTS.items():
        for post in posts:
            for added in _ADDED:
                text = f"{post}{added}"
                rows.append(Row({"post": text, "thread": 7}, label, f"<{text}>", label))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "fine"
        rules, label = rules_of(ask, row), str(row.expected)
        if label == "fine":
            return label
        lines = [line.lower() for line in rules.replace(". ", ".\n").splitlines()]
        harm = r"harm|violen|hurt|scare|afraid|intimidat|danger|announce"
        names = r"\bnames\b|rude|mock|offen[ds]|disrespect|demean|bad words"
        swapped = any(
            "insult" in line and asks(line, harm) and not asks(line, names) for line in lines
        ) or any("threat" in line and asks(line, names) and not asks(line, harm) for line in lines)
        return {"threat": "insult", "insult": "threat"}[label] if swapped else label

    prompt = """
        You moderate a forum. Label the post with one of these words and nothing else:
        - threat: announces harm to somebody
        - insult: calls somebody names
        - fine: all else

        Post: <{post}>
        """
    main = """
        import re
        from pathlib import Path

        from app.model import ask

        TEMPLATE = (Path(__file__).parent / "prompts" / "moderate.md").read_text(encoding="utf-8")


        def strip_links(post):
            return re.sub(r"https?://\\S+", "", post)


        def moderate(post):
            return ask(TEMPLATE.format(post=post)).strip()


        def handle(post, thread):
            return moderate(strip_links(post))
        """
    return Stranger(
        name="forum",
        shape="definitions of labels that are mixed up; wrong labels",
        files=project(
            {"app/model.py": ASK, "app/prompts/moderate.md": prompt, "app/main.py": main},
            test="assert run.output == case.expected",
            prompts=["app/prompts/*.md"],
            structure=["app/main.py"],
            steps=["app.main:*"],
        ),
        rows=mixed(rows, "forum"),
        mind=mind,
        fault=Fault(
            "moderate",
            "label",
            "prompt",
            {
                "app/prompts/moderate.md": (
                    "- threat: announces harm to somebody\n- insult: calls somebody names\n",
                    "- threat: calls somebody names\n- insult: announces harm to somebody\n",
                )
            },
        ),
        fixes={
            "app/prompts/moderate.md": (
                "Label the post of a forum as threat, insult or fine, that word only.\nA threat makes somebody afraid "
                "of harm.\nAn insult is a rude name for somebody.\nAll else is fine.\n\nPost: <{post}>\n"
            )
        },
        wrong=lambda row: "fine" if row.expected != "fine" else "insult",
    )


# --- papers: several tags, and the prompt asks for one -------------------------------------------------------

_FIELDS = {
    "genetics": "genes of mice",
    "ecology": "food webs in lakes",
    "statistics": "a new test of variance",
    "climate": "rain over the Alps",
}


def _papers() -> Stranger:
    rows = []
    names = list(_FIELDS)
    for number in range(66):
        first = names[number % 4]
        second = names[(number + 1 + number // 4 % 3) % 4]
        tags = [first] if number % 3 == 0 else sorted({first, second})
        text = (
            f"Paper {number // 2}{'ab'[number % 2]} studies "
            + " and ".join(_FIELDS[tag] for tag in tags)
            + "."
        )
        rows.append(Row({"abstract": text}, tags, text, f"{len(tags)}", {"tags": tags}))

    def mind(ask: Ask, row: Row | None) -> str:
        if row is None:
            return "ecology"
        tags, rules = row.facts["tags"], rules_of(ask, row)
        several = asks(
            rules,
            r"\b(tags|labels|fields) (that|which|apply|fit)|all (the |that |of the )?(tags|labels|fields|that)|every (tag|label|field)|one or (more|several)|several|multiple|more than one|each (tag|label|field)|any number|any of|as many as|list of",
        )
        return ", ".join(tags if several else tags[:1])

    main = """
        from app.model import chat

        MESSAGES = [
            {
                "role": "system",
                "content": "You file papers under all tags that fit: genetics, ecology, statistics, climate. Answer with the bare tags, separated by commas.",
            },
        ]


        def tag(abstract):
            said = chat([*MESSAGES, {"role": "user", "content": abstract}])
            return split(said)


        def split(said):
            return sorted(part.strip() for part in said.split(",") if part.strip())


        def handle(abstract):
            return tag(abstract)
        """
    return Stranger(
        name="papers",
        shape="sets of labels, where one is asked for",
        files=project(
            {"app/model.py": OPENAI, "app/main.py": main},
            test="assert set(run.output) == set(case.expected)",
            prompts=["app/main.py::MESSAGES[0].content"],
            structure=["app/main.py"],
        ),
        rows=mixed(rows, "papers"),
        mind=mind,
        fault=Fault(
            "tag",
            "label",
            "prompt",
            {
                "app/main.py": (
                    "under all tags that fit: genetics, ecology, statistics, climate. Answer with the bare tags, separated by commas.",
                    "under a tag: genetics, ecology, statistics, climate. Answer with the bare tag.",
                )
            },
        ),
        fixes={
            "app/main.py::MESSAGES[0].content": "Give every tag that fits the paper, of genetics, ecology, statistics and climate, with commas between them and nothing else."
        },
        wrong=lambda row: ["statistics"] if "statistics" not in row.expected else ["ecology", "genetics"],
    )


STRANGERS = (_recipes(), _minutes(), _contacts(), _forum(), _papers())
