"""Code between models: what it makes of right answers, what it is asked, and what models choose or end."""

from __future__ import annotations

import pytest
from support.handmade import Bench, call, lacks, span, unequal

from pytest_fapo.core.diagnosis import Finding
from pytest_fapo.core.trace import ToolCall
from pytest_fapo.diagnosis.attribution import diagnose


def _findings(bench: Bench) -> list[Finding]:
    return diagnose(bench.evaluation, artifacts=[]).findings


# --- a number that a model took from the case, and code made another of --------------------------------


def _amount(bench: Bench, text: str, read: float, euro: float, right: float) -> None:
    steps = [
        span("read", {"amount": read}, prompt=f"Amount? {text}", answer=f'{{"amount": {read}}}'),
        span("convert", euro, inputs={"amount": read}),
    ]
    words = "" if euro == right else unequal(euro, right)
    bench.run({"text": text}, {"euro": right}, steps, {"euro": euro}, explanation=words)


def _home(bench: Bench) -> None:
    for amount in (21.5, 32.5, 43.5, 54.5):
        _amount(bench, f"{amount} EUR", amount, amount, amount)


@pytest.mark.parametrize("amount", [61.25, 72.75])
def test_the_only_number_of_its_form_in_a_case_was_read_right_and_converted_wrong(amount: float) -> None:
    bench = Bench()
    _home(bench)
    _amount(bench, f"receipt 7: {amount} CHF", amount, round(amount * 2), amount * 2)
    (finding,) = _findings(bench)
    assert (finding.step, finding.level) == ("convert", "structure")


def test_of_two_such_numbers_the_model_may_have_read_the_wrong_one() -> None:
    bench = Bench()
    _home(bench)
    _amount(bench, "net 61.25 CHF, gross 73.50 CHF", 61.25, 122.5, 147.0)
    (finding,) = _findings(bench)
    assert finding.step == "read"


def _day(bench: Bench, text: str, read: str, day: str, right: str) -> None:
    steps = [
        span("read", read, prompt=f"When? {text}", answer=read),
        span("local", day, inputs={"time": read}),
    ]
    words = "" if day == right else unequal(day, right)
    bench.run({"text": text}, {"day": right}, steps, {"day": day}, explanation=words)


@pytest.mark.parametrize(
    ("read", "step"), [("2025-04-09T23:40", "local"), ("2025-04-06T23:40", "read")], ids=["read", "misread"]
)
def test_a_day_that_code_makes_of_a_time_whose_numbers_are_in_the_case(read: str, step: str) -> None:
    bench = Bench()
    for day in (11, 12, 13, 14):
        time = f"2025-04-{day}T12:10"
        _day(bench, f"{day} April 2025, 12:10", time, time[:10], time[:10])
    _day(bench, "9 April 2025, 23:40", read, read[:10], "2025-04-10")
    (finding,) = _findings(bench)
    assert finding.step == step


# --- a list that code spells in another way ------------------------------------------------------------


def _units(bench: Bench, units: list[str], made: list[str]) -> None:
    text = f"low power at {' and '.join(units)}"
    steps = [
        span("name", ", ".join(units) + ".", prompt=f"Which? {text}", answer=", ".join(units) + "."),
        span("tidy", made, inputs={"said": ", ".join(units) + "."}),
    ]
    words = "" if made == units else unequal(made, units)
    bench.run({"log": text}, {"units": units}, steps, {"units": made}, explanation=words)


def test_entries_that_a_model_spelled_right_and_code_otherwise_are_no_matter_of_order() -> None:
    bench = Bench()
    for units in (["11-2"], ["12-3", "14-5"], ["21-7"], ["31-4", "33-8"]):
        _units(bench, units, units)
    _units(bench, ["Qx-1", "Tz-2"], ["qx-1", "tz-2"])
    _units(bench, ["Ba-7"], ["ba-7"])
    found = _findings(bench)
    assert {(each.step, each.level) for each in found} == {("tidy", "structure")}
    assert not any("order" in each.evidence for each in found)


# --- a value that the last model was told --------------------------------------------------------------


def _order(bench: Bench, lines: list[int], total: int, right: int, *, read: str = "") -> None:
    text = f"Order of {', '.join(map(str, lines))}"
    said = read or str(lines)
    steps = [
        span("read", [int(each) for each in said.strip("[]").split(",")], prompt=text, answer=said),
        *(span("price", line, inputs={"line": line}) for line in lines),
        span("thank", "Thank you.", prompt=f"Thank them.\nTotal: {total}", answer="Thank you."),
    ]
    words = "" if total == right else unequal(total, right)
    output = {"total": total, "text": "Thank you."}
    bench.run({"order": text}, {"total": right}, steps, output, explanation=words)


def test_a_value_that_the_last_model_was_told_and_did_not_say_was_made_by_code_before_it() -> None:
    bench = Bench()
    for lines in ([11, 12], [13, 14], [15, 16], [17, 18]):
        _order(bench, lines, sum(lines), sum(lines))
    _order(bench, [21, 22], 42, 43)
    (finding,) = _findings(bench)
    assert (finding.step, finding.level) == ("price", "structure")


def test_where_the_model_before_gave_what_the_case_does_not_say_the_code_is_not_accused() -> None:
    bench = Bench()
    for lines in ([11, 12], [13, 14], [15, 16], [17, 18]):
        _order(bench, lines, sum(lines), sum(lines))
    _order(bench, [21, 22], 112, 43, read="[21, 91]")
    (finding,) = _findings(bench)
    assert finding.step != "price"


