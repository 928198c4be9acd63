"""A rule is proposed only where the examples tell it from its alternatives, and of what the step is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from support.handmade import Bench, prompt_file, span, unequal

from pytest_fapo.core.candidate import Artifact
from pytest_fapo.diagnosis.attribution import diagnose
from pytest_fapo.propose.playbook.label_terms import Lexicon, terms_in
from pytest_fapo.propose.playbook.playbook import Playbook
from pytest_fapo.verdict.low_scores import with_low_scores
from pytest_fapo.verdict.policy import GatePolicy


def proposed(bench: Bench, prompt: Artifact) -> str:
    """All that is added to the prompt by any proposal."""
    cluster = diagnose(bench.evaluation, artifacts=[prompt]).clusters[0]
    proposals = Playbook().propose(bench.evidence(cluster, [prompt]))
    return "\n".join(edit.after for candidate in proposals for edit in candidate.edits)


YEARS = ("2031", "2032", "2033")


def dates(written: Sequence[tuple[str, str]]) -> str:
    prompt = prompt_file("prompts/p.md", "Give the date of the letter as JSON.\n\n{letter}")
    bench = Bench()
    pairs = [
        (said.replace("2031", year), meant.replace("2031", year)) for said, meant in written for year in YEARS
    ]
    for number, (said, meant) in enumerate(pairs):
        letter = f"Letter {number}, of {said}."
        spans = [span("date", prompt=prompt.text.format(letter=letter), answer=f'{{"date": "{said}"}}')]
        bench.run(
            {"letter": letter},
            {"date": meant},
            spans,
            {"date": said},
            explanation=unequal(said, meant),
        )
    return proposed(bench, prompt)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (
            [("03/04/2031", "2031-04-03"), ("05/11/2031", "2031-11-05")],
            "03/04 the day comes",
        ),
        (
            [("03/04/2031", "2031-03-04"), ("05/11/2031", "2031-05-11")],
            "03/04 the month comes",
        ),
        (
            [("03.04.2031", "2031-04-03"), ("05.11.2031", "2031-11-05")],
            "03.04 the day comes",
        ),
        ([("25/04/2031", "2031-04-25"), ("28/11/2031", "2031-11-28")], ""),
        ([("03/03/2031", "2031-03-03"), ("07/07/2031", "2031-07-07")], ""),
        ([("03/04/2031", "2031-04-03"), ("05/11/2031", "2031-05-11")], ""),
        ([("25/12/2031", "2031-12-25"), ("04/04/2031", "2031-04-04")], ""),
    ],
)
def test_the_order_of_day_and_month_is_learned_from_dates_with_two_readings(
    written: list[tuple[str, str]], told: str
) -> None:
    text = dates(written)
    assert "YYYY-MM-DD" in text
    assert told in text if told else "comes first" not in text


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (["03.04.2031", "25.04.2031"], "DD.MM.YYYY"),
        (["03.04.2031", "04.25.2031"], "MM.DD.YYYY"),
        (["03.04.2031", "05.06.2031"], "two digits, two digits and the year, parted by dots"),
    ],
)
def test_a_date_form_is_named_where_a_date_tells(values: list[str], told: str) -> None:
    text = dates([(f"{value[:2]}/{value[3:5]}/{value[6:]}", value) for value in values])
    assert told in text


@pytest.mark.parametrize(("size", "told"), [(2, False), (4, True)])
def test_lists_that_are_sorted_by_chance_teach_no_order(size: int, told: bool) -> None:
    prompt = prompt_file("prompts/p.md", "List what the text names, as JSON.\n\n{text}")
    bench = Bench()
    for number in range(4):
        names = [f"{letter}{number}" for letter in "abcd"[: size if number < 2 else 1]]
        given = " ".join(reversed(names))
        spans = [span("list", prompt=prompt.text.format(text=given), answer='{"names": []}')]
        bench.run({"text": given}, {"names": names}, spans, {"names": []}, explanation=unequal([], names))
    assert ("sorted alphabetically" in proposed(bench, prompt)) is told


@pytest.mark.parametrize("shown", [True, False])
def test_no_rule_speaks_of_an_input_that_the_step_is_not_shown(shown: bool) -> None:
    """The desk's remark and the channel tell the label perfectly, and so does the message."""
    prompt = prompt_file("prompts/p.md", "Which team? refund or parcel.\n\n{message}\n{remark}\n{channel}")
    bench = Bench()
    for number in range(12):
        label = ("refund", "parcel")[number % 2]
        message = ("my money is lost", "the courier is late")[number % 2]
        remark = ("cheque promised by finance", "depot in Ghent informed")[number % 2]
        inputs: dict[str, Any] = {
            "message": f"{message} again {number}",
            "remark": f"{remark} as of {number}",
            "channel": ("telephone", "counter")[number % 2],
        }
        given = inputs if shown else {**inputs, "remark": "", "channel": ""}
        answer = "refund" if number < 8 else label
        spans = [span("sort", prompt=prompt.text.format(**given), answer=answer)]
        bench.run(
            inputs,
            {"team": label},
            spans,
            answer,
            explanation="" if answer == label else unequal(answer, label),
        )
    text = proposed(bench, prompt)
    assert "courier" in text
    assert any(word in text for word in ("depot", "cheque", "telephone")) is shown


