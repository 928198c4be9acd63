"""The playbook corrects what a prompt says wrongly, and adds what the labels show that it does not say."""

from __future__ import annotations

from typing import Any

import pytest
from support.handmade import Bench, lacks, prompt_file, span, unequal

from pytest_fapo.diagnosis.attribution import diagnose
from pytest_fapo.propose.playbook.answer_language import language_of
from pytest_fapo.propose.playbook.playbook import Playbook


def texts(bench: Bench, prompt: str) -> dict[str, str]:
    """The technique of each proposal, and the whole prompt that it gives."""
    artifact = prompt_file("prompts/p.md", prompt)
    cluster = diagnose(bench.evaluation, artifacts=[artifact]).clusters[0]
    proposals = Playbook().propose(bench.evidence(cluster, [artifact]))
    return {each.technique: each.edits[0].after for each in reversed(list(proposals))}


def answered(bench: Bench, prompt: str, text: str, label: Any, said: Any, output: Any = None) -> None:
    asked = span("answer", output, prompt=prompt.format(text=text), answer=str(said))
    given = said if output is None else output
    words = "" if given == label else unequal(given, label)
    bench.run({"text": text}, label, [asked], given, explanation=words)


POSTS = {
    "threat": ["lock your door", "I know your car", "wait outside"],
    "insult": ["you clown", "dumb as a brick"],
}


def posts(prompt: str) -> Bench:
    bench = Bench()
    for number in range(4):
        for label, said in (("threat", "insult"), ("insult", "threat"), ("fine", "fine")):
            text = f"{POSTS.get(label, ['thanks a lot'])[number % 2 % len(POSTS.get(label, ['']))]}, {number}"
            answered(bench, prompt, text, label, said)
    return bench


@pytest.mark.parametrize("mark", ["- {}: ", "* **{}**: ", "{} means "])
def test_definitions_that_are_mixed_up_are_exchanged(mark: str) -> None:
    first, second, third = (mark.format(label) for label in ("threat", "insult", "fine"))
    prompt = f"Label the post.\n{first}calls names\n{second}announces harm\n{third}all else\n\n{{text}}\n"
    after = texts(posts(prompt), prompt)["definitions exchanged"]
    assert after == prompt.replace(first, "#").replace(second, first).replace("#", second)


def test_definitions_are_not_exchanged_where_one_label_alone_is_missed() -> None:
    prompt = "Label the post.\n- threat: harm\n- insult: names\n- fine: all else\n\n{text}\n"
    bench = Bench()
    for number in range(4):
        for label, said in (("threat", "insult"), ("insult", "insult"), ("fine", "fine")):
            answered(bench, prompt, f"{POSTS.get(label, ['thanks a lot'])[0]}, {number}", label, said)
    assert "definitions exchanged" not in texts(bench, prompt)


def test_an_example_that_teaches_the_wrong_label_is_corrected_or_removed() -> None:
    bad, good = "Oh wonderful, a clock that runs backwards. -> {}", "Would buy it again. -> positive"
    prompt = (
        f"Positive or negative?\n\n{bad.format('positive')}\n{good}\nIn pieces. -> negative\n\n{{text}} ->"
    )
    bench = Bench()
    for number, thing in enumerate(("lamp", "tent", "boot", "kettle")):
        answered(bench, prompt, f"Oh wonderful, a {thing} that leaks, {number}", "negative", "positive")
        answered(bench, prompt, f"My {thing} is lovely, {number}", "positive", "positive")
        answered(bench, prompt, f"The {thing} broke, {number}", "negative", "negative")
    found = texts(bench, prompt)
    assert found["misleading example"] == prompt.replace(bad.format("positive"), bad.format("negative"))
    assert found["misleading example (variant 2)"] == prompt.replace(f"{bad.format('positive')}\n", "")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Ja, hinter dem Haus.", "German"),
        ("Oui, derrière la maison.", "French"),
        ("Yes, behind the house.", "English"),
        ("Да, за домом.", "Russian or Ukrainian"),
        ("ok", ""),
    ],
)
def test_a_language_is_told_by_its_small_words(text: str, language: str) -> None:
    assert language_of(text) == language


