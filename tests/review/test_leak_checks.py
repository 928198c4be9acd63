"""Texts that give cases away are blocked; texts that a prompt must be able to hold are not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.review_project import SPLITS, Reviewed, checks, words

from pytest_fapo.core.case import Case

PROMPT = "Sort the ticket into one of our teams.\n\n{ticket}\n\nBe careful with items that arrive broken.\n"

TICKETS = [
    ("billing", "I was charged twice for my Pro subscription in March, please look into it"),
    ("billing", "Why does the invoice KD-55310 show a VAT rate of 19 percent for Norway?"),
    ("billing", "My direct debit bounced and now there is a fee of 12 euros on top"),
    ("shipping", "The parcel with my espresso machine has been stuck in Rotterdam since Tuesday"),
    ("shipping", "Courier left the package with a neighbour named Kowalski who is on holiday"),
    ("shipping", "Can I still change the delivery address to my office in Lyon?"),
    ("account", "I cannot log in after the password reset, the link says expired"),
    ("account", "Please delete my profile and everything stored under mara.lind@example.org"),
    ("account", "Two-factor codes never reach my new phone number, what now"),
    ("refund", "The blender broke after two days and I would like my money back"),
    ("refund", "You promised a refund for the cancelled cooking class in Graz, nothing came"),
    ("refund", "How long until the money for the returned saucepan is on my card?"),
]

ANSWERS = [
    "the double charge goes back",
    "Norwegian customers pay nineteen",
    "fee waived once",
    "Rotterdam depot",
]


def make_cases() -> list[Case]:
    return [
        Case(
            id=f"tk-{100 + number}",
            inputs={"ticket": text},
            expected={"team": team, "key_fact": ANSWERS[number] if number < len(ANSWERS) else None},
            split=SPLITS[number % 3],
        )
        for number, (team, text) in enumerate(TICKETS)
    ]


@pytest.fixture
def project(tmp_path: Path) -> Reviewed:
    return Reviewed(tmp_path, {"p.md": PROMPT}, make_cases())


ALLOWED = {
    "labels": "Answer with exactly one of: billing, shipping, account, refund.",
    "label table": "1: billing\n2: shipping\n3: account\n4: refund",
    "definitions": (
        "- billing: wrong or double charges, invoices, VAT, fees, direct debit\n"
        "- shipping: parcels that are late, stuck or left with a neighbour, delivery addresses\n"
        "- account: login, password reset, two-factor codes, deleting a profile\n"
        "- refund: money back for broken, returned or cancelled things"
    ),
    "keyword rules": "If the customer wants their money back -> refund\nIf a parcel is late -> shipping",
    "contract": 'Answer as JSON with the keys "team" and "key_fact", such as {{"team": "billing"}}.',
    "numbers": "Use at most 12 words, 19 at the very most, on 2 lines.",
    "common phrases": "Please look at what the customer would like to have, and answer in one word.",
    "made-up identifier": "Invoice numbers look like KD-00000.",
    "quoted label": 'Write "refund" when money has to go back to the customer.',
    "what stood there": "Again: be careful with items that arrive broken.",
}

LEAKS = {
    "case id": "Mind the cases tk-100 and others.",
    "case id respelled": "Mind case TK_100 and TK 100.",
    "sentence": "Example: I was charged twice for my Pro subscription in March, look into it -> billing",
    "part of a sentence": "Someone who was charged twice for my Pro subscription belongs to billing.",
    "upper case": "I WAS CHARGED TWICE FOR MY PRO SUBSCRIPTION IN MARCH",
    "punctuation": "I... was, charged; twice - for: my (Pro) subscription!",
    "underscores": "i_was_charged_twice_for_my_pro_subscription_in_march",
    "line breaks": "I was charged\ntwice for\n\nmy Pro\tsubscription   in March",
    "zero-width": "I was char\u200bged twi\u00adce for my Pro subscription in March",
    "full-width": "Ｉ ｗａｓ ｃｈａｒｇｅｄ ｔｗｉｃｅ ｆｏｒ ｍｙ Ｐｒｏ ｓｕｂｓｃｒｉｐｔｉｏｎ",
    "accents": "Í wás chárged twícé fór mý Pró subscríptíon",
    "letter-spaced": " ".join("Iwaschargedtwiceformyprosubscriptioninmarchpleaselookintoit"),
    "run together": "iwaschargedtwiceformyprosubscriptioninmarchpleaselookintoit",
    "small words changed": "The customer was charged twice for the Pro subscription this March.",
    "another order": "In March a Pro subscription was charged twice: please look (billing).",
    "quoted hint": 'If the customer writes "espresso machine has been stuck" it is shipping.',
    "literal answer": "The key fact is often: the double charge goes back.",
    "identifier": "KD-55310 is billing.",
    "address": "Profiles such as mara.lind@example.org are account.",
    "table by input": (
        "charged twice Pro subscription -> billing\nneighbour Kowalski holiday -> shipping\n"
        "blender broke after two days -> refund"
    ),
    "conditions": (
        "If the ticket mentions Rotterdam and Tuesday, answer shipping. If the ticket mentions bounced "
        "debit, answer billing. If the message says cooking class Graz, answer refund."
    ),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_what_a_prompt_may_say(project: Reviewed, name: str) -> None:
    result = project.add(ALLOWED[name])
    assert result.problems == []


@pytest.mark.parametrize("name", LEAKS)
def test_what_gives_cases_away(project: Reviewed, name: str) -> None:
    result = project.add(LEAKS[name])
    assert checks(result)
    assert set(checks(result)) - {"invisible"} == {"leakage"}


@pytest.mark.parametrize("split", SPLITS)
def test_every_input_as_a_demonstration_and_only_train_is_named(project: Reviewed, split: str) -> None:
    for case in project.cases:
        if case.split == split:
            assert isinstance(case.inputs, dict)
            result = project.add(f"Example: {case.inputs['ticket']}")
            assert checks(result) == ["leakage"], case.inputs
            shown = words(result)
            assert (case.id in shown) == (split == "train")
            hidden_words = set(str(case.inputs["ticket"]).casefold().split()) - set(shown.casefold().split())
            assert split == "train" or len(hidden_words) > 3
            assert split == "train" or "outside of train (not shown)" in shown


@pytest.mark.parametrize("number", [1, 2, 3])
def test_answers_and_ids_of_every_split(project: Reviewed, number: int) -> None:
    case = project.cases[number]
    for leak in (f"See {case.id}.", f"The fact is: {ANSWERS[number]}."):
        result = project.add(leak)
        assert checks(result) == ["leakage"], leak
        assert (case.id in words(result)) == (case.split == "train")
        assert (ANSWERS[number].casefold() in words(result)) == (case.split == "train" and "fact" in leak)


def test_messages_say_what_would_pass(project: Reviewed) -> None:
    message = words(project.add("Example: I was charged twice for my Pro subscription in March -> billing"))
    assert "copies text of 1 train case (tk-100: " in message
    assert "say what all such cases have in common" in message


def test_a_text_may_keep_what_it_had_even_if_a_case_says_the_same(tmp_path: Path) -> None:
    quote = "I was charged twice for my Pro subscription in March, please look into it"
    project = Reviewed(tmp_path, {"p.md": f"Example: {quote}\n", "q.md": "Sort.\n"}, make_cases())
    assert project.edit("p.md", f"Rules first.\nExample: {quote}\n").verdict == "pass"
    assert project.edit("q.md", f"Sort.\nExample: {quote}\n").verdict == "pass"


def questions() -> list[Case]:
    pairs = [
        ("Which city has the Charles Bridge?", "Prague"),
        ("Who wrote Effi Briest?", "Theodor Fontane"),
        ("Is the Danube longer than the Rhine?", "yes"),
        ("Is Malta larger than Sicily?", "no"),
        ("Is iron a metal?", "yes"),
        ("Is a whale a fish?", "no"),
        ("How many moons has Mars?", "2"),
        ("In which year did the wall fall?", "1989"),
        ("Which sea lies between Italy and Croatia?", "Adriatic"),
    ]
    return [
        Case(id=str(number), inputs=question, expected=answer, split=SPLITS[number % 3])
        for number, (question, answer) in enumerate(pairs, 1)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Answer yes or no where it can be answered so.",
        "1. Read. 2. Answer in at most 2 words.",
        "Give years as four digits.",
        "Name the city, the person or the sea only.",
    ],
)
def test_open_questions_what_passes(tmp_path: Path, text: str) -> None:
    assert Reviewed(tmp_path, {"p.md": "Answer.\n"}, questions()).add(text).problems == []


@pytest.mark.parametrize(
    "text",
    [
        "Think of Prague.",
        "It may be THEODOR  FONTANE.",
        "The wine-dark adriatic.",
        "1: Prague\n2: Theodor Fontane\n3: yes\n4: no\n5: yes\n6: no\n7: 2\n8: 1989",
        "3 -> yes\n4 -> no\n5 -> yes\n6 -> no\n7 -> 2",
        "Is iron a metal? yes",
        'Known questions: "How many moons has Mars?"',
    ],
)
def test_open_questions_what_is_blocked(tmp_path: Path, text: str) -> None:
    result = Reviewed(tmp_path, {"p.md": "Answer.\n"}, questions()).add(text)
    assert checks(result)
    assert set(checks(result)) == {"leakage"}


def test_codes_that_come_back_make_a_set_of_labels(tmp_path: Path) -> None:
    codes = [79, 79, 89, 416, 416, 22, 787, 352, 79, 20]
    cases = [
        Case(id=f"c{n}", inputs=f"flaw number {n}", expected=f"CWE-{code}") for n, code in enumerate(codes)
    ]
    text = "Answer with one of CWE-20, CWE-22, CWE-79, CWE-89, CWE-352, CWE-416, CWE-787."
    assert Reviewed(tmp_path, {"p.md": "Map.\n"}, cases).add(text).problems == []


def test_labels_of_steps_are_labels(tmp_path: Path) -> None:
    cases = [
        Case(id=f"s{n}", inputs=f"text number {n}", expected_steps={"triage": {"any_of": ["alpha", "beta"]}})
        for n in range(6)
    ]
    assert Reviewed(tmp_path, {"p.md": "Sort.\n"}, cases).add("Answer alpha or beta.").problems == []


def test_scripts_without_spaces(tmp_path: Path) -> None:
    cases = [
        Case(id="j1", inputs="注文した鍋がまだ届いていませんので確認してください", expected="shipping"),
        Case(id="j2", inputs="請求書の金額が間違っているようです", expected="billing", split="val"),
    ]
    project = Reviewed(tmp_path, {"p.md": "分類してください。\n"}, cases)
    assert checks(project.add("例:注文した鍋がまだ届いていません")) == ["leakage"]
    assert project.add("短く答えてください。").problems == []


@pytest.mark.parametrize(
    "garbage",
    ["{{" * 9000, "{{" + " " * 18000, "{" * 18000, "[" * 18000, " " * 9000 + "x", '"' * 9000, "$%" * 9000],
)
def test_garbage_is_answered(project: Reviewed, garbage: str) -> None:
    assert project.edit("p.md", garbage).verdict == "block"


def test_the_cost_grows_with_the_cases_and_no_faster(tmp_path: Path) -> None:
    """Counted in calls of functions: a machine's hurry is no measure."""
    few, many = (_calls(tmp_path / str(size), size) for size in (200, 600))
    assert many < 3.3 * few


def _calls(folder: Path, size: int) -> int:
    cases = [
        Case(
            id=f"n{n}",
            inputs=f"order {n} of {n * 7 % 13} lamps came late, "
            + " ".join(f"w{n * k % 97}x" for k in range(9)),
            expected=["late", "lost", "broken"][n % 3],
        )
        for n in range(size)
    ]
    desk = Reviewed(folder, {"p.md": "Sort.\n"}, cases)
    text = "\n".join(f"- late: lamps that came late, whatever their number {k}" for k in range(20))
    counted = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal counted
        counted += 1

    sys.setprofile(count)
    try:
        desk.add(text + "\nExample: order 7 of 10 lamps came late, w0x w7x w14x w21x w28x w35x w42x")
    finally:
        sys.setprofile(None)
    return counted
