"""Words that tell labels apart."""

from __future__ import annotations

from pytest_fapo.propose.playbook.label_terms import Lexicon, names_in, stem, terms_in

TEXTS = {
    "refund": [
        "I want my money back for the kettle",
        "Please refund me, Maria said so",
        "When is the refund coming, number 4711",
        "money back now",
    ],
    "delivery": [
        "My parcel has not arrived",
        "The courier lost my parcel, ask Maria",
        "Where is the courier with order 4711",
        "the parcel was left outside",
    ],
}


def test_forms_of_a_word_share_a_stem() -> None:
    assert len({stem(word) for word in ("refund", "refunds", "refunded", "refunding")}) == 1
    assert stem("deliver") == stem("delivered")
    assert stem("Customer's") == stem("customer")


def test_numbers_addresses_and_common_words_are_no_terms() -> None:
    terms = terms_in("Order 4711 for anna@example.org, see https://shop.example/x?y, please and thank you")
    assert set(terms.values()) == {"order"}


def test_negations_make_phrases() -> None:
    assert "not arrived" in terms_in("it has not arrived").values()


def test_names_are_told_by_their_capitals() -> None:
    assert stem("Maria") in names_in(["ask Maria, the courier", "yes, Maria said"])
    assert stem("courier") not in names_in(["ask Maria, the courier"])


def test_a_few_terms_cover_the_texts_of_a_label() -> None:
    lexicon = Lexicon(TEXTS)
    words = {label: [term.surface for term in lexicon.cover(label, 3)] for label in TEXTS}
    assert words["delivery"] == ["parcel", "courier"]
    assert words["refund"][0] in ("refund", "money back")
    assert "maria" not in words["refund"] + words["delivery"]


def test_words_of_one_case_alone_are_never_taken() -> None:
    assert all(term.hits >= 2 for label in TEXTS for term in Lexicon(TEXTS).speaking(label))