def test_an_example_that_is_like_no_failing_case_stays() -> None:
    prompt = "Positive or negative?\n\nWould buy this thing again. -> positive\n\n{text} ->"
    bench = Bench()
    for number, thing in enumerate(("lamp", "tent", "boot", "kettle")):
        answered(bench, prompt, f"Oh wonderful, a {thing} that leaks, {number}", "negative", "positive")
        answered(bench, prompt, f"My {thing} is lovely, {number}", "positive", "positive")
    assert not any(technique.startswith("misleading") for technique in texts(bench, prompt))


def test_answers_in_another_language_than_their_labels_are_asked_for_in_that_of_the_input() -> None:
    prompt = "You answer mails in one short sentence.\n\n{text}"
    bench = Bench()
    for number in range(4):
        answered(bench, prompt, f"Ist ein Hund im Haus erlaubt? {number}", "Ja, das ist er.", "Yes, it is.")
        answered(
            bench,
            prompt,
            f"Est-ce que vous avez un parking ? {number}",
            "Oui, il y en a un.",
            "Yes, there is one.",
        )
        answered(
            bench, prompt, f"Is there a car park for us? {number}", "Yes, there is one.", "Yes, there is one."
        )
    assert "Answer in the language of the mail" in texts(bench, prompt)["language"]


PARTS = {"genes": "genetics", "lakes": "ecology", "rain": "climate"}


def test_that_several_labels_apply_is_said_where_answers_give_one() -> None:
    prompt = "File the paper under a tag.\n\n{text}"
    bench = Bench()
    for number in range(12):
        parts = [list(PARTS)[number % 3], list(PARTS)[(number + 1) % 3]][: 1 + number % 2]
        tags = sorted(PARTS[part] for part in parts)
        answered(bench, prompt, f"On {' and '.join(parts)}, {number}", tags, tags[0], tags[:1])
    told = texts(bench, prompt)["value form"]
    assert "Often more than one applies: give every one of these that applies, separated by commas" in told


@pytest.mark.parametrize("reverse", [False, True])
def test_the_order_of_a_list_is_learned_from_what_stands_with_its_entries(reverse: bool) -> None:
    prompt = "List the events as a JSON array.\n\n{text}"
    bench = Bench()
    for number in range(6):
        years = {f"zoo {number}": 1850, f"barn {number}": 1900 - number, f"mill {number}": 1820 + number}
        text = " ".join(f"In {year} came the {name}." for name, year in years.items())
        ordered = sorted(years, key=lambda name: years[name], reverse=reverse)
        said = str(list(years)).replace("'", '"')
        answered(bench, prompt, text, ordered, said, list(years))
    told = "by year, the latest first" if reverse else "by year, the earliest first"
    assert told in texts(bench, prompt)["value form"]


def replies(bench: Bench, label: dict[str, Any], text: str, said: str, missing: str) -> None:
    steps = [span("reply", prompt=f"Reply: {text}", answer=said)]
    bench.run({"message": text}, label, steps, said, explanation=lacks(missing, said) if missing else "")


def test_a_phrase_is_due_where_the_input_says_so() -> None:
    bench = Bench()
    for number in range(6):
        refund = number % 2 == 0
        text = f"A strap is missing. {'I want my money back' if refund else 'What can I do'}, {number}"
        replies(
            bench, {"must": ["14 days"] if refund else []}, text, "We are sorry.", "14 days" if refund else ""
        )
    told = texts(bench, "Reply: {message}")["required content"]
    assert 'If the message says "money back", include the words "14 days".' in told


def test_what_is_missing_is_named_by_its_kind_though_the_assertion_is_on_a_share() -> None:
    bench = Bench()
    prompt = "Sum it up.\n\n{text}"
    for number in range(8):
        facts = [f"Ana{number}", *([f"{number + 3} March"] if number % 2 else [])]
        text = f"{facts[0]} calls the printer{' by ' + facts[1] if number % 2 else ''}."
        said = f"{facts[0]} calls the printer."
        words = f"AssertionError: lacks {facts[1:]}\nassert (1 / 2) >= 0.9" if number % 2 else ""
        steps = [span("sum_up", prompt=prompt.format(text=text), answer=said)]
        bench.run({"text": text}, {"facts": facts}, steps, said, explanation=words)
    assert "Repeat the dates from the" in texts(bench, prompt)["required content"]
