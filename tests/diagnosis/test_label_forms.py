"""How tests compare their labels: any of several references, tolerances, other units, extra keys, facts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.handmade import Bench, span, unequal

from pytest_fapo.core.case import Case
from pytest_fapo.core.diagnosis import Finding
from pytest_fapo.diagnosis.assertions import read_assertion
from pytest_fapo.diagnosis.attribution import diagnose
from pytest_fapo.diagnosis.label_forms import LabelForms, expected_fields
from pytest_fapo.diagnosis.label_values import AnyOf, Near, unit_slip
from pytest_fapo.diagnosis.loose_values import alike, mentions, plain, same


def findings(bench: Bench) -> list[Finding]:
    return diagnose(bench.evaluation, artifacts=[]).findings


NAMES = [["NYC", "New York City", "New York"], ["Bob Smith", "Robert Smith"], ["UK", "Britain"]]


def references(said: list[str], words: str = "in") -> Bench:
    bench = Bench()
    for number, answer in enumerate(said):
        wanted = NAMES[number % 3]
        shown = [name.lower() for name in wanted]
        right = answer.strip().lower() in shown
        text = f"AssertionError: assert {answer.lower()!r} {words} {shown!r}"
        step = span("answer", prompt=f"q{number}", answer=answer)
        bench.run({"q": number}, wanted, [step], answer, explanation="" if right else text)
    return bench


def test_one_reference_inside_a_longer_answer_is_a_matter_of_form() -> None:
    found = findings(references(["It is New York City.", "His name: Robert Smith, I think", "UK", "NYC"]))
    assert {(each.step, each.category) for each in found} == {("answer", "format")}


def test_none_of_the_references_is_a_wrong_answer() -> None:
    found = findings(references(["NYC", "Bob Smith", "UK", "Boston"]))
    assert [(each.step, each.category) for each in found] == [("answer", "content")]
    assert "NYC or New York City or New York" in found[0].evidence


def test_references_compare_as_one_of_them() -> None:
    label = AnyOf(["NYC", "New York"])
    assert same(label, "New York")
    assert alike(label, "new york.")
    assert not alike(label, "Boston")
    assert mentions("It is New York", label)
    assert plain(label) == "NYC or New York"
    assert expected_fields({"city": {"any_of": ["NYC"]}}) == {"city": ["NYC"]}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("AssertionError: assert 7.31 == 7.1428571 ± 0.01", 0.01),
        ("AssertionError: assert 0.17 < 0.05\n +  where 0.17 = abs((7.31 - 7.1428571))", 0.05),
    ],
)
def test_a_tolerance_is_read_from_the_assertion(said: str, expected: float) -> None:
    case = Case(id="c", inputs="x", expected=7.1428571)
    forms = LabelForms.of([(case, read_assertion(said, "AssertionError"))], [])
    value = forms.fields(case)[""]
    assert isinstance(value, Near)
    assert value.tolerance == expected
    assert same(value, "7.15") is (expected > 0.007)
    assert not same(value, 7.3)


def amounts(said: list[str], wanted: list[float]) -> Bench:
    bench = Bench()
    for number, (answer, amount) in enumerate(zip(said, wanted, strict=True)):
        try:
            right = abs(float(answer) - amount) <= 0.01
            words = f"AssertionError: assert {float(answer)} == {amount} ± 0.01"
        except ValueError:
            right, words = False, f"ValueError: could not convert string to float: {answer!r}"
        step = span("reckon", prompt=f"q{number}", answer=answer)
        kind = "ValueError" if "ValueError" in words else "AssertionError"
        explanation = "" if right else words
        bench.run({"q": number}, amount, [step], answer, explanation=explanation, error_type=kind)
    return bench


def test_a_number_in_another_unit_is_a_matter_of_form_and_the_factor_is_said() -> None:
    found = findings(amounts(["1.5", "2.25", "0.5", "75", "30"], [1.5, 2.25, 0.5, 1.25, 0.5]))
    assert {(each.step, each.category) for each in found} == {("reckon", "format")}
    assert "sixty, as minutes and hours" in found[0].evidence


def test_what_lies_within_the_tolerance_is_no_fault() -> None:
    """The rounded number of the first step is right; the second one spoils it."""
    bench = Bench()
    for number in range(6):
        amount = (number + 3) * 10 / 7
        said = f"{amount:.2f}"
        told = said if number < 4 else "1.00"
        spans = [
            span("divide", prompt=f"divide {number}", answer=said),
            span("repeat", prompt=f"repeat {said}", answer=told),
        ]
        words = "" if number < 4 else f"AssertionError: assert {float(told)} == {amount} ± 0.01"
        bench.run({"n": number}, amount, spans, told, explanation=words)
    assert {each.step for each in findings(bench)} == {"repeat"}


@pytest.mark.parametrize(
    ("expected", "actual", "slip"),
    [(1.25, 75, True), (3, 300, True), (2.54, 1, True), (1.25, 80, False), (0, 5, False), (-2, 2, False)],
)
def test_factors_of_units(expected: float, actual: float, slip: bool) -> None:
    assert bool(unit_slip(expected, actual)) is slip


@pytest.mark.parametrize("said", ["2024-05-01T00:00:00", "1 May 2024", "May 1st, 2024", "01.05.2024"])
def test_a_date_in_another_form_is_a_matter_of_form(said: str) -> None:
    bench = Bench()
    for day in ("2024-03-02", "2024-04-07", "2023-01-09"):
        bench.run({"q": day}, {"day": day}, [span("read", prompt=day, answer=day)], {"day": day})
    step = span("read", prompt="p", answer=said)
    words = unequal(said, "2024-05-01")
    bench.run({"q": "x"}, {"day": "2024-05-01"}, [step], {"day": said}, explanation=words)
    assert [(each.step, each.category) for each in findings(bench)] == [("read", "format")]


def whole(extra: dict[str, Any], nested: bool = False) -> Bench:
    """A test that compares a whole object, of which the model gives more than is labeled."""
    bench = Bench()
    for number in range(4):
        label: Any = {"team": f"t{number}", "urgent": False}
        output = {**label, **extra}
        label, output = ({"of": label}, {"of": output}) if nested else (label, output)
        words = f"AssertionError: assert {output!r} == {label!r}\n  \n  Left contains 1 more item:"
        step = span("sort", output, prompt=f"q{number}", answer=str(output))
        bench.run({"q": number}, label, [step], output, explanation=words if extra else "")
    return bench


@pytest.mark.parametrize(
    ("nested", "assertion"),
    [
        (False, "assert {key: run.output.get(key) for key in case.expected} == case.expected"),
        (
            True,
            "assert {key: run.output['of'].get(key) for key in case.expected['of']} == case.expected['of']",
        ),
    ],
)
def test_keys_that_no_label_has_are_said_with_the_assertion_that_would_work(
    nested: bool, assertion: str
) -> None:
    found = diagnose(whole({"confidence": 0.9}, nested).evaluation, artifacts=[])
    (cluster,) = found.clusters
    assert (cluster.step, cluster.category, len(cluster.findings)) == ("sort", "schema", 4)
    assert "always has 'confidence', which no label has" in cluster.findings[0].evidence
    assert cluster.suggested_fix == f"Compare what is labeled: {assertion}"


def test_an_output_that_has_more_in_some_cases_only_is_another_matter() -> None:
    bench = whole({})
    output = {"team": "t9", "urgent": False, "odd": 1}
    words = f"AssertionError: assert {output!r} == {{'team': 't9', 'urgent': False}}"
    step = span("sort", output, prompt="q9", answer=str(output))
    bench.run({"q": 9}, {"team": "t9", "urgent": False}, [step], output, explanation=words)
    assert "which no label has" not in findings(bench)[0].evidence


@pytest.mark.parametrize("expected", [["Monday", "ten euros"], {"facts": ["Monday", "ten euros"]}])
def test_a_free_text_that_lacks_a_required_fact(expected: Any) -> None:
    bench = Bench()
    for number in range(5):
        text = "It comes on Monday and costs ten euros." if number < 4 else "It costs ten euros, all in all."
        words = "" if number < 4 else "assert False\n +  where False = all(<generator object test.<locals>>)"
        bench.run(
            {"n": number},
            expected,
            [span("write", prompt=f"p{number}", answer=text)],
            text,
            explanation=words,
        )
    (found,) = findings(bench)
    assert (found.step, found.category, found.expected) == ("write", "requirement", "Monday")


CITIES = ("Kyiv", "Rome", "Oslo", "Riga")


def found_of(rows: list[tuple[Any, Any, str]]) -> Finding:
    """The finding on cases of one step, each with its label, its output, and the words of its test."""
    bench = Bench()
    for number, (label, output, words) in enumerate(rows):
        answer = output if isinstance(output, str) else json.dumps(output)
        step = span("read", None if isinstance(output, str) else output, prompt=f"q{number}", answer=answer)
        kind = words.partition(":")[0]
        bench.run({"q": number}, label, [step], output, explanation=words, error_type=kind)
    found = findings(bench)
    assert len({(each.step, each.category, each.level) for each in found}) == 1
    return found[0]


def compared(*pairs: tuple[Any, Any]) -> list[tuple[Any, Any, str]]:
    return [(label, output, "" if label == output else unequal(output, label)) for label, output in pairs]


def of_tests(label: Any, output: Any, words: str) -> list[tuple[Any, Any, str]]:
    """Six cases, with another city and number in each."""
    rows = []
    for number in range(6):
        names = {"CITY": CITIES[number % 4], "city": CITIES[number % 4].lower(), "17": str(number + 17)}
        texts = [json.dumps(label), json.dumps(output), words]
        for old, new in names.items():
            texts = [text.replace(old, new) for text in texts]
        rows.append((json.loads(texts[0]), json.loads(texts[1]), texts[2]))
    return rows


@pytest.mark.parametrize(
    ("rows", "category", "said"),
    [
        (
            compared(*((f"2031-05-0{n}", f"2031-0{n}-05") for n in (1, 2, 3, 4))),
            "format",
            "day and month have changed places",
        ),
        (
            compared(*((f"0{n}/05/2031", f"05/0{n}/2031") for n in (1, 2, 3, 4))),
            "format",
            "day and month have changed places",
        ),
        (compared((True, "Yes."), (False, "No."), (True, "Yes."), (False, "No.")), "format", "a truth value"),
        (
            [
                ({"ok": ok}, {"ok": said}, unequal(said, ok))
                for ok, said in ((True, "yes"), (False, "no")) * 2
            ],
            "format",
            "right, but wrote",
        ),
        (
            of_tests(
                ["red", "CITY"], ["RED", "CITY"], "AssertionError: assert {'RED', 'CITY'} == {'red', 'CITY'}"
            ),
            "format",
            "right, but wrote",
        ),
        (
            of_tests(["red", "CITY"], ["red"], "AssertionError: assert {'red'} == {'red', 'CITY'}"),
            "content",
            'is not ["red", "Kyiv"]',
        ),
        (
            of_tests(
                ["CITY", "CITY town"],
                "It is CITY.",
                "AssertionError: assert 'it is city.' in ['city', 'city town']",
            ),
            "format",
            "Kyiv or Kyiv town",
        ),
        (
            of_tests(
                {"at": {"any_of": ["CITY", "CITY town"]}},
                {"at": "Bern"},
                "AssertionError: assert 'Bern' in ['CITY', 'CITY town']",
            ),
            "content",
            "at",
        ),
        (
            of_tests(
                17.14,
                "About 17.14 or so.",
                "ValueError: could not convert string to float: 'About 17.14 or so.'",
            ),
            "format",
            "could not read",
        ),
        (
            of_tests(None, "tel. 17", "AssertionError: assert 'tel. 17' is None"),
            "missing-input",
            "instead of null",
        ),
    ],
)
def test_how_an_output_misses_its_label_is_said(
    rows: list[tuple[Any, Any, str]], category: str, said: str
) -> None:
    found = found_of(rows)
    assert (found.step, found.category) == ("read", category)
    assert said in found.evidence
    assert found.confidence >= 0.5


def test_a_list_of_one_that_a_text_equals_is_no_list_of_references() -> None:
    """Where the test compares sets, one entry of two is not enough."""
    rows = [(["green"], "green", "")] * 3
    rows += [(["red", "blue"], "red", "AssertionError: assert {'red'} == {'blue', 'red'}")] * 3
    found = found_of(rows)
    assert found.category == "content"
    assert '["red", "blue"]' in found.evidence


@pytest.mark.parametrize(
    ("label", "output", "fix"),
    [
        ({"a": {"b": {"x": 17}}}, {"a": {"b": {"x": 17, "y": 1}}}, "run.output['a']['b'].get(key)"),
        ([{"x": 17}], [{"x": 17, "y": 1}], "zip(run.output, case.expected)"),
        ({"x": 17}, '{"x": 17, "y": 1}', "run.output.get(key)"),
    ],
)
def test_keys_that_no_label_has_are_found_at_any_depth(label: Any, output: Any, fix: str) -> None:
    shown = json.loads(output) if isinstance(output, str) else output
    found = found_of(of_tests(label, output, unequal(shown, label)))
    assert found.category == "schema"
    assert fix in found.fix
