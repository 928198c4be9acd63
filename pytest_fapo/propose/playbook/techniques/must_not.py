"""What a text must not contain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pytest_fapo.propose.playbook.advice import Advice
from pytest_fapo.propose.playbook.view import View
from pytest_fapo.reading.requirements import name_kind, phrases

NAME = "forbidden content"
MOST_PHRASES = 25


def must_not(view: View) -> Iterator[Advice]:
    """List the words that labels or assertions forbid."""
    if view.cluster.category != "requirement":
        return
    sinners = [
        seen for seen in view.targets if any(demand.kind == "exclude" for demand in seen.blamed_demands)
    ]
    counts: Counter[str] = Counter()
    names = [name for name in view.fields.expected if name and name_kind(name) == "exclude"]
    for seen in view.seen:
        for name in names:
            counts.update(dict.fromkeys(phrases(view.expected(seen, name)), 1))
        for demand in seen.demands:
            if demand.kind == "exclude" and isinstance(demand.value, str):
                counts[demand.value] += 1
    recurring = [phrase for phrase, count in counts.items() if count >= 2][:MOST_PHRASES]
    if not recurring:
        return
    words = ", ".join(f'"{phrase}"' for phrase in recurring)
    yield Advice(
        NAME,
        "What the text must not contain",
        [f"Never write any of these, in any sentence: {words}."],
        "The text uses words that are not allowed, and the prompt does not say so.",
        mends=frozenset(nodeid for seen in sinners for nodeid in seen.targets),
    )
