"""Labels that break a rule which nearly all others keep are doubted, and no others."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from support.handmade import Bench, span, unequal

from pytest_fapo.core.diagnosis import Finding
from pytest_fapo.diagnosis.attribution import diagnose


def _case(bench: Bench, text: str, label: Any, said: Any, *steps: dict[str, Any], given: str = "") -> str:
    words = "" if said == label else unequal(said, label)
    asked = span("answer", prompt=f"{given or text}\nAnswer:", answer=str(said))
    spans = [*steps, asked, span("value", {"value": said}, inputs={"said": str(said)})]
    return bench.run({"text": text}, {"value": label}, spans, {"value": said}, explanation=words)


def _suspects(bench: Bench) -> list[Finding]:
    return diagnose(bench.evaluation, artifacts=[]).suspects


SHELVES = {"a saw": "tools", "a cake tin": "baking", "a kite": "toys", "a hose": "yard"}


def test_a_label_of_a_text_that_differs_from_others_in_numbers_alone() -> None:
    bench = Bench()
    for number in range(3):
        for text, shelf in SHELVES.items():
            _case(bench, f"Item {number + 10}: {text}", shelf, shelf)
    nodeid = _case(bench, "Item 77: a kite", "baking", "toys")
    (suspect,) = _suspects(bench)
    assert suspect.nodeid == nodeid
    assert "differs in numbers alone" in suspect.evidence


def test_numbers_that_decide_let_texts_of_the_same_words_have_several_labels() -> None:
    bench = Bench()
    for number in range(4):
        for weight, shelf in ((number + 1, "top"), (number + 50, "bottom")):
            _case(bench, f"A box of {weight} kilos", shelf, shelf)
    _case(bench, "A box of 30 kilos", "middle", "bottom")
    assert _suspects(bench) == []


@pytest.mark.parametrize("said", ["slow", "fast"])
def test_a_label_on_the_wrong_side_of_a_number(said: str) -> None:
    bench = Bench()
    for number in range(8):
        for speed, pace in ((number + 3, "slow"), (number + 60, "fast")):
            _case(bench, f"A runner of {speed} points from town {number * 7}", pace, pace)
    nodeid = _case(bench, "A runner of 63 points from town 5", "slow" if said == "fast" else "none", said)
    assert [each.nodeid for each in _suspects(bench)] == [nodeid]


def test_a_label_that_a_word_of_the_input_explains_is_no_suspect_of_its_number() -> None:
    bench = Bench()
    for number in range(9):
        for speed, pace in ((number + 3, "slow"), (number + 60, "fast")):
            _case(bench, f"A runner of {speed} points", pace, pace)
    for odd in (60.5, 63.5, 66.5, 68.5):
        _case(bench, f"A runner of {odd} points, injured", "slow", "fast")
    assert _suspects(bench) == []


def test_a_number_that_is_another_multiple_than_in_all_cases_of_its_unit() -> None:
    bench = Bench()
    for number in range(1, 7):
        _case(bench, f"{number} dozen eggs", number * 12, number * 12)
        _case(bench, f"{number + 9} score sheep", (number + 9) * 20, (number + 9) * 20)
    nodeid = _case(bench, "8 dozen eggs", 80, 90)
    (suspect,) = _suspects(bench)
    assert suspect.nodeid == nodeid
    assert suspect.actual == 96


FORMULAS: dict[str, Callable[[int, int], float]] = {
    "{} boxes at {} each": lambda one, other: one * other,
    "{} men and {} women": lambda one, other: one + other,
    "from page {1} to page {0}": lambda one, other: one - other,
    "{} less {} %": lambda one, other: one * (100 - other) / 100,
}


@pytest.mark.parametrize("text", FORMULAS)
@pytest.mark.parametrize("wrong", [True, False])
def test_a_number_that_is_not_computed_as_nearly_all_others_are(text: str, wrong: bool) -> None:
    """Where the pipeline is wrong there, its answer is, and no label."""
    bench = Bench()
    for number in range(12):
        one, other = 20 + number * 7, 3 + number * 5 % 11
        right = FORMULAS[text](one, other)
        said = right if number % 3 else right + 1
        _case(bench, text.format(one, other), right, said)
    right = FORMULAS[text](95, 4)
    nodeid = _case(bench, text.format(95, 4), right + 13 if wrong else right, right if wrong else right + 13)
    assert [each.nodeid for each in _suspects(bench)] == [nodeid] * wrong


@pytest.mark.parametrize(("label", "said", "doubted"), [("Rome", "Riga", True), ("Riga", "Rome", False)])
def test_a_label_that_stands_elsewhere_in_the_input_than_nearly_all_others(
    label: str, said: str, doubted: bool
) -> None:
    bench = Bench()
    towns = ["Oslo", "Lima", "Accra", "Hanoi", "Quito", "Kyiv", "Bern", "Cairo", "Paris"]
    for start, end in pairwise(towns):
        _case(bench, f"We leave {start} on Monday to {end} by train", end, end)
    nodeid = _case(bench, "We leave Rome on Friday to Riga by train", label, said)
    assert [each.nodeid for each in _suspects(bench)] == [nodeid] * doubted


def test_a_number_that_does_not_follow_as_in_all_cases_of_its_unit() -> None:
    """A unit may have a factor and an addend of its own; the pipeline knows one of two units."""
    bench = Bench()
    for number in range(7):
        warm, hot = 15.5 + 2 * number, 50 + 9 * number
        _case(bench, f"Bay {number * 17 % 41} shows {warm} °C", warm, warm)
        _case(bench, f"Bay {number * 23 % 47} shows {hot} °F", (hot - 32) / 1.8, hot)
    nodeids = [_case(bench, "Bay 7 shows 68 °F", 22.0, 68), _case(bench, "Bay 8 shows 21.5 °C", 51.2, 21.5)]
    found = _suspects(bench)
    assert [each.nodeid for each in found] == nodeids
    assert [each.actual for each in found] == [20, 21.5]


def test_a_number_parts_the_labels_of_the_cases_that_no_word_settles() -> None:
    bench = Bench()
    for number in range(8):
        _case(
            bench, f"Member {300 + number * 37 % 90} sang {12 + number} times, paid 2031", "active", "active"
        )
        _case(bench, f"Member {300 + number * 53 % 91} sang {number} times, paid 2031", "resting", "active")
        _case(
            bench, f"Member {300 + number * 71 % 97} sang {3 * number} times, paid 2028", "lapsed", "lapsed"
        )
    nodeids = [
        _case(bench, "Member 340 sang 15 times, paid 2031", "resting", "active"),
        _case(bench, "Member 341 sang 16 times, paid 2028", "resting", "lapsed"),
    ]
    assert [each.nodeid for each in _suspects(bench)] == nodeids


@pytest.mark.parametrize("label", [["Kx-45", "Qz-63"], ["Kx-45", "Qz-63", "Tx-27", "Bv-11"]])
def test_a_list_that_does_not_name_all_of_its_shape_in_the_input(label: list[str]) -> None:
    bench = Bench()
    for number in range(9):
        units = [f"Kx-{number + 10}", f"Qz-{number + 30}", f"Tv-{number + 50}"][: number % 3 + 1]
        said = units if number % 4 else [unit.lower() for unit in units]
        _case(bench, f"Pass {number}: low power at {', '.join(units)}; all else well.", units, said)
    text = "Pass 71: low power at Kx-45, Qz-63, Tx-27; all else well."
    nodeid = _case(bench, text, label, ["kx-45", "qz-63", "tx-27"])
    (suspect,) = _suspects(bench)
    assert (suspect.nodeid, suspect.actual) == (nodeid, ["Kx-45", "Qz-63", "Tx-27"])


def test_a_code_that_is_written_in_small_letters_in_the_input_is_named() -> None:
    bench = Bench()
    for number in range(9):
        _case(
            bench, f"The invoice for KC-{number + 520} is wrong", f"KC-{number + 520}", f"KC-{number + 520}"
        )
    _case(bench, "invoice for kc-531 has the wrong name on it", "KC-531", "none")
    assert _suspects(bench) == []


def test_a_code_with_another_number_of_digits_in_a_test_that_looks_for_it_in_a_text() -> None:
    bench = Bench()
    towns = ["Oslo", "Lima", "Accra", "Hanoi", "Quito", "Kyiv", "Bern", "Cairo", "Paris", "Rome"]
    for number, town in enumerate(towns):
        code = f"{24601 + 977 * number}"
        bench.run(
            {"town": town}, code, [span("find", prompt=town, answer=f"It is {code}.")], f"It is {code}."
        )
    said = "This town is unknown."
    words = f"AssertionError: assert '819640' in {said!r}"
    spans = [span("find", prompt="Split", answer=said)]
    nodeid = bench.run({"town": "Split"}, "819640", spans, said, explanation=words)
    assert [each.nodeid for each in _suspects(bench)] == [nodeid]


def _guests(bench: Bench, names: list[str], label: int, said: int) -> str:
    text = ", ".join(names)
    listed = span("names", names, prompt=f"Names? {text}", answer="\n".join(names), inputs={"text": text})
    return _case(bench, text, label, said, listed)


def test_a_count_that_is_not_how_many_different_entries_a_list_has() -> None:
    bench = Bench()
    names = ["Ann", "Bo", "Cy", "Di", "Ed", "Fay"]
    for most in range(1, 7):
        _guests(bench, [*names[:most], names[0]], most, most)
        _guests(bench, names[:most], most, most - 1)
    nodeid = _guests(bench, [*names[1:4], "Bo"], 6, 3)
    (suspect,) = _suspects(bench)
    assert (suspect.nodeid, suspect.actual) == (nodeid, 3)


def test_a_count_that_only_the_passing_cases_keep_accuses_nobody() -> None:
    bench = Bench()
    names = ["Ann", "Bo", "Cy", "Di", "Ed", "Fay"]
    for most in range(1, 7):
        _guests(bench, names[:most], most, most)
        _guests(bench, names[-most:], most, most)
    _guests(bench, ["Bo", "Ed"], 3, 2)
    assert _suspects(bench) == []


def test_a_word_of_what_the_model_was_given_goes_with_another_label_throughout() -> None:
    bench = Bench()
    notes = {"on Sundays": "weekly", "each January": "yearly", "at noon": "daily"}
    for number in range(7):
        for note, often in notes.items():
            said = often if number < 5 else "unknown"
            club = f"club {often[0]}{number}"
            _case(bench, f"How often does {club} meet?", often, said, given=f"The {club} meets {note}.")
    nodeid = _case(
        bench, "How often does club 90 meet?", "daily", "unknown", given="Club 90 meets on Sundays."
    )
    assert [each.nodeid for each in _suspects(bench)] == [nodeid]