SCRAPS = {
    "login": ["the password in my account fails", "no password in the mail", "my password in the app fails"],
    "sent": ["the word appears in the bill", "it appears in the list on top", "appears in the bill for me"],
    "back": ["I sent back the lamp", "the lamp that was sent back", "sent back the lamp"],
}


def test_no_phrase_begins_or_ends_in_a_small_word() -> None:
    small = {"in", "on", "off", "out", "up", "down", "for", "the", "my", "of", "by", "it"}
    for texts in SCRAPS.values():
        for text in texts:
            phrases = [term.split() for term in terms_in(text).values()]
            assert not [words for words in phrases if {words[0], words[-1]} & small]
    assert "sent back" in [term.surface for term in Lexicon(SCRAPS).speaking("back")]


def test_small_words_of_another_language_are_known_by_standing_everywhere() -> None:
    texts = {
        "rechnung": ["die rechnung für den mai", "die rechnung für den juni", "eine rechnung für den laden"],
        "paket": ["das paket für den nachbarn", "ein paket für den laden", "das paket für den onkel"],
        "konto": ["das konto für den verein", "ein konto für den sohn", "mein konto für den betrieb"],
    }
    found = [term.surface for label in texts for term in Lexicon(texts).speaking(label)]
    assert {"rechnung", "paket", "konto"} <= set(found)
    assert not [words for words in found if {"für", "den"} & set(words.split())]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (40, "Answer with one sentence of at most 7 words."),
        (2, "Answer with at least 5 words."),
        (6, ""),
    ],
)
def test_the_length_of_the_references_is_told_where_low_scored_answers_have_another(
    words: int, told: str
) -> None:
    prompt = prompt_file("prompts/p.md", "Summarize the article.\n\n{article}")
    bench = Bench()
    for number in range(6):
        article = f"Article {number}: " + "and so it went on " * 12
        answer = " ".join(["word"] * words)
        spans = [span("summary", prompt=prompt.text.format(article=article), answer=answer)]
        expected = " ".join(["The", "plan", "was", "given", f"up{number}", *["again"] * (number % 3)]) + "."
        name = bench.run({"article": article}, expected, spans, answer)
        bench.evaluation.items[name].scores["rouge"] = 0.2
    seen = with_low_scores(bench.evaluation, GatePolicy(objectives=("rouge",)))
    bench.evaluation = seen
    cluster = diagnose(seen, artifacts=[prompt]).clusters[0]
    evidence = bench.evidence(cluster, [prompt], objectives=["rouge"])
    added = "\n".join(edit.after for each in Playbook().propose(evidence) for edit in each.edits)
    assert told in added
    assert bool(told) == ("Form of the text" in added)