# --- code that does what it is asked -------------------------------------------------------------------


_PAPERS = {"visitor": ["a return ticket"], "student": ["a letter of admission"], "minor": ["a consent"]}


def _application(bench: Bench, number: int, said: str, right: str) -> None:
    papers = _PAPERS[said]
    form = f"Application {number}"
    steps = [
        span("sort", said, prompt=f"Category of {form}?", answer=said),
        span("documents", papers, inputs={"kind": said}),
        span("write", f"Bring {papers[0]}.", prompt=f"Papers: {papers}", answer=f"Bring {papers[0]}."),
    ]
    words = "" if said == right else lacks(_PAPERS[right][0], f"Bring {papers[0]}.")
    bench.run({"form": form}, _PAPERS[right], steps, f"Bring {papers[0]}.", explanation=words)


def test_code_that_is_asked_the_same_where_cases_pass_is_not_to_blame_but_who_chose_it() -> None:
    bench = Bench()
    for number in range(10):
        _application(bench, number, *["visitor", "student"][number % 2 :][:1] * 2)
    for number in (21, 22, 23):
        _application(bench, number, "visitor", "minor")
    assert {(each.step, each.level) for each in _findings(bench)} == {("sort", "prompt")}


def test_code_whose_one_output_serves_cases_of_several_labels_may_lack_what_this_one_needs() -> None:
    bench = Bench()
    berths = {"A": ["A1", "A2", "A3"], "B": ["B1", "B2", "B3"]}
    for wish in ("A1", "A2", "A3", "B1", "B2", "B3", "B9"):
        quay, free = wish[0], berths[wish[0]]
        said = wish if wish in free else "none"
        steps = [
            span("quay", quay, prompt=f"Quay of the boat {wish.lower()}x?", answer=quay),
            span("collect", free, inputs={"quay": quay}),
            span("berth", said, prompt=f"Free: {free}. Boat {wish.lower()}x?", answer=said),
        ]
        words = "" if said == wish else unequal(said, wish)
        bench.run({"boat": f"{wish.lower()}x"}, wish, steps, said, explanation=words)
    (finding,) = _findings(bench)
    assert finding.step != "quay"


# --- tools that a model chooses ------------------------------------------------------------------------


def _height(bench: Bench, place: str, tool: str, height: int, right: int, offered: list[str]) -> None:
    asked = call(f"How high at {place}?", None, offered=offered)
    use = ToolCall(name=tool, arguments={"place": place})
    asked = asked.model_copy(update={"tool_calls": [use], "finish_reason": "tool_calls"})
    steps = [
        span(tool, {"cm": height}, inputs={"place": place}),
        span("talk", str(height), prompt="", answer=str(height)) | {"call": asked},
    ]
    words = "" if height == right else unequal(height, right)
    bench.run({"question": place}, {"cm": right}, steps, {"cm": height}, explanation=words)


@pytest.mark.parametrize(
    ("offered", "level"), [(["table", "gauge"], "prompt"), (["table"], "structure")], ids=["two", "one"]
)
def test_a_wrong_value_of_one_tool_of_several_is_a_matter_of_what_the_model_was_told(
    offered: list[str], level: str
) -> None:
    bench = Bench()
    for number in range(6):
        _height(bench, f"place {number}", "table", 310 + number, 310 + number, offered)
    _height(bench, "place 41", "table", 317, 352, offered)
    (finding,) = _findings(bench)
    assert finding.level == level


# --- answers that a text of the request ends -----------------------------------------------------------


def _list(bench: Bench, items: list[str], said: str, stop: list[str]) -> None:
    given = [each.strip() for each in said.split(";")]
    step = span("gear", given, prompt=f"Gear for {' and '.join(items)}?", answer=said)
    step |= {"call": call(f"Gear for {' and '.join(items)}?", said, parameters={"stop": stop})}
    words = "" if given == items else unequal(given, items)
    bench.run({"trip": " and ".join(items)}, {"gear": items}, [step], {"gear": given}, explanation=words)


@pytest.mark.parametrize(("stop", "cut"), [([";"], True), ([], False)])
def test_the_beginning_of_the_right_answer_was_cut_off_where_the_request_names_an_end(
    stop: list[str], cut: bool
) -> None:
    bench = Bench()
    for item in ("rope", "tent", "boots", "stove"):
        _list(bench, [item], item, stop)
    _list(bench, ["map", "knife"], "map", stop)
    (finding,) = _findings(bench)
    assert (finding.category == "truncated") is cut
    assert (finding.level == "param") is cut


# --- a number among others -------------------------------------------------------------------------------


def _tiles(bench: Bench, said: str, taken: int, right: int) -> None:
    steps = [
        span("count", said, prompt=f"How many? {right}", answer=said),
        span("number", taken, inputs={"text": said}),
    ]
    words = "" if taken == right else unequal(taken, right)
    bench.run({"room": f"room for {right}"}, {"tiles": right}, steps, {"tiles": taken}, explanation=words)


def test_code_that_takes_the_wrong_one_of_several_numbers_where_it_else_finds_it_among_words() -> None:
    bench = Bench()
    for number in (84, 40, 102, 91, 114, 130):
        _tiles(bench, f"{number} tiles.", number, number)
    _tiles(bench, "8 rows of 7 tiles make 56.", 8, 56)
    (finding,) = _findings(bench)
    assert (finding.step, finding.level) == ("number", "structure")
