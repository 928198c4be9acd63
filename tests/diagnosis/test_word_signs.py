"""Words that chance, or one text over again, makes go with a label accuse no right label of another one."""

from __future__ import annotations

import random
from typing import Any

import pytest
from support.handmade import Bench, span, unequal

from pytest_fapo.core.diagnosis import Diagnosis
from pytest_fapo.diagnosis.attribution import diagnose

TEXTS = {
    "billing": (
        "refund my order of {}",
        "I was charged twice for {}",
        "the bill for {} lacks our tax number",
    ),
    "bug": ("{} crashes when I save", "an error appears in {} after login", "the export of {} is broken"),
    "feature": ("add dark mode to {}", "it would be great if {} could sync", "I wish {} had folders"),
    "question": ("how do I install {}", "where is the log of {}", "how many users may use {}"),
}
MANNERS = ("please {}", "hello, {}", "{}", "{}", "{}, thanks", "dear team, {}", "{} for now", "{} as we said")
NAMES = ("Atlas", "Ledger", "Scribe", "Beacon")


def ticket(bench: Bench, text: str, label: str, said: str) -> str:
    words = "" if said == label else unequal(said, label)
    return bench.run(
        text, label, [span("sort", prompt=f"Sort: {text}", answer=said)], said, explanation=words
    )


def accused(bench: Bench) -> set[str]:
    found: Diagnosis = diagnose(bench.evaluation, artifacts=[])
    return {suspect.nodeid for suspect in found.suspects}


def tickets(seed: int, manners: str, answers: str) -> tuple[set[str], set[str]]:
    """(accused, wrongly labeled): of 36 tickets three have a label that is wrong.

    Args:
        seed: of the random choices.
        manners: "of texts" where every text has its own words of politeness, "free" where any has.
        answers: "in words" (a sentence in half of the cases), "one label" (too often `bug`) or "right".
    """
    rng, bench, wrong, said = random.Random(seed), Bench(), set(), ""
    own = {text: rng.choice(MANNERS) for texts in TEXTS.values() for text in texts}
    for number in range(36):
        right = rng.choice(list(TEXTS))
        text = rng.choice(TEXTS[right])
        manner = own[text] if manners == "of texts" else rng.choice(MANNERS)
        label = rng.choice([each for each in TEXTS if each != right]) if number % 12 == 5 else right
        said = right
        if rng.random() < 0.5 and answers != "right":
            said = "bug" if answers == "one label" else f"This is a {right} ticket."
        nodeid = ticket(bench, manner.format(text).format(rng.choice(NAMES)), label, said)
        wrong |= {nodeid} if label != right else set()
    return accused(bench), wrong


@pytest.mark.parametrize("manners", ["of texts", "free"])
@pytest.mark.parametrize("answers", ["in words", "one label", "right"])
def test_hardly_a_right_label_is_doubted_whatever_words_come_with_it(manners: str, answers: str) -> None:
    runs = [tickets(seed, manners, answers) for seed in range(8)]
    assert sum(len(doubted - wrong) for doubted, wrong in runs) <= 2  # of 264
    assert sum(len(doubted & wrong) for doubted, wrong in runs) >= 8  # of 24


def polite(bench: Bench, refunds: tuple[str, ...], said: str) -> str:
    """All requests for features say please, and so does one of billing; those of billing have `for`."""
    for name in NAMES:
        ticket(bench, f"Please add dark mode to {name}.", "feature", "feature")
        ticket(bench, f"I was charged twice for {name}.", "billing", "billing")
        ticket(bench, f"Send the bill for {name} again.", "billing", "billing")
        ticket(bench, f"{name} crashes when I save.", "bug", "bug")
        ticket(bench, f"Where is the log of {name}?", "question", "question")
    for text in refunds:
        ticket(bench, text, "billing", "billing")
    return ticket(bench, "Please refund my order of Beacon.", "billing", said)


@pytest.mark.parametrize(
    ("refunds", "said"),
    [
        ((), "This is a bug ticket."),
        (("I want a refund for Scribe.",), "This is a bug ticket."),
        (("I want a refund for Scribe.", "A refund for Atlas, soon"), "feature"),
    ],
)
def test_one_text_over_again_lets_no_word_of_it_speak_against_a_label(
    refunds: tuple[str, ...], said: str
) -> None:
    bench = Bench()
    polite(bench, refunds, said)
    assert accused(bench) == set()


def test_a_word_of_many_texts_that_the_answer_confirms_is_a_sign() -> None:
    bench = Bench()
    for verb in ("add", "offer", "build", "show", "bring", "allow"):
        for name in NAMES[:2]:
            ticket(bench, f"{verb} some shortcut in {name}", "feature", "feature")
            ticket(bench, f"{name} {verb}s an error at noon", "bug", "bug")
    nodeid = ticket(bench, "make one shortcut for Scribe", "bug", "feature")
    assert accused(bench) == {nodeid}


def same_input(bench: Bench, *labels: str) -> list[str]:
    """The same ticket with several labels; the pipeline always says `bug`."""
    return [ticket(bench, "An error appears in Atlas after login", label, "bug") for label in labels]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (("bug", "bug", "billing"), [2]),
        (("billing", "billing", "bug"), []),
        (("billing", "bug"), [0]),
    ],
)
def test_of_several_labels_of_one_input_the_rarest_is_doubted(labels: Any, expected: list[int]) -> None:
    bench = Bench()
    for name in NAMES:
        ticket(bench, f"Where is the log of {name}?", "question", "question")
    nodeids = same_input(bench, *labels)
    assert accused(bench) == {nodeids[number] for number in expected}
