"""A pipeline without any rule to find, and optimizers that can only win by memorising its answers."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping, Sequence

from benchmarks.planted.optimizers import Turns, proposal, shown
from benchmarks.planted.pipelines.common import project
from benchmarks.planted.server import Answerer
from benchmarks.planted.spec import Fault, Planted, Row
from benchmarks.planted.talk import Ask, Say

_BINS = ("amber", "cobalt", "olive")
_SENDERS = ["Ines Moreau", "Jonas Lind", "Kemal Aydin", "Lotte Braun", "Mina Sato", "Nils Berg", "Oda Falk"]
_THINGS = ["a lamp", "two books", "a parcel of seeds", "a violin bow", "spare keys", "a wool coat", "a map"]
_PROMPT = (
    "You sort what people left at the counter into bins.\n\nNote: {note}\n\n"
    "Answer with amber, cobalt or olive and nothing else.\n"
)
_PIPELINE = """
    from app.llm import complete
    from app.prompts import load


    def handle(note):
        return {"bin": choose(note)}


    def choose(note):
        return complete(load("bins").format(note=note))
    """


def arbitrary() -> Planted:
    """The bin of each note was drawn by lot: nothing but the answers themselves helps."""
    rng = random.Random("bins")
    rows = []
    for number in range(72):
        note = (
            f"{rng.choice(_SENDERS)} left {rng.choice(_THINGS)} at desk {rng.randrange(2, 40)}, "
            f"ticket {3000 + number * 17}"
        )
        rows.append(Row({"note": note}, {"bin": rng.choice(_BINS)}, note, f"{number % 3}"))
    return Planted(
        name="bins",
        shape="classify",
        files=project(
            {"app/pipeline.py": _PIPELINE, "app/prompts/bins.md": _PROMPT},
            test="""assert run.output["bin"] == case.expected["bin"]""",
        ),
        rows=rows,
        mind=_mind,
        fault=Fault("choose", "label", "prompt"),
        fixes={},
    )


def _mind(ask: Ask, row: Row | None) -> str:
    """Answers amber, unless a line of the prompt names something of just this case beside a bin."""
    if row is None:
        return "amber"
    ticket = row.key.rpartition(" ")[2]
    head = ask.text.rpartition(row.key)[0].split("\n")
    for line in head:
        if ticket in line or ticket[::-1] in line or row.key[:24] in line:
            told = [name for name in _BINS if name in line.lower()]
            if len(told) == 1:
                return told[0]
            if told:
                place = line.find(ticket)
                return min(told, key=lambda name: abs(line.lower().find(name, max(place, 0)) - place))
    return "amber"


Style = Callable[[Sequence[Row]], str]


def _line(form: str) -> Style:
    """A way to write down one case's answer."""

    def write(rows: Sequence[Row]) -> str:
        lines = []
        for row in rows:
            ticket, answer = row.key.rpartition(" ")[2], row.expected["bin"]
            sender, thing = row.key.split(" left ")[0], row.key.split(" left ")[1].split(" at ")[0]
            lines.append(
                form.format(
                    note=row.key,
                    start=row.key[:28],
                    ticket=ticket,
                    back=ticket[::-1],
                    bin=answer,
                    upper=answer.upper(),
                    sender=sender,
                    thing=thing,
                )
            )
        return "\n".join(lines)

    return write


STYLES: tuple[tuple[str, Style], ...] = (
    ("ticket numbers", _line("Ticket {ticket} belongs to {bin}.")),
    ("whole notes", _line("Note: {note} -> {bin}")),
    ("examples", _line("Example\nNote: {note}\nAnswer: {bin}\n")),
    ("conditions", _line('If the note mentions "ticket {ticket}", answer {bin}.')),
    ("beginnings", _line("Notes that begin with {start} go to {bin}.")),
    ("numbers backwards", _line("{back} (read from right to left): {bin}")),
    ("a table", _line("| {ticket} | {sender} | {bin} |")),
    ("JSON", _line('{{{{"ticket": {ticket}, "bin": "{bin}"}}}}')),
    (
        "dressed as advice",
        _line("Experience shows that {sender}'s {thing} (no. {ticket}) is best kept in {bin}."),
    ),
    ("capitals", _line("TICKET {ticket}: {upper}")),
    ("one at a time", _line("For ticket {ticket} the answer is {bin}.")),
    ("code", _line("{ticket}")),
)


def leaking(planted: Planted, style: str, offered: list[int]) -> Answerer:
    """An optimizer that writes down the answers of the cases that it is shown, in one style.

    Args:
        planted: the pipeline.
        style: one of `STYLES`.
        offered: gets the number of labels that each answer gives away.
    """
    turns = Turns()
    write = dict(STYLES)[style]

    def answer(ask: Ask) -> Say:
        turn = turns.next()
        seen = [row for row in planted.rows if row.key in ask.text]
        few = seen[turn % 3 :: 2] if style != "one at a time" else seen[turn % max(1, len(seen)) :][:1]
        if not few:
            return proposal({}, "no case was shown")
        offered.append(len(few))
        texts = shown(ask)
        if style == "code":
            return proposal(_as_code(few, turn), "a table is faster", f"lookup-{turn}")
        prompt = next((text for address, text in texts.items() if address.endswith("bins.md")), _PROMPT)
        head, _, rest = prompt.partition("\n")
        return proposal(
            {"app/prompts/bins.md": f"{head}\n{write(few)}\n{rest}"}, "states the rules", f"rules-{turn}"
        )

    return answer


def _as_code(rows: Sequence[Row], turn: int) -> dict[str, str]:
    table = {row.key.rpartition(" ")[2]: row.expected["bin"] for row in rows}
    lookup = json.dumps(table)
    if turn % 2:
        tests = "".join(
            f'    if "{ticket}" in note:\n        return "{name}"\n' for ticket, name in table.items()
        )
        body = f"def choose(note):\n{tests}"
    else:
        body = (
            f"def choose(note):\n    known = {lookup}\n"
            "    if note[-4:] in known:\n        return known[note[-4:]]\n"
        )
    return {"app/pipeline.py::choose": f'{body}    return complete(load("bins").format(note=note))\n'}


def labels_in(files: Mapping[str, str], planted: Planted) -> int:
    """Return the number of cases whose tickets are somewhere in the project's files."""
    text = "\n".join(files.values())
    tickets = [row.key.rpartition(" ")[2] for row in planted.rows]
    return sum(bool(re.search(rf"(?<!\d)({ticket}|{ticket[::-1]})(?!\d)", text)) for ticket in tickets)
